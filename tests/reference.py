"""The textbook loop: one backward pass per output with a kept graph. What every fast path is held against."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def jacobian(model: nn.Module, x: Tensor) -> Tensor:
    """(N, P, *input shape) by double-backward autograd."""
    x = x.detach().requires_grad_()
    forecast = model(x)
    rows = [torch.autograd.grad(forecast[:, i].sum(), x, create_graph=True)[0] for i in range(forecast.shape[1])]
    return torch.stack(rows, dim=1)


def gradient_l1(model: nn.Module, x: Tensor, targets: Tensor | None = None) -> Tensor:
    rows = jacobian(model, x)
    return (rows if targets is None else rows[:, targets]).abs().sum() / len(x)


def gradient_frobenius(model: nn.Module, x: Tensor) -> Tensor:
    return jacobian(model, x).square().sum() / len(x)


def value_and_gradients(value: Tensor, model: nn.Module) -> dict[str, Tensor]:
    """The value and its gradient in every parameter; zero where the value does not depend on it."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    grads = torch.autograd.grad(value, parameters, allow_unused=True, materialize_grads=True)
    return {"value": value.detach(), **dict(zip(names, grads, strict=True))}
