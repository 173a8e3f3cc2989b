"""The two gradients of the slope matrix A (N, I, O) for an incoming D (N, I, O), in a fixed order of sums, without atomics.

    dw_igo = sum_n D_nio phi'_g(x_ni)                               a program owns (i, g, o) and walks the windows
    dx_ni  = sum_o D_nio sum_k w_i,c+k,o phi''_k(u_ni)              a program owns rows (n, i) and walks the outputs
             + base''(x_ni) sum_o D_nio w_i,base,o

D is read once by each, and by the first once more for every BLOCK_G functions.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .live import base_slope, locate, polynomial, silu_curvature


@triton.jit
def grad_weights_kernel(
    x,
    n_windows,
    n_in,
    # (N, I, O)
    incoming,
    n_functions,
    n_splines,
    n_out,
    grid,
    low,
    inverse_step,
    # (I, G, O)
    result,
    g_blocks,
    ORDER: tl.constexpr,
    POWERS: tl.constexpr,
    HAS_BASE: tl.constexpr,
    SILU: tl.constexpr,
    BLOCK_G: tl.constexpr,
    BLOCK_O: tl.constexpr,
):
    i = (tl.program_id(0) // g_blocks).to(tl.int64)
    g = (tl.program_id(0) % g_blocks) * BLOCK_G + tl.arange(0, BLOCK_G)
    o = tl.program_id(1) * BLOCK_O + tl.arange(0, BLOCK_O)
    inside_o = o < n_out
    total = tl.zeros([BLOCK_G, BLOCK_O], tl.float32)
    row = i
    for _ in range(n_windows):
        own = tl.load(x + row)
        first, u = locate(own, low, inverse_step, grid, ORDER)
        place = g - first
        # NaN reaches every function of its edge.
        slope = tl.zeros([BLOCK_G], tl.float32) + u * 0.0
        for k in tl.static_range(ORDER + 1):
            slope += tl.where(place == k, polynomial(u, inverse_step, POWERS, ORDER, k), 0.0)
        if HAS_BASE:
            slope = tl.where(g == n_splines, base_slope(own, SILU), slope)
        d = tl.load(incoming + row * n_out + o, mask=inside_o, other=0.0)
        total += slope[:, None] * d[None, :]
        row += n_in
    entries = result + ((i * n_functions + g) * n_out)[:, None] + o[None, :]
    tl.store(entries, total, mask=(g < n_functions)[:, None] & inside_o[None, :])


@triton.jit
def grad_inputs_kernel(
    x,
    n_rows,
    n_in,
    incoming,
    weights,
    n_functions,
    n_splines,
    n_out,
    grid,
    low,
    inverse_step,
    result,
    ORDER: tl.constexpr,
    # Powers of u of the live splines' second derivatives.
    POWERS: tl.constexpr,
    COUNT: tl.constexpr,
    SILU: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_O: tl.constexpr,
):
    rows = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    inside_r = rows < n_rows
    own = tl.load(x + rows, mask=inside_r, other=0.0)
    first, u = locate(own, low, inverse_step, grid, ORDER)
    begin = (rows % n_in) * n_functions
    total = tl.zeros([BLOCK_R, BLOCK_O], tl.float32)
    for start in range(0, n_out, BLOCK_O):
        o = start + tl.arange(0, BLOCK_O)
        inside_o = o < n_out
        valid = inside_r[:, None] & inside_o[None, :]
        curvature = tl.zeros([BLOCK_R, BLOCK_O], tl.float32)
        for k in tl.static_range(ORDER + 1):
            spline = first + k
            live = inside_r & (spline >= 0) & (spline < n_splines)
            piece = weights + ((begin + spline) * n_out)[:, None] + o[None, :]
            bend = polynomial(u, inverse_step * inverse_step, POWERS, COUNT, k)
            curvature += bend[:, None] * tl.load(piece, mask=live[:, None] & inside_o[None, :], other=0.0)
        if SILU:
            piece = weights + ((begin + n_splines) * n_out)[:, None] + o[None, :]
            curvature += silu_curvature(own)[:, None] * tl.load(piece, mask=valid, other=0.0)
        total += curvature * tl.load(incoming + (rows * n_out)[:, None] + o[None, :], mask=valid, other=0.0)
    tl.store(result + rows, tl.sum(total, axis=1), mask=inside_r)
