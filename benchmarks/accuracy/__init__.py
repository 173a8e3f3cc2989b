"""AUROC and AUPRC of every set at hand: the library, the authors' objective and cheap methods, by one protocol for all.

strict: self-influence is not counted, windows never cross trajectories, one set of defaults for all sets.
published: trajectories are joined end to end and self-influence counts for Lorenz-96, NetSim and CausalTime, as in publications.

Nothing in a fit sees the truth, but for the best epoch of the authors' training, which is granted to it and called oracle; and
the defaults were set with the truth of `IN_VIEW` in view. A row is of one method, set, seed and metric; with `--record` it is
kept as soon as its fit ends, and `--resume` leaves out what this commit has recorded.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..results import RESULTS, Row, add_plot_argument, circumstances, read
from .cases import DEVELOPMENT, Case, cases, label
from .methods import METHODS, Method, Result
from .problem import PROTOCOLS, Problem, Protocol
from .worker import Worker

__all__ = ["DATA", "DEVELOPMENT", "Case", "add_arguments", "batches", "cases", "label", "run"]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
# Of one epoch, after which a method that stops by itself is looked at.
GRACE = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--protocol", choices=PROTOCOLS, default="strict", help="(%(default)s)")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the public benchmark files")
    parser.add_argument(
        "--sets", nargs="+", default=[], metavar="NAME", help="as lorenz96-p20-f40 or dream4-100-1 (all)"
    )
    parser.add_argument(
        "--methods", nargs="*", choices=METHODS, default=list(METHODS), metavar="NAME", help=f"of {', '.join(METHODS)}"
    )
    parser.add_argument(
        "--seeds", type=int, default=3, help="fits, and draws of simulated data; subjects are all (%(default)s)"
    )
    parser.add_argument("--limit", type=float, default=600.0, help="seconds of a fit (%(default)s)")
    parser.add_argument("--resume", action="store_true", help="leave out what is recorded of this commit")
    add_plot_argument(parser, "accuracy.png", "all recorded rows, sets by methods,")


def run(args: argparse.Namespace) -> list[Row]:
    return [row for batch in batches(args) for row in batch]


def batches(args: argparse.Namespace) -> Iterator[list[Row]]:
    """The rows of each fit as it ends."""
    done = _recorded(circumstances().commit) if args.resume else set()
    if args.methods:
        with Worker() as worker:
            for case in cases(args.data, args.sets):
                for name in args.methods:
                    yield from _seeds(case, name, args, done, worker)
    if args.plot:
        from .picture import draw

        draw(args.plot)


def _seeds(
    case: Case, name: str, args: argparse.Namespace, done: set[tuple[str, str]], call: Callable[..., Any]
) -> Iterator[list[Row]]:
    """Of a method that knows no chance one seed will do, but of draws; after a fit without a result there is no other."""
    method = METHODS[name]
    seeds = case.draws or range(args.seeds if method.random or case.simulated else 1)
    for seed in seeds:
        if (label(method.label, case.title, args.protocol), str(seed)) in done:
            continue
        rows = measure(case, method, seed, args.protocol, args.limit, call, name)
        yield rows
        if rows[-1].metric != "fit":
            return


def measure(
    case: Case, method: Method, seed: int, protocol: Protocol, limit: float, call: Callable[..., Any], name: str
) -> list[Row]:
    """Rows of one fit, the last its seconds, or why there are none."""
    problem = Problem.of_case(case, seed, protocol)
    title = label(method.label, case.title, protocol)
    size = {"P": problem.truth.shape[0], "N": problem.n_windows, "seed": seed}
    try:
        found, seconds = call(fitted, name, problem, seed, limit, limit=limit + GRACE * method.stops)
    except TimeoutError:
        print(f"{title}, seed {seed}: nothing within {limit:g} s", flush=True)
        return [Row(title, **size, L=case.lags, H=0, metric="nothing within", value=limit, unit="s")]
    except (ImportError, ValueError, RuntimeError, MemoryError) as error:
        print(f"{title}, seed {seed}: {error}", flush=True)
        return [Row(title, **size, L=case.lags, H=0, metric="failed", value=1.0, unit="1")]
    auroc, auprc = found.figures["AUROC"], found.figures["AUPRC"]
    print(
        f"{title}, seed {seed}: {auroc:.4f} / {auprc:.4f} in {seconds:.1f} s {' '.join(found.chosen)}".rstrip(),
        flush=True,
    )
    return [
        *(
            Row(
                title,
                **size,
                L=found.lags,
                H=found.hidden,
                metric=metric,
                value=value,
                unit="s" if metric == "stopped after" else "1",
            )
            for metric, value in (found.figures | found.chosen).items()
        ),
        Row(title, **size, L=found.lags, H=found.hidden, metric="fit", value=seconds, unit="s"),
    ]


def fitted(name: str, problem: Problem, seed: int, limit: float) -> tuple[Result, float]:
    """In a process of its own: what was found, and seconds with the judging."""
    started = time.perf_counter()
    found = METHODS[name].run(problem, seed, limit)
    return found, time.perf_counter() - started


def _recorded(commit: str) -> set[tuple[str, str]]:
    """Fits (label, seed) that ended, or that have none."""
    ends = ("fit", "nothing within", "failed")
    rows = read() if RESULTS.exists() else ()
    return {(row["method"], row["seed"]) for row in rows if row["commit"] == commit and row["metric"] in ends}
