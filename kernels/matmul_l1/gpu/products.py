"""The wide kernel's first half: a tile of the product for every window, and what is kept of it.

    p_n = sum over blocks of K of (a * scale_n) @ right^T + bias

A program owns one tile of M x Q and loops over the windows inside it, so that the sums over windows (values, the
gradient of the bias, scores) are complete where they lie and deterministic, and neither the product nor the scaled left
side exists. For the gradients at large K the signs are stored, one byte an entry, a chunk of windows or rows at a time
that stays in L2: the second half (gradients.py) reads them instead of computing 2 M Q K flop again.

Tiles in which the mask allows nothing are not computed.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .numbers import dot, exponent, inverse_power, masked, power, signs, wide


@triton.jit
def products_kernel(
    # the left side (z, n, i): contiguous terms, or with a diagonal middle rows of its own dtype and layout
    a,
    low_a,
    a_z,
    a_n,
    a_i,
    a_k,
    n_rows,
    period,
    row_offset,
    # the right side (z, n, j): contiguous terms
    high,
    low,
    right_z,
    right_n,
    pitch,
    n_columns,
    width,
    # the diagonal middle
    scale,
    scale_z,
    scale_n,
    scale_k,
    n_windows,
    # entries (z, i, j)
    bias,
    bias_z,
    bias_i,
    bias_j,
    mask,
    mask_i,
    mask_j,
    # bits of the largest magnitudes
    amax,
    amax_right,
    amax_scale,
    # results
    sums,
    kept,
    kept_pitch,
    sign_sum,
    absolute,
    signed,
    columns_blocks,
    mean_factor,
    # 0, unknown to the compiler: see rows.py
    zero,
    SCALED: tl.constexpr,
    TERMS: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    HAS_MASK: tl.constexpr,
    SUM: tl.constexpr,
    KEEP: tl.constexpr,
    SUM_SIGNS: tl.constexpr,
    ABSOLUTE: tl.constexpr,
    SIGNED: tl.constexpr,
    ACCUMULATE: tl.constexpr,
    TOP_LEFT: tl.constexpr,
    TOP_SCALE: tl.constexpr,
    TOP_RIGHT: tl.constexpr,
    UPCAST: tl.constexpr,
    BLOCK_I: tl.constexpr,
    BLOCK_J: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Tile (i, j) of batch element z, all its windows.

    sums (z, column block, i): row sums of |p| over the tile;  kept (z, n, i, j) int8: signs, `kept_pitch` to a row, 0 beyond
    the last column;  sign_sum (z, i, j): their sum over windows;  absolute, signed (i, j): mean_factor times the sum over
    windows of |p|, p. With ACCUMULATE the last three are added to what is there.
    """
    column_block = tl.program_id(0) % columns_blocks
    row_block = tl.program_id(0) // columns_blocks
    z = tl.program_id(1).to(tl.int64)
    i = tl.arange(0, BLOCK_I)
    j = tl.arange(0, BLOCK_J)
    k = tl.arange(0, BLOCK_K)
    first_row = wide(row_block) * BLOCK_I
    first_column = wide(column_block) * BLOCK_J
    inside_i = i < n_rows - first_row
    inside_j = j < n_columns - first_column
    inside = inside_i[:, None] & inside_j[None, :]
    row = (row_offset + first_row + i) % period
    column = first_column + j
    low_dtype = high.dtype.element_ty
    high += z * right_z + first_column * pitch
    low += z * right_z + first_column * pitch
    a += z * a_z + first_row * a_i
    low_a += z * a_z + first_row * a_i

    left_factor = 1.0
    scale_factor = 1.0
    shrink = 1.0
    if SCALED:
        left_exponent = exponent(tl.load(amax), TOP_LEFT)
        right_exponent = exponent(tl.load(amax_right), TOP_RIGHT)
        left_factor = power(left_exponent)
        shrink = inverse_power(left_exponent) * inverse_power(right_exponent)
        if HAS_SCALE:
            scale_exponent = exponent(tl.load(amax_scale), TOP_SCALE)
            scale_factor = power(scale_exponent)
            shrink = shrink * inverse_power(scale_exponent)

    n_steps = tl.cdiv(width, BLOCK_K)
    if HAS_MASK:
        allowed = tl.load(mask + row[:, None] * mask_i + column[None, :] * mask_j, mask=inside, other=0)
        # A tile without an allowed entry costs no product.
        n_steps = tl.where(tl.max(tl.max(allowed.to(tl.int32), 1), 0) > 0, n_steps, 0)

    row_sums = tl.zeros([BLOCK_I], tl.float32)
    tile_sum = tl.zeros([BLOCK_I, BLOCK_J], tl.float32)
    tile_signed = tl.zeros([BLOCK_I, BLOCK_J], tl.float32)
    for n in range(n_windows):
        p = tl.zeros([BLOCK_I, BLOCK_J], tl.float32)
        own = wide(n) * a_n
        other = wide(n) * right_n
        for step in range(n_steps):
            depth = step * BLOCK_K + k
            # Terms are 0 from `width` to `pitch`.
            inside_k = depth < (width if HAS_SCALE else pitch)
            valid_left = inside_i[:, None] & inside_k[None, :]
            valid_right = inside_j[:, None] & (depth < pitch)[None, :]
            places = i[:, None] * a_i + depth[None, :] * a_k
            if HAS_SCALE:
                left = tl.load(a + own + places, mask=valid_left, other=0.0).to(tl.float32) * left_factor
                entries = scale + z * scale_z + wide(n) * scale_n + depth * scale_k
                middle = tl.load(entries, mask=inside_k, other=0.0).to(tl.float32)
                left *= (middle * scale_factor)[None, :]
                left_high = left.to(low_dtype)
                left_low = (left - left_high.to(tl.float32)).to(low_dtype)
            else:
                left_high = tl.load(a + own + places, mask=valid_left, other=0.0)
                left_low = left_high
                if TERMS == 2:
                    left_low = tl.load(low_a + own + places, mask=valid_left, other=0.0)
            tile = j[:, None] * pitch + depth[None, :]
            right_high = tl.load(high + other + tile, mask=valid_right, other=0.0)
            if TERMS == 2:
                right_low = tl.load(low + other + tile, mask=valid_right, other=0.0)
                p = dot(left_high, tl.trans(right_low), p, UPCAST)
                p = dot(left_low, tl.trans(right_high), p, UPCAST)
            p = dot(left_high, tl.trans(right_high), p, UPCAST)
        if HAS_BIAS or ABSOLUTE:
            p *= shrink
        if HAS_BIAS:
            entries = bias + z * bias_z + (row + n * zero)[:, None] * bias_i + column[None, :] * bias_j
            p += tl.load(entries, mask=inside, other=0.0).to(tl.float32)
        if HAS_MASK:
            entries = mask + (row + n * zero)[:, None] * mask_i + column[None, :] * mask_j
            p = masked(p, tl.load(entries, mask=inside, other=0))
        if SUM:
            row_sums += tl.sum(tl.abs(p), axis=1)
        if ABSOLUTE:
            tile_sum += tl.abs(p)
        if SIGNED:
            tile_signed += p
        if KEEP or SUM_SIGNS:
            s = signs(p)
            if SUM_SIGNS:
                tile_sum += s
            if KEEP:
                entries = kept + ((z * n_windows + n) * n_rows + first_row) * kept_pitch + first_column
                entries += (i + n * zero)[:, None] * kept_pitch + j[None, :]
                stored = inside_i[:, None] & (j < kept_pitch - first_column)[None, :]
                tl.store(entries, s.to(tl.int8), mask=stored)
    if SUM:
        if not (HAS_BIAS or ABSOLUTE):
            row_sums *= shrink
        tl.store(sums + (z * columns_blocks + column_block) * n_rows + first_row + i, row_sums, mask=inside_i)
    place = (z * n_rows + first_row) * n_columns + first_column + i[:, None] * n_columns + j[None, :]
    if SUM_SIGNS:
        if ACCUMULATE:
            tile_sum += tl.load(sign_sum + place, mask=inside, other=0.0)
        tl.store(sign_sum + place, tile_sum, mask=inside)
    if ABSOLUTE:
        tile_sum *= mean_factor
        if ACCUMULATE:
            tile_sum += tl.load(absolute + place, mask=inside, other=0.0)
        tl.store(absolute + place, tile_sum, mask=inside)
    if SIGNED:
        tile_signed *= mean_factor
        if ACCUMULATE:
            tile_signed += tl.load(signed + place, mask=inside, other=0.0)
        tl.store(signed + place, tile_signed, mask=inside)
