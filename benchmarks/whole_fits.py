"""A whole fit against the number of series: the default `GRNGC`, and the authors' training, each in a process of its own.

Lorenz-96, F = 40, 1000 steps. Ours chooses network and strength by held-out windows and ends with its scores; the authors'
training is 200 steps of Adam on all windows in one batch, P backward passes each, of 512 ReLU units, its scores those of the last
step. Peak memory is beyond what the process held before the fit.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import torch

from grngc_fast import GRNGC
from grngc_fast.datasets import lorenz96
from grngc_fast.series import prepare

from .baselines import official
from .growing import exponent, predicted
from .results import Row
from .scale import fresh, peak_memory

N_STEPS, FORCING, SEED = 1000, 40.0, 0
METRICS = ("fit", "memory of a fit")
Series = np.ndarray


def ours(series: Series, n_lags: int) -> None:
    GRNGC(lags=n_lags, device="cpu", random_state=SEED).fit(series)


def official_loop(series: Series, n_lags: int) -> None:
    windows = prepare(series, n_lags).windows
    model = official.network("mlp", series.shape[1], SEED, n_lags)
    deque(official.train(model, windows.inputs(), windows.targets()), maxlen=1)


FITS: dict[str, Callable[[Series, int], None]] = {
    "ours, default fit": ours,
    "official loop, its training": official_loop,
}


def measure(name: str, n_series: int, n_lags: int, threads: int) -> tuple[float, int]:
    """Seconds of a fit, and bytes that it held at most, in this process."""
    torch.set_num_threads(threads)
    series = lorenz96(n_series, N_STEPS, FORCING, seed=SEED).X
    # Imports on first use are no part of it.
    FITS[name](series[:60, :4], n_lags)
    before, begun = peak_memory(), time.perf_counter()
    FITS[name](series, n_lags)
    return time.perf_counter() - begun, max(0, peak_memory() - before)


def curve(name: str, series: Sequence[int], n_lags: int, limit: float, threads: int) -> list[Row]:
    """Fits of growing size until the next one would take more than `limit` seconds, and the exponent of the last three."""
    rows: list[Row] = []
    for n_series in series:
        size = {"P": n_series, "L": n_lags, "H": 0, "N": N_STEPS - n_lags}
        expected = predicted([row for row in rows if row.metric == "fit"], n_series)
        if expected > limit:
            print(f"{name}, P={n_series}, L={n_lags}: a fit would take about {expected:.0f} s")
            rows.append(Row(name, **size, metric="limit: fit", value=expected, unit="s", seed=SEED))
            break
        taken, peak = fresh(measure, name, n_series, n_lags, threads)
        rows.append(Row(name, **size, metric="fit", value=taken, unit="s", seed=SEED))
        rows.append(Row(name, **size, metric="memory of a fit", value=float(peak), unit="B", seed=SEED))
        print(f"{name}, P={n_series}, L={n_lags}: {taken:.3g} s, {peak / 2**20:.3g} MiB", flush=True)
    return [*rows, *exponent([row for row in rows if row.metric == "fit"], "exponent of a fit in P")]
