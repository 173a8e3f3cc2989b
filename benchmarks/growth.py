"""How a training step grows with the series: its time and memory with the penalty sampled and exact.

A perceptron of 128 hidden units with a linear path, 64 windows to a step. `sampled` is what a fit does, `exact` penalises all
targets of all 64 windows. The memory of a step is its peak beyond the parameters and Adam's moments, gradients included.
Exponents are least squares in log-log.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from grngc_fast.series import Windows
from grngc_fast.training.sampling import PenaltySample

from . import guard
from .results import Row, add_plot_argument
from .training_step import HIDDEN, N_WINDOWS, perceptron, trainer

# Predicted steps beyond this are left out.
LONGEST_SECONDS = 60.0
METRICS = ("training step", "memory")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--series", type=int, nargs="+", default=[250, 500, 1000, 2000], metavar="P", help="(%(default)s)"
    )
    add_plot_argument(parser, "growth.png", "the curves")


def run(args: argparse.Namespace) -> list[Row]:
    rows = [row for exact in (False, True) for row in curve(sorted(args.series), exact, args.repeats)]
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
    for metric in METRICS:
        points = [row for row in rows if row.metric == metric]
        if len(points) > 1:
            exponent = np.polyfit(*np.log([(row.P, row.value) for row in points]).T, 1)[0]
            size = {"P": points[-1].P, "L": 1, "H": HIDDEN, "N": N_WINDOWS}
            label = f"growth exponent of {metric} in P"
            rows.append(Row(points[-1].method, **size, metric=label, value=float(exponent), unit="1"))
    return rows


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
