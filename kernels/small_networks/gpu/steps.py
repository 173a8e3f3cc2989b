"""A run of Adam's steps of small networks: one program to a network, blocks of its windows and of its inputs in turn.

    pre = W1^T z + b1,   a = silu(pre),   s = silu'(pre) = g + a (1 - g),   g = sigmoid(pre)
    y = b + skip . z + sum_k f_k(z_k) + w2 . a,   J_k = skip_k + f_k'(z_k) + (W1 diag(w2) s)_k,   S = sign(J)
    r = 2 (y - t) / B,   q = c S W1,   v = r s + q (1 - g) (2 s - a),   c = lam / B,   f_k = sum_g c_kg B_g

    dW1 = (z^T v + c S^T s) diag(w2),   db1 = w2 sum v,   dw2 = sum (r a + q s),   dskip = z^T r + c sum S,   db = sum r
    dc_kg = sum_n r_n B_g(z_nk) + c S_nk B_g'(z_nk)

A step walks blocks of windows for r, S, s and v, which it writes, then blocks of inputs for gradients and Adam. What it writes
and reads again, parameters and moments too, some 20 KB that no other program knows, stays in the first caches; registers
hold one block, and K is of any size. The F inputs that are not penalised follow the K and have neither units nor S.

Products (five of 2 B K h flop) are as exact as float32's: of tf32 terms on NVIDIA's tensor cores, three products or two with S,
in float32 on AMD's. By ordinary float32 instructions a step takes 1.25 times as many of them, and with splines it spills.

A cubic spline costs a window 4 coefficients, gathered, and its gradient a sum over windows that no two threads share:
w = max(2 - |d|, 0), x = max(1 - |d|, 0) of d = (z - centre) / step give, in 14 instructions,

    6 B = w^3 - 4 x^3,   -2 step B' = sign(d) (w^2 - 4 x^2)
"""

from __future__ import annotations

import triton
import triton.language as tl

from ...matmul_l1.gpu.numbers import signs
from ...spline.gpu.live import locate, polynomial
from ..levels import ORDER
from ..step import BETAS, EPS

BETA1, BETA2, EPSILON = tl.constexpr(BETAS[0]), tl.constexpr(BETAS[1]), tl.constexpr(EPS)
CUBIC = tl.constexpr(ORDER)


@triton.jit
def high(x):
    """x to the nearest number of ten bits of mantissa, which is what tensor cores read."""
    return ((x.to(tl.int32, bitcast=True) + 0x1000) & -0x2000).to(tl.float32, bitcast=True)


@triton.jit
def product(x, y, acc, SPLIT: tl.constexpr, SIGNS: tl.constexpr):
    """acc + x @ y as in float32. `SPLIT`: by tf32 terms, three products of them, or two if x are `SIGNS`."""
    if SPLIT:
        y_high = high(y)
        if SIGNS:
            acc = tl.dot(x, y - y_high, acc, input_precision="tf32")
            return tl.dot(x, y_high, acc, input_precision="tf32")
        else:
            x_high = high(x)
            acc = tl.dot(x_high, y - y_high, acc, input_precision="tf32")
            acc = tl.dot(x - x_high, y_high, acc, input_precision="tf32")
            return tl.dot(x_high, y_high, acc, input_precision="tf32")
    else:
        return tl.dot(x, y, acc, input_precision="ieee")


@triton.jit
def splined(
    result, z, coefficients, k, read, n_splines, low, inverse_step, scale, POWERS: tl.constexpr, COUNT: tl.constexpr
):
    """result (B, K) and each input's spline, or its slope; coefficients point to (K, G)."""
    first, u = locate(z, low, inverse_step, n_splines - CUBIC, CUBIC)
    own = coefficients + (k[None, :] * n_splines + first)
    for j in tl.static_range(CUBIC + 1):
        live = read & (first >= -j) & (first < n_splines - j)
        coefficient = tl.load(own + j, mask=live, other=0.0)
        result += coefficient * polynomial(u, scale, POWERS, COUNT, j)
    return result


@triton.jit
def with_sign_of(d, x):
    """x, or -x where the sign bit of d is set."""
    bits = (d.to(tl.int32, bitcast=True) & -0x80000000) ^ x.to(tl.int32, bitcast=True)
    return bits.to(tl.float32, bitcast=True)


@triton.jit
def adam(parameters, means, squares, entries, mask, gradient, rate, scale):
    """One step of these entries. rate: of the step over the bias of means; scale: 1 / sqrt(bias of squares)."""
    value = tl.load(parameters + entries, mask=mask, other=0.0)
    mean = tl.load(means + entries, mask=mask, other=0.0)
    square = tl.load(squares + entries, mask=mask, other=0.0)
    mean += (1.0 - BETA1) * (gradient - mean)
    square = BETA2 * square + (1.0 - BETA2) * gradient * gradient
    tl.store(parameters + entries, value - rate * mean / (tl.sqrt(square) * scale + EPSILON), mask=mask)
    tl.store(means + entries, mean, mask=mask)
    tl.store(squares + entries, square, mask=mask)


@triton.jit
def steps_kernel(
    # (P, N, K + F) and (P, N)
    inputs,
    wanted,
    n_windows,
    n_inputs,
    n_free,
    # (n_steps, B)
    windows,
    batch,
    # (n_steps, 2): what Adam's means and roots of squares are multiplied with
    rates,
    n_steps,
    # (P,)
    lam,
    # (P, R), a row to a network: encoder, splines, skip, encoder_bias, readout, readout_bias; and Adam's means and squares
    parameters,
    means,
    squares,
    n_units,
    n_splines,
    # of the splines' grid
    low,
    inverse_step,
    # (P, B (1 + K + 2 h)), room for r, S, v and c s of a step
    room,
    # 0, which the compiler does not know: addresses that hang on it are computed where they are used, not kept in registers
    # through the loops
    zero,
    # Products by tf32 terms.
    SPLIT: tl.constexpr,
    HAS_SPLINES: tl.constexpr,
    # Whether NaN in `wanted` count as no error.
    MASKED: tl.constexpr,
    # Powers of u of the live splines and of their slopes, for cells of width 1.
    VALUES: tl.constexpr,
    SLOPES: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_G: tl.constexpr,
):
    network = tl.program_id(0).to(tl.int64)
    pitch = n_inputs + n_free
    at_splines = n_inputs * n_units
    at_skip = at_splines + n_inputs * n_splines
    at_bias = at_skip + pitch
    at_readout = at_bias + n_units
    at_last = at_readout + n_units
    inputs += network * n_windows * pitch
    wanted += network * n_windows
    parameters += network * (at_last + 1)
    means += network * (at_last + 1)
    squares += network * (at_last + 1)
    all_r = room + network * batch * (1 + n_inputs + 2 * n_units)
    all_s = all_r + batch
    all_v = all_s + batch * n_inputs
    all_slopes = all_v + batch * n_units
    c = tl.load(lam + network) / batch
    h = tl.arange(0, BLOCK_H)
    inside_h = h < n_units
    one = tl.arange(0, 1)

    for step in range(n_steps):
        unit = h + step * zero
        bias = tl.load(parameters + at_bias + unit, mask=inside_h, other=0.0)
        readout = tl.load(parameters + at_readout + unit, mask=inside_h, other=0.0)
        last = tl.load(parameters + at_last)
        bias_gradient = tl.zeros([BLOCK_H], tl.float32)
        readout_gradient = tl.zeros([BLOCK_H], tl.float32)
        last_gradient = last * 0.0
        for first_b in range(0, batch, BLOCK_B):
            b = first_b + tl.arange(0, BLOCK_B)
            inside_b = b < batch
            window = tl.load(windows + b, mask=inside_b, other=0)
            rows = (window * pitch)[:, None]
            forecast = tl.zeros([BLOCK_B], tl.float32) + last
            pre = tl.zeros([BLOCK_B, BLOCK_H], tl.float32) + bias[None, :]
            for first_k in range(0, pitch, BLOCK_K):
                k = first_k + tl.arange(0, BLOCK_K)
                z = tl.load(inputs + rows + k[None, :], mask=inside_b[:, None] & (k < pitch)[None, :], other=0.0)
                valid = (k < n_inputs)[:, None] & inside_h[None, :]
                encoder = tl.load(parameters + k[:, None] * n_units + h[None, :], mask=valid, other=0.0)
                pre = product(z, encoder, pre, SPLIT, False)
                linear = z * tl.load(parameters + at_skip + k, mask=k < pitch, other=0.0)[None, :]
                if HAS_SPLINES:
                    read = inside_b[:, None] & (k < n_inputs)[None, :]
                    # fmt: off
                    linear = splined(
                        linear, z, parameters + at_splines, k, read, n_splines, low, inverse_step, 1.0, VALUES, CUBIC + 1
                    )
                    # fmt: on
                forecast += tl.sum(linear, axis=1)
            gate = 1.0 / (1.0 + tl.exp(-pre))
            act = pre * gate
            slope = gate + act * (1.0 - gate)
            forecast += tl.sum(act * readout[None, :], axis=1)
            t = tl.load(wanted + window, mask=inside_b, other=0.0)
            r = tl.where(inside_b, (forecast - t) * (2.0 / batch), 0.0)
            if MASKED:
                r = tl.where(t == t, r, 0.0)
            readout_gradient += tl.sum(r[:, None] * act, axis=0)
            bend = (1.0 - gate) * (2.0 * slope - act)
            q = tl.zeros([BLOCK_B, BLOCK_H], tl.float32)
            for first_k in range(0, n_inputs, BLOCK_K):
                k = first_k + tl.arange(0, BLOCK_K)
                inside_k = k < n_inputs
                read = inside_b[:, None] & inside_k[None, :]
                valid = inside_k[:, None] & inside_h[None, :]
                encoder = tl.load(parameters + k[:, None] * n_units + h[None, :], mask=valid, other=0.0)
                skip = tl.load(parameters + at_skip + k, mask=inside_k, other=0.0)
                jacobian = tl.zeros([BLOCK_B, BLOCK_K], tl.float32) + skip[None, :]
                if HAS_SPLINES:
                    z = tl.load(inputs + rows + k[None, :], mask=read, other=0.0)
                    # fmt: off
                    jacobian = splined(
                        jacobian, z, parameters + at_splines, k, read, n_splines, low, inverse_step, inverse_step, SLOPES, CUBIC
                    )
                    # fmt: on
                jacobian = product(slope, tl.trans(encoder * readout[None, :]), jacobian, SPLIT, False)
                s = tl.where(read, signs(jacobian), 0.0)
                tl.store(all_s + b[:, None] * n_inputs + k[None, :], s, mask=read)
                q = product(s, encoder, q, SPLIT, True)
            q *= c
            v = r[:, None] * slope + q * bend
            entries = b[:, None] * n_units + h[None, :]
            valid = inside_b[:, None] & inside_h[None, :]
            tl.store(all_r + b, r, mask=inside_b)
            tl.store(all_v + entries, v, mask=valid)
            tl.store(all_slopes + entries, slope * c, mask=valid)
            # db1 without w2, which multiplies sums over windows; so does it in dW1.
            bias_gradient += tl.sum(v, axis=0)
            readout_gradient += tl.sum(q * slope, axis=0)
            last_gradient += tl.sum(r, axis=0)
        rate = tl.load(rates)
        scale = tl.load(rates + 1)
        # What the program's threads stored is read by others of it, here and after the step.
        tl.debug_barrier()
        for first_k in range(0, pitch, BLOCK_K):
            k = first_k + tl.arange(0, BLOCK_K)
            inside_k = k < n_inputs
            encoder_gradient = tl.zeros([BLOCK_K, BLOCK_H], tl.float32)
            skip_gradient = tl.zeros([BLOCK_K], tl.float32)
            for first_b in range(0, batch, BLOCK_B):
                b = first_b + tl.arange(0, BLOCK_B)
                inside_b = b < batch
                rows = (tl.load(windows + b, mask=inside_b, other=0) * pitch)[:, None]
                entries = b[:, None] * n_units + h[None, :]
                valid = inside_b[:, None] & inside_h[None, :]
                z = tl.load(inputs + rows + k[None, :], mask=inside_b[:, None] & (k < pitch)[None, :], other=0.0)
                read = inside_b[:, None] & inside_k[None, :]
                s = tl.load(all_s + b[:, None] * n_inputs + k[None, :], mask=read, other=0.0)
                r = tl.load(all_r + b, mask=inside_b, other=0.0)
                slope = tl.load(all_slopes + entries, mask=valid, other=0.0)
                encoder_gradient = product(tl.trans(s), slope, encoder_gradient, SPLIT, True)
                v = tl.load(all_v + entries, mask=valid, other=0.0)
                encoder_gradient = product(tl.trans(z), v, encoder_gradient, SPLIT, False)
                skip_gradient += tl.sum(r[:, None] * z + c * s, axis=0)
            entries = k[:, None] * n_units + h[None, :]
            valid = inside_k[:, None] & inside_h[None, :]
            adam(parameters, means, squares, entries, valid, encoder_gradient * readout[None, :], rate, scale)
            adam(parameters, means, squares, at_skip + k, k < pitch, skip_gradient, rate, scale)
            if HAS_SPLINES:
                for first_g in range(0, n_splines, BLOCK_G):
                    g = first_g + tl.arange(0, BLOCK_G)
                    centre = (g - 1).to(tl.float32)
                    gradient = tl.zeros([BLOCK_K, BLOCK_G], tl.float32)
                    for n in range(batch):
                        z_n = tl.load(inputs + tl.load(windows + n) * pitch + k, mask=inside_k, other=0.0)
                        s_n = tl.load(all_s + n * n_inputs + k, mask=inside_k, other=0.0) * (-3.0 * c * inverse_step)
                        d = ((z_n - low) * inverse_step)[:, None] - centre[None, :]
                        outer = tl.maximum(2.0 - tl.abs(d), 0.0)
                        inner = tl.maximum(1.0 - tl.abs(d), 0.0)
                        outer_square = outer * outer
                        inner_square = 4.0 * inner * inner
                        gradient += tl.load(all_r + n) * (outer * outer_square - inner * inner_square)
                        gradient += s_n[:, None] * with_sign_of(d, outer_square - inner_square)
                    own = at_splines + k[:, None] * n_splines + g[None, :]
                    exists = inside_k[:, None] & (g < n_splines)[None, :]
                    adam(parameters, means, squares, own, exists, gradient * (1.0 / 6.0), rate, scale)
        unit = h + (step + 1) * zero
        adam(parameters, means, squares, at_bias + unit, inside_h, bias_gradient * readout, rate, scale)
        adam(parameters, means, squares, at_readout + unit, inside_h, readout_gradient, rate, scale)
        adam(parameters, means, squares, at_last + one, one == 0, last_gradient, rate, scale)
        tl.debug_barrier()
        windows += batch
        rates += 2
