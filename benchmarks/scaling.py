"""Time and memory of a training step against the number of series, every method to its limit, for 1 and 5 lags.

64 windows to a step, 128 hidden units of a shared network, 16 of a network for each series, 10 of a recurrent one. `exact`
penalises all targets of all windows, `sampled` is what a fit of the shared layer does, `working sets` is the step of all targets'
networks of 16 inputs. The rivals are those of `baselines`. A method ends where its next step would take more than `--limit`
seconds or hold more than `--memory` GiB; the limit is a row. `--fits` measures whole fits too (`whole_fits`), `--compile` the
rivals that store a Jacobian by torch.compile as well, its first call apart.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from grngc_fast.kernels.small_networks import Networks, TileTrainer
from grngc_fast.models import MLP
from grngc_fast.series import Windows
from grngc_fast.training.sampling import PenaltySample

from . import guard, whole_fits
from .baselines import clstm, cmlp, gradients
from .baselines.ista import Ista
from .baselines.ista import step as ista_step
from .growing import exponent, predicted
from .results import RESULTS, Row, add_plot_argument, read
from .training_step import DEFAULT_LAM, HIDDEN, N_WINDOWS, trainer

SMALL, RECURRENT, SET_INPUTS, TILE = 16, 10, 16, 125
METRICS = ("step", "memory of a step")
# Each takes a minute or more.
LARGEST_COMPILED = 300
Step = Callable[[], object]


class Panel(NamedTuple):
    """A metric, what its axis says, and the axis' unit in that of the rows."""

    metric: str
    label: str
    scale: float


PANELS = (
    Panel("step", "time of a training step, ms", 1e3),
    Panel(METRICS[1], "memory of a training step, MiB", 2.0**-20),
    Panel(whole_fits.METRICS[0], "time of a whole fit, s", 1.0),
    Panel(whole_fits.METRICS[1], "memory of a whole fit, MiB", 2.0**-20),
)


@dataclass(frozen=True)
class Method:
    """A training step.

    Attributes
    ----------
    build : of series and lags, the step. width : H in tables. bytes : that it holds at least, of P and Q = P L.
    """

    build: Callable[[int, int], Step]
    width: int
    bytes: Callable[[int, int], float]


def _windows(n_series: int, n_lags: int) -> Windows:
    noise = np.random.default_rng(0).standard_normal((2 * N_WINDOWS + n_lags, n_series))
    return Windows.from_trajectories([noise], n_lags)


def _perceptron(n_series: int, n_lags: int, skip: bool) -> MLP:
    return MLP(n_series, n_lags, (HIDDEN,), skip=skip, generator=torch.Generator().manual_seed(0))


def _ours(exact: bool) -> Callable[[int, int], Step]:
    def build(n_series: int, n_lags: int) -> Step:
        sample = PenaltySample(N_WINDOWS, n_series) if exact else None
        return trainer(_perceptron(n_series, n_lags, True), _windows(n_series, n_lags), sample).step

    return build


def _rival(penalty: gradients.Penalty) -> Callable[[int, int], Step]:
    """The published step: forecast loss and penalty of all windows, Adam."""

    def build(n_series: int, n_lags: int) -> Step:
        model, windows = _perceptron(n_series, n_lags, False), _windows(n_series, n_lags)
        adam, batch = torch.optim.Adam(model.parameters(), fused=True), slice(0, N_WINDOWS)
        x, y = windows.inputs(batch), windows.targets(batch)

        def step() -> None:
            loss = F.mse_loss(model(x), y) + DEFAULT_LAM / n_series * penalty(model, x)
            adam.zero_grad()
            loss.backward()
            adam.step()

        return step

    return build


def _sets(n_series: int, n_lags: int) -> Step:
    """All targets in tiles of one network after another."""
    generator = torch.Generator().manual_seed(0)
    inputs = min(SET_INPUTS, n_series * n_lags)
    tiles = []
    for start in range(0, n_series, TILE):
        count = min(TILE, n_series - start)
        networks = Networks.drawn(count, inputs, SMALL, generator, torch.device("cpu"))
        own = TileTrainer(networks, N_WINDOWS, 1e-6, 10**9)
        z, y = (torch.randn(count, N_WINDOWS, *more, generator=generator) for more in ((inputs,), ()))
        tiles.append((own, z, y))

    def step() -> None:
        for own, z, y in tiles:
            own.step(z, y, DEFAULT_LAM)

    return step


def _by_compiler(penalty: gradients.Penalty) -> Callable[[int, int], Step]:
    """Compiled anew for each size."""
    return lambda n_series, n_lags: _rival(gradients.compiled(penalty))(n_series, n_lags)


def _component_wise(kind: type[Any]) -> Callable[[int, int], Step]:
    def build(n_series: int, n_lags: int) -> Step:
        torch.manual_seed(0)
        windows, batch = _windows(n_series, n_lags), slice(0, N_WINDOWS)
        if kind.__name__.endswith("CLSTM"):
            model = kind(n_series, RECURRENT)
            x, y = clstm.stretches(windows.steps[: N_WINDOWS + n_lags], n_lags)
            return lambda: ista_step(model, x, y, Ista(0.01, 0.01, 1e-3))
        model = kind(n_series, n_lags, SMALL)
        x, y = windows.inputs(batch), windows.targets(batch)
        return lambda: ista_step(model, x, y, Ista(0.01, 0.01, 1e-3, "H"))

    return build


def _linear(p: int, q: int) -> float:
    """Parameters, gradient and Adam's moments of a linear path and a hidden layer."""
    return 16.0 * (p * q + HIDDEN * (p + q))


def _jacobian(p: int, q: int) -> float:
    """Kept once, and its gradient."""
    return 8.0 * N_WINDOWS * p * q


METHODS: dict[str, Method] = {
    "ours, sampled": Method(_ours(False), HIDDEN, _linear),
    "ours, exact": Method(_ours(True), HIDDEN, _linear),
    "ours, working sets": Method(_sets, SMALL, lambda p, q: 4.0 * p * 20 * N_WINDOWS * SMALL),
    "official loop": Method(_rival(gradients.loop), HIDDEN, _jacobian),
    "forward and row": Method(_rival(gradients.forward_and_row), HIDDEN, _jacobian),
    "vmap(jacrev)": Method(_rival(gradients.jacrev), HIDDEN, _jacobian),
    "bmm": Method(_rival(gradients.bmm), HIDDEN, _jacobian),
    "cMLP as published": Method(_component_wise(cmlp.LoopedCMLP), SMALL, lambda p, q: 12.0 * p * q * SMALL),
    "cMLP vectorised": Method(_component_wise(cmlp.VectorisedCMLP), SMALL, lambda p, q: 12.0 * p * q * SMALL),
    "cLSTM as published": Method(_component_wise(clstm.LoopedCLSTM), RECURRENT, lambda p, q: 48.0 * p * p * RECURRENT),
    "cLSTM vectorised": Method(
        _component_wise(clstm.VectorisedCLSTM), RECURRENT, lambda p, q: 48.0 * p * p * RECURRENT
    ),
}
COMPILED: dict[str, Method] = {
    "vmap(jacrev), compiled": Method(_by_compiler(gradients.jacrev), HIDDEN, _jacobian),
    "bmm, compiled": Method(_by_compiler(gradients.bmm), HIDDEN, _jacobian),
}
ALL = METHODS | COMPILED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    sizes = [10, 30, 100, 300, 1000, 3000, 10_000]
    parser.add_argument("--series", type=int, nargs="+", default=sizes, metavar="P", help="(%(default)s)")
    parser.add_argument("--lags", type=int, nargs="+", default=[1, 5], metavar="L", help="(%(default)s)")
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="NAME", help=f"of {', '.join(METHODS)}"
    )
    parser.add_argument("--limit", type=float, default=10.0, help="seconds of a step (%(default)s)")
    parser.add_argument("--memory", type=float, default=8.0, help="GiB that a step may hold (%(default)s)")
    parser.add_argument("--fits", action="store_true", help="whole fits too, beside the steps")
    parser.add_argument("--fit-limit", type=float, default=120.0, help="seconds of a whole fit (%(default)s)")
    parser.add_argument(
        "--compile", action="store_true", help="vmap(jacrev) and bmm by torch.compile too, of the sizes to 300"
    )
    add_plot_argument(parser, "scaling.png", "the recorded curves")


def run(args: argparse.Namespace) -> list[Row]:
    rows = []
    for n_lags in args.lags:
        for name in args.methods:
            rows += curve(name, sorted(args.series), n_lags, args.repeats, args.limit, args.memory * 2**30)
        for name in COMPILED if args.compile else ():
            sizes = sorted(p for p in args.series if p <= LARGEST_COMPILED)
            rows += curve(name, sizes, n_lags, args.repeats, args.limit, args.memory * 2**30)
        for name in whole_fits.FITS if args.fits else ():
            rows += whole_fits.curve(name, sorted(args.series), n_lags, args.fit_limit, torch.get_num_threads())
    if args.plot:
        draw([*recorded(), *rows], args.plot)
    return rows


def curve(name: str, series: Sequence[int], n_lags: int, repeats: int, limit: float, memory: float) -> list[Row]:
    """Steps of growing size until the limit, and the exponent of the last three."""
    method, rows = ALL[name], list[Row]()
    for n_series in series:
        size = {"P": n_series, "L": n_lags, "H": method.width, "N": N_WINDOWS}
        # Measured memory counts what is held only in passing.
        held = max(
            method.bytes(n_series, n_series * n_lags), predicted([r for r in rows if r.metric == METRICS[1]], n_series)
        )
        if held > memory:
            print(f"{name}, P={n_series}, L={n_lags}: would hold {held / 2**30:.0f} GiB")
            rows.append(Row(name, **size, metric="limit: memory", value=held / 2**30, unit="GiB"))
            break
        expected = predicted([r for r in rows if r.metric == "step"], n_series)
        if expected > limit:
            print(f"{name}, P={n_series}, L={n_lags}: a step would take about {expected:.0f} s")
            rows.append(Row(name, **size, metric="limit: step", value=expected, unit="s"))
            break
        step = method.build(n_series, n_lags)
        if name in COMPILED:
            try:
                compiling = guard.timed(step, 1, warmup=0).median
            except RuntimeError as error:
                reason = str(error).strip().splitlines()[0][:80]
                print(f"{name}, P={n_series}, L={n_lags}: does not compile here: {reason}")
                rows.append(Row(f"{name}: {reason}", **size, metric="failed", value=1.0, unit="1"))
                break
            rows.append(Row(name, **size, metric="first call, compiling", value=compiling, unit="s"))
        first = guard.timed(step, 1, warmup=0).median
        taken = guard.timed(step, repeats if first < limit / 10 else 2, warmup=0)
        peak = guard.peak_memory(step)
        del step
        gc.collect()
        spread = {"p20": taken.p20, "p80": taken.p80}
        rows.append(Row(name, **size, metric="step", value=taken.median, unit="s", **spread))
        rows.append(Row(name, **size, metric=METRICS[1], value=float(peak), unit="B"))
        print(f"{name}, P={n_series}, L={n_lags}: {taken.median * 1e3:.3g} ms, {peak / 2**20:.3g} MiB", flush=True)
    return [*rows, *exponent([row for row in rows if row.metric == "step"], "exponent of a step in P")]


def recorded() -> list[Row]:
    """Rows of earlier runs, the last of each method, size and metric."""
    last: dict[tuple[str, str, str, str], Row] = {}
    drawn = {*METRICS, *whole_fits.METRICS}
    for row in read() if RESULTS.exists() else ():
        known = row["method"] in ALL or row["method"] in whole_fits.FITS
        if known and (row["metric"] in drawn or row["metric"].startswith(("limit", "exponent of a"))):
            sizes = {name: int(row[name]) for name in "PLHN"}
            key = (row["method"], row["P"], row["L"], row["metric"])
            last[key] = Row(row["method"], **sizes, metric=row["metric"], value=float(row["value"]), unit=row["unit"])
    return list(last.values())


def draw(rows: Sequence[Row], path: Path) -> None:
    """Time and memory over P, a row of panels to each number of lags, a line to each method with its exponent."""
    from matplotlib.figure import Figure

    lags = sorted({row.L for row in rows})
    panels = [panel for panel in PANELS if any(row.metric == panel.metric for row in rows)]
    figure = Figure(figsize=(5.6 * len(panels), 4.2 * len(lags)), layout="constrained")
    grid = figure.subplots(len(lags), len(panels), squeeze=False)
    names = [*ALL, *whole_fits.FITS]
    for own, n_lags in zip(grid, lags, strict=True):
        for axes, panel in zip(own, panels, strict=True):
            for i, name in enumerate(names):
                mine = [row for row in rows if row.method == name and n_lags == row.L]
                points = sorted({row.P: row.value * panel.scale for row in mine if row.metric == panel.metric}.items())
                if not points:
                    continue
                slope = [row.value for row in mine if row.metric == f"exponent of a {panel.metric} in P"]
                label = f"{name}, P^{slope[-1]:.1f}" if slope else name
                ours = name.startswith("ours")
                style = {"linewidth": 2.4, "marker": "o"} if ours else {"linewidth": 1.2, "marker": "."}
                line = "-" if i < 10 else "--"
                axes.loglog(*zip(*points, strict=True), color=f"C{i % 10}", linestyle=line, label=label, **style)
            axes.set(xlabel="series P", ylabel=panel.label, title=f"L = {n_lags}")
            if panel.metric in ("step", "fit") and axes.lines:
                axes.legend(fontsize=7.5, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.suptitle(f"A training step of {N_WINDOWS} windows, and whole fits, each method to its limit")
    figure.savefig(path, dpi=110)
