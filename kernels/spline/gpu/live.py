"""What the kernels share: the cell of an input, its live splines' polynomials, the base activation's derivatives."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def locate(x, low, inverse_step, grid, ORDER: tl.constexpr):
    """The first live spline of each x, and u in [0, 1). Beyond the splines' support the first is one that does not exist."""
    t = (x - low) * inverse_step
    beyond = (t < -ORDER) | (t >= grid + ORDER)
    floor = tl.floor(t)
    u = tl.where(beyond, 0.0, t - floor)
    # NaN has no cell: it goes where all live splines exist and stays NaN.
    first = tl.where(beyond | (x != x), 0.0, floor).to(tl.int32)
    return tl.where(beyond, grid + ORDER, first), u


@triton.jit
def polynomial(u, scale, POWERS: tl.constexpr, COUNT: tl.constexpr, SPLINE: tl.constexpr):
    """scale * sum_m POWERS[SPLINE * COUNT + m] u^m."""
    result = u * 0.0 + POWERS[SPLINE * COUNT + COUNT - 1]
    for m in tl.static_range(1, COUNT):
        result = result * u + POWERS[SPLINE * COUNT + COUNT - 1 - m]
    return result * scale


@triton.jit
def base_slope(x, SILU: tl.constexpr):
    """First derivative of the identity or of SiLU."""
    if SILU:
        gate = 1.0 / (1.0 + tl.exp(-x))
        return gate * (1.0 + x * (1.0 - gate))
    return x * 0.0 + 1.0


@triton.jit
def silu_curvature(x):
    gate = 1.0 / (1.0 + tl.exp(-x))
    return gate * (1.0 - gate) * (2.0 + x * (1.0 - 2.0 * gate))
