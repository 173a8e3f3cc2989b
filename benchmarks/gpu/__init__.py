"""The kernels on a GPU: every one against float64, then its rate, its rivals and its memory, in one run of minutes.

    python -m benchmarks gpu --out benchmarks/results

Correct first, in several processes at once, which also compiles: ragged shapes of every layout of the op, the spline kernels,
small networks, score tests, and the penalty of every forecaster, against float64; at full size the identities
<a, da> = <b, db> = value.
Then, for each regime and precision: value and both gradients by the kernels, by the tiled path on the same GPU, and by torch
with the product stored (eager and compiled); the rate of one large product at the same precision; peak memory over inputs plus
gradients; the time of each kernel. Last a penalty step of each network against the published loop, and whole fits on the GPU
and on the CPU beside it. Flops are counted as 6 N M Q K, whatever a path spends. Writes gpu-<device>.json with device and
versions; what failed is in it, and the run ends with 1. Where there is no GPU, `--tiny` runs every line on the CPU, the kernels
in Triton's interpreter (TRITON_INTERPRET=1), at sizes that prove nothing about speed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from grngc_fast.kernels import PRECISIONS

from ..results import Row, circumstances
from . import by_kernel, fits, networks, op_checks, op_times, small_networks, splines, trust
from .cases import CASES, TINY

# Processes that check: each compiles kernels that the others do not.
PROCESSES = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results"), help="folder for the JSON (%(default)s)"
    )
    parser.add_argument("--minutes", type=float, default=8.0, help="begin no case after this many (%(default)s)")
    parser.add_argument("--tiny", action="store_true", help="every line on the CPU, in the interpreter, at tiny sizes")
    parser.add_argument("--precision", choices=PRECISIONS, action="append", help="only these (default: all)")
    parser.add_argument(
        "--only", default="", help="a regular expression: time only what it finds (checks are all made)"
    )
    parser.add_argument("--tune", action="store_true", help="time the candidate configurations first, and use the best")


def run(args: argparse.Namespace) -> list[Row]:
    device = "cuda" if torch.cuda.is_available() and not args.tiny else "cpu"
    if device == "cpu" and not args.tiny:
        raise SystemExit("no CUDA or ROCm device here. `--tiny` runs every line on the CPU, for its correctness alone")
    deadline = time.monotonic() + 60 * args.minutes
    precisions = args.precision or list(PRECISIONS)
    correct, failed = check_all(checks(device, precisions), PROCESSES if device == "cuda" else 1)
    print(f"correct: {len(correct)} checks passed, {len(failed)} failed", flush=True)
    report: dict[str, object] = {"circumstances": asdict(circumstances()), "correct": correct, "failed": failed}
    if args.tune:
        from grngc_fast.kernels.matmul_l1.gpu import tuning

        seconds, processes = max(1.0, (deadline - time.monotonic()) / 2), PROCESSES if device == "cuda" else 1
        report["tuned"] = tuning.tune(device=device, seconds=seconds, processes=processes, precisions=precisions)
    rates = {p: op_times.product_rate(device, p, args.tiny) for p in precisions}
    report["product rate"] = rates
    print("one large product, TFLOP/s: " + ", ".join(f"{p} {r / 1e12:.3g}" for p, r in rates.items()), flush=True)
    rows = [Row(f"product {p}", 0, 0, 0, 0, "rate", r / 1e12, "TFLOP/s") for p, r in rates.items()]
    args.out.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", (torch.cuda.get_device_name() if device == "cuda" else "tiny").lower())
    path = args.out / f"gpu-{name}.json"
    for title, measurement in measurements(device, precisions, rates):
        if not re.search(args.only, title):
            continue
        if time.monotonic() > deadline:
            print(f"left out for want of time: {title}")
            continue
        try:
            found = measurement()
            print(f"{title}: done", *map(_short, found), sep="\n    ", flush=True)
            rows += found
        except Exception as error:  # one that is wrong or does not run is a finding; the others are still wanted
            failed[title] = f"{type(error).__name__}: {error}"
            traceback.print_exc()
        # After each: a run that is cut off keeps what it has.
        report["rows"] = [asdict(row) for row in rows]
        path.write_text(json.dumps(report, indent=1))
    print(f"wrote {path}")
    for name, reason in failed.items():
        print(f"FAILED {name}: {reason}")
    if failed:
        raise SystemExit(1)
    return rows


def _short(row: Row) -> str:
    return f"{row.method}, {row.metric} at P={row.P}: {row.value:.4g} {row.unit}"


def checks(device: str, precisions: list[str]) -> list[Callable[[], str]]:
    """Every check as a call that returns its name."""
    found: list[Callable[[], str]] = [
        partial(op_checks.check_one, case, device, precision) for case, precision in op_checks.cases(device, precisions)
    ]
    sizes = ((3, 5, 9),) if device == "cpu" else ((33, 9, 129), (64, 100, 64))
    found += [partial(splines.check_one, size, order, device) for size in sizes for order in (1, 3)]
    sizes = ((3, 2, 9, 4, 0), (7, 11, 5, 3, 6), (5, 64, 24, 16, 0))
    if device != "cpu":
        sizes += ((200, 64, 16, 16, 20), (40, 64, 96, 64, 32))
    found += [partial(small_networks.check_one, size, device) for size in sizes]
    found.append(partial(trust.check_one, device))
    return found + [partial(networks.check_one, name, device) for name in networks.NETWORKS]


def check_all(calls: list[Callable[[], str]], processes: int) -> tuple[list[str], dict[str, str]]:
    """Names that passed, and reasons of those that did not; dealt out in turn to several processes."""
    shares = [calls[i::processes] for i in range(processes)]
    if processes == 1:
        results = [_check_some(shares[0])]
    else:
        with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
            results = list(pool.map(_check_some, shares))
    passed = [name for names, _ in results for name in names]
    return passed, {name: reason for _, reasons in results for name, reason in reasons.items()}


def _check_some(calls: Iterable[Callable[[], str]]) -> tuple[list[str], dict[str, str]]:
    passed, failed = [], {}
    for call in calls:
        try:
            passed.append(call())
        except Exception as error:  # a kernel that does not compile or is wrong; the others are tried all the same
            shown = call.args if isinstance(call, partial) else call
            failed[f"check {shown}"] = f"{type(error).__name__}: {error}"
    return passed, failed


def measurements(
    device: str, precisions: list[str], rates: dict[str, float]
) -> list[tuple[str, Callable[[], list[Row]]]]:
    """What is timed, those that stand for their regime first."""
    tiny = device == "cpu"
    leads: list[tuple[str, Callable[[], list[Row]]]] = []
    others = []
    cases = TINY if tiny else CASES
    main = "high" if "high" in precisions else precisions[0]
    for case in cases:
        for precision in precisions if case.leads else [main]:
            call = partial(op_times.measure, case, precision, rates[precision], device)
            (leads if case.leads else others).append((f"{case} {precision}", call))
    both = (device,) if tiny else (device, "cpu")
    sizes = ((20, 300),) if tiny else ((1000, 1000), (5000, 1000), (10_000, 1000), (20_000, 1000))
    networks_sizes = (12,) if tiny else (100, 500)
    small_networks_steps = partial(small_networks.steps, device, *(((3,), 2) if tiny else ((1000, 10_000),)))
    spline_sizes = ((4, 3, 5),) if tiny else ((64, 500, 128), (64, 2000, 128))
    return [
        *leads,
        *others,
        ("small networks", small_networks_steps),
        *((f"fits of {p} series", partial(fits.fits, both, p, t)) for p, t in sizes),
        *((f"by kernel: {c}", partial(by_kernel.times, c, main, device)) for c in cases if c.leads),
        ("penalty steps", partial(networks.steps, device, networks_sizes)),
        ("p-values", partial(trust.costs, device, 12 if tiny else 1000)),
        ("splines", partial(splines.times, device, spline_sizes)),
    ]
