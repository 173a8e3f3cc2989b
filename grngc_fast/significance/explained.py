"""A target on half of the windows, and what of it the functions of a condition leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .condition import Condition

# Of the sum of squares of a function, added to it, so that equal ones are told apart by nothing.
RIDGE = 1e-9
# Times that least squares are solved for what they left.
REFINED = 3
# Least unit of a residual.
LEAST_UNIT = 1e-30
# Of what a target varies by, less is told; of its values, to that, fewer are different where it repeats itself.
ROUNDING, MOST_REPEATED = 1e-3, 0.8
# Least 1 - h.
LEAST_FREE = 0.05


@dataclass(frozen=True)
class Explained:
    """On N windows; all is 0 where the target is missing.

    Attributes
    ----------
    functions : (N, K) of unit length. reads : (K, C) which series each is a function of.
    root : (K, K) lower triangular, of their products. basis : (N, K) orthonormal, of the same span.
    coefficients, residual : (K,) of the functions that come nearest to the target, and (N,) what they leave of it, in units of
        the latter; of a target that repeats itself and is told entirely, 0, in units of the target.
    leverage : (N,) the diagonal of the projection on the functions.
    partners : (B, N) what causes are multiplied with.
    members : series that the functions read, of those that may be causes.
    n_windows : where the target is known.
    """

    functions: Tensor
    reads: Tensor
    root: Tensor
    basis: Tensor
    coefficients: Tensor
    residual: Tensor
    leverage: Tensor
    partners: Tensor
    members: Sequence[int]
    n_windows: int

    @classmethod
    def by(cls, known: Condition, y: Tensor, partners: Tensor, members: Sequence[int]) -> Explained:
        """`y`: (N,) NaN where it is missing."""
        there = ~y.isnan()
        phi = known.functions * there[:, None]
        phi = phi / phi.square().sum(0).sqrt().clamp_min(1e-12)
        gram = phi.T @ phi
        gram.diagonal().add_(RIDGE)
        root = torch.linalg.cholesky(gram)
        basis = torch.linalg.solve_triangular(root, phi.T, upper=False).T
        coefficients, residual, n_windows = phi.new_zeros(phi.shape[1]), y.nan_to_num(), int(there.sum())
        # Of a deterministic system rounding is all that is left, less than the ridge leaves.
        for _ in range(REFINED):
            step = torch.cholesky_solve((phi.T @ residual)[:, None], root)[:, 0]
            coefficients, residual = coefficients + step, residual - phi @ step
        unit, size = (residual.square().sum() / n_windows).sqrt().clamp_min(LEAST_UNIT), y[there].std()
        different = len((y[there] / (ROUNDING * size)).round().unique()) if unit < ROUNDING * size else n_windows
        if different < MOST_REPEATED * n_windows:
            # Of an orbit that repeats itself what is left does so too, and goes with whatever has its period.
            residual, unit = torch.zeros_like(residual), size
        leverage, partners = basis.square().sum(1), partners * there
        found = coefficients / unit, residual / unit
        return cls(phi, known.reads, root, basis, *found, leverage, partners, members, n_windows)


def weights(residual: Tensor, leverage: Tensor) -> Tensor:
    """Squared residuals as large as those of the errors are on average (HC2)."""
    return residual.square() / (1 - leverage).clamp_min(LEAST_FREE)
