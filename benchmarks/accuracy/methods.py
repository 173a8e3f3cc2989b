"""What is compared: this library, the authors' objective, and the cheap methods that any network has to beat."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grngc_fast import GRNGC
from grngc_fast.series import prepare
from grngc_fast.yardsticks import lasso_scores, ridge_scores

from ..baselines import official
from ..peers import PEERS
from .problem import Problem

Scores = NDArray[Any]


@dataclass(frozen=True)
class Result:
    """figures by metric; lags, and hidden width where there is one; what evidence chose, as a metric with the strength."""

    figures: dict[str, float]
    lags: int
    hidden: int = 0
    chosen: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """A method.

    Attributes
    ----------
    label : in rows and tables.
    run : of a problem, a seed and a limit in seconds, which only those that can stop by themselves look at.
    cheap : a yardstick.
    random : another seed may give other scores.
    stops : keeps to the limit by itself.
    """

    label: str
    run: Callable[[Problem, int, float], Result]
    cheap: bool = False
    random: bool = True
    stops: bool = False


def ours(model: str, problem: Problem, seed: int, limit: float) -> Result:
    """All else left to the library."""
    found = GRNGC(model, lags=problem.lags, regulators=problem.causes, random_state=seed).fit(problem.series)
    told = found.graph_.metadata
    return Result(
        problem.judged(found.lag_scores_),
        int(told["lags"]),
        int(told["hidden"][0]),
        {f"lam of {chosen(told)}": float(told["lam"])},
    )


def chosen(told: dict[str, Any]) -> str:
    """Network and ranking of a fit in words, of its metadata."""
    splines = f", {told['n_splines']} splines" if told.get("n_splines") else ""
    start = ", linear start" if told.get("linear_start") else ""
    ranking = ", combined ranking" if (told.get("ranking") or {}).get("by") == "combined" else ""
    return f"{told['model']}{splines}{start}{ranking}"


def linear(score: Callable[..., Scores], seeded: bool, problem: Problem, seed: int, limit: float) -> Result:
    windows = prepare(problem.series, problem.lags, regulators=problem.causes).windows
    return Result(problem.judged(score(windows, seed) if seeded else score(windows)), problem.lags)


def peer(name: str, problem: Problem, seed: int, limit: float) -> Result:
    """On all series, also where only some can be causes."""
    series: Any = problem.series
    scores = PEERS[name].score(series, problem.lags, seed)
    if problem.diagonal and name == "bivariate Granger":
        # Its scores are given the effect's own past, which is granted to be a cause.
        np.fill_diagonal(scores, scores.max())
    return Result(problem.judged(scores), problem.lags)


def authors(kind: str, problem: Problem, seed: int, limit: float) -> Result:
    """Scores of the last epoch, and the best of all epochs by the truth.

    Raises
    ------
    ValueError : of sets where only some series can be causes, which the code does not know.
    """
    if problem.causes is not None:
        raise ValueError("the authors' code takes no regulators")
    settings = official.settings(kind, problem.family)
    windows = prepare(problem.series, problem.lags).windows
    model = official.network(kind, problem.truth.shape[0], seed, problem.lags, settings.hidden)
    best, last, stopped = {"AUROC": 0.0, "AUPRC": 0.0}, {}, {}
    begun = time.perf_counter()
    every = 0.0
    for one in official.train(model, windows.inputs(), windows.targets(), settings.epochs, settings.rate, settings.lam):
        # Judging takes a tenth of the time at most.
        late, final = one.seconds > limit, one.steps == settings.epochs
        if not (late or final or one.seconds >= every):
            continue
        started = time.perf_counter()
        # Oldest lag first there.
        scores = one.scores.numpy().reshape(problem.truth.shape[0], problem.lags, -1).swapaxes(1, 2)[..., ::-1]
        last = problem.judged(np.nan_to_num(scores))
        best = {name: max(value, last[name]) for name, value in best.items()}
        every = one.seconds + 10 * (time.perf_counter() - started)
        if late:
            stopped = {"stopped after": time.perf_counter() - begun, "epochs": float(one.steps)}
            break
    oracle = {f"{name} of the best epoch (oracle)": value for name, value in best.items()}
    return Result(last | oracle | stopped, problem.lags, settings.hidden)


METHODS: dict[str, Method] = {
    "default": Method("GRNGC", partial(ours, "auto")),
    **{name: Method(f"GRNGC {name}", partial(ours, name)) for name in ("mlp", "sets", "kan", "lstm", "tcn")},
    **{f"official-{kind}": Method(f"official {kind}", partial(authors, kind), stops=True) for kind in official.KINDS},
    "ridge": Method("ridge VAR", partial(linear, ridge_scores, False), cheap=True, random=False),
    "lasso": Method("lasso VAR", partial(linear, lasso_scores, True), cheap=True),
    "bivariate": Method("bivariate Granger", partial(peer, "bivariate Granger"), cheap=True, random=False),
    "correlation": Method("correlation", partial(peer, "correlation"), cheap=True, random=False),
    "trees": Method("extra trees", partial(peer, "extra trees"), cheap=True),
}
CHEAP = tuple(method.label for method in METHODS.values() if method.cheap)
