"""A target and its own past on half of the windows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..series import Windows
from ..training.working_sets.features import ranks, standard


@dataclass(frozen=True)
class Target:
    """Of N windows.

    Attributes
    ----------
    y : (N,) NaN where it, or its past, is missing.
    past : (L, N) of mean 0 and variance 1, most recent first.
    rank : (N,) of the most recent, between 0 and 1.
    """

    y: Tensor
    past: Tensor
    rank: Tensor

    @classmethod
    def each(cls, windows: Windows, some: Tensor) -> list[Target]:
        """`some`: (T,) targets by number."""
        device, n_lags = windows.steps.device, windows.n_lags
        some = some.to(device)
        y = windows.of_targets(some).targets().T.double()
        columns = some if windows.target_columns is None else windows.target_columns[some]
        steps = windows.starts[:, None] + n_lags - 1 - torch.arange(n_lags, device=device)
        past = windows.steps[steps[None], columns[:, None, None]].double()
        # A past that is missing is filled by its mean, and told nothing of: the target counts as missing.
        y = y.masked_fill(past.isnan().any(2), torch.nan)
        past = past.nan_to_num().transpose(1, 2)
        past = standard(past.reshape(-1, past.shape[2]).T).T.view_as(past).contiguous()
        return [cls(*of) for of in zip(y, past, ranks(past[:, 0].contiguous()), strict=True)]

    @property
    def n_windows(self) -> int:
        """Where it is known."""
        return len(self.y) - int(self.y.isnan().sum())
