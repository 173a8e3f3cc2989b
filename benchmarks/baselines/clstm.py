"""Component-wise LSTMs: of each series a recurrent network that reads all, step by step, and forecasts the next of its own.

    c, h = LSTM_i(x_t; W_i (4 H, P), ...),   f_i(x_t) = b_i + w_i . h_t

Objective of series i: mean squared error at every step of a stretch of `context` steps, hidden state zero before it, + ridge
||w_i||^2 + ridge ||U_i||^2 of the hidden-to-hidden weights + lam sum_j ||W_ij||.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LoopedCLSTM(nn.Module):
    """As published: a list of torch's LSTMs that are gone through one by one."""

    def __init__(self, n_series: int, hidden: int) -> None:
        super().__init__()
        self.cells = nn.ModuleList(nn.LSTM(n_series, hidden, batch_first=True) for _ in range(n_series))
        self.readouts = nn.ModuleList(nn.Linear(hidden, 1) for _ in range(n_series))

    def forward(self, x: Tensor) -> Tensor:
        """(N, S, P) forecasts of the step after each of stretches (N, S, P)."""
        pairs = zip(self.cells, self.readouts, strict=True)
        return torch.cat([readout(cells(x)[0]) for cells, readout in pairs], 2)

    def penalised(self) -> list[Tensor]:
        """Input weights, (4 H, P, 1) of each network."""
        return [cells.weight_ih_l0[..., None] for cells in self.cells]

    def ridge(self) -> Tensor:
        parts = [cells.weight_hh_l0.square().sum() for cells in self.cells]
        return torch.stack(parts + [readout.weight.square().sum() for readout in self.readouts]).sum()

    @torch.no_grad()
    def scores(self) -> Tensor:
        """(P, P) [effect, cause]."""
        return torch.stack([cells.weight_ih_l0.norm(dim=0) for cells in self.cells])


class VectorisedCLSTM(nn.Module):
    """The same networks side by side: one product reads the inputs of all steps for all, one batched product a step remembers."""

    def __init__(self, n_series: int, hidden: int) -> None:
        super().__init__()
        self._fill(LoopedCLSTM(n_series, hidden))

    @classmethod
    def of(cls, looped: LoopedCLSTM) -> VectorisedCLSTM:
        """With the weights of the other form."""
        own = cls(len(looped.cells), looped.cells[0].hidden_size)
        own._fill(looped)
        return own

    def _fill(self, looped: LoopedCLSTM) -> None:
        def stacked(parts: list[Tensor]) -> nn.Parameter:
            return nn.Parameter(torch.stack([part.detach() for part in parts]))

        self.inputs = stacked([cells.weight_ih_l0 for cells in looped.cells])
        self.hidden = stacked([cells.weight_hh_l0 for cells in looped.cells])
        self.input_bias = stacked([cells.bias_ih_l0 for cells in looped.cells])
        self.hidden_bias = stacked([cells.bias_hh_l0 for cells in looped.cells])
        self.readout = stacked([readout.weight for readout in looped.readouts])
        self.readout_bias = stacked([readout.bias for readout in looped.readouts])

    def forward(self, x: Tensor) -> Tensor:
        """(N, S, P) forecasts of the step after each of stretches (N, S, P)."""
        n, steps, p = x.shape
        gates, h = self.inputs.shape[1], self.hidden.shape[2]
        bias = (self.input_bias + self.hidden_bias).view(-1)
        read = torch.addmm(bias, x.flatten(0, 1), self.inputs.view(p * gates, -1).T).view(n, steps, p, gates)
        read, remembered = read.permute(1, 2, 0, 3), self.hidden.mT
        output = cell = x.new_zeros(p, n, h)
        outputs = []
        for step in range(steps):
            i, f, g, o = torch.baddbmm(read[step], output, remembered).chunk(4, -1)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            output = o.sigmoid() * cell.tanh()
            outputs.append(output)
        rows = torch.stack(outputs, 2).flatten(1, 2)
        forecast = torch.baddbmm(self.readout_bias[:, None], rows, self.readout.mT)
        return forecast.view(p, n, steps).permute(1, 2, 0)

    def penalised(self) -> list[Tensor]:
        """Input weights of all, (P, 4 H, P, 1)."""
        return [self.inputs[..., None]]

    def ridge(self) -> Tensor:
        return self.hidden.square().sum() + self.readout.square().sum()

    @torch.no_grad()
    def scores(self) -> Tensor:
        return self.inputs.norm(dim=1)


def stretches(series: Tensor, context: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets (N, context, P): every stretch of a series (T, P), and the same a step later."""
    whole = series.unfold(0, context + 1, 1).mT
    return whole[:, :-1].contiguous(), whole[:, 1:].contiguous()
