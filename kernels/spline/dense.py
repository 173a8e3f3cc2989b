"""Any device: the order + 1 live polynomials of each input in closed form, scattered among all G functions.

The slope matrix is then a batched product over inputs, (N x G) @ (G x O) for each i, with the base activation one more
function: each of the N O I slopes is written once. Differentiable by autograd, any number of times.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .basis import Basis
from .reference import base_activation


def functions(x: Tensor, basis: Basis, derivatives: Sequence[int] = (0,)) -> list[Tensor]:
    """For each derivative in x all functions at x (N, I): (N, I, G). The cells are found once."""
    u, first = cells(x, basis)
    index = first.unsqueeze(-1) + torch.arange(basis.order + 1, device=x.device)
    padded = x.new_zeros(()).expand(*x.shape, basis.n_splines + 2 * basis.order + 1)
    found = []
    for derivative in derivatives:
        live = torch.stack([polynomial(u, powers) for powers in zip(*basis.polynomials(derivative), strict=True)], -1)
        dense = padded.scatter(-1, index, live)[..., basis.order + 1 : basis.order + 1 + basis.n_splines]
        if basis.has_base:
            dense = torch.cat([dense, base_activation(x, basis.base, derivative).unsqueeze(-1)], -1)
        found.append(dense)
    return found


def cells(x: Tensor, basis: Basis) -> tuple[Tensor, Tensor]:
    """Local coordinates in [0, 1), and where the first live spline of each cell is among all.

    `order + 1` places are before the first spline, `order` after the last: what is live beyond the splines is there.
    """
    t = (x - basis.low) / basis.step
    beyond = (t < -basis.order) | (t >= basis.grid + basis.order)
    floor = t.detach().floor()
    u = torch.where(beyond, 0.0, t - floor)
    # NaN has no cell: it goes where a spline is live and stays NaN.
    return u, (floor + (basis.order + 1)).nan_to_num(1.0).masked_fill(beyond, 0).long()


def polynomial(u: Tensor, powers: tuple[float, ...]) -> Tensor:
    """sum_m powers_m u^m, by numbers and not a table, which would have to be brought to the device."""
    *lower, highest = powers
    if not lower:
        return u * 0 + highest
    result = u * highest + lower[-1]
    for coefficient in reversed(lower[:-1]):
        result = result * u + coefficient
    return result


def values(functions: Tensor, weights: Tensor) -> Tensor:
    """y (N, O) from functions (N, I, G) and weights (O, I, G): one product over I and G."""
    return functions.flatten(1) @ weights.permute(1, 2, 0).flatten(0, 1)


def slopes(functions: Tensor, weights: Tensor) -> Tensor:
    """d y_no / d x_ni, (N, O, I), from slopes (N, I, G) of the functions and weights (O, I, G); lies in memory as (I, N, O).

    The products read every operand as it lies, and quickest where the outputs are innermost in the weights too.
    """
    return torch.bmm(functions.transpose(0, 1), weights.permute(1, 2, 0)).permute(1, 2, 0)
