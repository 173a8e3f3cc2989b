"""Whether p-values are chances: of series without causes, of systems whose truth is exact, of public sets; what they cost.

null: independent series; how many draws have an edge at a false discovery rate of .05, and whether p-values are uniform. A short
training of the shared network (`--max-steps`) decides what targets are explained by.
links: false discovery rate and power at .05, beside PCMCI's and a vector autoregression's. Of Lorenz-96, sampled every 0.1,
series two steps away truly help to forecast; they count as false here, and how many of the false edges these are is told.
sets: precision among the edges found at .05, and among as many of the largest scores.
cost: seconds of the tests over those of the fit.
stability: seconds of fits of resampled windows, side by side and one after another.

A row is a mean over draws, kept with `--record` as soon as these are through; `--resume` leaves out what is recorded.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from grngc_fast import GRNGC
from grngc_fast.datasets import Dataset, lorenz96, read_dream4, read_netsim
from grngc_fast.planning import refit

from ..results import RESULTS, Row, read
from .methods import METHODS
from .systems import LINKED, NULL

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
PARTS = ("null", "links", "sets", "cost", "stability")
RATE = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="(all)")
    parser.add_argument("--series", type=int, nargs="+", metavar="P", help="(20 and 100 of null; 20 and 50 of links)")
    parser.add_argument("--steps", type=int, nargs="+", metavar="T", help="(200 and 1000 of null; 300 and 1000)")
    parser.add_argument("--draws", type=int, help="(20 of null; 10 of links)")
    parser.add_argument("--systems", nargs="+", choices=[*NULL, *LINKED], metavar="NAME", help="(all)")
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=METHODS,
        default=["ours", "PCMCI", "statsmodels VAR"],
        metavar="NAME",
        help="(%(default)s)",
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the public benchmark files")
    parser.add_argument("--max-steps", type=int, default=200, help="of a fit of null (%(default)s)")
    parser.add_argument("--resume", action="store_true", help="leave out what is recorded")


def run(args: argparse.Namespace) -> list[Row]:
    return [row for batch in batches(args) for row in batch]


def batches(args: argparse.Namespace) -> Iterator[list[Row]]:
    """The rows of each method on each system as its draws end."""
    done = {(row["method"], int(row["P"]), int(row["N"])) for row in read(RESULTS)} if args.resume else set()
    for label, P, T, rows in _cells(args):
        if (label, P, T - 1) not in done:
            yield rows()


def _cells(args: argparse.Namespace) -> Iterator[tuple[str, int, int, Callable[[], list[Row]]]]:
    for part, systems, sizes in (
        ("null", NULL, ((20, 100), (200, 1000), 20)),
        ("links", LINKED, ((20, 50), (300, 1000), 10)),
    ):
        if part not in args.parts:
            continue
        for P in args.series or sizes[0]:
            for T in args.steps or sizes[1]:
                for name in systems if args.systems is None else [n for n in systems if n in args.systems]:
                    for method in args.methods:
                        label, draws = f"significance {method}, {name}", args.draws or sizes[2]
                        measured = partial(_null, args.max_steps) if part == "null" else _linked
                        yield (
                            label,
                            P,
                            T,
                            lambda m=measured, k=method, n=name, p=P, t=T, d=draws, s=label: m(k, n, p, t, d, s),
                        )
    if "sets" in args.parts:
        for name, data in _sets(args.data):
            windows = sum(len(t) for t in data.trajectories)
            yield f"significance ours, {name}", len(data.names), windows + 1, lambda n=name, d=data: _of_set(n, d)
    if "stability" in args.parts:
        yield "stability, Lorenz-96 F=10", 20, 1000, _stability
    if "cost" in args.parts:
        for F in (10.0, 40.0):
            yield f"significance ours, cost, Lorenz-96 F={F:g}", 1000, 1000, lambda f=F: _cost(f)


def _null(max_steps: int, method: str, name: str, P: int, T: int, draws: int, label: str) -> list[Row]:
    simulate, options = NULL[name]
    found, apart = [], []
    for seed in range(draws):
        X = simulate(P, T, seed)
        if method != "ours" and options.get("difference"):
            X = np.diff(X, axis=0)
        p, fit, tests = METHODS[method](X, seed, model="mlp", max_steps=max_steps, **options)
        tested = p[~np.eye(P, dtype=bool)]
        # One pair of each target: pairs of one target are tested against the same errors.
        apart += [p[i, (i + 1) % P] for i in range(P)]
        edge = float((_q_values(p) <= RATE).any())
        found.append((edge, (tested < 0.05).mean(), (tested < 0.001).mean(), fit, tests))
    uniform = stats.kstest(apart, "uniform")
    names = ("draws with an edge", "p below .05", "p below .001", "fit", "tests")
    values = dict(zip(names, np.mean(found, axis=0), strict=True))
    values |= {"draws": float(draws), "KS distance": float(uniform.statistic), "KS p": float(uniform.pvalue)}
    return _rows(label, P, T, values)


def _linked(method: str, name: str, P: int, T: int, draws: int, label: str) -> list[Row]:
    found, apart = [], []
    for seed in range(draws):
        data = LINKED[name](P, T, seed)
        assert data.truth is not None
        truth = data.truth.any(-1) if data.truth.ndim == 3 else data.truth
        p, fit, tests = METHODS[method](np.asarray(data.X), seed)
        chosen, off = _q_values(p) <= RATE, ~np.eye(P, dtype=bool)
        wrong = chosen & off & ~truth
        false, true = wrong.sum(), (chosen & off & truth).sum()
        # A cause of a cause.
        apart.append(((wrong & (truth.astype(int) @ truth.astype(int) > 0)).sum(), false))
        found.append((false / max(1, false + true), true / (truth & off).sum(), false + true, fit, tests))
    names = ("false discovery rate", "power", "edges", "fit", "tests")
    values = dict(zip(names, np.mean(found, axis=0), strict=True)) | {"draws": float(draws)}
    if name.startswith("Lorenz"):
        two_steps, every = np.sum(apart, axis=0)
        values["false edges two steps away"] = float(two_steps / max(1, every))
    if draws > 1:
        values["false discovery rate sd"] = float(np.std([one[0] for one in found], ddof=1))
    return _rows(label, P, T, values)


def _of_set(name: str, data: Dataset) -> list[Row]:
    found = GRNGC(random_state=0).fit(list(data.trajectories))
    started = time.perf_counter()
    chosen = found.significance(list(data.trajectories)).graph(RATE)
    tests = time.perf_counter() - started
    assert data.truth is not None
    truth = data.truth.any(-1) if data.truth.ndim == 3 else data.truth
    values = {"edges": float(chosen.n_edges), "fit": found.fit_seconds_, "tests": tests}
    if chosen.n_edges:
        strongest = found.graph_.adjacency(top_k=chosen.n_edges)
        values["precision"] = float(truth[chosen.adjacency()].mean())
        values["precision of the scores"] = float(truth[strongest].mean())
    windows = sum(len(t) for t in data.trajectories)
    return _rows(f"significance ours, {name}", len(data.names), windows + 1, values)


def _cost(forcing: float) -> list[Row]:
    data = lorenz96(1000, 1000, forcing, seed=1)
    p, fit, tests = METHODS["ours"](data.X, 0)
    chosen, off = _q_values(p) <= RATE, ~np.eye(1000, dtype=bool)
    assert data.truth is not None
    wrong = (chosen & off & ~data.truth).sum()
    values = {"fit": fit, "tests": tests, "fits": tests / fit, "edges": float((chosen & off).sum())}
    values["false discovery rate"] = wrong / max(1, (chosen & off).sum())
    values["power"] = (chosen & off & data.truth).sum() / (data.truth & off).sum()
    return _rows(f"significance ours, cost, Lorenz-96 F={forcing:g}", 1000, 1000, values)


def _stability() -> list[Row]:
    data = lorenz96(20, 1000, 10.0, seed=0)
    found, seconds = GRNGC(random_state=0).fit(data.X), {}
    together = refit.SIDE_BY_SIDE
    for name, at_once in (("side by side", together), ("one after another", 1)):
        refit.SIDE_BY_SIDE = at_once
        started = time.perf_counter()
        found.stability(data.X, n_bootstraps=12)
        seconds[name] = time.perf_counter() - started
    refit.SIDE_BY_SIDE = together
    return _rows("stability, Lorenz-96 F=10", 20, 1000, {"fit": found.fit_seconds_, **seconds})


def _sets(folder: Path) -> Iterator[tuple[str, Dataset]]:
    for net in (1, 2):
        yield f"DREAM4 size 100 net {net}", read_dream4(folder, 100, net)
    yield "NetSim 3", read_netsim(folder, 3, subject=1)


def _q_values(p: NDArray[Any]) -> NDArray[Any]:
    """Benjamini-Hochberg over pairs of different series."""
    off = ~np.eye(len(p), dtype=bool)
    q = np.ones(p.shape)
    q[off] = stats.false_discovery_control(np.nan_to_num(p[off], nan=1.0))
    return q


def _rows(label: str, P: int, T: int, values: dict[str, float]) -> list[Row]:
    shown = ", ".join(f"{name} {value:.3g}" for name, value in values.items())
    print(f"{label}, P={P}, T={T}: {shown}", flush=True)
    units = dict.fromkeys(("fit", "tests", "side by side", "one after another"), "s")
    return [
        Row(label, P=P, L=1, H=0, N=T - 1, metric=name, value=float(value), unit=units.get(name, "1"))
        for name, value in values.items()
    ]
