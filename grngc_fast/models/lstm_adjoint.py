"""The reverse recurrence of an LSTM layer's cotangents, all rows at once, with its gradient written out.

One layer, gates i, f, o = sigmoid and g = tanh, c_t = f c_{t-1} + i g, h_t = o tanh(c_t). For rows A_t = d y / d h_t and
C_t = d y / d c_t that arrive from later steps and from the layer above,

    U_t = C_t + A_t s_t                              s = o (1 - tanh(c)^2)
    Z_t = [U_t a_f, U_t a_i, U_t a_g, A_t a_o]       a_f = c' f (1 - f), a_i = g i (1 - i), a_g = i (1 - g^2),
                                                     a_o = tanh(c) o (1 - o), with c' the cell state before the step
    d y / d x_t = Z_t W_ih      A_{t-1} = Z_t W_hh      C_{t-1} = U_t f_t

Steps are numbered from the most recent one, 0, to the oldest, whose a_f is zero because its cell starts empty. Gates are
ordered f, i, g, o here, so that the oldest step can leave the first out of its products.

Autograd would keep Z and a dozen products like it for every step, all larger than a cache. Here only A and U are kept, and
on a CPU a few windows at a time go through all steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Rows of the coefficients: s, f, a_f, a_i, a_g, a_o.
N_COEFFICIENTS = 6
# Elements of Z to a block of windows on a CPU: with its gradient it stays in a core's second-level cache.
BLOCK_ELEMENTS = 2**17


def reverse_recurrence(
    coefficients: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    *,
    start: Start | None = None,
    above: Tensor | None = None,
) -> Tensor:
    """d y / d x of every step, (N, R, T, I), most recent first, for R rows of cotangents; differentiable once.

    Parameters
    ----------
    coefficients : (N, T, 6, H), most recent step first, the last one the oldest of the sequence.
    w_ih, w_hh : (4 H, I) and (4 H, H), gates in the order f, i, g, o.
    start : what the most recent step of a top layer gives, computed by the caller. The recurrence then takes the steps
        after it, and needs at least one: T > 1.
    above : (N, R, T, H), what a layer above gives to every step. One of `start` and `above` is given.
    """
    x, h, c = (None, None, None) if start is None else start
    given = (coefficients, w_ih, w_hh, x, h, c, above)
    keep = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in given)
    result: Tensor = _ReverseRecurrence.apply(*given, keep)  # type: ignore[no-untyped-call]
    return result


class Start(NamedTuple):
    """d y / d x of the most recent step (N, R, I), and the cotangents that it hands to the step before it, (N, R, H)."""

    x: Tensor
    h: Tensor
    c: Tensor


class _ReverseRecurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        coefficients: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        start_x: Tensor | None,
        start_h: Tensor | None,
        start_c: Tensor | None,
        above: Tensor | None,
        keep: bool,
    ) -> Tensor:
        source = above if start_h is None else start_h
        assert source is not None
        (n_windows, n_steps), n_rows = coefficients.shape[:2], source.shape[1]
        n_inputs, width = w_ih.shape[1], w_hh.shape[1]
        first = 0 if start_h is None else 1
        result = coefficients.new_empty(n_windows, n_rows, n_steps, n_inputs)
        if start_x is not None:
            result[:, :, 0] = start_x
        # Cotangents A and U of every step; without a gradient to come, of one step of one block.
        blocks = list(_blocks(coefficients, n_rows))
        size = (n_steps, n_windows) if keep else (1, blocks[0].stop if blocks else 0)
        hs, us = coefficients.new_empty(2, *size, n_rows, width)
        for span in blocks:
            steps = coefficients[span, :, :, None].unbind(1)
            n_block = len(steps[0])
            z = coefficients.new_empty(n_block, n_rows, 4, width)
            c = None if start_c is None else start_c[span]
            at = span if keep else slice(0, n_block)
            if start_h is not None:
                hs[first if keep else 0, at] = start_h[span]
            for t in range(first, n_steps):
                step, oldest, row = steps[t], t == n_steps - 1, t if keep else 0
                h, u = hs[row, at], us[row, at]
                if above is not None:
                    h = torch.add(h, above[span, :, t], out=h) if t else h.copy_(above[span, :, t])
                torch.mul(h, step[:, 0], out=u) if c is None else torch.addcmul(c, h, step[:, 0], out=u)
                gates = _gates(z, h, u, step, oldest)
                torch.mm(gates, w_ih[-gates.shape[1] :], out=result[span, :, t].view(-1, n_inputs))
                if not oldest:
                    torch.mm(gates, w_hh, out=hs[row + 1 if keep else 0, at].view(-1, width))
                    c = u * step[:, 1]
        ctx.save_for_backward(coefficients, w_ih, w_hh, hs, us)
        ctx.has_start, ctx.has_above = start_h is not None, above is not None
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        coefficients, w_ih, w_hh, hs, us = ctx.saved_tensors
        n_steps, n_windows, n_rows, width = hs.shape
        n_inputs = w_ih.shape[1]
        d_coefficients, d_ih, d_hh = torch.zeros_like(coefficients), torch.zeros_like(w_ih), torch.zeros_like(w_hh)
        d_start_h, d_start_c = (torch.empty_like(us[0]) if ctx.has_start else None for _ in range(2))
        d_above = grad.new_empty(n_windows, n_rows, n_steps, width) if ctx.has_above else None
        for span in _blocks(coefficients, n_rows):
            steps, d_steps = coefficients[span, :, :, None].unbind(1), d_coefficients[span].unbind(1)
            z = grad.new_empty(len(steps[0]), n_rows, 4, width)
            d_z, product = torch.empty_like(z), torch.empty_like(z)
            d_h: Tensor | None = None
            d_u: Tensor | None = None
            for t in reversed(range(1 if ctx.has_start else 0, n_steps)):
                step, d_step, oldest = steps[t], d_steps[t], t == n_steps - 1
                h, u = hs[t, span], us[t, span]
                gates = _gates(z, h, u, step, oldest)
                used = slice(-gates.shape[1], None)
                d_gates, d_x = d_z.view(-1, 4 * width)[:, used], grad[span, :, t].reshape(-1, n_inputs)
                torch.mm(d_x, w_ih[used].T, out=d_gates)
                d_ih[used].addmm_(gates.T, d_x)
                if d_h is not None:
                    d_hidden = d_h.view(-1, width)
                    d_gates.addmm_(d_hidden, w_hh.T)
                    d_hh.addmm_(gates.T, d_hidden)
                by_cell = slice(1 if oldest else 0, 3)
                slopes = step[:, None, 2:5, 0][:, :, by_cell]
                products = product[:, :, by_cell]
                d_step[:, 2:5][:, by_cell] = torch.mul(d_z[:, :, by_cell], u[:, :, None], out=products).sum(1)
                later, d_u = d_u, torch.mul(d_z[:, :, by_cell], slopes, out=products).sum(2)
                d_step[:, 5] = (d_z[:, :, 3] * h).sum(1)
                if later is not None:
                    d_step[:, 1] = (later * u).sum(1)
                    d_u.addcmul_(later, step[:, 1])
                d_step[:, 0] = (d_u * h).sum(1)
                d_h = (d_u * step[:, 0]).addcmul_(d_z[:, :, 3], step[:, 5])
                if d_above is not None:
                    d_above[span, :, t] = d_h
            if d_start_h is not None and d_start_c is not None:
                assert d_h is not None
                assert d_u is not None
                d_start_h[span], d_start_c[span] = d_h, d_u
        d_start_x = grad[:, :, 0] if ctx.has_start else None
        return d_coefficients, d_ih, d_hh, d_start_x, d_start_h, d_start_c, d_above, None


def _gates(z: Tensor, h: Tensor, u: Tensor, step: Tensor, oldest: bool) -> Tensor:
    """Z of one step, (n R, 4 H), or (n R, 3 H) without the forget gate of the oldest; written into z (n, R, 4, H)."""
    first = 1 if oldest else 0
    torch.mul(u[:, :, None], step[:, None, 2 + first : 5, 0], out=z[:, :, first:3])
    torch.mul(h, step[:, 5], out=z[:, :, 3])
    return z.view(-1, z.shape[2] * z.shape[3])[:, first * z.shape[3] :]


def _blocks(coefficients: Tensor, n_rows: int) -> Iterator[slice]:
    n_windows, _, _, width = coefficients.shape
    size = max(1, n_windows)
    if coefficients.device.type == "cpu":
        size = max(1, BLOCK_ELEMENTS // (4 * width * max(1, n_rows)))
    for first in range(0, n_windows, size):
        yield slice(first, first + size)
