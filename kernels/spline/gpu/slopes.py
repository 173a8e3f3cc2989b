"""Slope matrices, A_noi = sum_k w_i,c+k,o phi'_k(u_ni) + w_i,base,o base'(x_ni), of order + 1 live splines k from c_ni on.

Rows are pairs (n, i), n_in to a window, and o lies innermost in memory both in the weights (I, G, O) and in the result
(N, I, O): a row is a sum of order + 2 contiguous pieces of weights, each with a number of its own. N I O (order + 2) fused
multiply-adds, N I O numbers written once; the weights come from L2.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .live import base_slope, locate, polynomial


@triton.jit
def slopes_kernel(
    x,
    n_rows,
    n_in,
    # (I, G, O), the base activation after the `n_splines` splines
    weights,
    n_functions,
    n_splines,
    n_out,
    grid,
    low,
    inverse_step,
    # (N, I, O)
    result,
    ORDER: tl.constexpr,
    # Powers of u of the live splines' first derivatives, for cells of width 1.
    POWERS: tl.constexpr,
    HAS_BASE: tl.constexpr,
    SILU: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_O: tl.constexpr,
):
    rows = tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)
    o = tl.program_id(1) * BLOCK_O + tl.arange(0, BLOCK_O)
    inside_r = rows < n_rows
    inside_o = o < n_out
    own = tl.load(x + rows, mask=inside_r, other=0.0)
    first, u = locate(own, low, inverse_step, grid, ORDER)
    begin = (rows % n_in) * n_functions
    total = tl.zeros([BLOCK_R, BLOCK_O], tl.float32)
    for k in tl.static_range(ORDER + 1):
        spline = first + k
        live = inside_r & (spline >= 0) & (spline < n_splines)
        piece = weights + ((begin + spline) * n_out)[:, None] + o[None, :]
        slope = polynomial(u, inverse_step, POWERS, ORDER, k)
        total += slope[:, None] * tl.load(piece, mask=live[:, None] & inside_o[None, :], other=0.0)
    valid = inside_r[:, None] & inside_o[None, :]
    if HAS_BASE:
        piece = weights + ((begin + n_splines) * n_out)[:, None] + o[None, :]
        total += base_slope(own, SILU)[:, None] * tl.load(piece, mask=valid, other=0.0)
    tl.store(result + (rows * n_out)[:, None] + o[None, :], total, mask=valid)
