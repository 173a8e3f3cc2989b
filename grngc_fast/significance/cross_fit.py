"""Tests of all pairs on halves of the windows: what each target is explained by was found on the other half."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm.auto import tqdm

from ..distributed import World
from ..errors import InputError
from ..graph import CausalGraph, PValues, SparseCausalGraph
from ..planning import FitOptions, Plan, refitted, scored_part
from ..scoring import ScoreOptions, score_graph
from ..series import PreparedSeries, Windows
from ..threads import in_threads
from .chances import p_values
from .condition import condition, most_inputs, ranked_functions
from .explained import Explained
from .inputs import FREQUENCIES, FREQUENCIES_OF_LAGS, HalfInputs
from .room import check_room
from .score_test import scores
from .target import Target

# Of each half.
FEWEST_WINDOWS = 20
# Inputs that every cause is multiplied with: the target's own past and the strongest causes found.
PARTNERS, PARTNERS_OF_LAGS = 4, 2
# Scores (E, C, L) of a half up to here are all looked at; of more those of the strongest causes.
DENSE_BYTES = 2**28
# Of its p- and q-value, and of what they are made from.
BYTES_TO_A_PAIR = 48
# Of covariances of some targets at a time.
TILE_NUMBERS = 2**22


# Of each target its inputs of the largest scores, the largest first, by number in lag-major order; its own are not among them.
Strongest = Sequence[tuple[int, ...]]


def edge_p_values(
    plan: Plan, options: FitOptions, data: PreparedSeries, seed: int, world: World | None = None
) -> PValues:
    """Of every pair that the fit considers, influences of series on themselves apart.

    Parameters
    ----------
    plan, options : of the fit. data : to test on.
    world : processes that train together and share out the targets.

    Raises
    ------
    InputError : fewer than `FEWEST_WINDOWS` windows in a half, p-values that memory does not hold.
    """
    world = World() if world is None else world
    check_room("p-values", BYTES_TO_A_PAIR, options, data)
    halves = data.windows.halves()
    fewest = min(len(half) for half in halves)
    if fewest < FEWEST_WINDOWS:
        raise InputError(
            f"significance needs {FEWEST_WINDOWS} windows in each half of the data, but one has {fewest}; use longer series, or"
            " believe no edge"
        )
    found = [_found_on(plan, options, data, half, seed, world) for half in halves]
    rows = world.share(torch.arange(data.edges.n_effects))
    # What is found on one half is held against the other.
    hidden = options.verbose < 1 or world.rank > 0
    with tqdm(total=len(rows), desc="p-values", unit=" targets", disable=hidden, dynamic_ncols=True) as bar:
        tested = _tested(data, halves, found[::-1], rows, bar.update)
    p = world.assemble(tested, rows, data.edges.n_effects).numpy()
    return PValues(_of_pairs(p, data), {"method": "cross-fitted score tests", **_settings(data, halves)})


def _found_on(
    plan: Plan, options: FitOptions, data: PreparedSeries, windows: Windows, seed: int, world: World
) -> Strongest:
    network = refitted(plan, options, data, windows, seed, world, brief=True, verbose=options.verbose)
    edges, n_lags = data.edges, windows.n_lags
    count = most_inputs(len(windows))
    size = 4 * edges.n_effects * edges.n_causes * n_lags
    scoring = ScoreOptions(options.score_windows, None if size <= DENSE_BYTES else count + 1, None)
    part, of = scored_part(network, PreparedSeries(data.table, data.scaler, edges, windows))
    generator = torch.Generator().manual_seed(seed)
    graph = score_graph(part, of, data.effects, data.causes, scoring, generator, {}, world)
    own, n_series = graph.own_causes, len(edges.inputs)
    if isinstance(graph, SparseCausalGraph):
        return _kept(graph, n_series, count)
    return [_strongest(graph, i, int(own[i]), n_series, count) for i in range(edges.n_effects)]


def _strongest(graph: CausalGraph, effect: int, own: int, n_series: int, count: int) -> tuple[int, ...]:
    lag_scores = graph.scores[effect, :, None] if graph.lag_scores is None else graph.lag_scores[effect]
    by_input = np.zeros((lag_scores.shape[1], n_series))
    by_input[:, : lag_scores.shape[0]] = lag_scores.T
    if own >= 0:
        by_input[:, own] = 0
    flat = by_input.ravel()
    order = np.argsort(-flat, kind="stable")[:count]
    return tuple(order[flat[order] > 0].tolist())


def _kept(graph: SparseCausalGraph, n_series: int, count: int) -> Strongest:
    found: list[list[int]] = [[] for _ in graph.names]
    own, lags = graph.own_causes, graph.lags_at(graph.effect.astype(np.int64), graph.cause.astype(np.int64))
    for effect, cause, lag in zip(graph.effect.tolist(), graph.cause.tolist(), lags.tolist(), strict=True):
        if cause != own[effect] and len(found[effect]) < count:
            found[effect].append((lag - 1) * n_series + cause)
    return [tuple(inputs) for inputs in found]


def _tested(
    data: PreparedSeries,
    halves: Sequence[Windows],
    found: Sequence[Strongest],
    rows: Tensor,
    stepped: Callable[[int], object],
) -> Tensor:
    """(n, C) p-values of some targets; `stepped` is called with how many more are done."""
    n_causes, n_lags = data.edges.n_causes, data.windows.n_lags
    sizes = [n_lags * count for count in _group_sizes(n_lags)]
    inputs = [HalfInputs.of(half, n_causes) for half in halves]
    tile = max(1, TILE_NUMBERS // (n_causes * sum(sizes) ** 2))

    def work(some: Tensor) -> Tensor:
        numbers, targets = some.tolist(), [Target.each(half, some) for half in halves]
        parts = []
        for k, strongest in enumerate(found):
            pairs = zip(targets[k], targets[1 - k], numbers, strict=True)
            known = [_explained(inputs[k], here, inputs[1 - k], there, strongest[i]) for here, there, i in pairs]
            parts.append(scores(inputs[k], known))
        of_some = p_values(parts[0] + parts[1], sizes).cpu()
        stepped(len(some))
        return of_some

    tiles = in_threads(work, list(rows.split(tile)), data.windows.steps.device)
    return torch.cat([torch.ones(0, n_causes, dtype=torch.float64), *tiles])


def _group_sizes(n_lags: int) -> tuple[int, int, int]:
    """Features of a cause at a lag: itself, curves, products."""
    return (1, len(FREQUENCIES), PARTNERS) if n_lags == 1 else (1, len(FREQUENCIES_OF_LAGS), PARTNERS_OF_LAGS)


def _explained(
    half: HalfInputs, target: Target, other: HalfInputs, elsewhere: Target, members: Sequence[int]
) -> Explained:
    """A target on a half; its functions are chosen on the other, where the members were found."""
    n_lags = half.n_lags
    chosen = members[: max(1, most_inputs(target.n_windows) - n_lags)]
    known = condition(half, chosen, target, ranked_functions(other, chosen, elsewhere))
    n_partners = _group_sizes(n_lags)[2]
    partners = torch.cat([target.past[:1], half.standard.T[list(chosen[: n_partners - 1])]])
    partners = functional.pad(partners, (0, 0, 0, n_partners - len(partners)))
    read = sorted({j % half.n_series for j in chosen} & set(range(half.base.shape[1])))
    return Explained.by(known, target.y, partners, read)


def _of_pairs(p: NDArray[np.float64], data: PreparedSeries) -> NDArray[np.float64]:
    """NaN of a series and itself, and of pairs that are no candidates."""
    edges = data.edges
    p[edges.effects[:, None] == edges.causes[None]] = np.nan
    if edges.allowed is not None:
        p[~edges.allowed.toarray()] = np.nan
    return p


def _settings(data: PreparedSeries, halves: Sequence[Windows]) -> dict[str, object]:
    return {
        "windows": [len(half) for half in halves],
        "lags": "all of a cause together",
        "own_past": "always read, not tested",
        "control": "Benjamini-Hochberg, of independent or positively dependent tests",
        "assumes": "errors that the past does not tell; what a target depends on is among its strongest inputs of the other half",
    }
