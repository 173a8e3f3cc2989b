"""Both gradient products of a tile in the dtype of the operands; `int8.Products` is the same from int8 slices."""

from __future__ import annotations

import torch
from torch import Tensor


class Products:
    """G = S b^T, summed over the column tiles of a row tile, and db = left^T S, summed over all tiles."""

    def __init__(self, b: Tensor, want_left: bool, want_right: bool) -> None:
        self._b_transposed = b.T.contiguous() if want_left else None
        # Kept transposed: S^T left runs faster than left^T S, where the long side comes first.
        self._grad_right = b.new_zeros(b.shape[1], b.shape[0]) if want_right else None

    def begin(self, left: Tensor, span: slice) -> None:
        """A new tile with this left side (R, K), of these windows."""

    def signs(self, p: Tensor) -> Tensor:
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
