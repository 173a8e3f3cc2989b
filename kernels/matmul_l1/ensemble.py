"""A diagonal middle and both sides of their own for each batch element: many small networks, several to a tile.

    left_n = a * scale_n,  p_n = left_n @ b + bias,  S = sign(p)
    G_n = S_n b^T,  db = sum_n left_n^T S_n,  da = sum_n G_n * scale_n,  dscale_n = sum_m G_n * a,  dbias = sum_n S_n

and where a network has many windows of a small product by pairs (row, column), as in `grouped`. Every product is batched over
the networks of a tile: one after the other, sixteen of 20 x 128 x 20 took 1.4 times as long with 64 windows, with 8 five times.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import windows
from .results import Gradients, Needs


def elements(a: Tensor, b: Tensor, scale: Tensor, pairs: bool) -> int:
    """Entries that a network adds to the largest array of a tile."""
    rows = a.shape[1] * (b.shape[2] if pairs else scale.shape[1])
    return max(rows * a.shape[2], scale.shape[1] * a.shape[1] * b.shape[2])


def l1(
    a: Tensor,
    b: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    needs: Needs,
    weights: Tensor | None,
    forbidden: Tensor | None,
    pairs: bool,
    step: int,
) -> tuple[Tensor, Gradients]:
    """Values (B,) and gradients weighted by `weights` (B,): a (B, M, K), b (B, K, Q), scale (B, N, K), bias None or (B, M, Q).

    `forbidden` (M, Q) counts as 0. `step`: networks to a tile. `pairs`: by pairs (row, column).
    """
    operands = (a, b, scale, bias)
    values = torch.empty(len(a), dtype=torch.float64, device=a.device)
    grads = Gradients(
        *(
            torch.empty_like(x, memory_format=torch.contiguous_format) if x is not None and need else None
            for x, need in zip(operands, (needs.a, needs.b, needs.scale, needs.bias), strict=True)
        )
    )
    compute = _by_pairs if pairs else _by_rows
    for span in windows.spans(len(a), step):
        own_bias = None if bias is None else bias[span]
        value, *found = compute(a[span], b[span], scale[span], own_bias, needs, forbidden)
        values[span] = value
        for into, grad in zip((grads.a, grads.b, grads.scale, grads.bias), found, strict=True):
            if into is not None and grad is not None:
                into[span] = grad if weights is None else grad * weights[span, None, None]
    return values, grads


Parts = tuple[Tensor, "Tensor | None", "Tensor | None", "Tensor | None", "Tensor | None"]


def _by_rows(a: Tensor, b: Tensor, scale: Tensor, bias: Tensor | None, needs: Needs, forbidden: Tensor | None) -> Parts:
    shape = (len(a), scale.shape[1], a.shape[1], -1)
    left = (a[:, None] * scale[:, :, None]).flatten(1, 2)
    p = torch.bmm(left, b)
    cube = p.view(shape)
    value, grad_bias = _signs(cube, None if bias is None else bias[:, None], forbidden, needs)
    grad_b = torch.bmm(left.mT, p) if needs.b else None
    g = torch.bmm(p, b.mT).view(shape) if needs.left else None
    # The scaled side has been used for the last time.
    scratch = left.view(shape)
    grad_a = torch.mul(g, scale[:, :, None], out=scratch).sum(1) if needs.a and g is not None else None
    grad_scale = torch.mul(g, a[:, None], out=scratch).sum(2) if needs.scale and g is not None else None
    return value, grad_a, grad_b, grad_scale, grad_bias


def _by_pairs(
    a: Tensor, b: Tensor, scale: Tensor, bias: Tensor | None, needs: Needs, forbidden: Tensor | None
) -> Parts:
    shape = (len(a), a.shape[2], a.shape[1], b.shape[2])
    pairs = (a[:, :, None] * b.mT[:, None]).flatten(1, 2)
    p = torch.bmm(scale, pairs.mT)
    cube = p.view(len(a), scale.shape[1], *shape[2:])
    value, grad_bias = _signs(cube, None if bias is None else bias[:, None], forbidden, needs)
    grad_scale = torch.bmm(p, pairs) if needs.scale else None
    grad_a = grad_b = None
    if needs.a or needs.b:
        d_pairs = torch.bmm(scale.mT, p).view(shape)
        # The pairs have been used for the last time.
        scratch = pairs.view(shape)
        grad_b = torch.mul(d_pairs, a.mT.unsqueeze(-1), out=scratch).sum(2) if needs.b else None
        grad_a = torch.mul(d_pairs, b.unsqueeze(2), out=scratch).sum(3).mT if needs.a else None
    return value, grad_a, grad_b, grad_scale, grad_bias


def _signs(cube: Tensor, bias: Tensor | None, forbidden: Tensor | None, needs: Needs) -> tuple[Tensor, Tensor | None]:
    """Summed absolute products (B,) of a cube (B, N, M, Q), which is left with their signs, and the gradient of the bias."""
    if bias is not None:
        cube.add_(bias)
    if forbidden is not None:
        cube.masked_fill_(forbidden, 0)
    value = cube.abs().sum((1, 2, 3)).double()
    if needs.any:
        cube.sign_()
    return value, cube.sum(1) if needs.bias else None
