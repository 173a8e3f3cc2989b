"""The definition: forecasts, Jacobians and the penalised loss of P networks, by autograd in any dtype."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..spline import reference as spline
from .levels import basis_of


def forecast_and_jacobian(parameters: dict[str, Tensor], z: Tensor) -> tuple[Tensor, Tensor]:
    """y (P, B) and J (P, B, K) of y = b + s . z + sum_k sum_g c_kg B_g(z_k) + w2 . silu(W1^T z + b1).

    Parameters
    ----------
    parameters : skip (P, K + F), splines c (P, K, G), encoder (P, K, h), encoder_bias (P, h), readout (P, h), readout_bias (P,).
    z : (P, B, K + F), each network's own inputs; the last F are read by the linear path alone and have no part in J.
    """
    encoder, readout, skip = parameters["encoder"], parameters["readout"], parameters["skip"]
    k = encoder.shape[1]
    pre = torch.baddbmm(parameters["encoder_bias"][:, None], z[..., :k], encoder)
    gate = torch.sigmoid(pre)
    slope = gate * (1 + pre * (1 - gate))
    forecast = torch.einsum("pbh,ph->pb", F.silu(pre), readout) + torch.einsum("pbk,pk->pb", z, skip)
    jacobian = skip[:, None, :k] + torch.einsum("pbh,ph,pkh->pbk", slope, readout, encoder)
    splines = parameters["splines"]
    if splines.shape[2]:
        basis, at = basis_of(splines.shape[2]), z[..., :k].flatten(0, 1)
        values, slopes = (spline.functions(at, basis, d).unflatten(0, z.shape[:2]) for d in (0, 1))
        forecast = forecast + torch.einsum("pbkg,pkg->pb", values, splines)
        jacobian = jacobian + torch.einsum("pbkg,pkg->pbk", slopes, splines)
    return forecast + parameters["readout_bias"][:, None], jacobian


def loss(parameters: dict[str, Tensor], z: Tensor, y: Tensor, lam: float) -> Tensor:
    """(P,): mean over the B windows of (forecast - y)^2 + lam * sum_k |J_k|; y (P, B)."""
    forecast, jacobian = forecast_and_jacobian(parameters, z)
    return (forecast - y).square().mean(1) + lam * jacobian.abs().sum(2).mean(1)
