"""The gradient penalty, sum_ij mean_n |d f_i / d x_nj|, by everything that stores the Jacobian or goes through its rows.

`loop` is the authors' way: P backward passes with a kept graph. `forward and row` is JRNGC's: P forward passes, each with one
backward pass, that keep nothing between them but the sum. `vmap(jacrev)` is torch.func's. `bmm` writes the Jacobian of a
perceptron with one hidden layer as one batched product. The last two also compiled.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grngc_fast.models import MLP
from tests import reference

Penalty = Callable[[nn.Module, Tensor], Tensor]


def loop(model: nn.Module, x: Tensor) -> Tensor:
    return reference.gradient_l1(model, x)


def forward_and_row(model: nn.Module, x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    total, n_series = x.new_zeros(()), model(x[:1]).shape[1]
    for i in range(n_series):
        (row,) = torch.autograd.grad(model(x)[:, i].sum(), x, create_graph=True)
        total = total + row.abs().sum()
    return total / len(x)


def jacrev(model: nn.Module, x: Tensor) -> Tensor:
    rows = torch.func.vmap(torch.func.jacrev(lambda window: model(window[None])[0]))(x)
    return rows.abs().sum() / len(x)


def bmm(model: nn.Module, x: Tensor) -> Tensor:
    """Of `MLP` with one hidden layer of SiLU units: W2 diag(s'(z_n)) W1 of all windows at once."""
    if not isinstance(model, MLP) or len(model.weights) != 2 or model.activation != "silu" or model.skip is not None:
        raise NotImplementedError("written out for a perceptron with one hidden layer of SiLU units")
    encoder, readout = model.weights
    z = F.linear(x.flip(1).flatten(1), encoder, model.biases[0])
    gate = torch.sigmoid(z)
    slope = gate * (1 + z * (1 - gate))
    jacobian = (slope[:, None] * readout) @ encoder
    return jacobian.abs().sum() / len(x)


def compiled(penalty: Penalty) -> Penalty:
    """By torch.compile, once for each model."""
    kept: dict[int, Callable[[Tensor], Tensor]] = {}

    def call(model: nn.Module, x: Tensor) -> Tensor:
        if id(model) not in kept:
            kept[id(model)] = torch.compile(lambda windows: penalty(model, windows))
        return kept[id(model)](x)

    return call


PENALTIES: dict[str, Penalty] = {
    "loop": loop,
    "forward and row": forward_and_row,
    "vmap(jacrev)": jacrev,
    "vmap(jacrev), compiled": compiled(jacrev),
    "bmm": bmm,
    "bmm, compiled": compiled(bmm),
}
