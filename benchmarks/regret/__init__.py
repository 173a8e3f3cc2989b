"""What a choice without the truth costs: AUROC and AUPRC of the best of our own fits, less those that each rule picks.

Of a set every network is fitted at every strength (`candidates`), and ranked by its gradients and by combined evidence. The
oracle takes the best of these and of the default by the truth; each rule (`rules`) takes one without it, or the mean of several.
All rules share the fits. Strict protocol; one seed unless more are asked for.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grngc_fast import GRNGC

from ..accuracy import DATA, Case, cases
from ..accuracy.methods import chosen
from ..accuracy.problem import Problem
from ..accuracy.worker import Worker
from ..results import RESULTS, Row, circumstances, read
from .candidates import Array, candidates_of
from .rules import Pick, oracle, picks

METRICS = ("AUROC", "AUPRC")
# Those whose fits take minutes at most.
SETS = (
    *("lorenz96-p20-f10", "lorenz96-p20-f40", "lorenz96-p100-f20", "lorenz96-p100-f40"),
    *("dream4-100-1", "dream4-100-2", "dream3-100-ecoli1", "dream3-100-yeast1"),
    *("netsim-1", "netsim-3", "var-10", "var-100", "lorenz96-f10", "lorenz96-f40"),
    *("sos", "irma-on", "irma-off", "yeast-ddgni"),
    *(f"dream4-10-{k}" for k in range(1, 6)),
    *(f"dream3-10-{name}" for name in ("ecoli1", "ecoli2", "yeast1", "yeast2", "yeast3")),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the public benchmark files")
    parser.add_argument("--sets", nargs="+", default=list(SETS), metavar="NAME", help="(those of minutes)")
    parser.add_argument("--seeds", type=int, default=1, help="fits, and draws of simulated data (%(default)s)")
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds of all fits of a set (%(default)s)")
    parser.add_argument("--resume", action="store_true", help="leave out what is recorded of this commit")


def run(args: argparse.Namespace) -> list[Row]:
    return [row for batch in batches(args) for row in batch]


def batches(args: argparse.Namespace) -> Iterator[list[Row]]:
    """The rows of each set as its fits end."""
    done = _recorded(circumstances().commit) if args.resume else set()
    with Worker() as worker:
        for case in cases(args.data, args.sets):
            for seed in range(args.seeds):
                if (label("oracle", case.title), str(seed)) in done:
                    continue
                problem = Problem.of_case(case, seed, "strict")
                try:
                    yield _rows(case, problem, seed, worker(measured, problem, seed, limit=args.limit))
                except TimeoutError:
                    print(f"{case.title}, seed {seed}: nothing within {args.limit:g} s", flush=True)


def label(rule: str, title: str) -> str:
    return f"choice by {rule}, {title}"


def measured(problem: Problem, seed: int) -> dict[str, tuple[dict[str, float], Pick]]:
    """By rule, the default and the oracle among them, the areas and what was picked."""
    return judged(problem, seed, list(candidates_of(problem, seed)))


def judged(problem: Problem, seed: int, pool: list[Any]) -> dict[str, tuple[dict[str, float], Pick]]:
    fitted = GRNGC(lags=problem.lags, regulators=problem.causes, random_state=seed).fit(problem.series)
    told = fitted.graph_.metadata
    default = Pick(fitted.scores_.astype(float), chosen(told), float(told["lam"]))
    found = {"default": default, **picks(pool, told["ranking"]["by"])}
    areas = {name: (_areas(problem, pick.scores), pick) for name, pick in found.items()}
    best = {metric: oracle(pool, default, problem.judged, metric) for metric in METRICS}
    of_best = {metric: _areas(problem, pick.scores)[metric] for metric, pick in best.items()}
    return {**areas, "oracle": (of_best, best["AUPRC"])}


def _areas(problem: Problem, scores: Array) -> dict[str, float]:
    found = problem.judged(scores)
    return {metric: found[metric] for metric in METRICS}


def _rows(case: Case, problem: Problem, seed: int, found: dict[str, tuple[dict[str, float], Pick]]) -> list[Row]:
    size = {"P": problem.truth.shape[0], "N": problem.n_windows, "L": problem.lags, "H": 0, "seed": seed}
    rows = []
    for rule, (areas, pick) in found.items():
        method = label(rule, case.title)
        print(f"{method}: {areas['AUROC']:.4f} / {areas['AUPRC']:.4f} {pick.name} {pick.lam:g}", flush=True)
        figures = areas | ({f"lam of {pick.name}": pick.lam} if pick.name else {})
        rows += [Row(method, **size, metric=metric, value=value, unit="1") for metric, value in figures.items()]
    return rows


def _recorded(commit: str) -> set[tuple[str, str]]:
    rows = read() if RESULTS.exists() else ()
    return {(row["method"], row["seed"]) for row in rows if row["commit"] == commit and row["metric"] == "AUPRC"}
