"""The published objective trained with our penalty and with the published loop, from the same weights: the loss curves.

z-scored series, x_t forecasts x_(t+1), all steps one batch, Adam 0.01, loss = MSE + 0.008 * sum of the mean absolute gradient,
hidden 128 (the authors' script for DREAM4). Both runs see the same numbers, so the curves part only by rounding, which signs
that turn and Adam's division amplify; in float64 they stay together. `difference` is the largest of the loss over its size,
and `one rounding` the same between two of our own runs whose first weights differ by a rounding each.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grngc_fast import gradient_l1
from grngc_fast.datasets import lorenz96, read_dream4
from grngc_fast.models import KAN, MLP
from tests import reference

from .accuracy import DATA
from .baselines.plain_kan import PlainKAN
from .results import Row

LEARNING_RATE, PENALTY, HIDDEN = 0.01, 0.008, 128
MODELS: dict[str, tuple[Callable[[int], nn.Module], Callable[[nn.Module], nn.Module]]] = {
    "MLP, ReLU": (lambda p: MLP(p, hidden=(HIDDEN,), activation="relu"), lambda model: model),
    "KAN": (lambda p: KAN(p, hidden=(HIDDEN,)), PlainKAN),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the public benchmark files")
    parser.add_argument("--epochs", type=int, default=50, help="(%(default)s)")
    parser.add_argument("--float64", action="store_true", help="train in float64")


def run(args: argparse.Namespace) -> list[Row]:
    x, y = series(args.data)
    dtype = torch.float64 if args.float64 else torch.float32
    return [row for name in MODELS for row in measure(name, x.to(dtype), y.to(dtype), args.epochs)]


def series(data: Path) -> tuple[Tensor, Tensor]:
    """Inputs (N, 1, P) and targets (N, P) of DREAM4 size 100 net 1, or of Lorenz-96 where the file is not there."""
    if (data / "dream4").is_dir():
        trajectories = list(read_dream4(data / "dream4", 100, 1).trajectories)
    else:
        print(f"no folder {data / 'dream4'}; Lorenz-96 with 100 series and 210 steps instead")
        trajectories = [lorenz96(100, 210, 10.0, seed=0).X]
    joined = np.concatenate(trajectories)
    scaled = [torch.tensor((t - joined.mean(0)) / joined.std(0)) for t in trajectories]
    return torch.cat([t[:-1] for t in scaled])[:, None], torch.cat([t[1:] for t in scaled])


def train(
    model: nn.Module, penalty: Callable[[nn.Module, Tensor], Tensor], x: Tensor, y: Tensor, epochs: int
) -> tuple[Tensor, float]:
    """Losses of all epochs and the seconds that they took."""
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE), []
    started = time.perf_counter()
    for _ in range(epochs):
        loss = F.mse_loss(model(x), y) + PENALTY * penalty(model, x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses), time.perf_counter() - started


def measure(name: str, x: Tensor, y: Tensor, epochs: int) -> list[Row]:
    torch.manual_seed(0)
    build, plain = MODELS[name]
    start = build(x.shape[-1]).to(x.dtype)
    ours, seconds = train(copy.deepcopy(start), gradient_l1, x, y, epochs)
    loop, loop_seconds = train(plain(copy.deepcopy(start)), reference.gradient_l1, x, y, epochs)
    nudged = copy.deepcopy(start)
    with torch.no_grad():
        for parameter in nudged.parameters():
            parameter.mul_(1 + torch.finfo(x.dtype).eps * torch.randint_like(parameter, -1, 2))
    rounded, _ = train(nudged, gradient_l1, x, y, epochs)
    size = {"P": x.shape[-1], "L": 1, "H": HIDDEN, "N": len(x)}
    kind = f"{name}, {epochs} epochs, {str(x.dtype).removeprefix('torch.')}"
    return [
        Row(kind, **size, metric="first loss", value=float(ours[0]), unit="1"),
        Row(kind, **size, metric="last loss", value=float(ours[-1]), unit="1"),
        Row(kind, **size, metric="difference", value=float(((ours - loop) / loop).abs().max()), unit="1"),
        Row(kind, **size, metric="one rounding", value=float(((ours - rounded) / ours).abs().max()), unit="1"),
        Row(kind, **size, metric="training", value=seconds, unit="s"),
        Row(f"{kind}: loop", **size, metric="training", value=loop_seconds, unit="s"),
        Row(f"{kind}: loop", **size, metric="time over ours", value=loop_seconds / seconds, unit="1"),
    ]
