"""How much of a graph is the same on resampled windows and from other weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from ..distributed import World
from ..errors import InputError
from ..graph import CausalGraph, Repeats, SparseCausalGraph
from ..planning import FitOptions, Plan, refitted_together, scored_part
from ..ranking import ranked
from ..scoring import ScoreOptions, score_graph
from ..series import PreparedSeries
from .room import check_room

# Of sums, their squares, frequencies, and what they are made from.
BYTES_TO_A_PAIR = 64


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
) -> Repeats:
    """Fit again, as the plan says, on windows that are drawn with replacement (`Windows.resampled`).

    Each fit costs a training without the choices before it. Working sets of few targets are found side by side
    (`refitted_together`), other networks one after another.

    Parameters
    ----------
    plan, options : of the fit. graph : that it found.
    n_bootstraps : draws of the windows; 0 for those that there are.
    n_seeds : fits of each draw, from other weights.
    n_edges : edges that count as found in each fit; None for as many as are significant at .05 where that is known and any are,
        else one for each target.

    Raises
    ------
    InputError : numbers out of range, pairs that memory does not hold.
    """
    _check(n_bootstraps, n_seeds, n_edges)
    check_room("frequencies", BYTES_TO_A_PAIR, options, data)
    world = World() if world is None else world
    count = _found(graph) if n_edges is None else n_edges
    scoring = ScoreOptions(options.score_windows, options.edges_per_target, None)
    generator = torch.Generator().manual_seed(seed)
    windows = [data.windows.resampled(generator) if n_bootstraps else data.windows for _ in range(max(1, n_bootstraps))]
    draws = [(own, seed + 1 + number) for number, own in enumerate(own for own in windows for _ in range(n_seeds))]
    frequency, total, squares = (np.zeros(graph.shape) for _ in range(3))
    fits = zip(draws, refitted_together(plan, options, data, draws, world), strict=True)
    hidden = options.verbose < 1 or world.rank > 0
    for (own, weights), network in tqdm(
        fits, "resampled windows", len(draws), unit=" fits", disable=hidden, dynamic_ncols=True
    ):
        drawn = PreparedSeries(data.table, data.scaler, data.edges, own)
        generator = torch.Generator().manual_seed(weights)
        found = score_graph(*scored_part(network, drawn), data.effects, data.causes, scoring, generator, {}, world)
        found = ranked(found, network, drawn, plan, options)
        scores = found.score_rows(slice(None)).astype(np.float64)
        frequency += found.adjacency(top_k=count)
        total += scores
        squares += scores**2
    n_fits = len(draws)
    mean = total / n_fits
    spread = np.sqrt(np.maximum(squares / n_fits - mean**2, 0) * n_fits / (n_fits - 1))
    settings = {"bootstraps": n_bootstraps, "fits": n_fits, "edges": count}
    return Repeats(frequency / n_fits, mean, spread, settings)


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
