"""Operands as two sides of rows to contract, and the entries (bias, mask) that belong to their products.

    product (z, i, j) = sum over k of left (z, i, k) * scale_n (k) * right (z, j, k) + bias (z, i % period, j)

Batch elements that share one side are laid end to end on the other, so that one product has them all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

# An index inside a tile is 32 bits wide; a side whose tiles span more is copied.
_TILE_SPAN = 2**31 - 1
_TILE_ROWS = 256


@dataclass(frozen=True)
class Problem:
    """left (Z, I, K), right (Z, J, K), scale (Z, N, K), bias (Z, periods), mask (periods); strides of 0 where shared."""

    left: Tensor
    right: Tensor
    scale: Tensor | None
    bias: Tensor | None
    mask: Tensor | None
    period_i: int
    period_j: int

    @property
    def n_batch(self) -> int:
        return self.left.shape[0]

    @property
    def n_windows(self) -> int:
        return 1 if self.scale is None else self.scale.shape[1]

    @property
    def width(self) -> int:
        return self.left.shape[2]

    @property
    def transposed(self) -> Problem:
        return Problem(
            self.right,
            self.left,
            self.scale,
            None if self.bias is None else self.bias.mT,
            None if self.mask is None else self.mask.mT,
            self.period_j,
            self.period_i,
        )

    def columns(self, part: slice) -> Problem:
        """The same with some of the right side's rows; bias and mask keep theirs."""
        return replace(self, right=self.right[:, part])


def of(a: Tensor, b: Tensor, scale: Tensor | None, bias: Tensor | None, mask: Tensor | None) -> Problem:
    """a (1 | B, M, K), b (1 | B, K, Q), scale None or (1 | B, N, K), bias None or (1 | B, M, Q), mask None or (M, Q)."""
    n_batch = max(x.shape[0] for x in (a, b, scale, bias) if x is not None)
    right = b.mT
    rows, columns = a.shape[1], right.shape[1]
    # Entries and a left side that is read as it lies are read along their rows.
    mask = None if mask is None else mask.contiguous().view(torch.uint8)
    bias = None if bias is None else _rows_contiguous(bias)
    a = a if scale is None else _rows_contiguous(a)
    if scale is None and (bias is None or bias.shape[0] == 1) and min(a.shape[0], b.shape[0]) == 1:
        left = a.reshape(1, -1, a.shape[2])
        right = right.reshape(1, -1, right.shape[2])
        return Problem(_addressable(left), _addressable(right), None, bias, mask, rows, columns)
    left, right = a.expand(n_batch, -1, -1), right.expand(n_batch, -1, -1)
    scale, bias = (None if x is None else x.expand(n_batch, -1, -1) for x in (scale, bias))
    return Problem(_addressable(left), _addressable(right), scale, bias, mask, rows, columns)


def _rows_contiguous(x: Tensor) -> Tensor:
    return x if x.stride(-1) == 1 else x.contiguous()


def _addressable(x: Tensor) -> Tensor:
    span = _TILE_ROWS * abs(x.stride(1)) + x.shape[2] * abs(x.stride(2))
    return x if span <= _TILE_SPAN else x.contiguous()


def allowed_blocks(problem: Problem, block_i: int, block_j: int, column_offset: int = 0) -> tuple[Tensor, Tensor]:
    """For each block of left rows the blocks of right rows with an allowed entry, (blocks, blocks), and how many, (blocks,)."""
    assert problem.mask is not None
    n_left, n_right = problem.left.shape[1], problem.right.shape[1]
    found = problem.mask != 0
    # The side that repeats is expanded after the other has shrunk to blocks.
    if n_left == problem.period_i:
        found = _any(found, 0, n_left, block_i, 0)
        found = _any(found, 1, n_right, block_j, column_offset)
    else:
        found = _any(found, 1, n_right, block_j, column_offset)
        found = _any(found, 0, n_left, block_i, 0)
    order = torch.argsort(found.to(torch.uint8), dim=1, descending=True, stable=True).to(torch.int32)
    return order.contiguous(), found.sum(1, dtype=torch.int32)


def _any(found: Tensor, dim: int, length: int, block: int, offset: int) -> Tensor:
    """Any within blocks of `length` entries along `dim`, which repeats with its own period from `offset` on."""
    found = found.movedim(dim, 0)
    if offset or length != found.shape[0]:
        index = (offset + torch.arange(length, device=found.device)) % found.shape[0]
        found = found[index]
    missing = -length % block
    if missing:
        found = torch.cat([found, found.new_zeros(missing, *found.shape[1:])])
    return found.reshape(-1, block, *found.shape[1:]).any(1).movedim(0, dim)
