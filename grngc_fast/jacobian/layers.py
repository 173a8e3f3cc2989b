"""Hidden layers whose Jacobian is no diagonal: residual paths and layer normalisation, multiplied out from the output side.

    v = s(u),  u = LayerNorm(z) or z,  z = W h + b,  and h' = v, or h + v with a residual path
    d h' / d h = [I +] diag(s'(u)) N W,      N = diag(gain) (I - 1 1^T / H - y y^T / H) / sigma,  y = (z - mean z) / sigma

N is applied to a row by two means over it and never formed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .factors import Factors


@dataclass(frozen=True)
class Normalised:
    """HiddenLayer normalisation at N windows: y (N, H) of mean 0 and variance 1, 1 / sigma (N, 1), gain (H,)."""

    y: Tensor
    inverse_sigma: Tensor
    gain: Tensor

    @classmethod
    def of(cls, z: Tensor, gain: Tensor, eps: float) -> Normalised:
        centred = z - z.mean(-1, keepdim=True)
        inverse_sigma = (centred.square().mean(-1, keepdim=True) + eps).rsqrt()
        return cls(centred * inverse_sigma, inverse_sigma, gain)

    def times(self, rows: Tensor) -> Tensor:
        """rows (N, R, H) @ N"""
        y = self.y[:, None]
        rows = rows * (self.gain * self.inverse_sigma)[:, None]
        return rows - rows.mean(-1, keepdim=True) - y * (rows * y).mean(-1, keepdim=True)


@dataclass(frozen=True)
class HiddenLayer:
    """One hidden layer at N windows: weight (H', H), slope s'(u) (N, H')."""

    weight: Tensor
    slope: Tensor
    normalised: Normalised | None = None
    residual: bool = False

    def before_weight(self, rows: Tensor) -> Tensor:
        """rows (R, H') shared or (N, R, H') @ diag(s') N"""
        rows = rows * self.slope[:, None]
        return rows if self.normalised is None else self.normalised.times(rows)

    def times(self, rows: Tensor) -> Tensor:
        """rows @ d h' / d h, (N, R, H)"""
        through = self.before_weight(rows) @ self.weight
        return rows + through if self.residual else through


def layered_factors(readout: Tensor, layers: Sequence[HiddenLayer], bias: Tensor | None = None) -> Factors:
    """Factors of readout T_d ... T_1 + bias, the layers from the input side; the first one's weight is shared by all windows.

    The rows of the readout (P, H), or those of the identity where they are fewer and there are layers enough to save by
    it, are taken through the layers; contraction over the width of the first layer.
    """
    first, *inner = layers
    n_rows, width = readout.shape
    fewer = len(inner) > 1 and n_rows > width
    rows = torch.eye(width, dtype=readout.dtype, device=readout.device) if fewer else readout
    for layer in reversed(inner):
        rows = layer.times(rows)
    left = readout @ rows if fewer else rows
    return Factors(first.before_weight(left), first.weight, len(first.slope), bias=bias)
