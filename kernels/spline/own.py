"""Splines of inputs that every network has for itself: of each number the order + 1 live ones alone, by their coefficients.

A layer's splines share their inputs, so that `dense` makes all G functions of an input once for all outputs. Where no two
networks read the same inputs, P N K (order + 1) coefficients are looked up instead of P N K G functions made.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .basis import Basis
from .dense import cells, polynomial


def own_values(z: Tensor, coefficients: Tensor, basis: Basis, derivative: int = 0) -> Tensor:
    """f_pk(z_pnk) = sum_g coefficients_pkg B_g(z_pnk), or a derivative of it, (P, N, K).

    Differentiable by autograd, any number of times.

    Parameters
    ----------
    z : (P, N, K). coefficients : (P, K, G). basis : without a base activation.

    Example
    -------
    >>> own_values(torch.tensor([[[0.5]]]), torch.tensor([[[0.0, 1.0, 3.0]]]), Basis(grid=2, order=1, base="none"))
    tensor([[[2.]]])
    """
    u, first = cells(z, basis)
    width = coefficients.shape[2] + 2 * basis.order + 1
    padded = F.pad(coefficients, (basis.order + 1, basis.order)).flatten()
    at = torch.arange(z.shape[0] * z.shape[2], device=z.device).view(len(z), 1, -1) * width + first
    del first
    found = torch.zeros_like(z)
    # One live spline after another: numbers of all inputs are many.
    for m, powers in enumerate(zip(*basis.polynomials(derivative), strict=True)):
        found = found.addcmul(padded[at + m], polynomial(u, powers))
    return found
