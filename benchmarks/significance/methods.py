"""Methods that give a p-value to each pair."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grngc_fast import GRNGC

from .surrogates import decoys, phase_randomised, shifted, surrogates

# (P, P) p-values [effect, cause], and seconds of the fit and of the tests after it.
Tested = tuple[NDArray[Any], float, float]


def ours(X: Any, seed: int, **options: Any) -> Tested:
    found = GRNGC(**options, random_state=seed).fit(X)
    started = time.perf_counter()
    p = found.significance(X).p_values
    return p, found.fit_seconds_, time.perf_counter() - started


def pcmci(X: Any, seed: int, **options: Any) -> Tested:
    """tigramite's PCMCI with partial correlations, its defaults at lag 1."""
    from tigramite.data_processing import DataFrame
    from tigramite.independence_tests.parcorr import ParCorr
    from tigramite.pcmci import PCMCI

    started = time.perf_counter()
    found = PCMCI(DataFrame(np.asarray(X, dtype=float)), ParCorr(), verbosity=0).run_pcmci(tau_min=1, tau_max=1)
    # [cause, effect, lag] there.
    return found["p_matrix"][:, :, 1].T, 0.0, time.perf_counter() - started


def statsmodels_var(X: Any, seed: int, **options: Any) -> Tested:
    """t tests of the coefficients of statsmodels' VAR(1)."""
    from statsmodels.tsa.api import VAR

    started = time.perf_counter()
    found = VAR(np.asarray(X, dtype=float)).fit(1)
    return np.asarray(found.pvalues)[1:].T, 0.0, time.perf_counter() - started


METHODS: dict[str, Callable[..., Tested]] = {
    "ours": ours,
    "PCMCI": pcmci,
    "statsmodels VAR": statsmodels_var,
    "shifted surrogates": partial(surrogates, shifted),
    "phase-randomised surrogates": partial(surrogates, phase_randomised),
    "decoys": decoys,
}
