"""Activations with their first derivative written out, so that the derivative can be differentiated once more."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Activation(NamedTuple):
    """`value(z)` and `slope(z)` = d value / d z, both elementwise and differentiable."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


def _tanh_slope(z: Tensor) -> Tensor:
    return 1 - torch.tanh(z).square()


def _relu_slope(z: Tensor) -> Tensor:
    return (z > 0).to(z.dtype)


def _silu_slope(z: Tensor) -> Tensor:
    gate = torch.sigmoid(z)
    return gate * (1 + z * (1 - gate))


def _gelu_slope(z: Tensor) -> Tensor:
    density = torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)
    return 0.5 * (1 + torch.erf(z / math.sqrt(2))) + z * density


def _softplus_slope(z: Tensor) -> Tensor:
    # torch's softplus is the identity above 20.
    return torch.where(z > 20, torch.ones_like(z), torch.sigmoid(z))


ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(torch.tanh, _tanh_slope),
    "relu": Activation(F.relu, _relu_slope),
    "silu": Activation(F.silu, _silu_slope),
    "gelu": Activation(F.gelu, _gelu_slope),
    "softplus": Activation(F.softplus, _softplus_slope),
}
