"""A small product that all windows share the right side of, in one piece: the calls of a loop over tiles would outweigh it."""

from __future__ import annotations

import torch
from torch import Tensor

from .results import Gradients, Needs

# Entries of all windows' products. 64 windows of 10 x 50 x 30: .2 ms, in tiles .5; of 20 x 50 x 60: .45 and .75.
MOST_ENTRIES = 2**18


def worth(a: Tensor, b: Tensor, tile: int) -> bool:
    """a (N, M, K), b (K, Q). tile: entries that a tile may have, which one piece does not pass either."""
    return a.device.type == "cpu" and a.shape[0] * a.shape[1] * b.shape[1] <= min(MOST_ENTRIES, tile)


def l1(a: Tensor, b: Tensor, bias: Tensor | None, needs: Needs) -> tuple[Tensor, Gradients]:
    """Values (N,), gradients a like `a`, b (1, K, Q), bias (1, M, Q); a (N, M, K), b (K, Q), bias (M, Q)."""
    rows = a.reshape(-1, a.shape[2])
    product = torch.mm(rows, b)
    cube = product.view(*a.shape[:2], b.shape[1])
    if bias is not None:
        cube += bias
    values = cube.abs().sum((1, 2))
    product.sign_()
    grads = Gradients()
    if needs.a:
        grads.a = torch.mm(product, b.T).view(a.shape)
    if needs.b:
        grads.b = torch.mm(rows.T, product)[None]
    if needs.bias and bias is not None:
        grads.bias = cube.sum(0, keepdim=True)
    return values, grads
