"""The authors' training of the gradient penalty: all steps one batch, P backward passes an epoch, no choice of anything by data.

z-scored series, x_t forecasts x_(t+1); loss = MSE + lam * sum_ij G_ij, G_ij = mean_t |d f_i(x_t) / d x_tj|, which is the score
too. Adam, every epoch one step. Settings of the scripts (MeiliangLiu/GCD), that for Lorenz-96 where none is named.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grngc_fast.models import KAN, MLP

from .ista import Progress
from .plain_kan import PlainKAN

HIDDEN, RATE, LAM, EPOCHS = 512, 0.01, 0.0015, 200
KINDS = ("mlp", "kan")


@dataclass(frozen=True)
class Settings:
    """Hidden width, learning rate, penalty and epochs of a script."""

    hidden: int = HIDDEN
    rate: float = RATE
    lam: float = LAM
    epochs: int = EPOCHS


def settings(kind: str, family: str) -> Settings:
    """Of the script for a family of sets, or for what is nearest to it: genes as DREAM, autoregressions as Lorenz-96.

    Of fMRI, where the scripts have ranges, their middle.
    """
    if family in ("lorenz96", "var"):
        return Settings()
    if family == "netsim":
        return Settings(256, 3e-4, 0.007, 600)
    if family == "causaltime":
        return Settings(256 if kind == "kan" else 512, 0.001, 0.01, 500)
    return Settings(128, 0.01, 0.008)


def network(kind: str, n_series: int, seed: int, n_lags: int = 1, hidden: int = HIDDEN) -> nn.Module:
    """One hidden layer of ReLU units, or of splines of order 3 over five cells of [-1, 1] with the identity."""
    generator = torch.Generator().manual_seed(seed)
    if kind == "mlp":
        return MLP(n_series, n_lags, (hidden,), activation="relu", generator=generator)
    return PlainKAN(KAN(n_series, n_lags, (hidden,), grid=5, order=3, grid_range=(-1.0, 1.0), generator=generator))


def mean_gradients(model: nn.Module, x: Tensor) -> Tensor:
    """G (P, L P) [effect, cause of each lag, oldest first] of windows (N, L, P), with a graph: a backward pass an effect."""
    x = x.detach().requires_grad_()
    forecast = model(x)
    rows = [torch.autograd.grad(forecast[:, i].sum(), x, create_graph=True)[0] for i in range(forecast.shape[1])]
    return torch.stack([row.abs().mean(0).flatten() for row in rows])


def train(
    model: nn.Module, x: Tensor, y: Tensor, epochs: int = EPOCHS, rate: float = RATE, lam: float = LAM
) -> Iterator[Progress]:
    """What is known after each epoch, windows (N, L, P) and targets (N, P)."""
    optimizer, seconds = torch.optim.Adam(model.parameters(), lr=rate), 0.0
    for epoch in range(1, epochs + 1):
        started = time.perf_counter()
        found = mean_gradients(model, x)
        loss = F.mse_loss(model(x), y) + lam * found.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds += time.perf_counter() - started
        yield Progress(epoch, seconds, float(loss.detach()), found.detach())
