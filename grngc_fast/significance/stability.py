"""How much of a graph is the same on resampled windows and from other weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..distributed import World
from ..errors import InputError
from ..graph import CausalGraph, SparseCausalGraph
from ..planning import FitOptions, Plan, refitted, scored_part
from ..ranking import ranked
from ..scoring import ScoreOptions, score_graph
from ..series import PreparedSeries

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stability:
    """Of the edges of a graph, over repeated fits.

    Attributes
    ----------
    frequency : (E, C) `[effect, cause]`, the share of the fits in which each is among the `n_edges` strongest between different
        series.
    score, standard_error : (E, C) mean and standard deviation of its score over the fits.
    n_fits, n_edges : how many.
    names, causes : of the effects and the causes.
    """

    frequency: Matrix
    score: Matrix
    standard_error: Matrix
    n_fits: int
    n_edges: int
    names: tuple[str, ...]
    causes: tuple[str, ...]

    def graph(self, frequency: float = 0.5) -> SparseCausalGraph:
        """The edges that are among the strongest in at least this share of the fits; their scores are these shares.

        Raises
        ------
        InputError : a share that is not above 0 and at most 1.
        """
        if isinstance(frequency, bool) or not isinstance(frequency, (int, float)) or not 0 < frequency <= 1:
            raise InputError(f"frequency={frequency!r}; expected a share of the fits, 0 < frequency <= 1")
        kept = np.where(self.frequency >= frequency, self.frequency, 0.0)
        whole = CausalGraph(kept, self.names, causes=self.causes)
        return whole.kept(diagonal=False)

    def __repr__(self) -> str:
        always = int((self.frequency == 1).sum())
        return f"Stability({self.n_fits} fits, of the {self.n_edges} strongest edges {always} in all of them)"


def stability(
    plan: Plan,
    options: FitOptions,
    data: PreparedSeries,
    graph: CausalGraph | SparseCausalGraph,
    seed: int,
    n_bootstraps: int = 20,
    n_seeds: int = 1,
    n_edges: int | None = None,
    world: World | None = None,
) -> Stability:
    """Fit again, as the plan says, on windows that are drawn with replacement (`Windows.resampled`).

    The fits come one after another, each at the cost of a training without the choices before it.

    Parameters
    ----------
    plan, options : of the fit. graph : that it found.
    n_bootstraps : draws of the windows; 0 for those that there are.
    n_seeds : fits of each draw, from other weights.
    n_edges : edges that count as found in each fit; None for as many as are significant at .05 where that is known and any are,
        else one for each target.

    Raises
    ------
    InputError : numbers out of range.
    """
    _check(n_bootstraps, n_seeds, n_edges)
    world = World() if world is None else world
    count = _found(graph) if n_edges is None else n_edges
    scoring = ScoreOptions(options.score_windows, options.edges_per_target, None)
    draws = torch.Generator().manual_seed(seed)
    frequency, total, squares = (np.zeros(graph.shape) for _ in range(3))
    for draw in range(max(1, n_bootstraps)):
        windows = data.windows.resampled(draws) if n_bootstraps else data.windows
        drawn = PreparedSeries(data.table, data.scaler, data.edges, windows)
        for repeat in range(n_seeds):
            own = seed + 1 + draw * n_seeds + repeat
            network = refitted(plan, options, data, windows, own, world)
            part, of = scored_part(network, drawn)
            generator = torch.Generator().manual_seed(own)
            found = score_graph(part, of, data.effects, data.causes, scoring, generator, {}, world)
            found = ranked(found, network, drawn, plan, options)
            scores = found.score_rows(slice(None)).astype(np.float64)
            frequency += found.adjacency(top_k=count)
            total += scores
            squares += scores**2
    n_fits = max(1, n_bootstraps) * n_seeds
    mean = total / n_fits
    spread = np.sqrt(np.maximum(squares / n_fits - mean**2, 0) * n_fits / (n_fits - 1))
    return Stability(frequency / n_fits, mean, spread, n_fits, count, graph.names, graph.causes)


def _found(graph: CausalGraph | SparseCausalGraph) -> int:
    significant = 0 if graph.p_values is None else int(graph.p_values.significant(0.05).sum())
    return significant or graph.shape[0]


def _check(n_bootstraps: Any, n_seeds: Any, n_edges: Any) -> None:
    for name, value, least in (("n_bootstraps", n_bootstraps, 0), ("n_seeds", n_seeds, 1), ("n_edges", n_edges, 1)):
        if name == "n_edges" and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise InputError(f"{name}={value!r}; expected a whole number of at least {least}")
    if max(1, n_bootstraps) * n_seeds < 2:
        raise InputError("one fit tells nothing of stability; pass more n_bootstraps or n_seeds")
