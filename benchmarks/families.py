"""Which kinds of dependence each method finds: simulated families whose lag-1 truth is exact, strict AUROC and AUPRC.

Families of `grngc_fast.datasets`: sums of one function of each of two parents, products, gates, and Lorenz-96 (F = 40).
Methods: the
default, each architecture with all else left to it, a random forest on lagged values (scikit-learn, 100 trees, a third of the
inputs to a split, impurity importances) and a lasso vector autoregression. A yardstick script prints a line for each family that
it simulates; its draw of a seed is that of this library.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from grngc_fast import GRNGC, evaluate
from grngc_fast.datasets import FUNCTIONS, Dataset, additive, gate, lorenz96, product
from grngc_fast.series import prepare
from grngc_fast.yardsticks import lasso_scores

from .results import RESULTS, Row, add_plot_argument, of_draws, read

FAMILIES: dict[str, Callable[[int, int, int], Dataset]] = {
    **{name: lambda p, t, seed, f=name: additive(p, t, f, seed=seed) for name in FUNCTIONS},  # type: ignore[misc]
    "product": lambda p, t, seed: product(p, t, seed=seed),
    "gate": lambda p, t, seed: gate(p, t, seed=seed),
    "lorenz96": lambda p, t, seed: lorenz96(p, t, 40.0, seed=seed),
}
PRINTED = re.compile(r"(\w+) P=\d+: AUROC (\S+) AUPRC (\S+)  (\S+) s")
TREES, SHARE_OF_INPUTS = 100, 0.33
METRICS = ("AUROC", "AUPRC", "seconds")
# The script whose recorded rows are drawn beside.
YARDSTICK = "families"

Scored = tuple[NDArray[Any], str]


def fitted(**options: Any) -> Callable[[NDArray[Any], int], Scored]:
    def score(X: NDArray[Any], seed: int) -> Scored:
        found = GRNGC(**options, random_state=seed).fit(X)
        chosen = found.graph_.metadata
        return found.scores_, f"{chosen['model']}, lam {chosen['lam']:.3f}, splines {chosen.get('n_splines')}"

    return score


def forest(X: NDArray[Any], seed: int) -> Scored:
    windows = prepare(X, 1).windows
    x, targets = windows.columns().numpy(), windows.targets().T.numpy()
    trees = RandomForestRegressor(
        TREES, max_features=SHARE_OF_INPUTS, n_jobs=torch.get_num_threads(), random_state=seed
    )
    return np.stack([trees.fit(x, y).feature_importances_ for y in targets]), ""


def lasso(X: NDArray[Any], seed: int) -> Scored:
    return lasso_scores(prepare(X, 1).windows, seed).max(-1), ""


METHODS: dict[str, Callable[[NDArray[Any], int], Scored]] = {
    "default": fitted(),
    "mlp": fitted(model="mlp"),
    "kan": fitted(model="kan"),
    "lstm": fitted(model="lstm"),
    "sets of units": fitted(model="sets", model_options={"n_splines": 0}),
    "sets with splines": fitted(model="sets", model_options={"n_splines": 20}),
    "forest": forest,
    "lasso VAR": lasso,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--series", type=int, nargs="+", default=[20], metavar="P", help="(%(default)s)")
    parser.add_argument("--steps", type=int, nargs="+", default=[1000], metavar="T", help="(%(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="draws of each family, from seed 1 (%(default)s)")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES), metavar="NAME", help="(all)")
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="NAME", help=f"of {', '.join(METHODS)}"
    )
    parser.add_argument("--yardstick", type=Path, metavar="FILE", help="a script to run beside, see above")
    add_plot_argument(parser, "families.png", "all recorded rows of T = 1000, families by methods,")


def run(args: argparse.Namespace) -> list[Row]:
    rows = []
    for n_series in args.series:
        for n_steps in args.steps:
            for family in args.families:
                for method in args.methods:
                    rows += measure(family, method, n_series, n_steps, args.seeds)
            if args.yardstick is not None:
                rows += yardstick(args.yardstick, args.families, n_series, n_steps, args.seeds)
    if args.plot:
        draw([*of_file(), *rows], args.plot)
    return rows


def measure(family: str, method: str, n_series: int, n_steps: int, seeds: int) -> list[Row]:
    found, notes = [], []
    for seed in range(1, seeds + 1):
        data = FAMILIES[family](n_series, n_steps, seed)
        started = time.perf_counter()
        scores, note = METHODS[method](np.asarray(data.X), seed)
        seconds = time.perf_counter() - started
        summary = evaluate(scores, data.truth)
        found.append((summary.auroc, summary.auprc, seconds))
        notes.append(note)
    return summed_up(f"{method}, {family}", n_series, n_steps, found, "; ".join(filter(None, dict.fromkeys(notes))))


def summed_up(label: str, n_series: int, n_steps: int, found: Sequence[tuple[float, ...]], note: str = "") -> list[Row]:
    means = np.mean(found, axis=0)
    print(
        f"{label}, P={n_series}, T={n_steps}: AUROC {means[0]:.4f} AUPRC {means[1]:.4f} {means[2]:.1f} s  {note}",
        flush=True,
    )
    size = {"P": n_series, "L": 1, "H": 0, "N": n_steps - 1}
    return of_draws(label, size, found, METRICS, ("1", "1", "s"))


def yardstick(script: Path, families: Sequence[str], n_series: int, n_steps: int, seeds: int) -> list[Row]:
    """The script's figures for those of the families that it simulates."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(1, seeds + 1):
        given = {"series": n_series, "steps": n_steps, "seed": seed, "threads": torch.get_num_threads()}
        options = [part for name, value in given.items() for part in (f"--{name}", str(value))]
        printed = subprocess.run([sys.executable, str(script), *options], stdout=subprocess.PIPE, text=True, check=True)
        for name, auroc, auprc, seconds in PRINTED.findall(printed.stdout):
            if name in families:
                found.setdefault(name, []).append((float(auroc), float(auprc), float(seconds)))
    return [
        row for name, values in found.items() for row in summed_up(f"{script.stem}, {name}", n_series, n_steps, values)
    ]


def of_file() -> list[Row]:
    """Recorded rows of families, the last of each."""
    last: dict[tuple[str, str, str, str], Row] = {}
    for row in read() if RESULTS.exists() else ():
        method, _, family = row["method"].rpartition(", ")
        # Other benchmarks simulate these systems too.
        if method in (*METHODS, YARDSTICK) and family in FAMILIES and row["metric"] in METRICS:
            key = (row["method"], row["P"], row["N"], row["metric"])
            sizes = {name: int(row[name]) for name in "PLHN"}
            last[key] = Row(row["method"], **sizes, metric=row["metric"], value=float(row["value"]), unit=row["unit"])
    return list(last.values())


def draw(rows: Sequence[Row], path: Path, n_windows: int = 999) -> None:
    """AUPRC as a table of colours, families by methods, a panel to each number of series."""
    from matplotlib.figure import Figure

    cells: dict[int, dict[tuple[str, str], float]] = {}
    for row in rows:
        method, _, family = row.method.rpartition(", ")
        if row.metric == "AUPRC" and n_windows == row.N and family in FAMILIES:
            cells.setdefault(row.P, {})[family, method] = row.value
    if not cells:
        raise ValueError(f"no rows of {n_windows} windows to draw; record some first")
    order = [*METHODS, *dict.fromkeys(method for own in cells.values() for _, method in own)]
    panels = {p: [m for m in dict.fromkeys(order) if any(m == method for _, method in own)] for p, own in cells.items()}
    widths = [len(panels[p]) for p in sorted(panels)]
    figure = Figure(figsize=(2.5 + 0.75 * sum(widths), 5.4), layout="constrained")
    axes = figure.subplots(1, len(widths), sharey=True, squeeze=False, width_ratios=widths)[0]
    families = [name for name in FAMILIES if any(name == family for own in cells.values() for family, _ in own)]
    for ax, p in zip(axes, sorted(panels), strict=True):
        methods = panels[p]
        values = np.array([[cells[p].get((family, method), np.nan) for method in methods] for family in families])
        ax.imshow(values, vmin=0, vmax=1, cmap="viridis", aspect="auto")
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                ax.text(
                    j,
                    i,
                    f"{value:.2f}",
                    ha="center",
                    va="center",
                    color="white" if value < 0.6 else "black",
                    fontsize=8,
                )
        ax.set_xticks(range(len(methods)), methods, rotation=40, ha="right", rotation_mode="anchor")
        ax.set_yticks(range(len(families)), families)
        ax.set_title(f"P = {p}")
        ax.tick_params(length=0)
    figure.suptitle(f"AUPRC by kind of dependence, {n_windows + 1} steps (mean of the recorded draws)")
    figure.savefig(path, dpi=150)
