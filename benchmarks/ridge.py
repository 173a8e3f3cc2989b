"""The linear yardstick: a ridge vector autoregression on the same windows, its strength by leave-one-out error."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from grngc_fast.training import Windows


def ridge_scores(windows: Windows) -> NDArray[Any]:
    """Absolute coefficients [effect, cause, lag], lag index 0 the most recent step."""
    x = windows.inputs().flip(1).double().numpy()
    fitted = RidgeCV(alphas=np.logspace(-2, 4, 25)).fit(x.reshape(len(x), -1), windows.targets().double().numpy())
    n_lags, n_series = x.shape[1:]
    return np.abs(fitted.coef_).reshape(n_series, n_lags, n_series).swapaxes(1, 2)
