"""Tables with gaps and series that wander: what is still found of the graph.

gaps: Lorenz-96 (F = 10) with a share of all values missing, one by one at random, in blocks of 10 steps of one series, or in
outages of 10 steps of all series, fitted by `missing="drop"` and `missing="interpolate"`, beside the complete table.
walks: random walks whose increments are a sparse vector autoregression, fitted as they are, with `difference=1` and, as a
yardstick, by their increments.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grngc_fast import GRNGC, evaluate
from grngc_fast.datasets import lorenz96, var
from grngc_fast.errors import DataWarning, InputError

from .results import Row, of_draws

Table = NDArray[np.float64]
FORCING, BLOCK = 10.0, 10
METHODS: dict[str, dict[str, Any]] = {
    "drop": {"missing": "drop"},
    "interpolate": {"missing": "interpolate"},
    "interpolate, max_gap=10": {"missing": "interpolate", "max_gap": 10},
}
METRICS = ("AUROC", "AUPRC", "windows")


def at_random(shape: tuple[int, int], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Every value alone."""
    return rng.random(shape) < share


def in_blocks(shape: tuple[int, int], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """`BLOCK` steps of one series at a time, where they do not overlap."""
    starts = rng.random((shape[0] // BLOCK, shape[1])) < share
    where = np.zeros(shape, dtype=bool)
    shifts = rng.integers(0, BLOCK, shape[1])
    for block, series in np.argwhere(starts):
        first = block * BLOCK + shifts[series]
        where[first : first + BLOCK, series] = True
    return where


def in_outages(shape: tuple[int, int], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """`BLOCK` steps of all series at a time."""
    return np.repeat(in_blocks((shape[0], 1), share, rng), shape[1], axis=1)


KINDS: dict[str, Callable[[tuple[int, int], float, np.random.Generator], NDArray[np.bool_]]] = {
    "at random": at_random,
    "in blocks": in_blocks,
    "outages": in_outages,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--series", type=int, default=20, metavar="P", help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=1000, metavar="T", help="(%(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="draws, from seed 1 (%(default)s)")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.05, 0.2], help="missing (%(default)s)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND", help="of gaps (all)")
    parser.add_argument("--only", choices=["gaps", "walks"], help="one of the two (both)")
    parser.add_argument("--max-steps", type=int, help="of training (chosen by the library)")


def run(args: argparse.Namespace) -> list[Row]:
    rows = []
    if args.only != "walks":
        rows += gaps(args)
    if args.only != "gaps":
        rows += walks(args)
    return rows


def gaps(args: argparse.Namespace) -> list[Row]:
    seeds = range(1, args.seeds + 1)
    data = [lorenz96(args.series, args.steps, FORCING, seed=seed) for seed in seeds]

    def measured(label: str, kind: str | None, share: float, options: dict[str, Any]) -> list[Row]:
        def found() -> Iterable[tuple[float, float, float]]:
            for seed, one in zip(seeds, data, strict=True):
                X = np.array(one.X, dtype=np.float64)
                if kind is not None:
                    X[KINDS[kind](X.shape, share, np.random.default_rng(seed))] = np.nan
                yield scored(X, one.truth, seed, args.max_steps, options)

        return summed_up(label, args.series, args.steps, list(found()))

    rows = measured("complete, lorenz96", None, 0.0, {})
    for kind in args.kinds:
        for share in args.shares:
            for method, options in METHODS.items():
                rows += measured(f"{method}, {share:.0%} {kind}, lorenz96", kind, share, options)
    return rows


def walks(args: argparse.Namespace) -> list[Row]:
    seeds = range(1, args.seeds + 1)
    data = [var(args.series, args.steps, n_lags=1, seed=seed) for seed in seeds]
    rows = []
    for label, summed, options in (
        ("walks as they are", True, {}),
        ("walks, difference=1", True, {"difference": 1}),
        ("their increments", False, {}),
    ):
        found = [
            scored(np.cumsum(one.X, axis=0) if summed else one.X, one.truth, seed, args.max_steps, options)
            for seed, one in zip(seeds, data, strict=True)
        ]
        rows += summed_up(f"{label}, var", args.series, args.steps, found)
    return rows


def scored(
    X: Table, truth: NDArray[Any] | None, seed: int, max_steps: int | None, options: dict[str, Any]
) -> tuple[float, float, float]:
    """AUROC, AUPRC and windows; chance and none where the fit refuses what is left."""
    assert truth is not None
    truth = truth.any(-1) if truth.ndim == 3 else truth
    with warnings.catch_warnings():
        # What it says of the few windows that are left, and of walks, is what is measured here.
        warnings.simplefilter("ignore", DataWarning)
        try:
            found = GRNGC(random_state=seed, max_steps=max_steps, **options).fit(X)
        except InputError:
            off = ~np.eye(len(truth), dtype=bool)
            return 0.5, float(truth[off].mean()), 0.0
    summary = evaluate(found.scores_, truth)
    return summary.auroc, summary.auprc, float(np.isfinite(found.predict(X)[:, 0]).sum())


def summed_up(label: str, n_series: int, n_steps: int, found: list[tuple[float, float, float]]) -> list[Row]:
    means = np.mean(found, axis=0)
    print(
        f"{label}, P={n_series}, T={n_steps}: AUROC {means[0]:.4f} AUPRC {means[1]:.4f} of {means[2]:.0f} windows",
        flush=True,
    )
    size = {"P": n_series, "L": 1, "H": 0, "N": n_steps - 1}
    return of_draws(label, size, found, METRICS, ("1", "1", "1"))
