"""The definition in plain torch: Cox and de Boor's recursion over all splines, any dtype. Tests hold the rest against it.

    B_{g,0}(x) = 1 in cell g, else 0
    B_{g,p}(x) = ((x - t_g) B_{g,p-1}(x) + (t_{g+p+1} - x) B_{g+1,p-1}(x)) / (p h)
    B'_{g,p}(x) = (B_{g,p-1}(x) - B_{g+1,p-1}(x)) / h

with knots t_g, h apart.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .basis import Basis


def functions(x: Tensor, basis: Basis, derivative: int = 0) -> Tensor:
    """All functions (or their derivative, 0 to order) at x (N, I): (N, I, G), the base activation last."""
    found = _splines(x, basis, basis.order - derivative)
    for _ in range(derivative):
        found = (found[..., :-1] - found[..., 1:]) / basis.step
    return torch.cat([found, base_activation(x, basis.base, derivative).unsqueeze(-1)], -1) if basis.has_base else found


def values(x: Tensor, weights: Tensor, basis: Basis) -> Tensor:
    return torch.einsum("nig,oig->no", functions(x, basis), weights)


def slopes(x: Tensor, weights: Tensor, basis: Basis) -> Tensor:
    return torch.einsum("nig,oig->noi", functions(x, basis, 1), weights)


def base_activation(x: Tensor, base: str, derivative: int = 0) -> Tensor:
    """The base activation or its first or second derivative."""
    if base == "identity":
        return x if derivative == 0 else x * 0 + (1.0 if derivative == 1 else 0.0)
    gate = torch.sigmoid(x)
    if derivative == 0:
        return F.silu(x)
    if derivative == 1:
        return gate * (1 + x * (1 - gate))
    return gate * (1 - gate) * (2 + x * (1 - 2 * gate))


def _splines(x: Tensor, basis: Basis, order: int) -> Tensor:
    """Splines of a lower order on the knots of `basis`, as many as those knots carry."""
    count = basis.grid + 2 * basis.order + 1
    index = torch.arange(count, device=x.device, dtype=x.dtype)
    knots = basis.low + (index - basis.order) * basis.step
    x = x.unsqueeze(-1)
    found = ((x >= knots[:-1]) & (x < knots[1:])).to(x.dtype)
    found = torch.where(x.isnan(), x, found)
    for p in range(1, order + 1):
        rising = (x - knots[: -p - 1]) / (p * basis.step)
        falling = (knots[p + 1 :] - x) / (p * basis.step)
        found = rising * found[..., :-1] + falling * found[..., 1:]
    return found
