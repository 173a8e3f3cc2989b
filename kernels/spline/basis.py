"""The functions that one edge of a spline layer is a sum of: uniform B-splines and, on request, a base activation.

A layer is y_no = sum_i sum_g w_oig phi_g(x_ni) with phi the G splines of a uniform grid, then the base activation if there is
one. Inside one cell of the grid only order + 1 splines are not 0, each a polynomial of the local coordinate u in [0, 1).
"""

from __future__ import annotations

from dataclasses import dataclass

BASES: tuple[str, ...] = ("identity", "silu", "none")
LARGEST_ORDER = 5


@dataclass(frozen=True)
class Basis:
    """B-splines of `order` over `grid` equal cells of [low, high], and the base activation.

    The knots go on evenly for `order` cells beyond both ends of the grid. The splines add up to 1 inside the grid, fade to 0
    over those cells, and beyond them only the base activation is left. Nothing is clamped. Cells are half open, so that at a
    knot a slope that jumps (order 1) is the one to its right.

    Raises
    ------
    ValueError : an option outside its range, with its name.
    """

    grid: int = 5
    order: int = 3
    low: float = -1.0
    high: float = 1.0
    base: str = "identity"

    def __post_init__(self) -> None:
        if self.base not in BASES:
            raise ValueError(f"base={self.base!r} is unknown; use one of {', '.join(map(repr, BASES))}")
        if not _is_int(self.grid) or self.grid < 1:
            raise ValueError(f"grid={self.grid!r} must be a positive number of cells")
        if not _is_int(self.order) or not 1 <= self.order <= LARGEST_ORDER:
            raise ValueError(f"order={self.order!r} must be a whole number from 1 to {LARGEST_ORDER}")
        # Infinities and NaN fail the comparison or the difference.
        if not 0 < self.high - self.low < float("inf"):
            raise ValueError(f"grid_range=({self.low}, {self.high}) must be two finite numbers, the smaller first")

    @property
    def step(self) -> float:
        """Width of a cell."""
        return (self.high - self.low) / self.grid

    @property
    def n_splines(self) -> int:
        return self.grid + self.order

    @property
    def has_base(self) -> bool:
        return self.base != "none"

    @property
    def n_functions(self) -> int:
        """Functions on an edge: the splines, and the base activation last."""
        return self.n_splines + self.has_base

    def polynomials(self, derivative: int = 0) -> tuple[tuple[float, ...], ...]:
        """Coefficients [power of u][live spline] of the d-th derivative in x: order + 1 - d rows, at least one.

        The live splines of a cell are numbered from the one that began first.
        """
        factor = self.step**-derivative
        pieces = [[factor * c for c in _derive(piece, derivative)] for piece in reversed(_pieces(self.order))]
        return tuple(zip(*pieces, strict=True))


def _pieces(order: int) -> list[list[float]]:
    """The spline of integer knots 0 .. order + 1, as powers of u = t - s in each piece s: Cox and de Boor's recursion

    b_p(t) = (t b_{p-1}(t) + (p + 1 - t) b_{p-1}(t - 1)) / p.
    """
    pieces = [[1.0]]
    for p in range(1, order + 1):
        zero = [0.0] * p
        lower = [zero, *pieces, zero]
        pieces = [
            [
                (s * here + before + (p + 1 - s) * there - there_before) / p
                for here, before, there, there_before in zip(
                    [*lower[s + 1], 0.0], [0.0, *lower[s + 1]], [*lower[s], 0.0], [0.0, *lower[s]], strict=True
                )
            ]
            for s in range(p + 1)
        ]
    return pieces


def _derive(powers: list[float], times: int) -> list[float]:
    for _ in range(times):
        powers = [m * c for m, c in enumerate(powers)][1:] or [0.0]
    return powers


def _is_int(x: object) -> bool:
    return isinstance(x, int) and not isinstance(x, bool)
