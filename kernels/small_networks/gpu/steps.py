"""A run of Adam's steps of small networks, one program to a network, whose parameters stay in registers from step to step.

    for every step:
        for every block of its windows:   pre = W1^T z + b1,   g = sigmoid(pre),   a = pre g,   s = g + a (1 - g)
            y = b + skip . z + sum_k f_k(z_k) + w2 . a,   J_k = skip_k + f_k'(z_k) + (W1 diag(w2) s)_k,   S = sign(J)
            r = 2 (y - t) / B,   q = c S W1,   v = r s + q (1 - g) (2 s - a)
            dW1 += (z^T v + S^T c s) diag(w2),   dw2 += sum r a + q s,   db1 += w2 sum v,   dskip += z^T r + c sum S
        for every block of splines:       dc_kg = sum_n r_n B_g(z_nk) + c S_nk B_g'(z_nk)
        Adam with its rate of this step

with c = lam / B and f_k = sum_g c_kg B_g. Windows are read from rows (n, K + F) of each network's own inputs.

Five products of 2 B K h flop. In registers the readout's gradient costs a fused multiply-add of q and s, where a second
sum of S^T s would be K h numbers more. The cubic splines of a window need 4 coefficients an input, gathered from memory
that the program has just written; their gradient is K G sums over windows without one sum across threads, for which S and r
go through memory: w = max(2 - |d|, 0), v = max(1 - |d|, 0) of d = (z - centre) / step give

    6 B = w^3 - 4 v^3,   -2 step B' = sign(d) (w^2 - 4 v^2)

in 14 instructions a window, input and spline. Moments of what is summed in registers stay in registers if there is room.
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
def product(x, y, acc):
    """acc + x @ y in float32."""
    return tl.dot(x, y, acc, input_precision="ieee")


@triton.jit
def signed(x, sign):
    """-x where the sign bit of the other is set."""
    bits = (sign.to(tl.int32, bitcast=True) & -0x80000000) ^ x.to(tl.int32, bitcast=True)
    return bits.to(tl.float32, bitcast=True)


@triton.jit
def adam(parameters, means, squares, entries, gradient, mask, rate, scale):
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
def entries_of(
    late, n_inputs, n_units, n_coefficients, n_free, BLOCK_K: tl.constexpr, BLOCK_H: tl.constexpr, BLOCK_F: tl.constexpr
):
    """Where a network's row of parameters holds encoder, bias, readout, skip and free path, and which of a block exist.

    late: 0, which the compiler does not know: what hangs on it is computed where it is used, not kept in registers.
    """
    k = tl.arange(0, BLOCK_K) + late
    h = tl.arange(0, BLOCK_H) + late
    f = tl.arange(0, BLOCK_F) + late
    after = n_inputs * n_units + n_coefficients
    at_skip = after + 2 * n_units + k
    encoder = k[:, None] * n_units + h[None, :]
    inside = (k < n_inputs)[:, None] & (h < n_units)[None, :]
    return encoder, after + h, after + n_units + h, at_skip, after + 2 * n_units + n_inputs + f, inside, k < n_inputs, h < n_units, f < n_free


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
    # (n_steps, 2): what Adam's mean and root are multiplied with
    rates,
    n_steps,
    # (P,)
    lam,
    # (P, R), a row to a network: encoder, splines, encoder_bias, readout, skip, readout_bias; and Adam's means and squares
    parameters,
    means,
    squares,
    n_units,
    n_splines,
    # of the splines' grid
    low,
    inverse_step,
    # (P, B, K) and (P, B), for the splines' gradient
    pulls,
    residuals,
    # 0, see `entries_of`
    zero,
    HAS_FREE: tl.constexpr,
    HAS_SPLINES: tl.constexpr,
    # Powers of u of the live splines and of their slopes, for cells of width 1.
    VALUES: tl.constexpr,
    SLOPES: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_F: tl.constexpr,
    BLOCK_G: tl.constexpr,
):
    network = tl.program_id(0).to(tl.int64)
    pitch = n_inputs + n_free
    n_coefficients = n_inputs * n_splines
    at_splines = n_inputs * n_units
    at_last = at_splines + n_coefficients + 2 * n_units + pitch
    inputs += network * n_windows * pitch
    wanted += network * n_windows
    pulls += network * batch * n_inputs
    residuals += network * batch
    parameters += network * (at_last + 1)
    means += network * (at_last + 1)
    squares += network * (at_last + 1)
    c = tl.load(lam + network) / batch

    for step in range(n_steps):
        at_encoder, at_bias, at_readout, at_skip, at_free, valid, inside_k, inside_h, inside_f = entries_of(
            step * zero, n_inputs, n_units, n_coefficients, n_free, BLOCK_K, BLOCK_H, BLOCK_F
        )
        encoder = tl.load(parameters + at_encoder, mask=valid, other=0.0)
        bias = tl.load(parameters + at_bias, mask=inside_h, other=0.0)
        readout = tl.load(parameters + at_readout, mask=inside_h, other=0.0)
        skip = tl.load(parameters + at_skip, mask=inside_k, other=0.0)
        free = tl.load(parameters + at_free, mask=inside_f, other=0.0)
        last = tl.load(parameters + at_last)
        # dW1 and db1 without w2, which multiplies sums over windows.
        encoder_gradient = tl.zeros([BLOCK_K, BLOCK_H], tl.float32)
        bias_gradient = tl.zeros([BLOCK_H], tl.float32)
        readout_gradient = tl.zeros([BLOCK_H], tl.float32)
        skip_gradient = tl.zeros([BLOCK_K], tl.float32)
        free_gradient = tl.zeros([BLOCK_F], tl.float32)
        last_gradient = last * 0.0
        k = tl.arange(0, BLOCK_K)
        f = tl.arange(0, BLOCK_F)
        inside_k = k < n_inputs
        inside_f = f < n_free
        for first in range(0, batch, BLOCK_B):
            b = first + tl.arange(0, BLOCK_B)
            inside_b = b < batch
            window = tl.load(windows + b, mask=inside_b, other=0)
            place = window * pitch
            read = inside_b[:, None] & inside_k[None, :]
            z = tl.load(inputs + place[:, None] + k[None, :], mask=read, other=0.0)
            t = tl.load(wanted + window, mask=inside_b, other=0.0)
            pre = tl.zeros([BLOCK_B, BLOCK_H], tl.float32) + bias[None, :]
            pre = product(z, encoder, pre)
            gate = 1.0 / (1.0 + tl.exp(-pre))
            act = pre * gate
            slope = gate + act * (1.0 - gate)
            linear = z * skip[None, :]
            jacobian = tl.zeros([BLOCK_B, BLOCK_K], tl.float32) + skip[None, :]
            if HAS_SPLINES:
                begun, u = locate(z, low, inverse_step, n_splines - CUBIC, CUBIC)
                for j in tl.static_range(CUBIC + 1):
                    spline = begun + j
                    live = read & (spline >= 0) & (spline < n_splines)
                    entries = parameters + at_splines + k[None, :] * n_splines + spline
                    coefficient = tl.load(entries, mask=live, other=0.0)
                    linear += coefficient * polynomial(u, 1.0, VALUES, CUBIC + 1, j)
                    jacobian += coefficient * polynomial(u, inverse_step, SLOPES, CUBIC, j)
            forecast = last + tl.sum(linear, axis=1) + tl.sum(act * readout[None, :], axis=1)
            if HAS_FREE:
                entries = inputs + place[:, None] + (n_inputs + f)[None, :]
                z_free = tl.load(entries, mask=inside_b[:, None] & inside_f[None, :], other=0.0)
                forecast += tl.sum(z_free * free[None, :], axis=1)
            jacobian = product(slope, tl.trans(encoder * readout[None, :]), jacobian)
            r = tl.where(inside_b, (forecast - t) * (2.0 / batch), 0.0)
            s = tl.where(read, signs(jacobian), 0.0)
            if HAS_SPLINES:
                tl.store(pulls + b[:, None] * n_inputs + k[None, :], s * (-0.5 * c * inverse_step), mask=read)
                tl.store(residuals + b, r * (1.0 / 6.0), mask=inside_b)
            q = product(s, encoder, tl.zeros([BLOCK_B, BLOCK_H], tl.float32)) * c
            v = r[:, None] * slope + q * (1.0 - gate) * (2.0 * slope - act)
            encoder_gradient = product(tl.trans(s), slope * c, encoder_gradient)
            encoder_gradient = product(tl.trans(z), v, encoder_gradient)
            bias_gradient += tl.sum(v, axis=0)
            readout_gradient += tl.sum(r[:, None] * act + q * slope, axis=0)
            skip_gradient += tl.sum(r[:, None] * z + c * s, axis=0)
            if HAS_FREE:
                free_gradient += tl.sum(r[:, None] * z_free, axis=0)
            last_gradient += tl.sum(r, axis=0)
        encoder_gradient *= readout[None, :]
        bias_gradient *= readout
        rate = tl.load(rates)
        scale = tl.load(rates + 1)
        # What the program's threads stored is read by others of it.
        tl.debug_barrier()
        if HAS_SPLINES:
            for first_g in range(0, n_splines, BLOCK_G):
                g = first_g + tl.arange(0, BLOCK_G)
                centre = (g - 1).to(tl.float32)
                gradient = tl.zeros([BLOCK_K, BLOCK_G], tl.float32)
                for n in range(batch):
                    z_n = tl.load(inputs + tl.load(windows + n) * pitch + k, mask=inside_k, other=0.0)
                    pull = tl.load(pulls + n * n_inputs + k, mask=inside_k, other=0.0)
                    d = ((z_n - low) * inverse_step)[:, None] - centre[None, :]
                    outer = tl.maximum(2.0 - tl.abs(d), 0.0)
                    inner = tl.maximum(1.0 - tl.abs(d), 0.0)
                    outer_square = outer * outer
                    inner_square = 4.0 * inner * inner
                    bend = signed(outer_square - inner_square, d)
                    gradient += tl.load(residuals + n) * (outer * outer_square - inner * inner_square)
                    gradient += pull[:, None] * bend
                entries = at_splines + k[:, None] * n_splines + g[None, :]
                exists = inside_k[:, None] & (g < n_splines)[None, :]
                adam(parameters, means, squares, entries, gradient, exists, rate, scale)
        at_encoder, at_bias, at_readout, at_skip, at_free, valid, inside_k, inside_h, inside_f = entries_of(
            (step + 1) * zero, n_inputs, n_units, n_coefficients, n_free, BLOCK_K, BLOCK_H, BLOCK_F
        )
        adam(parameters, means, squares, at_encoder, encoder_gradient, valid, rate, scale)
        adam(parameters, means, squares, at_bias, bias_gradient, inside_h, rate, scale)
        adam(parameters, means, squares, at_readout, readout_gradient, inside_h, rate, scale)
        adam(parameters, means, squares, at_skip, skip_gradient, inside_k, rate, scale)
        if HAS_FREE:
            adam(parameters, means, squares, at_free, free_gradient, inside_f, rate, scale)
        one = tl.arange(0, 1)
        adam(parameters, means, squares, at_last + one, last_gradient, one == 0, rate, scale)
        tl.debug_barrier()
        windows += batch
        rates += 2
