"""One penalty step, value and all gradients, of every architecture: ours against the published loop and vmap(jacrev).

Rivals run on the module as a user would have it: for a KAN Cox and de Boor's recursion over all splines, for an LSTM torch's own
cells (vmap(jacrev), which cannot batch them and takes 24 GiB at P = 500, on ours), the plain torch module elsewhere. All give
the same value and gradients before anything is timed. The memory of a step is its peak beyond what was held before; `product`
is the N P Q Jacobian, which the rivals store.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from grngc_fast import gradient_l1
from grngc_fast.models import KAN, LSTM, MLP, TCN
from tests import torch_models

from . import guard
from .baselines.gradients import jacrev, loop
from .baselines.plain_kan import PlainKAN
from .penalty import step
from .results import Row

N_WINDOWS = 64
# Kinds with fewer repeats, since a rival takes minutes.
SLOW_SECONDS = 5.0


class PlainLSTM(nn.Module):
    """torch's own cells and a linear readout."""

    def __init__(self, model: LSTM) -> None:
        super().__init__()
        self.cells, self.readout = model.to_nn_lstm(), model.readout

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.cells(x)[0][:, -1])


@dataclass(frozen=True)
class Kind:
    """An architecture: our module and, of the same function, the module that the rivals run on."""

    name: str
    lags: int
    hidden: int
    build: Callable[[int], nn.Module]
    plain: Callable[[nn.Module], nn.Module] = lambda model: model
    plain_for_jacrev: bool = True


def _sequential(p: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(p, 128), nn.SiLU(), nn.Linear(128, p))


KINDS = (
    Kind("MLP", 1, 128, lambda p: MLP(p, hidden=(128,))),
    Kind(
        "MLP, 3 residual layers, LayerNorm, weight norm",
        1,
        128,
        lambda p: MLP(p, hidden=(128,) * 3, residual=True, layer_norm=True, weight_norm=True),
    ),
    Kind("KAN", 1, 128, lambda p: KAN(p, hidden=(128,)), PlainKAN),
    Kind("KAN, 3 layers", 1, 64, lambda p: KAN(p, hidden=(64, 64)), PlainKAN),
    Kind("LSTM", 4, 64, lambda p: LSTM(p, 4, 64), PlainLSTM, plain_for_jacrev=False),
    Kind("TCN", 4, 64, lambda p: TCN(p, 4, 64)),
    Kind("torch Linear-SiLU-Linear", 1, 128, _sequential),
    Kind("torch linear skip", 2, 64, lambda p: torch_models.LinearSkip(p, 2, 64)),
    Kind("torch residual network (JRNGC)", 1, 64, lambda p: torch_models.ResidualNetwork(p, 1, 64, blocks=3).eval()),
    Kind("torch Transformer", 4, 64, lambda p: torch_models.Attention(p, 4, 64).eval()),
)
RIVALS: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {"loop": loop, "vmap(jacrev)": jacrev}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--series", type=int, nargs="+", default=[100, 500], metavar="P", help="(%(default)s)")
    parser.add_argument("--windows", type=int, default=N_WINDOWS, metavar="N", help="(%(default)s)")
    parser.add_argument("--only", metavar="NAME", help="architectures whose name holds this")
    parser.add_argument(
        "--memory", type=int, nargs="*", metavar="P", help="instead, our peak memory at these P (100 to 1600)"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the memory curve")


def run(args: argparse.Namespace) -> list[Row]:
    kinds = [kind for kind in KINDS if args.only is None or args.only.lower() in kind.name.lower()]
    if args.memory is not None:
        rows = [
            row for kind in kinds for row in memory_curve(kind, args.memory or (100, 200, 400, 800, 1600), args.windows)
        ]
        if args.plot:
            draw(rows, args.plot)
        return rows
    return [row for p in args.series for kind in kinds for row in measure(kind, p, args.windows, args.repeats)]


def measure(kind: Kind, n_series: int, n_windows: int, repeats: int) -> list[Row]:
    torch.manual_seed(0)
    model, x = kind.build(n_series), torch.randn(n_windows, kind.lags, n_series)
    plain = kind.plain(model)
    modules = {name: plain if kind.plain_for_jacrev or name == "loop" else model for name in RIVALS}
    truths = {id(module): step(gradient_l1, module, x) for module in (model, plain)}
    guard.check(f"{kind.name}: value", truths[id(model)][:1], truths[id(plain)][:1], 1e-4)
    size = {"P": n_series, "L": kind.lags, "H": kind.hidden, "N": n_windows}
    ours = guard.timed(lambda: step(gradient_l1, model, x), repeats)
    rows = _row_pair(kind.name, size, ours, guard.peak_memory(lambda: step(gradient_l1, model, x)))
    product = 4.0 * n_windows * n_series * n_series * kind.lags / 2**20
    rows.append(Row(f"{kind.name}: product", **size, metric="memory", value=product, unit="MiB"))
    for name, penalty in RIVALS.items():
        label, module = f"{kind.name}: {name}", modules[name]
        try:
            truth = truths[id(module)]
            first = guard.timed(
                lambda p=penalty, n=label, m=module, t=truth: guard.check(n, step(p, m, x), t, 2e-3), 1, warmup=0
            )
            count = repeats if first.median < SLOW_SECONDS else 2
            rival = guard.timed(lambda p=penalty, m=module: step(p, m, x), count, warmup=0)
            memory = guard.peak_memory(lambda p=penalty, m=module: step(p, m, x))
        except (RuntimeError, NotImplementedError) as error:
            print(f"{label}: cannot run this module: {str(error).splitlines()[0]}")
            continue
        # Again beside the rival, so that both saw the same machine.
        ours = guard.timed(lambda: step(gradient_l1, model, x), repeats)
        rows += _row_pair(label, size, rival, memory)
        rows.append(Row(label, **size, metric="time over ours", value=rival.median / ours.median, unit="1"))
    return rows


def _row_pair(label: str, size: dict[str, int], time: guard.Timing, memory: int) -> list[Row]:
    spread = {"p20": time.p20 * 1e3, "p80": time.p80 * 1e3}
    return [
        Row(label, **size, metric="penalty step", value=time.median * 1e3, unit="ms", **spread),
        Row(label, **size, metric="memory", value=memory / 2**20, unit="MiB"),
    ]


def memory_curve(kind: Kind, series: Sequence[int], n_windows: int) -> list[Row]:
    """Our peak at several P, and the exponent with which it grows between the last two."""
    rows: list[Row] = []
    for n_series in series:
        torch.manual_seed(0)
        model, x = kind.build(n_series), torch.randn(n_windows, kind.lags, n_series)
        step(gradient_l1, model, x)
        size = {"P": n_series, "L": kind.lags, "H": kind.hidden, "N": n_windows}
        peak = guard.peak_memory(lambda m=model, v=x: step(gradient_l1, m, v)) / 2**20
        parameters = 4.0 * sum(p.numel() for p in model.parameters()) / 2**20
        rows.append(Row(kind.name, **size, metric="memory", value=peak, unit="MiB"))
        rows.append(Row(f"{kind.name}: parameters", **size, metric="memory", value=parameters, unit="MiB"))
        product = 4.0 * n_windows * n_series**2 * kind.lags / 2**20
        rows.append(Row(f"{kind.name}: product", **size, metric="memory", value=product, unit="MiB"))
    own = [row for row in rows if row.method == kind.name]
    if len(own) > 1:
        before, last = own[-2:]
        exponent = math.log(last.value / before.value) / math.log(last.P / before.P)
        size = {"P": last.P, "L": kind.lags, "H": kind.hidden, "N": n_windows}
        rows.append(Row(kind.name, **size, metric="growth exponent of memory in P", value=exponent, unit="1"))
    return rows


def draw(rows: Sequence[Row], path: Path) -> None:
    """Peak memory over P, a line for each architecture, and that of the stored Jacobian."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    memory = [row for row in rows if row.metric == "memory"]
    for name in dict.fromkeys(row.method for row in memory if ":" not in row.method):
        points = [(row.P, row.value) for row in memory if row.method == name]
        axes.loglog(*zip(*points, strict=True), marker="o", label=name)
    first = next(row.method for row in memory if row.method.endswith(": product"))
    points = [(row.P, row.value) for row in memory if row.method == first]
    axes.loglog(*zip(*points, strict=True), "k--", label="the Jacobian of one lag, stored")
    axes.set(xlabel="series P", ylabel="peak memory of a penalty step, MiB", title=f"{memory[0].N} windows")
    figure.legend(loc="outside right center", fontsize=8)
    figure.savefig(path, dpi=150)
