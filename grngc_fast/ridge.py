"""The linear yardstick: a ridge vector autoregression on the same windows, its strength by leave-one-out error."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from .training import Windows

STRENGTHS = np.logspace(-2, 4, 25)


def ridge_scores(windows: Windows) -> NDArray[Any]:
    """Absolute coefficients (E, C, L) [effect, cause, lag], lag index 0 the most recent step.

    One factorisation of the inputs serves all targets and strengths.
    """
    x = windows.inputs().flip(1).double().cpu().numpy()
    fitted = RidgeCV(alphas=STRENGTHS).fit(x.reshape(len(x), -1), windows.targets().double().cpu().numpy())
    coefficients: NDArray[Any] = np.abs(fitted.coef_).reshape(-1, *x.shape[1:])
    scores: NDArray[Any] = coefficients.swapaxes(1, 2)
    return scores
