"""float32 products of a tile by oneDNN, which torch carries for its linear layers, where `torch.mm` goes to MKL.

MKL's rate on processors that are not Intel's depends on which operand lies transposed: between 0.65 and 1.05 of the rate of a
large square product for the shapes of a tile. oneDNN compiles its loops for the shape at hand and stays within 1.05 to 1.2 as
long as the first operand is contiguous and the second one dense; of a strided view it makes a scalar loop a thousand
times slower, so `linear` never passes one on.
"""

from __future__ import annotations

import functools
import math
import platform

import torch
from torch import Tensor

from . import floats


@functools.cache
def _works() -> bool:
    if platform.machine().lower() not in ("x86_64", "amd64") or not torch.backends.mkldnn.is_available():
        return False
    x = torch.arange(33 * 70.0).remainder(17).view(33, 70) - 8
    try:
        return torch.equal(_linear(x, x), x @ x.T)
    except (AttributeError, RuntimeError, NotImplementedError):
        return False


def available(x: Tensor) -> bool:
    """oneDNN multiplies operands like x here."""
    return x.dtype == torch.float32 and x.device.type == "cpu" and bool(torch.backends.mkldnn.enabled) and _works()


def _linear(x: Tensor, weight: Tensor, clip: bool = False) -> Tensor:
    after = ("hardtanh", [-1.0, 1.0]) if clip else ("none", [])
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, *after, "")
    return result


def linear(x: Tensor, weight: Tensor, clip: bool = False) -> Tensor:
    """x (R, K) @ weight (C, K)^T, a new (R, C), on request clipped to [-1, 1]."""
    if not (weight.is_contiguous() or weight.T.is_contiguous()):
        weight = weight.contiguous()
    return _linear(x.contiguous(), weight, clip)


class Tiles:
    """Products left @ b[:, c], stored transposed, (columns, R).

    With a `bound` of their magnitude they come multiplied by the power of two that takes it near the largest float, and clipped
    to [-1, 1]: signs, but for entries 2^-100 of the bound and smaller, which lie between. `clipped` tells whether: b may be too
    large for it beside the bound, or the bound too small.
    """

    def __init__(self, b: Tensor, bound: float | None = None) -> None:
        self._rows, self._left = b.T.contiguous(), b
        largest = 0.0 if bound is None else max(bound, float(b.abs().max()))
        self.clipped = bound is not None and bound >= 2.0**-27 and largest <= bound * 2**20
        if self.clipped:
            self._rows = self._rows * 2.0 ** min(127, 120 - math.ceil(math.log2(largest)))

    def begin(self, left: Tensor) -> None:
        """A new tile with this left side (R, K)."""
        self._left = left

    def columns(self, c: slice) -> Tensor:
        """(R, columns of c)"""
        return linear(self._rows[c], self._left, self.clipped).T


class Products(floats.Products):
    """The same by oneDNN.

    Signs lie transposed, (Q, R), so that G^T = b S^T and db^T = S^T left have a contiguous first operand.
    """

    def __init__(self, b: Tensor, columns: list[slice], want_left: bool, want_right: bool) -> None:
        super().__init__(b, False, want_right)
        self._b = {c.start: b[:, c].contiguous() for c in columns} if want_left else {}
        self._sum_left: Tensor | None = None

    def left(self, signs: Tensor, c: slice, first: bool, g: Tensor) -> None:
        """Add S b^T of columns c to the tile's sum, which `finish` writes to g."""
        part = linear(self._b[c.start], signs)
        self._sum_left = part if first or self._sum_left is None else self._sum_left.add_(part)

    def right(self, signs: Tensor, left: Tensor, c: slice) -> None:
        """Add left^T S of columns c to db."""
        assert self._grad_right is not None
        self._grad_right[c] += linear(signs.T, left.T)

    def finish(self, g: Tensor) -> None:
        """G of the tile is complete."""
        assert self._sum_left is not None
        g.T.copy_(self._sum_left)
