"""GRNGC as it comes, no option set, against a linear yardstick on the same windows.

Strict: the diagonal is never counted, windows never cross trajectories, and nothing is chosen by the truth. The yardstick is
a ridge VAR whose strength scikit-learn's RidgeCV chooses by leave-one-out error, scored by its absolute coefficients.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from grngc_fast import GRNGC, evaluate
from grngc_fast.datasets import Dataset, lorenz96, read_dream4
from grngc_fast.jacobian import lag_major
from grngc_fast.series import as_series_table
from grngc_fast.training import Windows

from .results import CHECKOUT, Row

DATA = CHECKOUT.parent / "shared" / "data"
ALPHAS = np.logspace(-3, 5, 33)


@dataclass(frozen=True)
class Case:
    """A data set.

    Attributes
    ----------
    name : what to print if it cannot be had.
    data : seed -> Dataset; `FileNotFoundError` or `InputError` where files are missing.
    files : what must exist; none for a simulation.
    lags : L of both methods.
    """

    name: str
    data: Callable[[int], Dataset]
    files: tuple[Path, ...] = ()
    lags: int = 1


@dataclass(frozen=True)
class Fit:
    """Scores (P, P, L), [effect, cause, lag], with what they took."""

    lag_scores: NDArray[Any]
    seconds: float
    hidden: int | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0, 1, ... of simulations and weights (default: 3)")
    parser.add_argument(
        "--data", type=Path, default=DATA, help=f"folder of the public data (default: {DATA.name} beside)"
    )
    parser.add_argument("--only", help="only the cases whose name contains this")


def run(args: argparse.Namespace) -> list[Row]:
    chosen = [c for c in cases(args.data) if args.only is None or args.only.lower() in c.name.lower()]
    rows = []
    for case in chosen:
        missing = [str(f) for f in case.files if not f.exists()]
        if missing:
            print(f"{case.name} skipped, not found: {', '.join(missing)}; name the folder with --data")
            continue
        print(case.name, flush=True)
        rows += measure(case, range(args.seeds), device=args.device)
    return rows


def cases(data: Path) -> list[Case]:
    """The fixed list; `data` is the folder with var/ and dream4/."""
    found = [
        Case(f"Lorenz-96 P=20 T=500 F={forcing}", partial(_lorenz96, forcing=float(forcing))) for forcing in (10, 40)
    ]
    folder = data / "var" / "p10"
    found.append(Case("VAR p10", lambda _: read_var(folder), (folder / "_x.npy", folder / "_gc.npy"), lags=3))
    for network in (1, 2):
        folder = data / "dream4"
        files = (
            folder / f"insilico_size100_{network}_timeseries.tsv",
            folder / f"DREAM4_GoldStandard_InSilico_Size100_{network}.tsv",
        )
        found.append(Case(f"DREAM4 size 100 network {network}", partial(_dream4, folder, network), files))
    return found


def measure(case: Case, seeds: Sequence[int], *, device: str = "cpu", **settings: Any) -> list[Row]:
    """AUROC, AUPRC and seconds of both methods, a row for each seed; `settings` of GRNGC are for small trials only."""
    rows = []
    for seed in seeds:
        data = case.data(seed)
        fits = {
            "GRNGC": fit_grngc(data, case.lags, seed, device=device, **settings),
            "ridge VAR": fit_ridge(data, case.lags),
        }
        for method, fit in fits.items():
            rows += _rows(method, case, data, fit, seed)
    return rows


def fit_grngc(data: Dataset, lags: int, seed: int, **settings: Any) -> Fit:
    started = time.perf_counter()
    found = GRNGC(lags=lags, random_state=seed, **settings).fit(data.table)
    seconds = time.perf_counter() - started
    return Fit(found.lag_scores_, seconds, int(found.model_.weights[0].shape[0]))


def fit_ridge(data: Dataset, lags: int) -> Fit:
    """One ridge regression of all series on their last `lags` steps, z-scored, by its absolute coefficients."""
    started = time.perf_counter()
    scaler = StandardScaler().fit(np.concatenate(data.trajectories))
    windows = Windows.from_trajectories([scaler.transform(t) for t in data.trajectories], lags, dtype=torch.float64)
    newest_first = windows.inputs().flip(1).flatten(1)
    ridge = RidgeCV(alphas=ALPHAS).fit(newest_first.numpy(), windows.targets().numpy())
    scores = lag_major(torch.from_numpy(np.abs(ridge.coef_)), lags).numpy()
    return Fit(scores, time.perf_counter() - started)


def read_var(folder: Path) -> Dataset:
    """`_x.npy` (P, T) and `_gc.npy` (P, P, L), whose last lag is the newest."""
    truth = np.load(folder / "_gc.npy")[:, :, ::-1] != 0
    return Dataset(as_series_table(np.load(folder / "_x.npy").T), truth, f"VAR {folder.name}")


def _lorenz96(seed: int, forcing: float) -> Dataset:
    return lorenz96(n_series=20, n_steps=500, forcing=forcing, seed=seed)


def _dream4(folder: Path, network: int, seed: int) -> Dataset:
    return read_dream4(folder, 100, network)


def _rows(method: str, case: Case, data: Dataset, fit: Fit, seed: int) -> list[Row]:
    assert data.truth is not None
    per_lag = data.truth.ndim == 3
    judged = {"": evaluate(fit.lag_scores.max(-1), data.truth.any(-1) if per_lag else data.truth)}
    if per_lag:
        judged[" per lag"] = evaluate(fit.lag_scores, data.truth)
    figures = [(f"{n}{what}", getattr(e, n.lower()), "") for what, e in judged.items() for n in ("AUROC", "AUPRC")]
    n_windows = sum(len(t) - case.lags for t in data.trajectories)
    sizes = (data.table.n_series, case.lags, fit.hidden, n_windows)
    return [
        Row(f"{method} on {case.name}", *sizes, metric, value, unit=unit, seed=seed)
        for metric, value, unit in (*figures, ("time", fit.seconds, "s"))
    ]
