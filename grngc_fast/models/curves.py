"""Activations with two derivatives, for gradients that are written out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Of z: s(z), s'(z) and s''(z).
Curve = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]


def _silu(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    gate = torch.sigmoid(z)
    value = z * gate
    slope = torch.addcmul(gate, value, gate, value=-1).add_(value)
    # (1 - gate) (2 slope - value)
    bend = torch.sub(2 * slope, value)
    return value, slope, bend.addcmul_(bend, gate, value=-1)


def _tanh(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    value = torch.tanh(z)
    slope = 1 - value.square()
    return value, slope, -2 * value * slope


def _relu(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return z.relu(), (z > 0).to(z.dtype), torch.zeros_like(z)


CURVES: dict[str, Curve] = {"silu": _silu, "tanh": _tanh, "relu": _relu}
