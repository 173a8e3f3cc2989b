"""Splines read from tables: inputs are rounded to levels, and a spline is known by its values and slopes at these.

The sum over G splines of each of P B K inputs takes 2 P B K G flop of which no two share an operand, and as many numbers in
memory. With the coefficients' values at M levels, one product of P K G M, it takes one look-up; what the loss says of the
look-ups
is summed over windows of the same level first, so that the coefficients' gradient is one such product too. An input is moved by
at most half a level.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..spline import Basis, spline_functions

# Half the range of the splines' grid and of the levels, in standard deviations of an input.
GRID_RANGE, LEVEL_RANGE = 2.5, 4.0
ORDER = 3


def basis_of(n_splines: int) -> Basis:
    """Cubic, evenly over the range where most of a standardised series is."""
    return Basis(n_splines - ORDER, ORDER, -GRID_RANGE, GRID_RANGE, base="none")


@dataclass(frozen=True)
class Levels:
    """Splines at M levels.

    Attributes
    ----------
    values, slopes : (G, M).
    """

    values: Tensor
    slopes: Tensor

    @staticmethod
    @lru_cache(16)
    def of(basis: Basis, count: int, device: torch.device, dtype: torch.dtype) -> Levels:
        at = torch.linspace(-LEVEL_RANGE, LEVEL_RANGE, count, dtype=torch.float64)[:, None]
        values, slopes = (spline_functions(at, basis, d)[:, 0].T.contiguous() for d in (0, 1))
        return Levels(*(t.to(device, dtype) for t in (values, slopes)))

    @property
    def count(self) -> int:
        return self.values.shape[1]

    def index(self, z: Tensor) -> Tensor:
        """The nearest levels of z, of its shape."""
        half = (self.count - 1) / 2
        at = z.clamp(-LEVEL_RANGE, LEVEL_RANGE).mul_(half / LEVEL_RANGE).add_(half + 0.5)
        return at.nan_to_num_(0.0).long()

    def offsets(self, p: int, k: int) -> Tensor:
        """(P, 1, K): where the tables of each network's inputs begin."""
        return torch.arange(p * k, device=self.values.device).view(p, 1, k) * self.count

    def tables(self, splines: Tensor) -> tuple[Tensor, Tensor]:
        """Values and slopes (P K, M) of the splines with coefficients (P, K, G)."""
        flat = splines.flatten(0, 1)
        return flat @ self.values, flat @ self.slopes
