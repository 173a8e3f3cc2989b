"""Every fit that a rule may choose of a set: networks by strengths, and what can be known of each without the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from grngc_fast.distributed import World
from grngc_fast.graph import CausalGraph
from grngc_fast.planning import FitOptions, Plan, chosen_plan, refitted, scored_part
from grngc_fast.planning.choice import HELD_OUT
from grngc_fast.ranking import ranked
from grngc_fast.scoring import ScoreOptions, score_graph
from grngc_fast.series import PreparedSeries, Windows, prepare
from grngc_fast.training.known import known_mean

from ..accuracy.problem import Problem

Array = NDArray[np.float64]
LAMS = (0.3, 0.1, 0.03, 0.01, 0.003)
# One step that moves nothing leaves the linear start as it is. Steps are a third of the usual ones: a set takes sixty fits.
NETWORKS: dict[str, dict[str, Any]] = {
    "linear": {"model": "mlp", "skip": True, "max_steps": 1, "learning_rate": 1e-9},
    "mlp": {"model": "mlp", "max_steps": 300},
    "sets": {"model": "sets"},
    "kan": {"model": "kan", "max_steps": 300},
}
# Of more inputs a KAN takes longer than all others together, of fewer windows it fits noise.
KAN_INPUTS, KAN_WINDOWS = 10, 150
RANKINGS = ("combined", "gradients")
# Of the network that is trained again on the strongest edges, so many to a target on average.
REFIT, REFIT_EDGES = {"model": "mlp", "max_steps": 150}, 2


@dataclass(frozen=True)
class Candidate:
    """A network, a strength and a ranking.

    Attributes
    ----------
    network, lam, ranking : which.
    scores : (E, C) of the fit to all windows.
    errors : (N,) squared ones of held-out windows, mean over targets, of the fit to the others.
    halves : (E, C) scores of fits to either half of the windows, from different weights.
    refit : mean held-out error of a network that reads only the strongest edges of the fit to the others.
    """

    network: str
    lam: float
    ranking: str
    scores: Array
    errors: Array
    halves: tuple[Array, Array]
    refit: float

    @property
    def name(self) -> str:
        return f"{self.network}, {self.ranking}"


def candidates_of(problem: Problem, seed: int) -> Iterator[Candidate]:
    """All of a set, with the series as it gives them; the fits of one network and strength serve both rankings."""
    data = prepare(problem.series, problem.lags, regulators=problem.causes)
    n_inputs = data.edges.n_causes * problem.lags
    for network, given in NETWORKS.items():
        few = n_inputs <= KAN_INPUTS and len(data.windows) >= KAN_WINDOWS
        if network == "kan" and not few:
            continue
        for lam in LAMS:
            options = FitOptions(**given, lags=problem.lags, lam=lam, regulators=problem.causes)
            yield from _of_strength(network, options, data, problem, seed)


def _of_strength(
    network: str, options: FitOptions, data: PreparedSeries, problem: Problem, seed: int
) -> Iterator[Candidate]:
    plan = chosen_plan(options, data, seed, World())
    training, held_out = data.windows.split(HELD_OUT)
    assert held_out is not None and options.lam is not None
    whole = _rankings(refitted(plan, options, data, data.windows, seed), data, data.windows, plan, options)
    trained = refitted(plan, options, data, training, seed)
    errors = _errors(trained, held_out)
    of_training = _rankings(trained, data, training, plan, options)
    halves = [
        _rankings(refitted(plan, options, data, half, seed + number), data, half, plan, options)
        for number, half in enumerate(data.windows.halves(), 1)
    ]
    for ranking in RANKINGS:
        again = _refit_error(strongest(of_training[ranking], REFIT_EDGES), problem, data, seed)
        pair = halves[0][ranking], halves[1][ranking]
        yield Candidate(network, options.lam, ranking, whole[ranking], errors, pair, again)


def _rankings(
    network: nn.Module, data: PreparedSeries, windows: Windows, plan: Plan, options: FitOptions
) -> dict[str, Array]:
    """(E, C) scores by gradients, and as the library combines them with other evidence of the same windows."""
    part = replace(data, windows=windows)
    scored, of = scored_part(network, part)
    graph = score_graph(
        scored, of, data.effects, data.causes, ScoreOptions(None, None, None), torch.Generator(), {}, World()
    )
    assert isinstance(graph, CausalGraph)
    combined = ranked(graph, network, part, plan, replace(options, ranking="combined"))
    assert isinstance(combined, CausalGraph)
    return {"combined": combined.scores.astype(float), "gradients": graph.scores.astype(float)}


def strongest(scores: Array, per_target: int) -> NDArray[np.bool_]:
    """(E, C) the strongest pairs of different series, `per_target` times as many as targets; equal ones in order."""
    between = scores.copy()
    if scores.shape[0] == scores.shape[1]:
        np.fill_diagonal(between, -np.inf)
    chosen = np.zeros(scores.size, dtype=bool)
    chosen[np.argsort(-between, axis=None, kind="stable")[: per_target * len(scores)]] = True
    return chosen.reshape(scores.shape)


def _refit_error(edges: NDArray[np.bool_], problem: Problem, data: PreparedSeries, seed: int) -> float:
    """Of a network that reads these and each target's own past, trained on the first nine tenths, unpenalised."""
    allowed = np.zeros((len(data.effects), len(data.effects)), dtype=bool)
    allowed[:, data.edges.causes] = edges
    np.fill_diagonal(allowed, True)
    restricted = prepare(problem.series, problem.lags, candidates=allowed)
    options = FitOptions(**REFIT, lags=problem.lags, lam=0.0, candidates=allowed)
    training, held_out = restricted.windows.split(HELD_OUT)
    assert held_out is not None
    plan = chosen_plan(options, restricted, seed, World())
    return float(_errors(refitted(plan, options, restricted, training, seed), held_out).mean())


@torch.no_grad()
def _errors(network: nn.Module, held_out: Windows) -> Array:
    forecast = torch.cat([network(x) for x in held_out.batches()])
    return known_mean((forecast - held_out.targets()).square(), 1).double().cpu().numpy()
