"""Thousands of series with the defaults on a CPU: accuracy, the time of every phase, peak memory, and how near to the machine.

Each fit runs in a process of its own, and beside it a lasso VAR on the same windows (`grngc_fast.yardsticks`), which explains
most of what is found where the forcing is low. Strict protocol: self-influence is not counted. `peak` is the most memory that the
process ever held, Python, torch and the simulation included. `--yardstick` runs plain torch scripts beside each fit
(`benchmarks.prototypes`), on series of the same law; their `total` and ours both leave the simulation out.

`share of sgemm` is the flops of all steps' products over the training time, as a share of the rate of one large product in
the same run. `share of copying` is the time that a step's least traffic takes at the rate of one large copy, over the training
time: Adam reads parameters, gradients and two moments and writes three of them, and the gradients were written before; where all
that fits into a cache it is no bound.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from grngc_fast import GRNGC, evaluate
from grngc_fast.datasets import Dataset, lorenz96, var
from grngc_fast.series import prepare
from grngc_fast.training.sampling import PenaltySample, choose_sample
from grngc_fast.yardsticks import lasso_scores

from . import guard, prototypes
from .results import Row

T = TypeVar("T")

DATA_SEED, SEED = 5, 0
# Times that a step reads or writes 4 bytes to a parameter: 7 of Adam, and its gradient once.
PASSES = 8
COPIED_BYTES = 400_000_000


class Rates(NamedTuple):
    """Flop per second of a large product; bytes per second, read and written, of a large copy."""

    sgemm: float
    copy: float


@dataclass(frozen=True)
class Fitted:
    """What is reported of a fit; `seconds` by phase, `peak` in bytes, `flops` of a step."""

    model: str
    hidden: int
    seconds: dict[str, float]
    steps: int
    parameters: int
    flops: float
    peak: int
    auroc: float
    auprc: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--series", type=int, nargs="+", default=[1000, 5000], metavar="P", help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=1000, metavar="T", help="of the series (%(default)s)")
    parser.add_argument("--system", choices=["lorenz96", "var"], default="lorenz96", help="(%(default)s)")
    parser.add_argument("--forcing", type=float, default=10.0, help="of Lorenz-96 (%(default)s)")
    parser.add_argument(
        "--edges-per-target", type=int, metavar="K", help="keep so many causes of each effect, no matrix"
    )
    parser.add_argument(
        "--yardstick", type=Path, nargs="+", default=[], metavar="FILE", help="scripts to be run beside"
    )


def run(args: argparse.Namespace) -> list[Row]:
    rows = []
    for n_series in args.series:
        rows += measure(n_series, args.steps, args.system, args.forcing, args.yardstick, args.edges_per_target)
    return rows


def measure(
    n_series: int,
    n_steps: int,
    system: str,
    forcing: float,
    yardsticks: Sequence[Path],
    edges_per_target: int | None = None,
) -> list[Row]:
    threads = torch.get_num_threads()
    fitted = fresh(fit, n_series, n_steps, system, forcing, threads, edges_per_target)
    rates = fresh(measured_rates, threads)
    total, training = sum(fitted.seconds.values()), fitted.seconds["training"]
    data = _data(system, forcing)
    method, size = f"GRNGC {fitted.model}, {data}", {"P": n_series, "L": 1, "H": fitted.hidden, "N": n_steps - 1}
    traffic = 4.0 * PASSES * fitted.parameters
    found = [
        ("AUROC", fitted.auroc, "1"),
        ("AUPRC", fitted.auprc, "1"),
        *((phase, seconds, "s") for phase, seconds in fitted.seconds.items()),
        ("total", total, "s"),
        ("peak", fitted.peak / 2**30, "GiB"),
        ("parameters", float(fitted.parameters), "1"),
        ("steps", float(fitted.steps), "1"),
        ("training rate", fitted.flops * fitted.steps / training / 1e9, "GFLOP/s"),
        ("share of sgemm", fitted.flops * fitted.steps / training / rates.sgemm, "1"),
        ("share of copying", traffic * fitted.steps / rates.copy / training, "1"),
        ("sgemm", rates.sgemm / 1e9, "GFLOP/s"),
        ("copy", rates.copy / 1e9, "GB/s"),
    ]
    if fitted.model == "sets":
        # They are trained as they are found; the steps after it are two.
        found = [row for row in found if "rate" not in row[0] and "share" not in row[0]]
    rows = [Row(method, **size, metric=metric, value=value, unit=unit, seed=SEED) for metric, value, unit in found]
    if edges_per_target is None:
        # Its coefficients are a matrix.
        rows += fresh(lasso, n_series, n_steps, system, forcing, threads)
    for yardstick in yardsticks:
        given = prototypes.arguments(yardstick, n_series, n_steps, system, forcing, DATA_SEED, threads)
        if given is None:
            print(f"P = {n_series}, {data}, T = {n_steps}: {yardstick.name} has no settings for it and was left out")
            continue
        found_there = prototypes.run(yardstick, given, threads)
        found_there |= {("time over ours", "1"): found_there["total", "s"] / total}
        size["H"] = prototypes.width(yardstick, n_series)
        method = f"{prototypes.label(yardstick)}, {data}"
        rows += [
            Row(method, **size, metric=metric, value=value, unit=unit, seed=SEED)
            for (metric, unit), value in found_there.items()
        ]
    return rows


def fresh(function: Callable[..., T], *arguments: Any) -> T:
    """Call in a new process, whose peak of memory and allocator are its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def fit(
    n_series: int, n_steps: int, system: str, forcing: float, threads: int, edges_per_target: int | None = None
) -> Fitted:
    """Simulate, fit and judge; memory is read before the scores are judged."""
    torch.set_num_threads(threads)
    data = simulated(n_series, n_steps, system, forcing)
    found = GRNGC(device="cpu", random_state=SEED, edges_per_target=edges_per_target).fit(data.X)
    peak = peak_memory()
    settings = found.graph_.metadata
    scaled = torch.as_tensor(found.scaler_.transform(data.X[:-1]), dtype=torch.float32)
    batch = scaled[: settings["batch_size"], None]
    truth = data.truth.any(-1) if data.truth.ndim == 3 else data.truth
    areas = evaluate(found.graph_, truth)
    return Fitted(
        settings["model"],
        settings["hidden"][0],
        found.timings_,
        found.history_.step[-1],
        sum(p.numel() for p in found.model_.parameters()),
        step_flops(found.model_, batch),
        peak,
        areas.auroc,
        areas.auprc,
    )


def lasso(n_series: int, n_steps: int, system: str, forcing: float, threads: int) -> list[Row]:
    """Exact lasso VAR, its strength by held-out error: areas, seconds without the simulation, peak memory."""
    torch.set_num_threads(threads)
    data = simulated(n_series, n_steps, system, forcing)
    begun = time.perf_counter()
    scores = lasso_scores(prepare(data.X, 1).windows, SEED).max(-1)
    seconds, peak = time.perf_counter() - begun, peak_memory()
    areas = evaluate(scores, data.truth.any(-1) if data.truth.ndim == 3 else data.truth)
    found = [("AUROC", areas.auroc, "1"), ("AUPRC", areas.auprc, "1"), ("total", seconds, "s")]
    found.append(("peak", peak / 2**30, "GiB"))
    method, size = f"lasso VAR, {_data(system, forcing)}", {"P": n_series, "L": 1, "H": 0, "N": n_steps - 1}
    return [Row(method, **size, metric=metric, value=value, unit=unit, seed=SEED) for metric, value, unit in found]


def _data(system: str, forcing: float) -> str:
    return f"Lorenz-96 F={forcing:g}" if system == "lorenz96" else "VAR"


def simulated(n_series: int, n_steps: int, system: str, forcing: float) -> Dataset:
    """Either system with four causes to a series, itself among them or besides."""
    if system == "lorenz96":
        return lorenz96(n_series, n_steps, forcing, seed=DATA_SEED)
    return var(n_series, n_steps, 1, sparsity=min(1.0, 4 / n_series), seed=DATA_SEED)


def step_flops(model: nn.Module, batch: Tensor, sample: PenaltySample | None = None) -> float:
    """Of the products of a step: of forecast and backward pass, of the factors three times, and 6 Q K to a row of the penalty."""
    sample = choose_sample(model, batch) if sample is None else sample
    some, targets = batch[: sample.n_windows], torch.arange(sample.n_targets)
    with FlopCounterMode(display=False) as counter:
        forecast = model(batch)
        F.mse_loss(forecast, torch.zeros_like(forecast)).backward()
    with torch.no_grad(), FlopCounterMode(display=False) as before_rows:
        factors = model.jacobian_factors(some, targets)
    model.zero_grad(set_to_none=True)
    rows = 6.0 * len(some) * len(targets) * batch[0].numel() * factors.width
    return counter.get_total_flops() + 3.0 * before_rows.get_total_flops() + rows


def peak_memory() -> int:
    """Bytes of this process that were resident at most."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def measured_rates(threads: int) -> Rates:
    torch.set_num_threads(threads)
    source = torch.ones(COPIED_BYTES // 4)
    target = torch.empty_like(source)
    copying = guard.timed(lambda: target.copy_(source))
    return Rates(guard.matmul_rate(), 2.0 * COPIED_BYTES / copying.median)
