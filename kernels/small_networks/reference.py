"""The definition: forecasts, Jacobians and the penalised loss of P networks, by autograd in any dtype."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def forecast_and_jacobian(parameters: dict[str, Tensor], z: Tensor) -> tuple[Tensor, Tensor]:
    """y (P, B) and J (P, B, K) of y = b + s . z + w2 . silu(W1^T z + b1).

    Parameters
    ----------
    parameters : skip (P, K), encoder (P, K, h), encoder_bias (P, h), readout (P, h), readout_bias (P,).
    z : (P, B, K), each network's own inputs.
    """
    encoder, readout = parameters["encoder"], parameters["readout"]
    pre = torch.baddbmm(parameters["encoder_bias"][:, None], z, encoder)
    gate = torch.sigmoid(pre)
    slope = gate * (1 + pre * (1 - gate))
    forecast = torch.einsum("pbh,ph->pb", F.silu(pre), readout) + torch.einsum("pbk,pk->pb", z, parameters["skip"])
    jacobian = parameters["skip"][:, None] + torch.einsum("pbh,ph,pkh->pbk", slope, readout, encoder)
    return forecast + parameters["readout_bias"][:, None], jacobian


def loss(parameters: dict[str, Tensor], z: Tensor, y: Tensor, lam: float) -> Tensor:
    """(P,): mean over the B windows of (forecast - y)^2 + lam * sum_k |J_k|; y (P, B)."""
    forecast, jacobian = forecast_and_jacobian(parameters, z)
    return (forecast - y).square().mean(1) + lam * jacobian.abs().sum(2).mean(1)
