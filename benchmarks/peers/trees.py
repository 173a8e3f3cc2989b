"""Regression trees of each series on the lagged values of all, their impurity importances as scores (the idea of dynGENIE3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from grngc_fast.series import prepare

TREES, SHARE_OF_INPUTS, LEAF = 100, 0.33, 3

Scores = NDArray[Any]


def extra_trees(series: Scores, lags: int, seed: int) -> Scores:
    return _importances(ExtraTreesRegressor, series, lags, seed, max_features="sqrt", min_samples_leaf=LEAF)


def random_forest(series: Scores, lags: int, seed: int) -> Scores:
    return _importances(RandomForestRegressor, series, lags, seed, max_features=SHARE_OF_INPUTS)


def _importances(kind: Any, series: Scores, lags: int, seed: int, **options: Any) -> Scores:
    windows = prepare(series, lags).windows
    x, targets = windows.columns().numpy(), windows.targets().T.numpy()
    threads = torch.get_num_threads()
    trees = kind(TREES, n_jobs=threads, random_state=seed, **options)
    found = np.stack([trees.fit(x, y).feature_importances_ for y in targets])
    return found.reshape(len(found), lags, -1).max(1)
