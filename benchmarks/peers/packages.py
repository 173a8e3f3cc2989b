"""Packages as they come, imported when they are asked for."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grngc_fast.series import prepare

from .method import needs

Scores = NDArray[Any]
PC_ALPHA = 0.05


def pcmci(series: Scores, lags: int, seed: int) -> Scores:
    """tigramite: momentary conditional independence by partial correlation."""
    data = needs("tigramite.data_processing").DataFrame(_scaled(series))
    test = needs("tigramite.independence_tests.parcorr").ParCorr(significance="analytic")
    found = needs("tigramite.pcmci").PCMCI(dataframe=data, cond_ind_test=test, verbosity=0)
    result = found.run_pcmci(tau_min=1, tau_max=lags, pc_alpha=PC_ALPHA)
    # [cause, effect, lag] there.
    return np.abs(result["val_matrix"][:, :, 1:]).max(-1).T


def varlingam(series: Scores, lags: int, seed: int) -> Scores:
    """lingam: a VAR whose residuals are ordered by independence."""
    model = needs("lingam").VARLiNGAM(lags=lags, random_state=seed)
    model.fit(_scaled(series))
    lagged = np.asarray(model.adjacency_matrices_)[1:]
    return np.abs(lagged).max(0) if len(lagged) else np.zeros((series.shape[1],) * 2)


def grnboost2(series: Scores, lags: int, seed: int) -> Scores:
    """arboreto: gradient boosting of each series on the lagged values of all, stopped early."""
    core = needs("arboreto.core")
    windows = prepare(series, lags).windows
    x, targets = windows.columns().double().numpy(), windows.targets().T.double().numpy()
    scores = np.zeros((len(targets), x.shape[1]))
    for row, y in zip(scores, targets, strict=True):
        model = core.fit_model("GBM", core.SGBM_KWARGS, x, y, core.EARLY_STOP_WINDOW_LENGTH, seed)
        row[:] = core.to_feature_importances("GBM", core.SGBM_KWARGS, model)
    return scores.reshape(len(targets), lags, -1).max(1)


def var_granger(series: Scores, lags: int, seed: int) -> Scores:
    """statsmodels: the F statistic of all lags of a cause in the equation of an effect."""
    n_steps, n_series = series.shape
    if n_steps - lags <= n_series * lags + 1:
        raise ValueError(f"{n_steps - lags} windows do not determine {n_series * lags + 1} coefficients")
    model = needs("statsmodels.tsa.api").VAR(_scaled(series))
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        found = model.fit(lags)
        if lags == 1:
            # The F statistic of one coefficient is the square of its t statistic.
            return np.abs(np.asarray(found.tvalues))[1:].T
        tests = [
            [found.test_causality(i, [j], kind="f").test_statistic if i != j else 0.0 for j in range(n_series)]
            for i in range(n_series)
        ]
    return np.asarray(tests)


def _scaled(series: Scores) -> Scores:
    series = np.asarray(series, dtype=np.float64)
    scaled: Scores = (series - series.mean(0)) / series.std(0)
    return scaled
