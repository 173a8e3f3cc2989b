"""Chances from series that cannot cause anything: refits on shifted or phase-randomised ones, and decoys beside the series.

Each is a fit with the default's choices, so that what it costs can be read off the seconds. p-values of surrogates are ranks of a
score among those of all pairs of the refits, in units of each target's mean score there. Decoys give no p-values: pairs that the
knock-off statistic selects at `RATE` (Barber and Candès, Annals of Statistics 43, 2015) have 0, others 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grngc_fast import GRNGC

Series = NDArray[np.float64]
Tested = tuple[NDArray[np.float64], float, float]
N_SURROGATES = 5
RATE = 0.05
# Of the length, the least shift.
LEAST_SHIFT = 0.1


def shifted(X: Series, rng: np.random.Generator) -> Series:
    """Each series turned round by a number of steps of its own."""
    least = max(1, round(LEAST_SHIFT * len(X)))
    return np.stack([np.roll(x, rng.integers(least, len(X) - least)) for x in X.T], axis=1)


def phase_randomised(X: Series, rng: np.random.Generator) -> Series:
    """Each series with the spectrum it has and phases by chance (Theiler et al., Physica D 58, 1992)."""
    spectrum = np.fft.rfft(X, axis=0)
    turn = np.exp(2j * np.pi * rng.random(spectrum.shape))
    # The mean, and of an even length the fastest wave, have no phase.
    turn[0] = 1
    if len(X) % 2 == 0:
        turn[-1] = 1
    return np.fft.irfft(spectrum * turn, n=len(X), axis=0)


def surrogates(of: Callable[[Series, np.random.Generator], Series], X: Any, seed: int, **options: Any) -> Tested:
    X, rng = np.asarray(X, dtype=float), np.random.default_rng(seed)
    found = GRNGC(**options, ranking="gradients", random_state=seed).fit(X)
    scores, off = found.scores_, ~np.eye(X.shape[1], dtype=bool)
    started = time.perf_counter()
    null = np.stack(
        [
            GRNGC(**options, ranking="gradients", random_state=seed + 1 + k).fit(of(X, rng)).scores_
            for k in range(N_SURROGATES)
        ]
    )
    unit = np.where(off, null, 0).mean((0, 2)) * len(off) / (len(off) - 1)
    unit = np.maximum(unit, unit[unit > 0].min(initial=1.0))[:, None]
    chance = np.sort((null / unit)[:, off].ravel())
    above = len(chance) - np.searchsorted(chance, scores / unit, side="left")
    return (1 + above) / (1 + len(chance)), found.fit_seconds_, time.perf_counter() - started


def decoys(X: Any, seed: int, **options: Any) -> Tested:
    """One fit of the series with a shifted copy of each as a further cause."""
    X, rng = np.asarray(X, dtype=float), np.random.default_rng(seed)
    n_series = X.shape[1]
    found = GRNGC(**options, ranking="gradients", random_state=seed).fit(X)
    started = time.perf_counter()
    beside = GRNGC(**options, ranking="gradients", random_state=seed).fit(np.concatenate([X, shifted(X, rng)], 1))
    scores = beside.scores_[:n_series]
    lead = scores[:, :n_series] - scores[:, n_series:]
    np.fill_diagonal(lead, 0)
    size = np.unique(np.abs(lead[lead != 0]))
    rate = np.array([(1 + (lead <= -t).sum()) / max(1, (lead >= t).sum()) for t in size])
    passed = size[rate <= RATE]
    chosen = lead >= passed[0] if len(passed) else np.zeros(lead.shape, dtype=bool)
    return np.where(chosen, 0.0, 1.0), found.fit_seconds_, time.perf_counter() - started
