"""The penalty step of a perceptron, value and parameter gradients: ours against every other way to it, see `baselines.gradients`.

On a CPU the published loop does nearly the same flops for a plain network; what differs is the N P Q Jacobian it stores and the
P passes over the graph. All have the same answer before they are timed; the memory is the peak beyond what was held before.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from grngc_fast import gradient_l1
from grngc_fast.models import MLP

from . import guard
from .baselines.gradients import PENALTIES, Penalty, loop
from .results import Row

# (P, L, hidden, N)
CASES = (
    (10, 1, (128,), 64),
    (20, 1, (128,), 64),
    (50, 1, (128,), 64),
    (100, 1, (128,), 64),
    (100, 3, (128,), 64),
    (100, 1, (512,), 210),
    (300, 1, (128,), 64),
    (100, 1, (128, 128), 64),
    (1000, 1, (128,), 64),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--largest", type=int, default=1000, help="leave out cases of more series (%(default)s)")
    parser.add_argument("--compile", action="store_true", help="rivals by torch.compile too, which takes a minute each")


def run(args: argparse.Namespace) -> list[Row]:
    rows = []
    rivals = {name: penalty for name, penalty in PENALTIES.items() if args.compile or "compiled" not in name}
    for case in CASES:
        if case[0] <= args.largest:
            rows += measure(*case, repeats=args.repeats, rivals=rivals)
    return rows


# torch's fused attention on a CPU cannot be differentiated twice.
PLAIN_ATTENTION = SDPBackend.MATH


def step(penalty: Callable[[nn.Module, Tensor], Tensor], model: nn.Module, x: Tensor) -> list[Tensor]:
    """The value and the gradient of every parameter."""
    wanted = list(model.parameters())
    with sdpa_kernel(PLAIN_ATTENTION):
        value = penalty(model, x)
        return [value.detach(), *torch.autograd.grad(value, wanted, allow_unused=True, materialize_grads=True)]


def measure(
    n_series: int,
    n_lags: int,
    hidden: tuple[int, ...],
    n_windows: int,
    repeats: int = 5,
    rivals: Mapping[str, Penalty] = PENALTIES,
) -> list[Row]:
    generator = torch.Generator().manual_seed(0)
    model = MLP(n_series, n_lags, hidden, generator=generator)
    x = torch.randn(n_windows, n_lags, n_series, generator=generator)
    size = {"P": n_series, "L": n_lags, "H": hidden[0], "N": n_windows}
    layers = "" if len(hidden) == 1 else f" {len(hidden)} layers"
    truth = step(gradient_l1, model, x)
    guard.check("gradient_l1", truth, step(loop, model, x), 1e-4)
    rows = []
    for name, penalty in {"gradient_l1": gradient_l1, **rivals}.items():
        label = name + layers
        try:
            guard.check(name, step(penalty, model, x), truth, 1e-4)
            taken = guard.in_turn(
                {"ours": lambda: step(gradient_l1, model, x), "rival": lambda p=penalty: step(p, model, x)}, repeats
            )
            memory = guard.peak_memory(lambda p=penalty: step(p, model, x)) / 2**20
        except (RuntimeError, NotImplementedError) as error:
            print(f"{label}: cannot run this: {str(error).splitlines()[0]}")
            continue
        time, ours = guard.spread_of(taken["rival"]), guard.spread_of(taken["ours"])
        spread = {"p20": time.p20 * 1e3, "p80": time.p80 * 1e3}
        rows.append(Row(label, **size, metric="penalty step", value=time.median * 1e3, unit="ms", **spread))
        rows.append(Row(label, **size, metric="memory", value=memory, unit="MiB"))
        if name != "gradient_l1":
            rows.append(Row(label, **size, metric="time over ours", value=time.median / ours.median, unit="1"))
    return rows
