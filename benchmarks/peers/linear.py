"""The cheap methods that every neural one has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from grngc_fast.series import as_series_table, prepare
from grngc_fast.yardsticks import lasso_scores, ridge_scores

Scores = NDArray[Any]


def ridge_var(series: Scores, lags: int, seed: int) -> Scores:
    return ridge_scores(prepare(series, lags).windows).max(-1)


def lasso_var(series: Scores, lags: int, seed: int) -> Scores:
    return lasso_scores(prepare(series, lags).windows, seed).max(-1)


def correlation(series: Scores, lags: int, seed: int) -> Scores:
    """Of all trajectories together."""
    return np.abs(np.corrcoef(np.concatenate(as_series_table(series).trajectories).T))


def bivariate_granger(series: Scores, lags: int, seed: int) -> Scores:
    """Of each pair the largest |corr(y_t, x_(t-l) | y_(t-1) ... y_(t-L))| over l.

    The effect's own past is taken out of its present and of all causes' pasts by one projection, 4 N P L^2 flop an effect.
    """
    windows = prepare(series, lags).windows
    past, present = windows.inputs().double().numpy(), windows.targets().double().numpy()
    scores = np.zeros((present.shape[1], past.shape[2]))
    flat = past.reshape(len(past), -1)
    for i, y in enumerate(present.T):
        own = np.linalg.qr(np.column_stack([np.ones(len(y)), past[:, :, i]]))[0]
        rest, left = flat - own @ (own.T @ flat), y - own @ (own.T @ y)
        size = np.linalg.norm(rest, axis=0) * np.linalg.norm(left)
        scores[i] = (np.abs(rest.T @ left) / np.maximum(size, 1e-12)).reshape(lags, -1).max(0)
        # What is taken out is rounding where the cause is the effect.
        scores[i, i] = 0.0
    return scores
