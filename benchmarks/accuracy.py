"""AUROC and AUPRC of the defaults, strict protocol, beside ridge and lasso vector autoregressions on the same windows.

Strict: self-influence is not counted, windows never cross trajectories, one set of defaults for all data sets.

The defaults were chosen with the truth of the `DEVELOPMENT` cases in view (width, steps, the use of all windows for training, the
linear start and working sets by AUROC), so those rows are oracle in that sense. The others played no part. Penalty strength and
architecture of each fit are chosen without the truth.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from grngc_fast import GRNGC, evaluate
from grngc_fast.datasets import lorenz96, read_dream3, read_dream4
from grngc_fast.planning import MODELS
from grngc_fast.series import Windows
from grngc_fast.yardsticks import lasso_scores, ridge_scores

from .results import Row

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


DEVELOPMENT = (
    "Lorenz-96 P=20 F=10",
    "Lorenz-96 P=20 F=40",
    "Lorenz-96 P=100 F=40",
    "Lorenz-96 P=300 F=40",
    "VAR P=10",
    "VAR P=100",
    "DREAM4 size 100 net 1",
    "DREAM4 size 100 net 2",
    "DREAM3 size 100 Ecoli1",
    "DREAM3 size 100 Yeast1",
)


class Case(NamedTuple):
    """Trajectories and truth [effect, cause(, lag)] of one data set, drawn anew for each seed if it is simulated."""

    name: str
    lags: int
    load: Callable[[int], tuple[list[NDArray[Any]], NDArray[Any]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=3, help="fits, and draws of simulated data (%(default)s)")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the public benchmark files")
    parser.add_argument("--max-steps", type=int, help="other than the default, for a quick look")
    parser.add_argument("--model", choices=MODELS, default="auto", help="forecaster (%(default)s)")
    parser.add_argument("--only", default="", metavar="NAME", help="data sets whose name holds this")


def run(args: argparse.Namespace) -> list[Row]:
    changes = {} if args.max_steps is None else {"max_steps": args.max_steps}
    chosen = [case for case in cases(args.data) if args.only.lower() in case.name.lower()]
    return [row for case in chosen for row in measure(case, range(args.seeds), model=args.model, **changes)]


def cases(data: Path) -> Iterator[Case]:
    simulated = ((20, 500, 10.0), (20, 500, 40.0), (100, 1000, 20.0), (100, 1000, 40.0), (300, 1000, 40.0))
    for n_series, n_steps, forcing in simulated:
        yield Case(
            f"Lorenz-96 P={n_series} F={forcing:g}",
            1,
            lambda seed, p=n_series, t=n_steps, f=forcing: _parts(lorenz96(p, t, f, seed=seed)),
        )
    if _present(data / "var" / "p10"):
        yield Case("VAR P=10", 3, lambda _: _var(data / "var" / "p10"))
    if _present(data / "var" / "p100"):
        yield Case("VAR P=100", 5, lambda _: _var(data / "var" / "p100"))
    if _present(data / "dream3"):
        for gene_network in ("Ecoli1", "Yeast1"):
            yield Case(
                f"DREAM3 size 100 {gene_network}",
                1,
                lambda _, k=gene_network: _parts(read_dream3(data / "dream3", 100, k)),
            )
    if _present(data / "dream4"):
        for size, networks in ((100, (1, 2)), (10, (1, 2, 3, 4, 5))):
            for network in networks:
                yield Case(
                    f"DREAM4 size {size} net {network}",
                    1,
                    lambda _, s=size, k=network: _parts(read_dream4(data / "dream4", s, k)),
                )


def _present(folder: Path) -> bool:
    if not folder.is_dir():
        print(f"skipped: no folder {folder}; name the one that holds var/, dream3/ and dream4/ with --data")
    return folder.is_dir()


def _parts(dataset: Any) -> tuple[list[NDArray[Any]], NDArray[Any]]:
    return list(dataset.trajectories), dataset.truth


def _var(folder: Path) -> tuple[list[NDArray[Any]], NDArray[Any]]:
    # Series are the file's rows, and its lag axis ends with the newest.
    return [np.load(folder / "_x.npy").T], np.load(folder / "_gc.npy").astype(bool)[..., ::-1]


def measure(case: Case, seeds: range, model: str = "auto", **changes: Any) -> list[Row]:
    ours = "GRNGC" if model == "auto" else f"GRNGC {model}"
    found: dict[tuple[str, str], list[float]] = {}
    for seed in seeds:
        trajectories, truth = case.load(seed)
        fitted = GRNGC(model, lags=case.lags, random_state=seed, **changes).fit(trajectories)
        scaler = StandardScaler().fit(np.concatenate(trajectories))
        windows = Windows.from_trajectories([scaler.transform(t) for t in trajectories], case.lags)
        ridge, lasso = ridge_scores(windows), lasso_scores(windows, seed)
        for method, scores in ((ours, fitted.lag_scores_), ("ridge VAR", ridge), ("lasso VAR", lasso)):
            summary = evaluate(scores.max(-1), truth.any(-1) if truth.ndim == 3 else truth)
            found.setdefault((method, "AUROC"), []).append(summary.auroc)
            found.setdefault((method, "AUPRC"), []).append(summary.auprc)
            if truth.ndim == 3:
                lagged = evaluate(scores, truth)
                found.setdefault((method, "AUROC per lag"), []).append(lagged.auroc)
                found.setdefault((method, "AUPRC per lag"), []).append(lagged.auprc)
        found.setdefault((ours, "fit"), []).append(fitted.fit_seconds_)
    size = {"P": truth.shape[0], "L": case.lags, "H": fitted.graph_.metadata["hidden"][0]}
    size["N"] = sum(len(t) - case.lags for t in trajectories)
    rows = []
    for (method, metric), values in found.items():
        oracle = " (oracle defaults)" if method == ours and case.name in DEVELOPMENT else ""
        label, unit = f"{method}, {case.name}{oracle}", "s" if metric == "fit" else "1"
        rows.append(Row(label, **size, metric=metric, value=float(np.mean(values)), unit=unit))
        if metric != "fit" and len(values) > 1:
            rows.append(Row(label, **size, metric=f"{metric} sd", value=float(np.std(values, ddof=1)), unit="1"))
    return rows
