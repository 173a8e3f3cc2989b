"""A path of penalty strengths as one batched network against as many single fits, and how well held-out error chooses.

Times are of whole calls, training and scores, with the same steps on the same series in one run. Single fits are timed at three
strengths along the path and counted once for each of its strengths.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from grngc_fast import GRNGC, LambdaPath, evaluate, lambda_path
from grngc_fast.datasets import lorenz96
from grngc_fast.planning.plan import DEFAULT_LAM
from grngc_fast.training.lambda_path import PENALTY_WINDOWS

from . import guard
from .accuracy import DATA, Case, cases
from .results import Row

SERIES = (20, 50, 100)
CASES = ("Lorenz-96 P=20 ", "Lorenz-96 P=100 ", "DREAM4 size 10 ")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--part", choices=["time", "accuracy"], help="one of the two (both)")
    parser.add_argument("--largest", type=int, default=SERIES[-1], help="leave out more series (%(default)s)")
    parser.add_argument("--strengths", type=int, default=16, help="on a path (%(default)s)")
    parser.add_argument("--max-steps", type=int, help="other than the default, for a quick look")
    parser.add_argument("--seeds", type=int, default=3, help="paths, and draws of simulated data (%(default)s)")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the public benchmark files")
    parser.add_argument("--only", default="", metavar="NAME", help="data sets whose name holds this")


def run(args: argparse.Namespace) -> list[Row]:
    changes: dict[str, Any] = {} if args.max_steps is None else {"max_steps": args.max_steps}
    rows = []
    if args.part != "accuracy":
        for n_series in (p for p in SERIES if p <= args.largest):
            rows += measure(n_series, args.strengths, args.repeats, **changes)
    if args.part != "time":
        for case in cases(args.data):
            if args.only.lower() in case.title.lower() and case.title.startswith(CASES):
                rows += choose(case, args.seeds, args.strengths, **changes)
    return rows


def measure(n_series: int, n_lams: int, repeats: int, **options: Any) -> list[Row]:
    x = lorenz96(n_series, 500, seed=0).X
    options = {"random_state": 0, **options}
    path = lambda_path(x, n_lams=n_lams, **options)
    check(x, path, **options)
    along = path.lams[[n_lams // 6, n_lams // 2, -1 - n_lams // 6]]

    def single(**changes: Any) -> None:
        for lam in along:
            GRNGC("mlp", lam=float(lam), **options, **changes).fit(x)

    methods = {
        "lambda_path": lambda: lambda_path(x, n_lams=n_lams, **options),
        "lambda_path, no warm start": lambda: lambda_path(x, n_lams=n_lams, warm_start=False, **options),
        "GRNGC fits": single,
        f"GRNGC fits, {PENALTY_WINDOWS} windows penalised": lambda: single(penalty_windows=PENALTY_WINDOWS),
    }
    size = {"P": n_series, "L": 1, "H": path.settings["hidden"][0], "N": len(x) - 1}
    rows, ours = [], 0.0
    for name, method in methods.items():
        timing, scale = guard.timed(method, repeats, warmup=0), n_lams / len(along) if name.startswith("GRNGC") else 1.0
        seconds, ours = timing.median * scale, ours or timing.median
        label, spread = f"{name}, {n_lams} strengths", {"p20": timing.p20 * scale, "p80": timing.p80 * scale}
        rows.append(Row(label, **size, metric="fit", value=seconds, unit="s", **spread))
        if name != "lambda_path":
            rows.append(Row(label, **size, metric="time over ours", value=seconds / ours, unit="1"))
    return rows


def check(x: np.ndarray[Any, Any], path: LambdaPath, **options: Any) -> None:
    """Members of a path fit as they do alone, from the same start with the same sample."""
    few = {**options, "max_steps": 20, "warm_start": False, "penalty_windows": PENALTY_WINDOWS}
    lams = path.lams[[0, -1]]
    together = lambda_path(x, lams, **few)
    for k, lam in enumerate(lams):
        alone = lambda_path(x, [lam], **few)
        found, truth = (torch.from_numpy(scores) for scores in (together.scores[k], alone.scores[0]))
        guard.check(f"lam {lam:.3g}", [found], [truth], 1e-3)


def choose(case: Case, seeds: int, n_lams: int, **options: Any) -> list[Row]:
    """AUROC and AUPRC of the strengths that held-out error chooses, of the default one and of the best by the truth."""
    found: dict[tuple[str, str], list[float]] = {}
    for seed in range(seeds):
        data = case.load(seed)
        trajectories, truth = list(data.trajectories), data.truth
        path = lambda_path(trajectories, n_lams=n_lams, random_state=seed, **options)
        along = [evaluate(scores, truth) for scores in path.scores]
        default = GRNGC("mlp", lam=DEFAULT_LAM, random_state=seed, **options).fit(trajectories)
        chosen = {
            "least held-out error": along[path.best_index],
            "one standard error": along[path.one_se_index],
            "GRNGC, default lam": evaluate(default.scores_, truth),
        }
        for name, evaluation in chosen.items():
            found.setdefault((name, "AUROC"), []).append(evaluation.auroc)
            found.setdefault((name, "AUPRC"), []).append(evaluation.auprc)
        found.setdefault(("best by the truth (oracle)", "AUROC"), []).append(max(e.auroc for e in along))
        found.setdefault(("best by the truth (oracle)", "AUPRC"), []).append(max(e.auprc for e in along))
        found.setdefault(("least held-out error", "lam"), []).append(path.best_lam)
    n_windows = sum(len(t) - 1 for t in trajectories)
    size = {"P": truth.shape[0], "L": 1, "H": path.settings["hidden"][0], "N": n_windows}
    return [
        Row(f"{name}, {case.title}", **size, metric=metric, value=float(np.mean(values)), unit="1")
        for (name, metric), values in found.items()
    ]
