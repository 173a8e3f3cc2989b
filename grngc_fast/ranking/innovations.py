"""What everybody's past leaves of each series, what of that moves together within a step, and what the own past leaves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..series import Windows
from .moments import LEAST_LEFT, standardised

# Above so many series or inputs nothing is computed: a factorisation would take seconds.
MOST = 1024
# Of the windows that know all targets.
FEWEST = 10
STRENGTHS = torch.logspace(-3, 4, 22, dtype=torch.float64)
# Of the windows, degrees of freedom that forecasts may use at most.
MOST_USED = 0.95
ALMOST_ONE = 0.999


@dataclass(frozen=True)
class Innovations:
    """Residuals of a ridge forecast from the lagged values of all series, its strength by generalised cross-validation.

    Attributes
    ----------
    values : (N, E) float64, standardised; of the windows in which every target is known.
    windows : how many independent ones have correlations of the same variance: residuals are fewer than they look.
    """

    values: Tensor
    windows: float

    @classmethod
    def of(cls, windows: Windows) -> Innovations | None:
        """None where windows are too few, or series too many."""
        x, y = windows.columns().double().cpu(), windows.targets().double().cpu()
        known = ~y.isnan().any(1)
        x, y = x[known], y[known]
        if len(x) < FEWEST or max(x.shape[1], y.shape[1]) > MOST:
            return None
        x, y = standardised(x), standardised(y)
        left, values, _ = torch.linalg.svd(x, full_matrices=False)
        along, square = left.T @ y, values.square()
        best, n = float("inf"), len(x)
        found = cls(y, float(n))
        for strength in STRENGTHS:
            kept = square / (square + strength)
            used = float(kept.sum()) + 1
            if used > MOST_USED * n:
                continue
            rest = y - left @ (kept[:, None] * along)
            error = float(rest.square().mean()) / (1 - used / n) ** 2
            if error < best:
                # The eigenvalues of what makes a residual of a series: 1 - kept, and 1 elsewhere but for the mean.
                plain = n - 1 - len(kept)
                traces = [float((1 - kept).pow(power).sum()) + plain for power in (2, 4)]
                best, found = error, cls(standardised(rest), traces[0] ** 2 / traces[1])
        return found

    def correlations(self) -> Tensor:
        """(E, E), the diagonal 0."""
        found = _symmetric(self.values.T @ self.values / len(self.values))
        return found.clamp(-ALMOST_ONE, ALMOST_ONE).fill_diagonal_(0.0)

    def partial(self) -> Tensor:
        """(E, E) given all others, of correlations shrunk towards 0 by what chance has of them (Schaefer and Strimmer 2005)."""
        n, r = len(self.values), self.correlations()
        square = self.values.square()
        by_chance = ((square.T @ square / n - r.square()) / (n - 1)).fill_diagonal_(0.0)
        shrinkage = float((by_chance.sum() / r.square().sum().clamp_min(1e-12)).clamp(0, 1))
        shrunk = ((1 - shrinkage) * r).fill_diagonal_(1 + LEAST_LEFT)
        inverse = _symmetric(torch.linalg.inv(shrunk))
        scale = inverse.diagonal().rsqrt()
        return (-inverse * (scale * scale[:, None])).clamp(-ALMOST_ONE, ALMOST_ONE).fill_diagonal_(0.0)


def given_own_past(windows: Windows, own: Tensor) -> Tensor:
    """(N, E) float64, standardised: what a linear forecast from the own past leaves of each target; 0 where it is missing.

    `own` : (E,) which of the series read each target is; -1 for none, which leaves the target as it is.
    """
    x, y = windows.inputs().double().cpu(), windows.targets().double().cpu()
    y = (y - y.nanmean(0)).nan_to_num(0.0)
    past = (x - x.mean(0))[:, :, own.clamp_min(0)].permute(2, 0, 1) * (own >= 0)[:, None, None]
    square = past.transpose(1, 2) @ past
    scale = square.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-12)[:, None, None]
    square = square + LEAST_LEFT * scale * torch.eye(past.shape[2], dtype=past.dtype)
    weights = torch.linalg.solve(square, past.transpose(1, 2) @ y.T[:, :, None])
    return standardised(y - (past @ weights)[:, :, 0].T)


def _symmetric(x: Tensor) -> Tensor:
    return (x + x.T) / 2
