"""A graph of gradients ranked anew, where windows are few for the inputs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..graph import CausalGraph
from ..planning import FitOptions, Plan
from ..scoring import Graph
from ..series import CandidateEdges, PreparedSeries, Windows
from . import evidence
from .causes import CausePrior, variance_by_chance
from .combination import Array, combined, placed_evidence
from .conditional import conditional
from .innovations import given_own_past
from .lags import at_ranked_lags
from .moments import Moments
from .outside import with_outside
from .rescored import by_lag, rescored
from .rule import described, few, gradients_alone, many, saturated
from .same_step import SameStep

# AUROC / AUPRC of inclusion once, and twice: simulated networks of 100 genes with uneven out-degrees .802 / .220, .806 / .223,
# with even ones .769 / .183, .772 / .190, with more windows .943 / .516, .944 / .523; of DREAM .785 / .234, .786 / .236.
WEIGHTS = {"gradients": 1.0, "inclusion": 2.0, "pairwise": 1.0}
# Of 91 simulated networks of 5 to 10 genes with inclusion twice and no association .625 / .403, of these .630 / .407; of 14 of
# DREAM and measured ones .651 / .427, .670 / .433. A forest on lagged values beside them: .619 / .398, .683 / .435. Of 192 more
# simulated ones where it forecasts held-out trajectories a tenth better than the own past -.007 / -.008, as a forest of what that
# leaves +.007 / +.006, as pairwise evidence twice +.006 / +.006; that, of all 316 drawn, +.004 / +.007, of the 14 -.005 / -.002.
WEIGHTS_OF_FEW = {"gradients": 1.0, "inclusion": 1.0, "pairwise": 1.0, "association": 1.0}
# AUROC / AUPRC by the weights of any number of inputs, and by these: 95 simulated systems of 5 to 15 series and 250 to 10,000
# windows (autoregressions, genes, imaging) .825 / .638, .842 / .656, with pairwise evidence besides .843 / .652; of 26 to 60
# series 13 autoregressions .949 / .742, .985 / .844, 26 of genes .890 / .574, .890 / .567; pooled NetSim 3 .972 / .788,
# .980 / .818.
WEIGHTS_OF_MANY = {"gradients": 1.0, "conditional": 3.0}


def ranked(graph: Graph, network: nn.Module, data: PreparedSeries, plan: Plan, options: FitOptions) -> Graph:
    """The graph with scores that combine evidence, and the gradients kept beside them; or as it was.

    `metadata["ranking"]` says "by" what edges are ranked, "combined" or "gradients"; of the first the weights of the "members"
    and what the "causes" (`CausePrior`) were found to be, or why they are left out, and the "same_step" (`SameStep`); of the
    second the "reason". Of gradients of working sets the inputs "outside" of each are ranked below them (`with_outside`), unless
    gradients were asked for.

    Parameters
    ----------
    graph : mean absolute gradients. network : that has them.
    data, plan, options : of the fit.
    """
    found = _combined(graph, network, data, plan, options)
    by_gradients = found.metadata["ranking"]["by"] == "gradients" and options.ranking != "gradients"
    if plan.model == "sets" and by_gradients and options.scores_file is None and isinstance(found, CausalGraph):
        return with_outside(found, network, data)
    return found


def _combined(graph: Graph, network: nn.Module, data: PreparedSeries, plan: Plan, options: FitOptions) -> Graph:
    windows = data.windows
    n_inputs = data.edges.n_causes * windows.n_lags
    reason = gradients_alone(options, plan, len(windows), n_inputs)
    if reason is not None or not isinstance(graph, CausalGraph):
        return _with_metadata(graph, described(reason or "the strongest edges only are kept"))
    found = gather(graph, data)
    if found.pairs.sum() < 2:
        return _with_metadata(graph, described("no two pairs to compare"))
    if saturated(options, found.causes_of_a_target, len(windows)):
        return _with_metadata(graph, described("targets have more clear causes than two"))
    weights = _weights(windows, n_inputs)
    return at_ranked_lags(found.ranked(graph, weights, options.ranking != "evidence"), graph, network, data)


def _weights(windows: Windows, n_inputs: int) -> dict[str, float]:
    if few(n_inputs, len(windows)):
        return WEIGHTS_OF_FEW
    return WEIGHTS_OF_MANY if many(n_inputs, len(windows)) and not windows.masked else WEIGHTS


class Gathered:
    """What each kind of evidence says of each pair, found when it is first asked for.

    Attributes
    ----------
    pairs : (E, C, L) boolean, pairs of different series that may be edges.
    """

    def __init__(self, graph: CausalGraph, data: PreparedSeries) -> None:
        self._windows, self._edges = data.windows, data.edges
        self._own = torch.from_numpy(_own_inputs(data.edges))
        self._members = {"gradients": np.asarray(by_lag(graph), dtype=np.float64)}
        self.pairs = _pairs(graph, data.edges, data.windows.n_lags)

    def has(self, name: str) -> bool:
        """Whether this kind says anything."""
        return name != "same_step" or self.same_step.evidence is not None

    def member(self, name: str) -> Array:
        """(E, C, L) of this kind, larger where it is surer."""
        if name not in self._members:
            self._members[name] = self._found(name)
        return self._members[name]

    @cached_property
    def causes_of_a_target(self) -> float:
        """Expected, of at most two."""
        return float(self._expected.sum((1, 2)).mean())

    @cached_property
    def causes(self) -> CausePrior:
        """What is known of the numbers of their effects."""
        if self._edges.allowed is not None:
            # Where candidates differ causes have other chances of effects.
            return CausePrior.of(torch.zeros(self._edges.n_causes))
        by_chance = variance_by_chance(self._expected.flatten(1), given_own_past(self._windows, self._own))
        return CausePrior.of(self._expected.sum((0, 2)), by_chance)

    @cached_property
    def same_step(self) -> SameStep:
        """How much lies within a step; a kind of that name where it has a weight."""
        lagged = torch.from_numpy(self.member("pairwise"))
        return SameStep.of(self._windows, lagged, self.pairs, torch.from_numpy(_effect_of(self._edges)))

    @cached_property
    def _moments(self) -> Moments:
        return Moments.of(self._windows, self._own, self._edges.n_causes)

    @cached_property
    def _expected(self) -> Tensor:
        """(E, C, L) posterior probabilities."""
        return torch.sigmoid(torch.from_numpy(self.member("inclusion")))

    def _found(self, name: str) -> Array:
        if name == "same_step":
            assert self.same_step.evidence is not None
            return np.repeat(self.same_step.evidence[:, :, None], self._windows.n_lags, axis=2)
        allowed = torch.from_numpy(np.moveaxis(self.pairs, 2, 1).copy()).flatten(1)
        columns = {
            "inclusion": lambda: evidence.inclusion(self._moments, allowed),
            "conditional": lambda: conditional(self._moments, allowed),
            "pairwise": lambda: evidence.pairwise(self._moments),
            "association": lambda: evidence.association(self._moments),
        }[name]()
        found: Array = columns.unflatten(1, (self._windows.n_lags, self._edges.n_causes)).transpose(1, 2).numpy()
        return found

    def beside_the_same_step(self, weights: Mapping[str, float]) -> dict[str, float]:
        """The weights, and that of the same step where it has one."""
        share = self.same_step.weight
        return {**weights, **({"same_step": sum(weights.values()) * share / (1 - share)} if share else {})}

    def scores(self, weights: Mapping[str, float], with_causes: bool = True) -> Array:
        """(E, C, L), of the members that have a weight; see `combined`."""
        log_odds = self.causes.log_odds.numpy() if with_causes else np.zeros(self._edges.n_causes)
        return combined([self.member(name) for name in weights], list(weights.values()), log_odds, self.pairs)

    def ranked(self, graph: CausalGraph, weights: Mapping[str, float], with_causes: bool = True) -> CausalGraph:
        """The graph with these scores."""
        weights = self.beside_the_same_step(weights)
        scores = self.scores(weights, with_causes)
        _place_own(scores, self.member("gradients"), self.pairs, graph)
        settings = {
            "by": "combined",
            "members": {name: round(weight, 4) for name, weight in weights.items()},
            "causes": self.causes.settings() if with_causes else {"used": False, "reason": "left out as asked for"},
            "same_step": self.same_step.settings(),
        }
        return rescored(graph, scores.astype(np.float32), settings)


def gather(graph: CausalGraph, data: PreparedSeries) -> Gathered:
    """Of the gradients of a graph and the windows of the fit."""
    return Gathered(graph, data)


def _with_metadata(graph: Graph, settings: dict[str, Any]) -> Graph:
    graph.metadata["ranking"] = settings
    return graph


def _pairs(graph: CausalGraph, edges: CandidateEdges, n_lags: int) -> NDArray[np.bool_]:
    """(E, C, L) pairs of different series that may be edges."""
    pairs = np.ones(graph.shape, dtype=bool) if edges.allowed is None else edges.allowed.toarray().astype(bool)
    own = graph.own_causes
    effects = np.flatnonzero(own >= 0)
    pairs[effects, own[effects]] = False
    return np.repeat(pairs[:, :, None], n_lags, axis=2)


def _own_inputs(edges: CandidateEdges) -> NDArray[np.int64]:
    """(E,) place of each effect among the series that are read; -1 where it is not."""
    place = {int(column): i for i, column in reversed(list(enumerate(edges.inputs)))}
    return np.array([place.get(int(column), -1) for column in edges.effects], dtype=np.int64)


def _effect_of(edges: CandidateEdges) -> NDArray[np.int64]:
    """(C,) which effect each cause is; -1 for none."""
    place = {int(column): i for i, column in enumerate(edges.effects)}
    return np.array([place.get(int(column), -1) for column in edges.inputs[: edges.n_causes]], dtype=np.int64)


def _place_own(scores: Array, gradients: Array, pairs: NDArray[np.bool_], graph: CausalGraph) -> None:
    """Influences of series on themselves get the score of a pair whose gradient is as large."""
    own = graph.own_causes
    effects = np.flatnonzero(own >= 0)
    mine = gradients[effects, own[effects]]
    placed = placed_evidence(mine.ravel(), gradients[pairs]).reshape(mine.shape)
    scores[effects, own[effects]] = np.where(mine > 0, np.logaddexp(0, placed), 0.0)
