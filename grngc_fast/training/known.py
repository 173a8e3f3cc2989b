"""Errors where some targets are missing: NaN in the targets, which no forecast is held against."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..series import Windows


def target_weights(windows: Windows) -> Tensor | None:
    """(E,) one over the share of windows in which each target is known; None where none is missing.

    With it every target weighs as much against the penalty as it would if it were known throughout: the loss is the mean over
    targets of the mean square over what is known of each. 0 of a target that is never known.
    """
    share = windows.known_targets()
    return None if share is None else torch.where(share > 0, 1 / share, 0.0)


def mean_square(forecast: Tensor, y: Tensor, weights: Tensor | None) -> Tensor:
    """Mean squared error of forecasts (..., N, E) of targets of that shape; with `target_weights` NaN in y counts as no error."""
    if weights is None:
        return F.mse_loss(forecast, y)
    return weighted_squares(forecast, y, weights).mean()


def weighted_squares(forecast: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """(..., N, E) whose mean is `mean_square`."""
    return torch.where(y.isnan(), 0.0, forecast - y).square() * weights


def known_mean(values: Tensor, dim: int | None = None) -> Tensor:
    """Mean of what is not NaN, over all or one dimension; NaN where nothing is known.

    Of values without NaN it is `Tensor.mean` to the last bit.
    """
    mean = values.mean() if dim is None else values.mean(dim)
    return torch.where(mean.isnan(), values.nanmean() if dim is None else values.nanmean(dim), mean)
