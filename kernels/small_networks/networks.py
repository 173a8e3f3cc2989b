"""Parameters of many small networks side by side, and what they forecast."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..spline import spline_functions
from .levels import Levels, basis_of

# What is judged is read at so many levels: an input is moved by at most 1/256 of its standard deviation.
JUDGED_LEVELS = 1024


@dataclass
class Networks:
    """Parameters of P networks of K inputs, h units and G splines to an input.

    Attributes
    ----------
    skip : (P, K + F), F inputs that are not penalised.
    splines : (P, K, G) coefficients of the splines of `basis_of(G)`; G = 0 for none.
    encoder : (P, K, h); h = 0 for no units. encoder_bias : (P, h). readout : (P, h). readout_bias : (P,).
    """

    skip: Tensor
    splines: Tensor
    encoder: Tensor
    encoder_bias: Tensor
    readout: Tensor
    readout_bias: Tensor

    @classmethod
    def drawn(
        cls,
        n: int,
        n_inputs: int,
        n_units: int,
        generator: torch.Generator,
        device: torch.device,
        n_free: int = 0,
        n_splines: int = 0,
    ) -> Networks:
        """Fresh weights: no linear path, no splines, units of small effect. `n_free`: F."""
        encoder = torch.randn(n, n_inputs, n_units, generator=generator) / math.sqrt(n_inputs)
        readout = 0.1 * torch.randn(n, n_units, generator=generator) / math.sqrt(max(1, n_units))
        skip, splines = torch.zeros(n, n_inputs + n_free), torch.zeros(n, n_inputs, n_splines)
        given = skip, splines, encoder, torch.zeros(n, n_units), readout, torch.zeros(n)
        return cls(*(t.to(device) for t in given))

    def tensors(self) -> list[Tensor]:
        return [getattr(self, field.name) for field in fields(self)]

    def forget_inputs(self, which: Tensor) -> None:
        """Weights 0 for inputs (P, K) that are 0 in every window; what their splines are there goes to the bias."""
        if self.splines.shape[2] and bool(which.any()):
            still = spline_functions(self.splines.new_zeros(1, 1), basis_of(self.splines.shape[2]))[0, 0]
            self.readout_bias.add_(((self.splines @ still) * which).sum(1))
            self.splines.mul_(~which[..., None])
            self.skip[:, : which.shape[1]].mul_(~which)

    def of(self, rows: Tensor) -> Networks:
        """Some of the networks."""
        return Networks(*(t[rows] for t in self.tensors()))

    def forecast_and_jacobian(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """y (P, B) and J (P, B, K) at z (P, B, K + F)."""
        k = self.encoder.shape[1]
        read = z[..., :k]
        pre = torch.baddbmm(self.encoder_bias[:, None], read, self.encoder)
        gate = torch.sigmoid(pre)
        act = pre.mul_(gate)
        y = torch.bmm(act, self.readout[:, :, None])[..., 0] + torch.bmm(z, self.skip[:, :, None])[..., 0]
        slope = torch.addcmul(gate, act, gate, value=-1).add_(act)
        weighted = self.encoder * self.readout[:, None]
        y, jacobian = y + self.readout_bias[:, None], torch.baddbmm(self.skip[:, None, :k], slope, weighted.mT)
        if self.splines.shape[2]:
            levels = Levels.of(basis_of(self.splines.shape[2]), JUDGED_LEVELS, y.device, y.dtype)
            at = levels.offsets(len(z), k) + levels.index(read)
            values, slopes = (t.view(-1) for t in levels.tables(self.splines))
            y.add_(values.take(at).sum(2))
            jacobian.add_(slopes.take(at))
        return y, jacobian
