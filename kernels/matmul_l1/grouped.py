"""A diagonal middle with as many windows as the product has rows or columns, or more: pairs (row, column) take their place.

    p_n,mq = sum_k scale_nk a_mk b_kq = (scale @ C)_n,mq,  C_k,mq = a_mk b_kq         S = sign(p + bias)
    dscale = S C^T,    dC = scale^T S,    da_mk = sum_q dC_k,mq b_kq,    db_kq = sum_m dC_k,mq a_mk

The flops are those of N scaled products (M, K) x (K, Q), but all three run as large products with the contraction N, K or the
width of a tile, and what is formed outside them is M K Q entries of C and of dC, a block of rows at a time, instead of
N min(M, Q) K of the scaled side and of its gradient. At 999 windows of 100 x 512 x 100 three quarters of the time of the
scaled path went into products of 100 columns on arrays that no cache held.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import onednn
from .results import Gradients, Needs

# Columns of a tile. At 999 windows of 100 x 512 x 100, over the sgemm rate: 500 columns .92 to .96, 1000 .97 to 1.0, 1500 1.0 to
# 1.01, 2500 1.01 to 1.02, 5000 .86 to .92.
COLUMNS = 1500


def worth(n_windows: int, rows: int, columns: int) -> bool:
    """Where it wins: time of the scaled path over that of this one, windows, rows x K x columns:

    64, 100 x 512 x 100  .90    128, 100 x 512 x 100  1.26    256, 100 x 512 x 100  1.22    999, 100 x 512 x 100  1.39
    256, 300 x 128 x 300  .99    1000, 300 x 128 x 300  1.22    5000, 100 x 128 x 100  1.42    1000, 32 x 64 x 5000  .83
    64, 20 x 128 x 20  1.32    500, 20 x 128 x 20  1.86
    """
    return n_windows >= max(64, rows, columns)


def l1(
    a: Tensor,
    b: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    needs: Needs,
    forbidden: Tensor | None,
    by_identity: bool,
    tile_elements: int,
) -> tuple[Tensor, Gradients]:
    """The value, a scalar, and the gradients of one batch element: a (M, K), b (K, Q), scale (N, K), bias and forbidden (M, Q).

    `by_identity`: the value is <x, dx> of a gradient that is wanted anyway.
    """
    (n_rows, width), n_columns, n_windows = a.shape, b.shape[1], scale.shape[0]
    product = onednn.linear if onednn.available(a) else torch.nn.functional.linear
    group = max(1, min(n_rows, COLUMNS // n_columns))
    n_spans = -(-n_windows * group * n_columns // tile_elements)
    step = -(-n_windows // n_spans)
    b_rows, b = b.T.contiguous(), b.contiguous()
    scale, scale_rows = scale.contiguous(), scale.T.contiguous()
    pairs = a.new_empty(group * n_columns * width)
    value = torch.zeros((), dtype=torch.float64, device=a.device)
    grads = Gradients(
        a=torch.zeros_like(a, memory_format=torch.contiguous_format) if needs.a else None,
        b=torch.zeros_like(b) if needs.b else None,
        scale=torch.zeros_like(scale) if needs.scale else None,
        bias=torch.zeros_like(bias, memory_format=torch.contiguous_format) if needs.bias and bias is not None else None,
    )
    for first in range(0, n_rows, group):
        r = slice(first, min(first + group, n_rows))
        closed = None if forbidden is None else forbidden[r].reshape(1, -1)
        if closed is not None and closed.device.type == "cpu" and bool(closed.all()):
            continue
        own = a[r]
        c = pairs[: len(own) * n_columns * width].view(len(own), n_columns, width)
        c = torch.mul(own[:, None], b_rows, out=c).view(-1, width)
        d_pairs = None
        for w in (slice(i, min(i + step, n_windows)) for i in range(0, n_windows, step)):
            p = product(scale[w], c)
            if bias is not None:
                p += bias[r].reshape(1, -1)
            if closed is not None:
                p.masked_fill_(closed, 0)
            if not by_identity:
                value += p.abs().sum(dtype=torch.float64 if a.dtype == torch.float64 else torch.float32)
            if not needs.any:
                continue
            signs = p.sign_()
            if grads.bias is not None:
                grads.bias[r] += signs.sum(0).view(len(own), n_columns)
            if grads.scale is not None:
                grads.scale[w] += product(signs, c.T)
            if needs.a or needs.b:
                part = product(scale_rows[:, w], signs.T)
                d_pairs = part if d_pairs is None else d_pairs.add_(part)
        if d_pairs is None:
            continue
        cube = d_pairs.view(width, len(own), n_columns)
        if grads.b is not None:
            for m in range(len(own)):
                grads.b.addcmul_(cube[:, m], own[m, :, None])
        if grads.a is not None:
            grads.a[r] = cube.mul_(b[:, None]).sum(2).T
    if by_identity:
        x, grad = (
            (scale, grads.scale) if grads.scale is not None else (a, grads.a) if grads.a is not None else (b, grads.b)
        )
        assert grad is not None
        value = (x.double() * grad).sum()
    return value, grads
