"""The wide kernel's second half: a gradient from stored signs, an ordinary product with the diagonal middle folded in.

    G_n = S_n @ other,   grad = sum over n of G_n * scale_n,   dscale_n = sum over rows of G_n * owner

with S (n, i, j) int8 read along either of its sides: the same kernel gives da (other = b^T) and db^T (S transposed, other = a).
Splits share the windows, or the columns, and are added by the caller in a fixed order.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .numbers import dot, exponent, inverse_power, wide


@triton.jit
def gradients_kernel(
    # signs (z, n, i, j); one of its sides is padded with zeros to `kept_rows` or `kept_columns`
    kept,
    kept_z,
    kept_n,
    kept_i,
    kept_j,
    kept_rows,
    kept_columns,
    n_rows,
    n_columns,
    n_windows,
    # the other side: contiguous terms, rows j
    high,
    low,
    other_z,
    pitch,
    width,
    # the diagonal middle, and the owner of the rows for its gradient
    scale,
    scale_z,
    scale_n,
    scale_k,
    a,
    a_z,
    a_i,
    a_k,
    # bits of the other side's largest magnitude; NaN where a sign was of NaN, else 0
    amax,
    poison,
    # results
    grad,
    grad_z,
    grad_split,
    grad_i,
    grad_scale,
    grad_scale_z,
    width_blocks,
    splits,
    window_splits,
    # 0, unknown to the compiler: see rows.py
    zero,
    SCALED: tl.constexpr,
    TERMS: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    GRAD: tl.constexpr,
    GRAD_SCALE: tl.constexpr,
    ACCUMULATE: tl.constexpr,
    TOP_OTHER: tl.constexpr,
    UPCAST: tl.constexpr,
    BLOCK_I: tl.constexpr,
    BLOCK_J: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Tile (i, k) of a gradient of batch element z; grad (z, split, i, k), grad_scale (z, row block and column split, n, k)."""
    k_block = tl.program_id(0) % width_blocks
    row_block = tl.program_id(0) // width_blocks
    split = tl.program_id(1)
    z = tl.program_id(2).to(tl.int64)
    i = tl.arange(0, BLOCK_I)
    j = tl.arange(0, BLOCK_J)
    k = k_block * BLOCK_K + tl.arange(0, BLOCK_K)
    first_row = wide(row_block) * BLOCK_I
    inside_i = i < n_rows - first_row
    inside_k = k < width
    low_dtype = high.dtype.element_ty
    kept += z * kept_z + first_row * kept_i
    shrink = 1.0
    if SCALED:
        shrink = inverse_power(exponent(tl.load(amax), TOP_OTHER))

    n_blocks = tl.cdiv(n_columns, BLOCK_J)
    column_splits = splits // window_splits
    column_split = split // window_splits
    window_split = split % window_splits
    first_block = (n_blocks * column_split) // column_splits
    end_block = (n_blocks * (column_split + 1)) // column_splits
    first_window = (n_windows * window_split) // window_splits
    end_window = (n_windows * (window_split + 1)) // window_splits

    total = tl.zeros([BLOCK_I, BLOCK_K], tl.float32)
    for n in range(first_window, end_window):
        # Without a diagonal middle there is one window.
        g = tl.zeros([BLOCK_I, BLOCK_K], tl.float32)
        window = kept + wide(n) * kept_n
        for step in range(first_block, end_block):
            first = wide(step) * BLOCK_J
            inside_j = j < n_columns - first
            signed = (i < kept_rows - first_row)[:, None] & (j < kept_columns - first)[None, :]
            places = i[:, None] * kept_i + j[None, :] * kept_j
            s = tl.load(window + first * kept_j + places, mask=signed, other=0)
            s = s.to(tl.float32) if UPCAST else s.to(low_dtype)
            tile = z * other_z + first * pitch + (j[:, None] * pitch + k[None, :])
            valid = inside_j[:, None] & (k < pitch)[None, :]
            g = dot(s, tl.load(high + tile, mask=valid, other=0.0), g, UPCAST)
            if TERMS == 2:
                g = dot(s, tl.load(low + tile, mask=valid, other=0.0), g, UPCAST)
        if GRAD_SCALE:
            row = i + n * zero
            owner = tl.load(
                a + z * a_z + first_row * a_i + (row[:, None] * a_i + k[None, :] * a_k),
                mask=inside_i[:, None] & inside_k[None, :],
                other=0.0,
            ).to(tl.float32)
            part = (wide(row_block * column_splits + column_split) * n_windows + n) * width
            tl.store(grad_scale + z * grad_scale_z + part + k, tl.sum(g * owner, axis=0) * shrink, mask=inside_k)
        if GRAD:
            if HAS_SCALE:
                entries = scale + z * scale_z + wide(n) * scale_n + k * scale_k
                g *= tl.load(entries, mask=inside_k, other=0.0).to(tl.float32)[None, :]
            total += g
    if GRAD:
        total = total * shrink + tl.load(poison)
        entries = grad + z * grad_z + wide(split) * grad_split + first_row * grad_i
        entries += i[:, None] * grad_i + k[None, :]
        valid = inside_i[:, None] & inside_k[None, :]
        if ACCUMULATE:
            total += tl.load(entries, mask=valid, other=0.0)
        tl.store(entries, total, mask=valid)
