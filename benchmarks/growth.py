"""How a training step grows with the series: its time and memory with the penalty sampled and exact, and of working sets.

A perceptron of 128 hidden units with a linear path, 64 windows to a step. `sampled` is what a fit does, `exact` penalises all
targets of all 64 windows. `working sets` are 16 units and 16 inputs for each target, one round of 25 steps over all targets;
beside it `screen`, which they are screened by once in a round of 300. The memory of a step is its peak beyond the parameters and
Adam's moments, gradients included. Exponents are least squares in log-log.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from grngc_fast.series import Windows
from grngc_fast.training.sampling import PenaltySample
from grngc_fast.training.working_sets import SetOptions, find_sets

from . import guard
from .results import Row, add_plot_argument
from .training_step import DEFAULT_LAM, HIDDEN, N_WINDOWS, perceptron, trainer

# Predicted steps beyond this are left out.
LONGEST_SECONDS = 60.0
METRICS = ("training step", "memory")
SET_STEPS = 25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--series", type=int, nargs="+", default=[250, 500, 1000, 2000], metavar="P", help="(%(default)s)"
    )
    add_plot_argument(parser, "growth.png", "the curves")


def run(args: argparse.Namespace) -> list[Row]:
    rows = [row for exact in (False, True) for row in curve(sorted(args.series), exact, args.repeats)]
    rows += sets_curve(sorted(args.series), args.repeats)
    if args.plot:
        draw(rows, args.plot)
    return rows


def curve(series: Sequence[int], exact: bool, repeats: int) -> list[Row]:
    """One penalty at several P, and the exponents."""
    rows: list[Row] = []
    for n_series in series:
        predicted = rows[-2].value / 1e3 * (n_series / rows[-2].P) ** 2 if rows else 0.0
        if predicted > LONGEST_SECONDS:
            print(f"left out: P = {n_series}, about {predicted:.0f} s a step")
            break
        rows += measure(n_series, exact, repeats)
    return rows + exponents(rows)


def exponents(rows: Sequence[Row]) -> list[Row]:
    """Least squares in log-log, of each metric that has two sizes."""
    found = []
    for metric in dict.fromkeys(row.metric for row in rows):
        points = [row for row in rows if row.metric == metric]
        if len(points) > 1:
            exponent = np.polyfit(*np.log([(row.P, row.value) for row in points]).T, 1)[0]
            last, label = points[-1], f"growth exponent of {metric} in P"
            found.append(
                Row(last.method, P=last.P, L=1, H=last.H, N=N_WINDOWS, metric=label, value=float(exponent), unit="1")
            )
    return found


def sets_curve(series: Sequence[int], repeats: int) -> list[Row]:
    """Time of a step of all targets' networks, and of a screen of all, on noise of 1000 windows."""
    rows = []
    for n_series in series:
        noise = np.random.default_rng(0).standard_normal((1001, n_series))
        windows, looks = Windows.from_trajectories([noise], 1), {}
        for name, steps in (("one", 1), ("many", 1 + SET_STEPS)):
            options = SetOptions(rounds=1, first_steps=steps)
            looks[name] = guard.timed(partial(find_sets, windows, DEFAULT_LAM, options, 0), min(repeats, 5), warmup=1)
        size = {"P": n_series, "L": 1, "H": SetOptions.units, "N": N_WINDOWS}
        step = (looks["many"].median - looks["one"].median) / SET_STEPS * 1e3
        # The first round has two screens beside its step.
        screen = looks["one"].median * 1e3 / 2
        rows.append(Row("working sets", **size, metric=METRICS[0], value=step, unit="ms"))
        rows.append(
            Row("working sets", **size, metric="screen, with all that a round does besides", value=screen, unit="ms")
        )
    return rows + exponents(rows)


def measure(n_series: int, exact: bool, repeats: int) -> list[Row]:
    series = np.random.default_rng(0).standard_normal((2 * N_WINDOWS + 1, n_series))
    sample = PenaltySample(N_WINDOWS, n_series) if exact else None
    model = perceptron(n_series)
    one = trainer(model, Windows.from_trajectories([series], 1), sample)
    time = guard.timed(one.step, repeats, warmup=2)
    model.zero_grad(set_to_none=True)
    memory = guard.peak_memory(one.step) / 2**20
    size = {"P": n_series, "L": 1, "H": HIDDEN, "N": N_WINDOWS}
    method, spread = "exact" if exact else "sampled", {"p20": time.p20 * 1e3, "p80": time.p80 * 1e3}
    return [
        Row(method, **size, metric=METRICS[0], value=time.median * 1e3, unit="ms", **spread),
        Row(method, **size, metric=METRICS[1], value=memory, unit="MiB"),
    ]


def draw(rows: Sequence[Row], path: Path) -> None:
    """Time and memory of a step over P, a line for each penalty, its exponent in the legend."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2), METRICS, strict=True):
        for method in dict.fromkeys(row.method for row in rows):
            own = [row for row in rows if row.method == method]
            points = [(row.P, row.value) for row in own if row.metric == metric]
            if not points:
                continue
            slope = [row.value for row in own if row.metric == f"growth exponent of {metric} in P"]
            label = f"{method}, P^{slope[0]:.2f}" if slope else method
            axes.loglog(*zip(*points, strict=True), marker="o", label=label)
        unit = next(row.unit for row in rows if row.metric == metric)
        axes.set(xlabel="series P", ylabel=f"{metric}, {unit}")
        sizes = sorted({row.P for row in rows})
        axes.set_xticks(sizes, list(map(str, sizes)))
        axes.tick_params(axis="x", which="minor", labelbottom=False)
        axes.legend(frameon=False)
    figure.suptitle(f"A training step, {N_WINDOWS} windows, hidden {HIDDEN}, linear path")
    figure.savefig(path, dpi=150)
