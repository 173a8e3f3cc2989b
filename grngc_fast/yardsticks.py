"""The cheap linear methods that a network has to beat, on the same windows: ridge and lasso vector autoregressions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .jacobian import lag_major
from .planning import weigh
from .planning.plan import DEFAULT_LAM
from .series import Windows
from .training.sparse_linear import sparse_linear

RIDGE_STRENGTHS = np.logspace(-2, 4, 25)
# With targets put where they are forecast.
REFITS = 5


def ridge_scores(windows: Windows) -> NDArray[Any]:
    """Absolute coefficients (E, C, L) [effect, cause, lag], lag index 0 the most recent step; strength by leave-one-out error.

    One factorisation of the inputs serves all targets and strengths. Targets that are missing are put where the fit before
    forecasts them, at first at the mean.
    """
    # A tenth of a second, which a fit without a truth has no use for.
    from sklearn.linear_model import RidgeCV

    x = windows.inputs().flip(1).double().cpu().numpy()
    flat, y = x.reshape(len(x), -1), windows.targets().double().cpu().numpy()
    missing = np.isnan(y)
    y[missing] = np.broadcast_to(np.nanmean(y, axis=0), y.shape)[missing]
    fitted = RidgeCV(alphas=RIDGE_STRENGTHS).fit(flat, y)
    for _ in range(REFITS if missing.any() else 0):
        y[missing] = fitted.predict(flat)[missing]
        fitted = RidgeCV(alphas=RIDGE_STRENGTHS).fit(flat, y)
    coefficients: NDArray[Any] = np.abs(fitted.coef_).reshape(-1, *x.shape[1:])
    scores: NDArray[Any] = coefficients.swapaxes(1, 2)
    return scores


def lasso_scores(windows: Windows, seed: int = 0) -> NDArray[Any]:
    """Absolute coefficients (E, C, L) of a lasso for every target, solved exactly; one strength, of the least held-out error.

    The strength is looked for as that of a fit is, on the first nine tenths of the windows of up to 128 targets that `seed`
    draws; with too few windows it is a fit's default.
    """
    evidence = weigh(windows, None, torch.Generator().manual_seed(seed))
    lam = DEFAULT_LAM if evidence is None else evidence.lam
    found = sparse_linear(windows.columns(), windows.targets(), lam)
    scores: NDArray[Any] = lag_major(found.weight.abs(), windows.n_lags).cpu().numpy()
    return scores
