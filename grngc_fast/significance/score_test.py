"""Score tests of every cause of one target on half of the windows, robust to errors of unequal variance.

With functions Phi (N, K) of what the target is known to depend on, Q an orthonormal basis of them, residual e = (1 - Q Q') y and
features W = (1 - Q Q') F of a cause, the scores s = W' e have mean 0 where the cause does not help, and the covariance
M = sum_n w_n w_n' e_n^2 / (1 - h_n), h the diagonal of Q Q' (White, Econometrica 48, 1980; MacKinnon and White, J. Econometrics
29, 1985, HC2). A cause that Phi reads is tested against the functions of the others: U (N, J) spans what leaving its own J
functions out takes away, so that residuals gain U U' of what they are of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import special
from torch import Tensor

from .condition import Condition
from .inputs import HalfInputs

# Of the sum of squares of a function, added to it, so that equal ones are told apart by nothing.
RIDGE = 1e-9
# A feature of which the condition leaves a smaller share of the variance is no feature.
LEAST_LEFT = 1e-3
# Least 1 - h.
LEAST_FREE = 0.05
# Added to correlations of features of 1 with themselves.
TOGETHER = 1e-6


@dataclass(frozen=True)
class Scores:
    """Of all C causes of a target.

    Attributes
    ----------
    score : (C, M) s. covariance : (C, M, M) M. free : (C,) windows less functions.
    """

    score: Tensor
    covariance: Tensor
    free: Tensor

    def __add__(self, other: Scores) -> Scores:
        return Scores(self.score + other.score, self.covariance + other.covariance, self.free + other.free)


def scores(half: HalfInputs, y: Tensor, known: Condition, partners: Sequence[Tensor], members: Sequence[int]) -> Scores:
    """Of one target.

    Parameters
    ----------
    y : (N,) float64. partners : (N,) columns that features are multiplied with. members : the series that the condition reads.
    """
    phi = known.functions / known.functions.square().sum(0).sqrt().clamp_min(1e-12)
    gram = phi.T @ phi
    gram.diagonal().add_(RIDGE)
    root = torch.linalg.cholesky(gram)
    basis = torch.linalg.solve_triangular(root, phi.T, upper=False).T
    residual = y - basis @ (basis.T @ y)
    # In units of itself: of a deterministic system it is next to nothing.
    size = residual.square().mean().sqrt().clamp_min(1e-300)
    residual, y = residual / size, y / size
    leverage = basis.square().sum(1)
    n_windows, n_functions = phi.shape

    features = _features(half, partners)
    narrow = basis.float()
    coefficients = features.reshape(-1, n_windows) @ narrow
    left = torch.addmm(features.reshape(-1, n_windows), coefficients, narrow.T, alpha=-1).view_as(features)
    spread = features.square().sum(2)
    score, covariance = _moments(left, residual[None], leverage[None], spread)
    free = residual.new_full((len(features),), float(n_windows - n_functions))
    if len(members):
        at = torch.as_tensor(members, device=y.device)
        gained, counts = _left_out(known.reads[:, at].T, root, phi)
        narrow = gained.float()
        more = left[at] + (features[at] @ narrow.transpose(1, 2)) @ narrow
        own_residual = residual + (gained.transpose(1, 2) @ (gained @ y)[..., None])[..., 0]
        own_leverage = leverage - gained.square().sum(1)
        score[at], covariance[at] = _moments(more, own_residual, own_leverage, spread[at])
        free[at] += counts
    return Scores(score, covariance, free)


def _features(half: HalfInputs, partners: Sequence[Tensor]) -> Tensor:
    """(C, M, N): each cause at every lag, curves of it, and its products with the partners."""
    products = [half.linear * partner.float() for partner in partners]
    return torch.cat([half.linear, half.curves, *products], 1)


def _left_out(reads: Tensor, root: Tensor, phi: Tensor) -> tuple[Tensor, Tensor]:
    """(n, J, N) orthonormal rows that the condition spans by functions of each of n series alone, zeros where there are fewer,
    and (n,) how many there are.
    """
    counts = reads.sum(1)
    index = reads.float().topk(int(counts.max()), dim=1).indices
    used = reads.gather(1, index)
    inverse = torch.cholesky_inverse(root)
    pairs = inverse[index[:, :, None], index[:, None, :]] * (used[:, :, None] & used[:, None, :])
    pairs.diagonal(dim1=1, dim2=2).add_(~used)
    rows = (inverse @ phi.T)[index] * used[..., None]
    return torch.linalg.solve_triangular(torch.linalg.cholesky(pairs), rows, upper=False), counts.double()


def _moments(left: Tensor, residual: Tensor, leverage: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (C, M) and covariances (C, M, M) of features (C, M, N) that have kept a part of their `spread`, else 0."""
    kept = left.square().sum(2) > LEAST_LEFT * spread.clamp_min(1e-12)
    left = left * kept[..., None]
    score = (left @ residual.float()[..., None])[..., 0]
    weighted = left * (residual / (1 - leverage).clamp_min(LEAST_FREE).sqrt()).float()[:, None]
    return score.double(), (weighted @ weighted.transpose(1, 2)).double()


def p_values(found: Scores, sizes: Sequence[int]) -> Tensor:
    """(C,) chance of scores as large, by groups of features, `sizes` of them, each made independent of those before.

    Within a group s' M^-1 s is taken as what it is for normal errors of equal variance, `free` times a beta-distributed number;
    the least p-value of the groups counts (Tippett 1931). 1 where no feature is left.
    """
    spread = found.covariance.diagonal(dim1=1, dim2=2).sqrt()
    alive = spread > 0
    scale = torch.where(alive, spread, 1.0)
    score = found.score / scale
    correlation = found.covariance / (scale[:, :, None] * scale[:, None, :])
    correlation.diagonal(dim1=1, dim2=2).add_(torch.where(alive, TOGETHER, 1.0))
    z = torch.linalg.solve_triangular(torch.linalg.cholesky(correlation), score[..., None], upper=False)[..., 0]
    logs, groups = torch.zeros_like(found.free), torch.zeros_like(found.free)
    for squares, here in zip(z.square().split(list(sizes), 1), alive.split(list(sizes), 1), strict=True):
        count = here.sum(1).double()
        of_group = _tail(squares.sum(1), count, found.free)
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
