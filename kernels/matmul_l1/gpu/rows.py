"""The narrow kernel, K <= 256: a block of rows stays on the chip, the other side streams past, as in attention.

    for every window n:   left = a * scale_n                          rows x K, in 16-bit terms
        for every block of the other side:   p = left @ right^T + bias,   S = sign(p),   G += S @ right
        da += G * scale_n,   dscale_n = sum of G * a over the rows

One pass gives the value and the gradient of the side that owns the rows; the same kernel with the sides exchanged gives
the other gradient, so that the product is computed twice: 8 M Q K flop in all where 6 are needed. The fourth product
costs less than what avoids it: atomics move rows/128 times the other gradient through L2 and give no fixed order of
sums, and stored signs are more bytes than all operands together. Nothing of size M x Q exists; what leaves the chip is
each row's sum and each row's gradient.

Blocks of the other side in which no entry is allowed by the mask are not visited: `order` lists those that are.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .numbers import dot, exponent, inverse_power, masked, power, signs, wide


@triton.jit
def stream(
    left,
    g,
    row_sums,
    z,
    block,
    first_block,
    end_block,
    shrink,
    high,
    low,
    right_z,
    pitch,
    n_rows,
    period,
    n_columns,
    column_period,
    column_offset,
    bias,
    bias_z,
    bias_i,
    bias_j,
    mask,
    mask_i,
    mask_j,
    order,
    order_i,
    zero,
    TERMS: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    HAS_MASK: tl.constexpr,
    SUM: tl.constexpr,
    GRAD: tl.constexpr,
    UPCAST: tl.constexpr,
    BLOCK_I: tl.constexpr,
    BLOCK_J: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Row sums of |p| and g + S @ right for one window's left side against some blocks of the other."""
    i = tl.arange(0, BLOCK_I)
    columns = tl.arange(0, BLOCK_J)
    k = tl.arange(0, BLOCK_K)
    left_high = left.to(high.dtype.element_ty)
    left_low = (left - left_high.to(tl.float32)).to(high.dtype.element_ty)
    offsets = columns[:, None] * pitch + k[None, :]
    for step in range(first_block, end_block):
        j_block = step
        if HAS_MASK:
            j_block = tl.load(order + block * order_i + step)
        first = wide(j_block) * BLOCK_J
        inside_j = columns < n_columns - first
        valid = inside_j[:, None] & (k < pitch)[None, :]
        tile = z * right_z + first * pitch
        right_high = tl.load(high + tile + offsets, mask=valid, other=0.0)
        p = tl.zeros([BLOCK_I, BLOCK_J], tl.float32)
        if TERMS == 2:
            right_low = tl.load(low + tile + offsets, mask=valid, other=0.0)
            p = dot(left_high, tl.trans(right_low), p, UPCAST)
            p = dot(left_low, tl.trans(right_high), p, UPCAST)
        p = dot(left_high, tl.trans(right_high), p, UPCAST)
        if HAS_BIAS or HAS_MASK:
            row = wide(block) * BLOCK_I + i + step * zero
            column = (first + column_offset + columns) % column_period
            inside = (row < n_rows)[:, None] & inside_j[None, :]
            row = row % period
            if HAS_BIAS:
                entries = bias + z * bias_z + row[:, None] * bias_i + column[None, :] * bias_j
                p = p * shrink + tl.load(entries, mask=inside, other=0.0).to(tl.float32)
            if HAS_MASK:
                entries = mask + row[:, None] * mask_i + column[None, :] * mask_j
                p = masked(p, tl.load(entries, mask=inside, other=0))
        if SUM:
            row_sums += tl.sum(tl.abs(p), axis=1)
        if GRAD:
            s = signs(p).to(high.dtype.element_ty)
            g = dot(s, right_high, g, UPCAST)
            if TERMS == 2:
                g = dot(s, right_low, g, UPCAST)
    return row_sums, g


@triton.jit
def rows_kernel(
    # the owner: rows (z, i) of its own dtype and layout; row i has the entries of row i % period in bias and mask
    a,
    a_z,
    a_i,
    a_k,
    n_rows,
    period,
    # the side that streams: contiguous terms, rows `column_offset` and on of it
    high,
    low,
    right_z,
    pitch,
    n_columns,
    column_period,
    column_offset,
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
    order,
    counts,
    order_i,
    # 0, which the compiler does not know: addresses that hang on it are computed where they are used, not kept in
    # registers through the loop
    zero,
    # bits of the largest magnitudes
    amax,
    amax_other,
    amax_scale,
    # results
    sums,
    grad,
    grad_z,
    grad_split,
    grad_i,
    grad_scale,
    grad_scale_z,
    splits,
    window_splits,
    SCALED: tl.constexpr,
    TERMS: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    HAS_MASK: tl.constexpr,
    SUM: tl.constexpr,
    GRAD: tl.constexpr,
    GRAD_SCALE: tl.constexpr,
    ACCUMULATE: tl.constexpr,
    TOP_OWNER: tl.constexpr,
    TOP_SCALE: tl.constexpr,
    TOP_OTHER: tl.constexpr,
    UPCAST: tl.constexpr,
    BLOCK_I: tl.constexpr,
    BLOCK_J: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    block = tl.program_id(0)
    split = tl.program_id(1)
    z = tl.program_id(2).to(tl.int64)
    i = tl.arange(0, BLOCK_I)
    k = tl.arange(0, BLOCK_K)
    first_row = wide(block) * BLOCK_I
    inside_i = i < n_rows - first_row
    inside_k = k < width
    a += z * a_z + first_row * a_i

    owner_factor = 1.0
    scale_factor = 1.0
    shrink_other = 1.0
    shrink = 1.0
    if SCALED:
        owner_exponent = exponent(tl.load(amax), TOP_OWNER)
        other_exponent = exponent(tl.load(amax_other), TOP_OTHER)
        owner_factor = power(owner_exponent)
        shrink_other = inverse_power(other_exponent)
        shrink = inverse_power(owner_exponent) * shrink_other
        if HAS_SCALE:
            scale_exponent = exponent(tl.load(amax_scale), TOP_SCALE)
            scale_factor = power(scale_exponent)
            shrink = shrink * inverse_power(scale_exponent)

    # A split takes its share of the windows, and of the blocks of the other side.
    n_blocks = tl.cdiv(n_columns, BLOCK_J)
    if HAS_MASK:
        n_blocks = tl.load(counts + block)
    column_splits = splits // window_splits
    column_split = split // window_splits
    first_block = (n_blocks * column_split) // column_splits
    end_block = (n_blocks * (column_split + 1)) // column_splits

    row_sums = tl.zeros([BLOCK_I], tl.float32)
    total = tl.zeros([BLOCK_I, BLOCK_K], tl.float32)
    if HAS_SCALE:
        window_split = split % window_splits
        first_window = (n_windows * window_split) // window_splits
        end_window = (n_windows * (window_split + 1)) // window_splits
        scale += z * scale_z + k * scale_k
        grad_scale += z * grad_scale_z + wide(block * column_splits + column_split) * n_windows * width + k
        for n in range(first_window, end_window):
            middle = tl.load(scale + wide(n) * scale_n, mask=inside_k, other=0.0).to(tl.float32)
            row = i + n * zero
            place = row[:, None] * a_i + k[None, :] * a_k
            valid = (row < n_rows - first_row)[:, None] & inside_k[None, :]
            left = tl.load(a + place, mask=valid, other=0.0).to(tl.float32) * owner_factor
            left *= (middle * scale_factor)[None, :]
            g = tl.zeros([BLOCK_I, BLOCK_K], tl.float32)
            # fmt: off
            row_sums, g = stream(
                left, g, row_sums, z, block, first_block, end_block, shrink, high, low, right_z, pitch, n_rows, period,
                n_columns, column_period, column_offset, bias, bias_z, bias_i, bias_j, mask, mask_i, mask_j, order,
                order_i, zero, TERMS, HAS_BIAS, HAS_MASK, SUM, GRAD or GRAD_SCALE, UPCAST, BLOCK_I, BLOCK_J,
                BLOCK_K,
            )
            # fmt: on
            if GRAD_SCALE:
                row = i + (n + 1) * zero
                place = row[:, None] * a_i + k[None, :] * a_k
                valid = (row < n_rows - first_row)[:, None] & inside_k[None, :]
                owner = tl.load(a + place, mask=valid, other=0.0).to(tl.float32)
                found = tl.sum(g * owner, axis=0) * shrink_other
                entries = grad_scale + wide(n) * width
                if ACCUMULATE:
                    found += tl.load(entries, mask=inside_k, other=0.0)
                tl.store(entries, found, mask=inside_k)
            if GRAD:
                total += g * middle[None, :]
    else:
        valid = inside_i[:, None] & inside_k[None, :]
        left = tl.load(a + i[:, None] * a_i + k[None, :] * a_k, mask=valid, other=0.0).to(tl.float32) * owner_factor
        # fmt: off
        row_sums, total = stream(
            left, total, row_sums, z, block, first_block, end_block, shrink, high, low, right_z, pitch, n_rows, period,
            n_columns, column_period, column_offset, bias, bias_z, bias_i, bias_j, mask, mask_i, mask_j, order,
            order_i, zero, TERMS, HAS_BIAS, HAS_MASK, SUM, GRAD, UPCAST, BLOCK_I, BLOCK_J, BLOCK_K,
        )
        # fmt: on
    if SUM:
        if not HAS_BIAS:
            row_sums *= shrink
        entries = sums + (z * splits + split) * n_rows + first_row + i
        if ACCUMULATE:
            row_sums += tl.load(entries, mask=inside_i, other=0.0)
        tl.store(entries, row_sums, mask=inside_i)
    if GRAD:
        total *= shrink_other
        entries = grad + z * grad_z + wide(split) * grad_split + first_row * grad_i
        entries += i[:, None] * grad_i + k[None, :]
        valid = inside_i[:, None] & inside_k[None, :]
        if ACCUMULATE:
            total += tl.load(entries, mask=valid, other=0.0)
        tl.store(entries, total, mask=valid)
