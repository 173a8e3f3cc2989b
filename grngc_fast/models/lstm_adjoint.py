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
from typing import Any

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
    start_h: Tensor | None = None,
    start_c: Tensor | None = None,
    above: Tensor | None = None,
) -> Tensor:
    """d y / d x of every step, (N, R, T, I), for R rows of cotangents; differentiable once.

    Parameters
    ----------
    coefficients : (N, T, 6, H), most recent step first, the last one the oldest of the sequence.
    w_ih, w_hh : (4 H, I) and (4 H, H), gates in the order f, i, g, o.
    start_h, start_c : (N, R, H) cotangents of the first step's state, None for zero.
    above : (N, R, T, H) cotangents from the layer above, None for a top layer. One of `start_h` and `above` is given.
    """
    given = (coefficients, w_ih, w_hh, start_h, start_c, above)
    keep = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in given)
    result: Tensor = _ReverseRecurrence.apply(*given, keep)  # type: ignore[no-untyped-call]
    return result


class _ReverseRecurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        coefficients: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        start_h: Tensor | None,
        start_c: Tensor | None,
        above: Tensor | None,
        keep: bool,
    ) -> Tensor:
        source = above if start_h is None else start_h
        assert source is not None
        n_windows, n_rows, width = len(coefficients), source.shape[1], w_hh.shape[1]
        n_steps, n_inputs = coefficients.shape[1], w_ih.shape[1]
        result = coefficients.new_empty(n_windows, n_rows, n_steps, n_inputs)
        kept = coefficients.new_empty(2, n_steps, n_windows, n_rows, width) if keep else None
        for span in _blocks(coefficients, n_rows):
            h = None if start_h is None else start_h[span]
            c = None if start_c is None else start_c[span]
            own = coefficients[span, :, :, None].unbind(1)
            z = result.new_empty(len(own[0]), n_rows, 4, width)
            for t, step in enumerate(own):
                oldest = t == n_steps - 1
                if above is not None:
                    h = above[span, :, t] if h is None else h + above[span, :, t]
                assert h is not None
                u = h * step[:, 0] if c is None else torch.addcmul(c, h, step[:, 0])
                if kept is not None:
                    kept[0, t, span], kept[1, t, span] = h, u
                gates = _gates(z, h, u, step, oldest)
                torch.mm(gates, w_ih[-gates.shape[1] :], out=result[span, :, t].view(-1, n_inputs))
                if not oldest:
                    h, c = (gates @ w_hh).view(u.shape), u * step[:, 1]
        ctx.save_for_backward(coefficients, w_ih, w_hh, kept)
        ctx.has = start_h is not None, start_c is not None, above is not None
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        coefficients, w_ih, w_hh, kept = ctx.saved_tensors
        _, n_steps, n_windows, n_rows, width = kept.shape
        n_inputs = w_ih.shape[1]
        d_coefficients, d_ih, d_hh = torch.zeros_like(coefficients), torch.zeros_like(w_ih), torch.zeros_like(w_hh)
        d_start_h, d_start_c, d_above = (
            grad.new_empty(n_windows, n_rows, *rest, width) if has else None
            for has, rest in zip(ctx.has, ((), (), (n_steps,)), strict=True)
        )
        for span in _blocks(coefficients, n_rows):
            own = coefficients[span, :, :, None].unbind(1)
            d_own = d_coefficients[span].unbind(1)
            z = grad.new_empty(len(own[0]), n_rows, 4, width)
            d_z, product = torch.empty_like(z), torch.empty_like(z)
            d_h = d_u = None
            for t in reversed(range(n_steps)):
                oldest, step, d_step = t == n_steps - 1, own[t], d_own[t]
                h, u = kept[0, t, span], kept[1, t, span]
                gates = _gates(z, h, u, step, oldest)
                used = slice(-gates.shape[1], None)
                d_gates = d_z.view(-1, 4 * width)[:, used]
                d_x = grad[span, :, t].reshape(-1, n_inputs)
                torch.mm(d_x, w_ih[used].T, out=d_gates)
                d_ih[used].addmm_(gates.T, d_x)
                if d_h is not None:
                    d_hidden = d_h.reshape(-1, width)
                    d_gates.addmm_(d_hidden, w_hh.T)
                    d_hh.addmm_(gates.T, d_hidden)
                first = 1 if oldest else 0
                by_cell, d_by_cell = product[:, :, first:3], d_z[:, :, first:3]
                d_step[:, 2 + first : 5] = torch.mul(d_by_cell, u[:, :, None], out=by_cell).sum(1)
                d_output = d_z[:, :, 3]
                d_step[:, 5] = (d_output * h).sum(1)
                later, d_u = d_u, torch.mul(d_by_cell, step[:, None, 2 + first : 5, 0], out=by_cell).sum(2)
                if later is not None:
                    d_step[:, 1] = (later * u).sum(1)
                    d_u.addcmul_(later, step[:, 1])
                d_step[:, 0] = (d_u * h).sum(1)
                d_h = (d_u * step[:, 0]).addcmul_(d_output, step[:, 5])
                if d_above is not None:
                    d_above[span, :, t] = d_h
            if d_start_h is not None:
                d_start_h[span] = d_h
            if d_start_c is not None:
                d_start_c[span] = d_u
        return d_coefficients, d_ih, d_hh, d_start_h, d_start_c, d_above, None


def _gates(z: Tensor, h: Tensor, u: Tensor, step: Tensor, oldest: bool) -> Tensor:
    """Z of one step, (n R, 4 H), or (n R, 3 H) without the forget gate of the oldest; written into z (n, R, 4, H)."""
    first = 1 if oldest else 0
    torch.mul(u[:, :, None], step[:, None, 2 + first : 5, 0], out=z[:, :, first:3])
    torch.mul(h, step[:, 5], out=z[:, :, 3])
    return z.view(-1, z.shape[2] * z.shape[3])[:, first * z.shape[3] :]


def _blocks(coefficients: Tensor, n_rows: int) -> Iterator[slice]:
    n_windows, _, _, width = coefficients.shape
    size = n_windows
    if coefficients.device.type == "cpu":
        size = max(1, BLOCK_ELEMENTS // (4 * width * max(1, n_rows)))
    for first in range(0, n_windows, size):
        yield slice(first, first + size)
