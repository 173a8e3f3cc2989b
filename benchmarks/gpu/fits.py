"""Whole fits with the defaults: the same series and seed on the GPU and on the CPU beside it."""

from __future__ import annotations

import itertools

from grngc_fast import GRNGC, evaluate
from grngc_fast.datasets import lorenz96

from ..results import Row

FORCING, DATA_SEED, SEED = 10.0, 5, 0
# Series up to which the CPU fits beside the GPU, and from which scores are kept by the strongest causes alone.
MOST_ON_CPU, SPARSE = 5000, 20_000


def fits(devices: tuple[str, ...], n_series: int, n_steps: int) -> list[Row]:
    """Seconds of every phase and strict areas, a device to a row; on a GPU of a fit whose kernels are compiled."""
    rows = []
    data = lorenz96(n_series, n_steps, FORCING, seed=DATA_SEED)
    devices = tuple(d for d in devices if d != "cpu" or n_series <= MOST_ON_CPU)
    edges = 10 if n_series >= SPARSE else None
    for model, device in itertools.product(("mlp", "auto") if edges is None else ("auto",), devices):
        settings = {"model": model, "device": device, "random_state": SEED, "edges_per_target": edges}
        if device != "cpu" and n_series <= MOST_ON_CPU:
            GRNGC(**settings).fit(data.X)
        found = GRNGC(**settings).fit(data.X)
        areas = evaluate(found.graph_, data.truth)
        chosen = found.graph_.metadata
        size = {"P": n_series, "L": 1, "H": chosen["hidden"][0], "N": n_steps - 1}
        method = f"GRNGC {chosen['model']} on {device}, Lorenz-96 F={FORCING:g}"
        values = [(phase, value, "s") for phase, value in found.timings_.items()]
        values += [("total", found.fit_seconds_, "s"), ("AUROC", areas.auroc, "1"), ("AUPRC", areas.auprc, "1")]
        rows += [Row(method, **size, metric=m, value=v, unit=u, seed=SEED) for m, v, u in values]
    return rows
