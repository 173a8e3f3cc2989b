"""Proximal gradient steps (ISTA) of component-wise networks: smooth parts down their gradient, then each group shrunk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .groups import penalty, shrink


class ComponentWise(Protocol):
    """P networks, one to a series, in a list or side by side."""

    def __call__(self, x: Tensor) -> Tensor: ...
    def parameters(self) -> Iterator[torch.nn.Parameter]: ...
    def penalised(self) -> list[Tensor]: ...
    def ridge(self) -> Tensor: ...
    def scores(self) -> Tensor: ...


@dataclass(frozen=True)
class Ista:
    """Settings of a training.

    Attributes
    ----------
    lam, kind : of the penalty on all weights of a cause. ridge : of the other weights. rate : of every step.
    max_steps : at most. check_every, patience : training stops once so many checks of the objective have found none lower.
    """

    lam: float
    ridge: float
    rate: float
    kind: str = "GL"
    max_steps: int = 50_000
    check_every: int = 100
    patience: int = 5


@dataclass(frozen=True)
class Progress:
    """steps taken, seconds of training (without what looks at it), the objective, scores (P, P) [effect, cause]."""

    steps: int
    seconds: float
    objective: float
    scores: Tensor


def smooth(model: ComponentWise, x: Tensor, y: Tensor, ridge: float) -> Tensor:
    """Summed over series: mean squared error and ridge."""
    error = (model(x) - y).square()
    return error.flatten(0, -2).mean(0).sum() + ridge * model.ridge()


@torch.no_grad()
def objective(model: ComponentWise, x: Tensor, y: Tensor, settings: Ista) -> float:
    """What is minimised, averaged over series."""
    groups = torch.stack([penalty(weights, settings.kind).sum() for weights in model.penalised()]).sum()
    return float(smooth(model, x, y, settings.ridge) + settings.lam * groups) / y.shape[-1]


def step(model: ComponentWise, x: Tensor, y: Tensor, settings: Ista) -> None:
    """One, of all networks on all windows."""
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(smooth(model, x, y, settings.ridge), parameters)
    with torch.no_grad():
        torch._foreach_add_(parameters, gradients, alpha=-settings.rate)
        for weights in model.penalised():
            shrink(weights, settings.rate * settings.lam, settings.kind)


def train(model: ComponentWise, x: Tensor, y: Tensor, settings: Ista) -> Iterator[Progress]:
    """What is known after every check, until nothing gets better."""
    best, since, seconds = float("inf"), 0, 0.0
    for steps in range(settings.check_every, settings.max_steps + 1, settings.check_every):
        started = time.perf_counter()
        for _ in range(settings.check_every):
            step(model, x, y, settings)
        seconds += time.perf_counter() - started
        value = objective(model, x, y, settings)
        yield Progress(steps, seconds, value, model.scores().clone())
        since = 0 if value < best else since + 1
        best = min(best, value)
        if since >= settings.patience or value != value:
            return
