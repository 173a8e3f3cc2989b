"""What a step's penalty sample is worth: accuracy at equal time, and the noise of its gradient.

Lorenz-96, F = 10, 1000 steps, from random weights: a perceptron of 128 hidden units with a linear path, lam 0.1. A sample is
windows x targets of a step; `automatic` is what a fit takes. Every sample gets as many steps as its own step time buys for
the time of 1000 automatic ones, with a cosine decay over them. Its gradient noise is the mean over draws of the squared
relative error against the penalty's gradient over all windows and targets, at the network that automatic steps trained.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn

from grngc_fast import causal_scores, evaluate, gradient_l1
from grngc_fast.datasets import lorenz96
from grngc_fast.models import MLP
from grngc_fast.series import Windows
from grngc_fast.training import train
from grngc_fast.training.sampling import PenaltySample, choose_sample

from . import guard
from .results import Row, add_plot_argument
from .training_step import HIDDEN, N_WINDOWS, options, perceptron, trainer

# Windows and targets to a step; None for all.
SAMPLES = ((1, 32), (1, 128), (1, None), (8, 32), (8, None), (64, 32), (64, None))
N_STEPS, FORCING = 1000, 10.0
TIMED_STEPS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--series", type=int, default=300, metavar="P", help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=1000, help="of the automatic sample (%(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="fits, and draws of the data (%(default)s)")
    parser.add_argument("--draws", type=int, default=100, help="of the gradient (%(default)s)")
    add_plot_argument(parser, "sampling.png", "both")


def run(args: argparse.Namespace) -> list[Row]:
    rows = measure(args.series, args.steps, args.seeds, args.draws)
    if args.plot:
        draw(rows, args.plot)
    return rows


def measure(n_series: int, steps: int, seeds: int, draws: int) -> list[Row]:
    cases = [_case(n_series, seed) for seed in range(seeds)]
    windows = cases[0][0]
    automatic = choose_sample(perceptron(n_series), windows.inputs(slice(0, N_WINDOWS)))
    chosen = {f"automatic, {automatic.n_windows} x {automatic.n_targets}": automatic}
    for n_windows, n_targets in SAMPLES:
        targets = n_series if n_targets is None else min(n_targets, n_series)
        chosen[f"{n_windows} x {targets}"] = PenaltySample(n_windows, targets)
    network, _ = _trained(windows, automatic, steps, 0)
    noise = gradient_noise(network, windows.inputs(), list(chosen.values()), draws)
    size = {"P": n_series, "L": 1, "H": HIDDEN, "N": len(windows)}
    rows: list[Row] = []
    seconds = 0.0
    for (label, sample), error in zip(chosen.items(), noise, strict=True):
        time = guard.timed(trainer(perceptron(n_series), windows, sample).step, TIMED_STEPS, warmup=2)
        seconds = seconds or steps * time.median
        bought = max(1, round(seconds / time.median))
        found: dict[str, list[float]] = {"AUROC": [], "AUPRC": [], "training": []}
        for seed, (data, truth) in enumerate(cases):
            network, spent = _trained(data, sample, bought, seed)
            result = evaluate(causal_scores(network, data.inputs()), truth)
            for metric, value in zip(found, (result.auroc, result.auprc, spent), strict=True):
                found[metric].append(value)
        spread = {"p20": time.p20 * 1e3, "p80": time.p80 * 1e3}
        rows += [
            Row(label, **size, metric="training step", value=time.median * 1e3, unit="ms", **spread),
            Row(label, **size, metric="steps", value=float(bought), unit="1"),
            Row(label, **size, metric="gradient noise", value=error, unit="1"),
        ]
        for metric, values in found.items():
            unit = "s" if metric == "training" else "1"
            rows.append(Row(label, **size, metric=metric, value=float(np.mean(values)), unit=unit))
            if unit == "1" and seeds > 1:
                rows.append(Row(label, **size, metric=f"{metric} sd", value=float(np.std(values, ddof=1)), unit="1"))
    return rows


def gradient_noise(model: nn.Module, x: Tensor, samples: Sequence[PenaltySample], draws: int) -> list[float]:
    """Of each sample the mean of |sampled - exact|^2 / |exact|^2 over draws from all windows x (N, L, P)."""
    n_series = x.shape[-1]
    generator = torch.Generator().manual_seed(0)
    exact = _gradient(model, x, None, n_series)
    found = []
    for sample in samples:
        errors = []
        for _ in range(draws):
            index = torch.randperm(len(x), generator=generator)[: sample.n_windows]
            targets = sample.targets(n_series, generator, x.device)
            errors.append((_gradient(model, x[index], targets, n_series) - exact).square().sum())
        found.append(float(torch.stack(errors).mean() / exact.square().sum()))
    return found


def _gradient(model: nn.Module, x: Tensor, targets: Tensor | None, n_series: int) -> Tensor:
    """Of the mean over targets of the penalty, in all parameters end to end, in float64."""
    value = gradient_l1(model, x, targets=targets) / (n_series if targets is None else len(targets))
    grads = torch.autograd.grad(value, list(model.parameters()), allow_unused=True, materialize_grads=True)
    return torch.cat([g.double().flatten() for g in grads])


def _case(n_series: int, seed: int) -> tuple[Windows, np.ndarray]:
    data = lorenz96(n_series, N_STEPS, FORCING, seed=seed)
    return Windows.from_trajectories([(data.X - data.X.mean(0)) / data.X.std(0)], 1), data.truth


def _trained(windows: Windows, sample: PenaltySample, steps: int, seed: int) -> tuple[MLP, float]:
    """The network, and the seconds that its training took."""
    network = perceptron(windows.steps.shape[1], seed)
    started = perf_counter()
    train(network, windows, options(sample, steps), torch.Generator().manual_seed(seed))
    return network, perf_counter() - started


def draw(rows: Sequence[Row], path: Path) -> None:
    """Accuracy at equal time and gradient noise of each sample, the cheapest step on top."""
    from matplotlib.figure import Figure

    values = {(row.method, row.metric): row.value for row in rows}
    labels = sorted(dict.fromkeys(row.method for row in rows), key=lambda label: -values[label, "training step"])
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    accuracy, noise = figure.subplots(1, 2, sharey=True)
    places = range(len(labels))
    for metric, marker in (("AUROC", "s"), ("AUPRC", "o")):
        means = [values[label, metric] for label in labels]
        spreads = [values.get((label, f"{metric} sd"), 0.0) for label in labels]
        accuracy.errorbar(means, places, xerr=spreads, fmt=marker, capsize=3, label=metric)
    noise.semilogx([values[label, "gradient noise"] for label in labels], places, "o")
    costs = [(values[label, "training step"], values[label, "steps"]) for label in labels]
    ticks = [f"{label}\n{time:.1f} ms, {count:.0f} steps" for label, (time, count) in zip(labels, costs, strict=True)]
    accuracy.set_yticks(places, ticks, fontsize=8)
    for axes in (accuracy, noise):
        axes.grid(axis="y", alpha=0.3)
    accuracy.set(xlabel="in the same time of training")
    accuracy.legend(frameon=False, loc="upper left")
    noise.set(xlabel="squared relative error of the penalty's gradient")
    figure.suptitle(f"Penalty samples, windows x targets: Lorenz-96, P = {rows[0].P}, F = {FORCING:g}")
    figure.savefig(path, dpi=150)
