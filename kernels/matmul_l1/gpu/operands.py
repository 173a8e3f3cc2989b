"""Operands made ready for streaming: the largest magnitude, and contiguous 16-bit terms.

The kernels read one side once (its owner keeps it) in its own layout and dtype; the other streams past many owners and is
cut into terms beforehand, 2 or 4 bytes an element in one pass over memory. Both kernels are bound by those bytes.
A side is (Z, rows, K): batch element, row, contraction index; strides of 0 where batch elements share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from .numbers import exponent, power, wide

ROWS, COLUMNS = 32, 64
# Numbers that a program looks at in one go for the largest magnitude, and programs to a GPU's multiprocessor.
FLAT, PROGRAMS = 4096, 8


@triton.jit
def largest_flat_kernel(x, amax, n, n_blocks, stride, BLOCK: tl.constexpr):
    """As `largest_kernel` of numbers that lie without gaps, in whatever order; programs are `stride` blocks apart."""
    largest = tl.zeros([BLOCK], tl.int32)
    for block in range(tl.program_id(0), n_blocks, stride):
        place = wide(block) * BLOCK + tl.arange(0, BLOCK)
        found = tl.load(x + place, mask=place < n, other=0.0).to(tl.float32)
        largest = tl.maximum(largest, tl.abs(found).to(tl.int32, bitcast=True))
    tl.atomic_max(amax, tl.max(largest, 0))


@triton.jit
def largest_kernel(x, amax, n_rows, width, stride_z, stride_r, stride_k, BLOCK_R: tl.constexpr, BLOCK_K: tl.constexpr):
    """amax = max(amax, bits of the largest |x|): as integers the bits of magnitudes order like the magnitudes, NaN last."""
    rows = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    x += tl.program_id(1).to(tl.int64) * stride_z
    largest = tl.zeros([BLOCK_R, BLOCK_K], tl.int32)
    for start in range(0, width, BLOCK_K):
        k = (start + tl.arange(0, BLOCK_K)).to(tl.int64)
        valid = (rows < n_rows)[:, None] & (k < width)[None, :]
        tile = tl.load(x + rows[:, None] * stride_r + k[None, :] * stride_k, mask=valid, other=0.0).to(tl.float32)
        largest = tl.maximum(largest, tl.abs(tile).to(tl.int32, bitcast=True))
    tl.atomic_max(amax, tl.max(tl.max(largest, 1), 0))


@triton.jit
def terms_kernel(
    x,
    amax,
    high,
    low,
    n_rows,
    width,
    stride_z,
    stride_r,
    stride_k,
    pitch,
    TOP: tl.constexpr,
    SCALED: tl.constexpr,
    TERMS: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """high (and low) of rows x width, contiguous with `pitch` elements to a row, zeros beyond `width`."""
    z = tl.program_id(2).to(tl.int64)
    rows = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    k = (tl.program_id(1) * BLOCK_K + tl.arange(0, BLOCK_K)).to(tl.int64)
    x += z * stride_z
    inside = rows < n_rows
    valid = inside[:, None] & (k < width)[None, :]
    tile = tl.load(x + rows[:, None] * stride_r + k[None, :] * stride_k, mask=valid, other=0.0).to(tl.float32)
    if SCALED:
        tile *= power(exponent(tl.load(amax), TOP))
    into = (z * n_rows + rows)[:, None] * pitch + k[None, :]
    stored = inside[:, None] & (k < pitch)[None, :]
    first = tile.to(high.dtype.element_ty)
    tl.store(high + into, first, mask=stored)
    if TERMS == 2:
        tl.store(low + into, (tile - first.to(tl.float32)).to(low.dtype.element_ty), mask=stored)


@dataclass(frozen=True)
class Terms:
    """Contiguous terms of a side, (1 | Z, rows, pitch); `low` is `high` where one term is enough."""

    high: Tensor
    low: Tensor

    @property
    def pitch(self) -> int:
        return self.high.shape[2]

    @property
    def stride_z(self) -> int:
        return self.high.stride(0) if self.high.shape[0] > 1 else 0


def cdiv(x: int, y: int) -> int:
    """x / y rounded up. Triton's own takes ten times as long from Python."""
    return -(-x // y)


def pitch(width: int) -> int:
    """Elements to a padded row: a multiple of 16, which a launch tells the compiler, so that loads are 16 bytes wide."""
    return cdiv(width, 16) * 16


def layers(x: Tensor) -> int:
    """Batch elements that differ: 1 where all share them."""
    return x.shape[0] if x.stride(0) else 1


def add_largest(x: Tensor, amax: Tensor) -> None:
    """Raise `amax` (int32 on the device) to the bits of the largest magnitude in x (Z, rows, K)."""
    flat = _flat(x)
    if flat is not None:
        blocks = cdiv(flat.numel(), FLAT)
        programs = min(blocks, PROGRAMS * multiprocessors(x.device))
        largest_flat_kernel[(programs,)](flat, amax, flat.numel(), blocks, programs, BLOCK=FLAT, num_warps=8)
        return
    grid = (cdiv(x.shape[1], ROWS), layers(x))
    largest_kernel[grid](x, amax, *x.shape[1:], *x.stride(), BLOCK_R=ROWS, BLOCK_K=COLUMNS, num_warps=4)


def _flat(x: Tensor) -> Tensor | None:
    """All numbers of x as they lie in memory, None where there are gaps between them."""
    kept = x[:1] if x.stride(0) == 0 else x
    ordered = kept.permute(sorted(range(kept.dim()), key=kept.stride, reverse=True))
    return ordered.view(-1) if ordered.is_contiguous() else None


@cache
def multiprocessors(device: torch.device) -> int:
    """Of a GPU; a few for the interpreter."""
    return 4 if device.type != "cuda" else int(torch.cuda.get_device_properties(device).multi_processor_count)


def terms(x: Tensor, amax: Tensor, top: int, dtype: torch.dtype, count: int) -> Terms:
    """`count` terms of x (Z, rows, K); float16 after a factor from `amax`, bfloat16 as they are."""
    rows, width = x.shape[1:]
    high = torch.empty((layers(x), rows, pitch(width)), dtype=dtype, device=x.device)
    low = torch.empty_like(high) if count == 2 else high
    grid = (cdiv(rows, ROWS), cdiv(high.shape[2], COLUMNS), high.shape[0])
    terms_kernel[grid](
        x,
        amax,
        high,
        low,
        rows,
        width,
        *x.stride(),
        high.shape[2],
        TOP=top,
        SCALED=dtype == torch.float16,
        TERMS=count,
        BLOCK_R=ROWS,
        BLOCK_K=COLUMNS,
        num_warps=4,
    )
    return Terms(high, low)
