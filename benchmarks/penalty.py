"""The penalty step, value and parameter gradients: ours against the published loop and against vmap(jacrev).

The loop is P calls of autograd.grad with a kept graph, as GRNGC's authors write it. On a CPU it does nearly the same
flops for a plain network; what differs is the N P Q Jacobian it stores and the P passes over the graph.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from grngc_fast import gradient_l1
from grngc_fast.models import MLP
from tests import reference

from . import guard
from .results import Row

# (P, L, hidden, N)
CASES = (
    (20, 1, (128,), 64),
    (100, 1, (128,), 64),
    (100, 3, (128,), 64),
    (100, 1, (512,), 210),
    (300, 1, (128,), 64),
    (100, 1, (128, 128), 64),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--largest", type=int, default=300, help="leave out cases of more series (%(default)s)")


def run(args: argparse.Namespace) -> list[Row]:
    rows = []
    for case in CASES:
        if case[0] <= args.largest:
            rows += measure(*case, repeats=args.repeats)
    return rows


def jacrev(model: nn.Module, x: Tensor) -> Tensor:
    """The penalty from a materialised Jacobian, vmap over windows of reverse-mode rows."""
    rows = torch.func.vmap(torch.func.jacrev(lambda window: model(window[None])[0]))(x)
    return rows.abs().sum() / len(x)


METHODS: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "gradient_l1": gradient_l1,
    "loop": reference.gradient_l1,
    "vmap(jacrev)": jacrev,
}


# torch's fused attention on a CPU cannot be differentiated twice.
PLAIN_ATTENTION = SDPBackend.MATH


def step(penalty: Callable[[nn.Module, Tensor], Tensor], model: nn.Module, x: Tensor) -> list[Tensor]:
    """The value and the gradient of every parameter."""
    wanted = list(model.parameters())
    with sdpa_kernel(PLAIN_ATTENTION):
        value = penalty(model, x)
        return [value.detach(), *torch.autograd.grad(value, wanted, allow_unused=True, materialize_grads=True)]


def measure(n_series: int, n_lags: int, hidden: tuple[int, ...], n_windows: int, repeats: int = 5) -> list[Row]:
    generator = torch.Generator().manual_seed(0)
    model = MLP(n_series, n_lags, hidden, generator=generator)
    x = torch.randn(n_windows, n_lags, n_series, generator=generator)
    answers = {name: step(penalty, model, x) for name, penalty in METHODS.items()}
    for name in METHODS:
        guard.check(name, answers[name], answers["loop"], 1e-4)
    times = {name: guard.timed(lambda p=penalty: step(p, model, x), repeats) for name, penalty in METHODS.items()}
    size = {"P": n_series, "L": n_lags, "H": hidden[0], "N": n_windows}
    layers = "" if len(hidden) == 1 else f" {len(hidden)} layers"
    rows = []
    for name, t in times.items():
        spread = {"p20": t.p20 * 1e3, "p80": t.p80 * 1e3}
        rows.append(Row(name + layers, **size, metric="penalty step", value=t.median * 1e3, unit="ms", **spread))
        if name != "gradient_l1":
            ratio = t.median / times["gradient_l1"].median
            rows.append(Row(name + layers, **size, metric="time over ours", value=ratio, unit="1"))
    return rows
