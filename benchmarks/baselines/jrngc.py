"""JRNGC's network, written from its description (arXiv 2405.08779), and its windows (N, P, L), series first.

A weight-normed layer of all series and lags, residual blocks of a weight-normed layer, layer normalisation, ReLU and dropout, a
linear readout. Its penalty, P forward and backward passes, is `gradients.forward_and_row`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

HIDDEN, BLOCKS, LAGS = 50, 5, 3


class Block(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.linear, self.norm = weight_norm(nn.Linear(width, width)), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.dropout(torch.relu(self.norm(self.linear(h))))


class Network(nn.Module):
    """(N, P, L) -> (N, P)"""

    def __init__(
        self, n_series: int, n_lags: int = LAGS, hidden: int = HIDDEN, blocks: int = BLOCKS, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.encoder = weight_norm(nn.Linear(n_series * n_lags, hidden))
        self.blocks = nn.Sequential(*(Block(hidden, dropout) for _ in range(blocks)))
        self.readout = nn.Linear(hidden, n_series)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.blocks(self.encoder(x.flatten(1))))


class LagsFirst(nn.Module):
    """A network of windows (N, P, L) that takes them as (N, L, P)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.mT)


def penalty(network: nn.Module, x: Tensor) -> Tensor:
    """The published penalty of windows x (N, P, L): P times a forward pass, and a backward pass through one series' forecast."""
    x = x.detach().requires_grad_()
    rows = []
    for i in range(x.shape[1]):
        (row,) = torch.autograd.grad(network(x)[:, i].sum(), x, create_graph=True)
        rows.append(row)
    return torch.stack(rows, 1).abs().sum() / len(x)
