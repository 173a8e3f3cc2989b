"""Forecasters as users write them, plain torch modules (N, L, P) -> (N, P), for tests and benchmarks."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


def sequential(p: int, lags: int = 2, width: int = 8, dropout: float = 0.3) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(p * lags, width), nn.ReLU(inplace=True), nn.Dropout(dropout), nn.Linear(width, p)
    )


def deep(p: int, lags: int = 2) -> nn.Module:
    widths = (p * lags, 9, 6, 11)
    layers = [layer for i, o in itertools.pairwise(widths) for layer in (nn.Linear(i, o), nn.SiLU())]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(widths[-1], p))


class ResidualBlock(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.Dropout(dropout))
        self.norm = nn.LayerNorm(width)

    def forward(self, h: Tensor) -> Tensor:
        return self.norm(h + self.inner(h))


class ResidualNetwork(nn.Module):
    """Weight-normed layer of all lags, residual blocks with layer normalisation and dropout, linear readout."""

    def __init__(self, p: int, lags: int = 2, width: int = 8, blocks: int = 2, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder = weight_norm(nn.Linear(p * lags, width))
        self.blocks = nn.Sequential(*(ResidualBlock(width, dropout) for _ in range(blocks)))
        self.readout = nn.Linear(width, p)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.blocks(torch.relu(self.encoder(x.flatten(1)))))


class Attention(nn.Module):
    """A Transformer over the lags, read at the last step."""

    def __init__(self, p: int, lags: int = 2, width: int = 8, dropout: float = 0.0) -> None:
        super().__init__()
        self.embed = nn.Linear(p, width)
        self.position = nn.Parameter(0.1 * torch.randn(lags, width))
        layer = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(width, p)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.embed(x) + self.position)[:, -1])


class AttentionEverywhere(Attention):
    """Forecasts at every step and returns the last."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.embed(x) + self.position))[:, -1]


class Convolution(nn.Module):
    """A causal convolution network over the lags."""

    def __init__(self, p: int, lags: int = 2, width: int = 6) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(p, width, 2), nn.Conv1d(width, width, 2, dilation=2)
        self.head = nn.Linear(width, p)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.first(nn.functional.pad(x.mT, (1, 0))))
        h = h + torch.tanh(self.second(nn.functional.pad(h, (2, 0))))
        return self.head(h[..., -1])


class Recurrent(nn.Module):
    def __init__(self, p: int, lags: int = 2, width: int = 6) -> None:
        super().__init__()
        self.cell, self.head = nn.LSTM(p, width, batch_first=True), nn.Linear(width, p)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cell(x)[0][:, -1])


class LinearSkip(nn.Module):
    def __init__(self, p: int, lags: int = 2, width: int = 8) -> None:
        super().__init__()
        self.encoder, self.readout = nn.Linear(p * lags, width), nn.Linear(width, p)
        self.linear = nn.Linear(p * lags, p, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        u = x.flip(1).flatten(1)
        return self.linear(u) + self.readout(torch.tanh(self.encoder(u)))


class LastStepAdded(nn.Module):
    """Forecasts the change since the last step."""

    def __init__(self, p: int, lags: int = 2, width: int = 8) -> None:
        super().__init__()
        self.encoder, self.readout = nn.Linear(p * lags, width), nn.Linear(width, p)

    def forward(self, x: Tensor) -> Tensor:
        change = self.readout(torch.tanh(self.encoder(x.flatten(1))))
        change += x[:, -1]
        return change
