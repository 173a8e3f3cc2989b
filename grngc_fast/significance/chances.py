"""How often scores as large come by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import special
from torch import Tensor

# Added to correlations of features of 1 with themselves; where rounding makes them no correlations, more. What features of an
# orbit of five values do not share lies in a few windows, and is no sum of many: with 1e-6 one had a p-value of 1e-261.
TOGETHER, TOGETHER_IN_DOUBT = 1e-2, 1e-1


@dataclass(frozen=True)
class Scores:
    """Of C causes of T targets, in M features each.

    Attributes
    ----------
    score : (M, T, C) s. covariance : (M, M, T, C). free : (T, C) windows less functions.
    """

    score: Tensor
    covariance: Tensor
    free: Tensor

    def __add__(self, other: Scores) -> Scores:
        return Scores(self.score + other.score, self.covariance + other.covariance, self.free + other.free)


def p_values(found: Scores, sizes: Sequence[int]) -> Tensor:
    """(T, C) chance of scores as large, by groups of features, `sizes` of them, each made independent of those before.

    Within a group s' M^-1 s is taken as what it is for normal errors of equal variance, `free` times a beta-distributed number;
    the least p-value of the groups counts (Tippett 1931). 1 where no feature is left.
    """
    # A target at a time stays in a core's cache.
    every = zip(found.score.unbind(1), found.covariance.unbind(2), found.free, strict=True)
    return torch.stack(
        [_of_target(score.double(), covariance.double(), free, sizes) for score, covariance, free in every]
    )


def _of_target(score: Tensor, covariance: Tensor, free: Tensor, sizes: Sequence[int]) -> Tensor:
    """(C,) of (M, C) scores and their (M, M, C) covariances."""
    spread = covariance.diagonal().T.clamp_min(0).sqrt()
    alive = spread > 0
    per_unit = torch.where(alive, 1 / spread, 1.0)
    correlation = (covariance * per_unit[:, None] * per_unit).permute(2, 0, 1).contiguous()
    correlation.diagonal(dim1=1, dim2=2).add_(torch.where(alive, TOGETHER, 1.0).T)
    root, failed = torch.linalg.cholesky_ex(correlation)
    if bool(failed.any()):
        correlation.diagonal(dim1=1, dim2=2).add_(TOGETHER_IN_DOUBT * (failed > 0)[:, None])
        root = torch.linalg.cholesky(correlation)
    z = torch.linalg.solve_triangular(root, (score * per_unit).T[..., None], upper=False)[..., 0]
    logs, groups = torch.zeros_like(free), torch.zeros_like(free)
    for squares, here in zip(z.square().split(list(sizes), 1), alive.split(list(sizes)), strict=True):
        count = here.sum(0).double()
        of_group = _tail(squares.sum(1), count, free)
        groups += count > 0
        logs = torch.minimum(logs, of_group.clamp_min(1e-300).log())
    least = -torch.expm1(groups * torch.log1p(-logs.exp().clamp_max(1 - 1e-12)))
    return torch.where(groups > 0, least, 1.0)


def _tail(squares: Tensor, count: Tensor, free: Tensor) -> Tensor:
    """Chance that a beta-distributed number of `count` and `free - count` degrees of freedom passes `squares / free`."""
    share = (squares / free).clamp(0, 1 - 1e-12).cpu().numpy()
    within, rest = count.cpu().numpy(), (free - count).clamp_min(1.0).cpu().numpy()
    found = np.where(within > 0, special.betainc(rest / 2, np.maximum(within, 1) / 2, 1 - share), 1.0)
    return torch.as_tensor(found, dtype=squares.dtype, device=squares.device)
