"""Whole fits with the defaults: the same series and seed on the GPU and on the CPU beside it."""

from __future__ import annotations

import itertools

from grngc_fast import GRNGC, evaluate
from grngc_fast.datasets import lorenz96

from ..results import Row

FORCING, DATA_SEED, SEED = 10.0, 5, 0


def fits(devices: tuple[str, ...], n_series: int, n_steps: int) -> list[Row]:
    """Seconds of every phase and strict areas, a device to a row; on a GPU of a second fit, whose kernels are compiled."""
    rows = []
    data = lorenz96(n_series, n_steps, FORCING, seed=DATA_SEED)
    for model, device in itertools.product(("mlp", "auto"), devices):
        if device != "cpu":
            GRNGC(model=model, device=device, random_state=SEED).fit(data.X)
        found = GRNGC(model=model, device=device, random_state=SEED).fit(data.X)
        areas = evaluate(found.graph_, data.truth)
        settings = found.graph_.metadata
        size = {"P": n_series, "L": 1, "H": settings["hidden"][0], "N": n_steps - 1}
        method = f"GRNGC {settings['model']} on {device}, Lorenz-96 F={FORCING:g}"
        values = [(phase, value, "s") for phase, value in found.timings_.items()]
        values += [("total", found.fit_seconds_, "s"), ("AUROC", areas.auroc, "1"), ("AUPRC", areas.auprc, "1")]
        rows += [Row(method, **size, metric=m, value=v, unit=u, seed=SEED) for m, v, u in values]
    return rows
