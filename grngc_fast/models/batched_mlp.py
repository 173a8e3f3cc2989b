"""Many small networks of one shape as a single one with a leading dimension, so that a step of all is a step of one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..jacobian import ACTIVATIONS
from ..kernels import matmul_l1
from .mlp import MLP


class BatchedMLP(nn.Module):
    """B networks `MLP` of one hidden layer side by side: every parameter has a leading dimension B, and nothing mixes them.

    Parameters
    ----------
    members : B networks of one shape and activation, whose parameters are copied. One hidden layer, with or without a
        linear skip path; no normalisation, dropout or weight norm.

    Raises
    ------
    ValueError : members of another kind.

    Shapes: x (1 | B, N, L, C), oldest step first, one set of windows for all or one for each, to (B, N, E).
    """

    def __init__(self, members: Sequence[MLP]) -> None:
        super().__init__()
        first = members[0]
        if any(len(m.weights) != 2 or m.gains is not None or m.lengths is not None or m.dropout for m in members):
            raise ValueError("members need one hidden layer and neither layer_norm, weight_norm nor dropout")
        self.activation = first.activation
        self.encoder = _stacked([m.weights[0] for m in members])
        self.offset = _stacked([m.biases[0] for m in members])
        self.readout = _stacked([m.weights[1] for m in members])
        self.intercept = _stacked([m.biases[1] for m in members])
        self.skip = _stacked([m.skip for m in members]) if first.skip is not None else None

    def __len__(self) -> int:
        return len(self.encoder)

    def forward(self, x: Tensor) -> Tensor:
        return self._forecast(*self._hidden(x))

    def forecast_and_penalty(self, x: Tensor, n_windows: int, targets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Forecasts (B, N, E), and (B,) sums over outputs and inputs, means over windows, of the absolute Jacobian.

        Parameters
        ----------
        n_windows : the penalty is a mean over the first so many.
        targets : (B, S) outputs to sum over, each member's own; default all.
        """
        columns, z = self._hidden(x)
        readout, skip = (p if p is None or targets is None else _rows(p, targets) for p in (self.readout, self.skip))
        assert readout is not None
        slope = ACTIVATIONS[self.activation].slope(z[:, :n_windows])
        return self._forecast(columns, z), matmul_l1(readout, self.encoder, slope, skip) / slope.shape[1]

    def copy_into(self, number: int, member: MLP) -> MLP:
        """`member` with the parameters of network `number`."""
        own = (self.encoder, self.readout, self.offset, self.intercept)
        with torch.no_grad():
            for theirs, ours in zip((*member.weights, *member.biases), own, strict=True):
                theirs.copy_(ours[number])
            if member.skip is not None and self.skip is not None:
                member.skip.copy_(self.skip[number])
        return member

    def _hidden(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Lag-major columns (B, N, Q), most recent first, and what enters the hidden units, (B, N, H)."""
        columns = x.flip(-2).flatten(-2).expand(len(self), -1, -1)
        return columns, torch.baddbmm(self.offset.unsqueeze(1), columns, self.encoder.mT)

    def _forecast(self, columns: Tensor, z: Tensor) -> Tensor:
        hidden = ACTIVATIONS[self.activation].value(z)
        forecast = torch.baddbmm(self.intercept.unsqueeze(1), hidden, self.readout.mT)
        return forecast if self.skip is None else torch.baddbmm(forecast, columns, self.skip.mT)


def _rows(matrices: Tensor, rows: Tensor) -> Tensor:
    """Rows (B, S) of matrices (B, E, K), each matrix's own: (B, S, K)."""
    return matrices.gather(1, rows.unsqueeze(-1).expand(-1, -1, matrices.shape[2]))


def _stacked(parameters: Sequence[Tensor | None]) -> nn.Parameter:
    return nn.Parameter(torch.stack([p.detach() for p in parameters if p is not None]))
