"""One-step forecasts of a trained network in the units of the data, and how good they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from torch import nn

from ..errors import InputError
from ..series import CandidateEdges
from ..series.prepared import windows_of
from ..series.treatment import Treated


def forecasts(
    model: nn.Module,
    treated: Treated,
    scaler: StandardScaler,
    edges: CandidateEdges,
    lags: int,
    device: torch.device,
) -> list[NDArray[Any]]:
    """(T - L, E) of each trajectory: row t forecasts step t + L of `edges.effects`; NaN where an input is missing.

    Parameters
    ----------
    model : of standardised series. treated : the series. scaler, edges, lags : of the fit.
    """
    effects, table = edges.effects, treated.table
    parts = []
    for number, trajectory in enumerate(table.trajectories):
        rows = len(trajectory) - lags
        parts.append(np.full((max(0, rows), len(effects)), np.nan))
        if rows <= 0 and table.n_pieces_of(number) > 1:
            continue
        one = Treated(replace(table, trajectories=(trajectory,), origin=None))
        windows = windows_of(scaler, one, lags, edges, device, with_target=False)
        with torch.no_grad():
            forecast = [model(x).cpu().flatten(1) for x in windows.batches() if len(x)]
        if forecast:
            found = torch.cat(forecast).double().numpy()
            parts[-1][windows.starts.cpu()] = found * scaler.scale_[effects] + scaler.mean_[effects]
    return parts


def explained(found: Sequence[NDArray[Any]], treated: Treated, edges: CandidateEdges, lags: int) -> float:
    """Mean over targets of the R^2 of forecasts, where a target is known and was not filled in.

    Raises
    ------
    InputError : no target is known twice.
    """
    from sklearn.metrics import r2_score

    truth, forecast = _targets(treated.table.trajectories, edges, lags), np.concatenate(found)
    known = ~(np.isnan(truth) | np.isnan(forecast))
    if treated.filled is not None:
        known &= ~_targets(treated.filled, edges, lags)
    if known.all():
        return float(r2_score(truth, forecast))
    of = [r2_score(y[own], f[own]) for y, f, own in zip(truth.T, forecast.T, known.T, strict=True) if own.sum() > 1]
    if not of:
        raise InputError(
            "X has no known target after a window without a gap, so there is nothing to score; pass more steps"
        )
    return float(np.mean(of))


def _targets(parts: Sequence[NDArray[Any]], edges: CandidateEdges, lags: int) -> NDArray[Any]:
    return np.concatenate([part[lags:, edges.effects] for part in parts])
