"""Time until strict AUROC and AUPRC pass .95, every method on the same simulated series, with one thread setting for all.

Methods with a training of their own are looked at as it goes on, the clock stopped meanwhile; of the others there is one result,
at the end. Of each method's published penalties the best is granted to it, by its result against the truth: an oracle, which ours
does not have but in the row that says so. A run ends at `--limit` seconds, and at `--memory` GiB where its weights alone would
need more; both are rows.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import math
import multiprocessing
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from grngc_fast import GRNGC, evaluate
from grngc_fast.datasets import Dataset, lorenz96, var
from grngc_fast.series import prepare

from .baselines import clstm, cmlp, official
from .baselines.ista import Ista, Progress, train
from .peers import PEERS
from .results import RESULTS, Row, add_plot_argument, read

SYSTEMS: dict[str, Callable[[int, int], Dataset]] = {
    "lorenz96 F=10": lambda p, seed: lorenz96(p, 1000, 10.0, seed=seed),
    "lorenz96 F=40": lambda p, seed: lorenz96(p, 1000, 40.0, seed=seed),
    "var": lambda p, seed: var(p, 1000, seed=seed),
}
PASSED = 0.95
# Neural-GC's examples: cMLP of 100 hidden units and 5 lags, hierarchical, rate .05, lam .002; cLSTM of stretches of 10 steps,
# rate .001, lam 10, of series of a standard deviation of about 4; ridge .01 of both. Series are z-scored here: a decade to either
# side is granted, and to the second a lam that fits unit variance.
CMLP = {"hidden": 100, "lags": 5, "ridge": 1e-2, "rate": 5e-2, "lams": (2e-4, 2e-3, 2e-2), "kind": "H"}
CLSTM = {"hidden": 100, "context": 10, "ridge": 1e-2, "rate": 1e-3, "lams": (0.01, 0.1, 1.0)}

# What the default chooses of Lorenz-96, about.
SETS_LAMS = (0.05, 0.1, 0.2)

Series = NDArray[Any]
Course = Iterator[tuple[float, NDArray[Any]]]


@dataclass(frozen=True)
class Racer:
    """A method.

    Attributes
    ----------
    course : of series, lags, a seed and a penalty to (seconds, scores), again and again.
    penalties : that it is granted the best of, the published one in the middle.
    bytes : that its weights, gradients and copies need at P series at least.
    limited : whether `course` keeps to the limit itself, which it takes before all else.
    """

    course: Callable[..., Course]
    penalties: tuple[float, ...] = (math.nan,)
    bytes: Callable[[int], float] = field(default=lambda p: 0.0)
    limited: bool = False


def once(score: Callable[[Series, int, int], Series]) -> Callable[[Series, int, int, float], Course]:
    """A method with one result."""

    def course(series: Series, lags: int, seed: int, lam: float) -> Course:
        started = time.perf_counter()
        scores = score(series, lags, seed)
        yield time.perf_counter() - started, scores

    return course


def apart(name: str, limit: float, series: Series, lags: int, seed: int, lam: float) -> Course:
    """A peer in a process of its own, which is ended at the limit.

    Raises
    ------
    TimeoutError : it was. RuntimeError : what the peer raised.
    """
    context = multiprocessing.get_context("spawn")
    answers: Any = context.Queue()
    process = context.Process(
        target=_answer, args=(name, series, lags, seed, torch.get_num_threads(), answers), daemon=True
    )
    process.start()
    try:
        answers.get()
        seconds, scores, failure = answers.get(timeout=limit)
    except queue.Empty:
        raise TimeoutError(f"no scores within {limit:g} s") from None
    finally:
        process.kill()
    if failure:
        raise RuntimeError(failure)
    yield seconds, scores


def _answer(name: str, series: Series, lags: int, seed: int, threads: int, answers: Any) -> None:
    torch.set_num_threads(threads)
    # Of little, so that what it imports and compiles is there. What it may have against that, it says of the whole.
    with contextlib.suppress(Exception):
        PEERS[name].score(series[:60, :4], 1, seed)
    answers.put("ready")
    started = time.perf_counter()
    try:
        scores = PEERS[name].score(series, lags, seed)
        answers.put((time.perf_counter() - started, scores, ""))
    except Exception as error:  # of packages of others: it becomes a row
        answers.put((math.nan, None, f"{type(error).__name__}: {error}"))


def ours(series: Series, lags: int, seed: int, **options: Any) -> Series:
    found: Series = GRNGC(lags=lags, **options, random_state=seed).fit(series).scores_
    return found


def by_granted_sets(series: Series, lags: int, seed: int, lam: float) -> Course:
    """What is chosen without the truth elsewhere given: working sets without splines, of a strength."""
    fixed = partial(ours, model="sets", model_options={"n_splines": 0}, lam=lam)
    return once(fixed)(series, lags, seed, lam)


def by_cmlp(kind: type[Any], series: Series, lags: int, seed: int, lam: float) -> Course:
    lags = max(lags, CMLP["lags"])
    windows = prepare(series, lags).windows
    x, y = windows.inputs(), windows.targets()
    torch.manual_seed(seed)
    model = kind(y.shape[1], lags, CMLP["hidden"])
    settings = Ista(lam, CMLP["ridge"], CMLP["rate"], CMLP["kind"], check_every=_looks(y.shape[1]))
    yield from _told(train(model, x, y, settings))


def by_clstm(kind: type[Any], series: Series, lags: int, seed: int, lam: float) -> Course:
    scaled = torch.as_tensor((series - series.mean(0)) / series.std(0), dtype=torch.float32)
    x, y = clstm.stretches(scaled, CLSTM["context"])
    torch.manual_seed(seed)
    model = kind(y.shape[2], CLSTM["hidden"])
    settings = Ista(lam, CLSTM["ridge"], CLSTM["rate"], max_steps=20_000, check_every=max(1, _looks(y.shape[2]) // 2))
    yield from _told(train(model, x, y, settings))


def by_authors(kind: str, series: Series, lags: int, seed: int, lam: float) -> Course:
    windows, n_series = prepare(series, lags).windows, series.shape[1]
    model = official.network(kind, n_series, seed, lags)
    for seconds, scores in _told(official.train(model, windows.inputs(), windows.targets())):
        yield seconds, scores.reshape(n_series, lags, n_series).max(1)


def _looks(n_series: int) -> int:
    """Steps between two, of about a second or more of a loop."""
    return max(1, 1000 // n_series)


def _told(course: Iterator[Progress]) -> Course:
    for one in course:
        yield one.seconds, one.scores.numpy()


def _cmlp_bytes(n_series: int) -> float:
    # Weights, gradient, and a copy of each group's squares.
    return 3 * 4.0 * n_series * CMLP["hidden"] * n_series * CMLP["lags"]


def _clstm_bytes(n_series: int) -> float:
    return 3 * 4.0 * n_series * 4 * CLSTM["hidden"] * (n_series + CLSTM["hidden"])


RACERS: dict[str, Racer] = {
    "grngc_fast": Racer(once(ours)),
    "grngc_fast, strength granted": Racer(by_granted_sets, SETS_LAMS),
    "grngc_fast, mlp": Racer(once(partial(ours, model="mlp"))),
    "grngc_fast, kan": Racer(once(partial(ours, model="kan"))),
    "official mlp": Racer(partial(by_authors, "mlp")),
    "official kan": Racer(partial(by_authors, "kan")),
    "cMLP as published": Racer(partial(by_cmlp, cmlp.LoopedCMLP), CMLP["lams"], _cmlp_bytes),
    "cMLP vectorised": Racer(partial(by_cmlp, cmlp.VectorisedCMLP), CMLP["lams"], _cmlp_bytes),
    "cLSTM as published": Racer(partial(by_clstm, clstm.LoopedCLSTM), CLSTM["lams"], _clstm_bytes),
    "cLSTM vectorised": Racer(partial(by_clstm, clstm.VectorisedCLSTM), CLSTM["lams"], _clstm_bytes),
    **{name: Racer(partial(apart, name), limited=True) for name in PEERS},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--series", type=int, nargs="+", default=[20, 100], metavar="P", help="(%(default)s)")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), metavar="NAME", help="(all)")
    parser.add_argument(
        "--methods", nargs="+", choices=RACERS, default=list(RACERS), metavar="NAME", help=f"of {', '.join(RACERS)}"
    )
    parser.add_argument("--limit", type=float, default=300.0, help="seconds of a run (%(default)s)")
    parser.add_argument(
        "--one-penalty", action="store_true", help="the published one alone, where no other gets there within the limit"
    )
    parser.add_argument(
        "--penalties",
        type=float,
        nargs="+",
        metavar="LAM",
        help="tried of what is granted one (of component-wise networks a decade about the published)",
    )
    parser.add_argument("--memory", type=float, default=12.0, help="GiB of weights that are not tried (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the series and the methods (%(default)s)")
    add_plot_argument(parser, "endtoend.png", "AUROC and AUPRC against time, of all recorded rows,")


def run(args: argparse.Namespace) -> list[Row]:
    rows = []
    for n_series, system in itertools.product(args.series, args.systems):
        data = SYSTEMS[system](n_series, args.seed)
        for method in args.methods:
            penalties = _penalties(RACERS[method], args.penalties, args.one_penalty)
            rows += race(method, system, data, args.seed, args.limit, args.memory * 2**30, penalties)
    if args.plot:
        draw([*recorded(), *rows], args.plot)
    return rows


def _penalties(racer: Racer, asked: Sequence[float] | None, one: bool) -> Sequence[float]:
    if len(racer.penalties) == 1:
        return racer.penalties
    if asked:
        return asked
    return racer.penalties[len(racer.penalties) // 2 :][:1] if one else racer.penalties


@dataclass(frozen=True)
class Look:
    """seconds of training until then, what was found."""

    seconds: float
    auroc: float
    auprc: float


def race(
    method: str, system: str, data: Dataset, seed: int, limit: float, memory: float, penalties: Sequence[float]
) -> list[Row]:
    """Rows of the run with the best penalty, and why a method has none or was stopped."""
    racer, series = RACERS[method], np.asarray(data.X)
    lags = data.truth.shape[2] if data.truth is not None and data.truth.ndim == 3 else 1
    size = {"P": data.table.n_series, "L": lags, "H": 0, "N": len(series) - lags, "seed": seed}
    label = f"{method}, {system}"
    if racer.bytes(size["P"]) > memory:
        print(f"{label}, P={size['P']}: weights, gradients and copies need {racer.bytes(size['P']) / 2**30:.0f} GiB")
        return [Row(label, **size, metric="not run: needs memory", value=racer.bytes(size["P"]) / 2**30, unit="GiB")]
    best: list[Look] = []
    chosen, stopped = math.nan, False
    course = partial(racer.course, limit) if racer.limited else racer.course
    for lam in penalties:
        try:
            looks, cut = _looked_at(course(series, lags, seed, lam), data, limit)
        except TimeoutError as error:
            print(f"{label}, P={size['P']}: {error}", flush=True)
            return [Row(label, **size, metric="stopped at", value=limit, unit="s")]
        except (ImportError, ValueError, RuntimeError, MemoryError) as error:
            print(f"{label}, P={size['P']}: {error}")
            return [Row(f"{label}: {str(error).splitlines()[0][:80]}", **size, metric="failed", value=1.0, unit="1")]
        if not best or _merit(looks) > _merit(best):
            best, chosen, stopped = looks, lam, cut
    rows = [
        Row(label, **size, metric=f"{name} after {look.seconds:.4g} s", value=value, unit="1")
        for look in _thinned(best)
        for name, value in (("AUROC", look.auroc), ("AUPRC", look.auprc))
    ]
    for name in ("auroc", "auprc"):
        taken = next((look.seconds for look in best if getattr(look, name) >= PASSED), math.inf)
        rows.append(Row(label, **size, metric=f"time to {name.upper()} {PASSED}", value=taken, unit="s"))
        rows.append(Row(label, **size, metric=f"last {name.upper()}", value=getattr(best[-1], name), unit="1"))
        rows.append(
            Row(label, **size, metric=f"best {name.upper()}", value=max(getattr(x, name) for x in best), unit="1")
        )
    rows.append(Row(label, **size, metric="stopped at" if stopped else "seconds", value=best[-1].seconds, unit="s"))
    if not math.isnan(chosen):
        rows.append(Row(label, **size, metric="penalty granted", value=chosen, unit="1"))
    last = best[-1]
    print(
        f"{label}, P={size['P']}: {last.auroc:.4f} / {last.auprc:.4f} in {last.seconds:.1f} s{' (limit)' * stopped}",
        flush=True,
    )
    return rows


def _looked_at(course: Course, data: Dataset, limit: float) -> tuple[list[Look], bool]:
    looks = []
    truth = data.truth if data.truth is None or data.truth.ndim == 2 else data.truth.any(-1)
    for seconds, scores in course:
        found = evaluate(np.nan_to_num(scores), truth)
        looks.append(Look(seconds, found.auroc, found.auprc))
        if seconds > limit:
            return looks, True
    return looks, False


def _merit(looks: list[Look]) -> tuple[float, float, float]:
    """Passed early, else found much."""
    passed = [look.seconds for look in looks if min(look.auroc, look.auprc) >= PASSED]
    return (-passed[0] if passed else -math.inf, max(look.auprc for look in looks), max(look.auroc for look in looks))


def _thinned(looks: list[Look], count: int = 24) -> list[Look]:
    """Evenly in the logarithm of time, with the last."""
    if len(looks) <= count:
        return looks
    times = np.log([max(look.seconds, 1e-3) for look in looks])
    chosen = {int(np.abs(times - at).argmin()) for at in np.linspace(times[0], times[-1], count)}
    return [looks[i] for i in sorted(chosen | {len(looks) - 1})]


def recorded() -> list[Row]:
    """Rows of earlier runs, the last of each method, system and size."""
    last: dict[tuple[str, str], tuple[str, list[Row]]] = {}
    for row in read() if RESULTS.exists() else ():
        method, _, system = row["method"].partition(":")[0].rpartition(", ")
        if method not in RACERS or system not in SYSTEMS:
            continue
        key, run_ = (row["method"], row["P"]), row["commit"] + row["date"]
        if last.get(key, ("", []))[0] != run_:
            last[key] = (run_, [])
        sizes = {name: int(row[name]) for name in "PLHN"}
        last[key][1].append(
            Row(row["method"], **sizes, metric=row["metric"], value=float(row["value"]), unit=row["unit"])
        )
    return [row for _, rows in last.values() for row in rows]


def draw(rows: list[Row], path: Path) -> None:
    """AUPRC against time, a panel to each size and system, a line or a point to each method."""
    from matplotlib.figure import Figure

    courses: dict[tuple[int, str], dict[str, list[tuple[float, float]]]] = {}
    for row in rows:
        method, _, system = row.method.rpartition(", ")
        if system in SYSTEMS and row.metric.startswith("AUPRC after "):
            seconds = float(row.metric.split()[2])
            courses.setdefault((row.P, system), {}).setdefault(method, []).append((seconds, row.value))
    if not courses:
        raise ValueError("no rows to draw; record some first")
    sizes, systems = sorted({p for p, _ in courses}), [s for s in SYSTEMS if any(s == found for _, found in courses)]
    figure = Figure(figsize=(4.2 * len(systems) + 2.4, 3.2 * len(sizes)), layout="constrained")
    grid = figure.subplots(len(sizes), len(systems), squeeze=False, sharey=True)
    styles = {name: (f"C{i % 10}", "os^vDPX*"[i // 10 * 4 + i % 4]) for i, name in enumerate(RACERS)}
    shown = {}
    for (i, p), (j, system) in itertools.product(enumerate(sizes), enumerate(systems)):
        axes = grid[i][j]
        axes.set_visible((p, system) in courses)
        for method, points in courses.get((p, system), {}).items():
            colour, marker = styles.get(method, ("grey", "."))
            mine = method.startswith("grngc_fast")
            (line,) = axes.plot(
                *zip(*sorted(points), strict=True),
                color=colour,
                marker=marker,
                markersize=8 if mine else 5,
                linewidth=1.5,
                zorder=3 if mine else 2,
                markeredgecolor="black" if mine else colour,
            )
            shown.setdefault(method, line)
        axes.axhline(PASSED, color="grey", linewidth=0.8, linestyle=":")
        axes.set(xscale="log", ylim=(0, 1.03), title=f"{system}, P = {p}")
        axes.set_xlabel("seconds" if i == len(sizes) - 1 else "")
        axes.set_ylabel("AUPRC" if j == 0 else "")
    figure.legend(shown.values(), shown, loc="outside right center", fontsize=8, frameon=False)
    figure.savefig(path, dpi=110)
