"""The products of a tile by `torch.mm`; `onednn` has the same by oneDNN, and `int8` the gradients from int8 slices."""

from __future__ import annotations

import torch
from torch import Tensor

from .int8 import shaped


class Tiles:
    """Products left @ b[:, c], stored transposed, (columns, R), in one buffer of `size` entries."""

    clipped = False

    def __init__(self, b: Tensor, half: bool, size: int) -> None:
        self._half = half
        self._b = b.bfloat16() if half else b
        # Once: a fresh allocation of this size costs its page faults in each tile.
        self._buffer = self._b.new_empty(size)
        self._left = self._b

    def begin(self, left: Tensor) -> None:
        """A new tile with this left side (R, K)."""
        self._left = left.bfloat16() if self._half else left

    def columns(self, c: slice) -> Tensor:
        """(R, columns of c)"""
        p = shaped(self._buffer, len(self._left), c.stop - c.start, True)
        return torch.mm(self._left, self._b[:, c], out=p)


class Products:
    """G = S b^T, summed over the column tiles of a row tile, and db = left^T S, summed over all tiles."""

    def __init__(self, b: Tensor, want_left: bool, want_right: bool) -> None:
        self._b_transposed = b.T.contiguous() if want_left else None
        # Kept transposed: S^T left runs faster than left^T S, where the long side comes first.
        self._grad_right = b.new_zeros(b.shape[1], b.shape[0]) if want_right else None

    def begin(self, left: Tensor, span: slice) -> None:
        """A new tile with this left side (R, K), of these windows."""

    def signs(self, p: Tensor, clipped: bool = False) -> Tensor:
        """sign(p) in the type of the products; p is lost."""
        return p.sign_()

    def left(self, signs: Tensor, c: slice, first: bool, g: Tensor) -> None:
        """Add S b^T of columns c to g."""
        assert self._b_transposed is not None
        torch.addmm(g, signs, self._b_transposed[c], beta=0 if first else 1, out=g)

    def right(self, signs: Tensor, left: Tensor, c: slice) -> None:
        """Add left^T S of columns c to db."""
        assert self._grad_right is not None
        self._grad_right[c].addmm_(signs.T, left)

    def finish(self, g: Tensor) -> None:
        """G of the tile is complete."""

    def grad_right(self) -> Tensor:
        """db transposed, (Q, K)."""
        assert self._grad_right is not None
        return self._grad_right
