"""The function that a network has learned of one cause: accumulated local effects, from its exact gradients.

ale(v) = int^v E[d f_i / d x_j | x_j = u] du + constant  (Apley and Zhu 2020, J. R. Stat. Soc. B 82, eq. 5). Only slopes at
windows that were seen count, so that causes which move together do not take the network to where no data are. Of a sum of
functions of one input each it is that function, up to a constant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import InputError
from ..graph import Edge
from ..jacobian import jacobian_pieces
from ..series import PreparedSeries, Windows
from .means import by_lag
from .sinks import Graph

Vector = NDArray[np.float64]

# Bins of a curve, fewer where one would hold fewer windows. The first and the last, which are wide, are halved on and on while
# the outermost holds more than these.
BINS, FEWEST_IN_BIN, FEWEST_AT_END = 32, 10, 4
# Windows, evenly over all there are: 300 to a bin.
MOST_WINDOWS = 10_000
# Entries of Jacobian rows made at a time.
CHUNK_ELEMENTS = 2**22
# Local slopes that the band leaves out below and above.
OUTSIDE = 0.2


@dataclass(frozen=True, eq=False)
class EdgeEffect:
    """How the forecast of `target` changes with the value of `source`, `lag` steps back; in the units of the data.

    Attributes
    ----------
    source, target, lag : the edge.
    x : (B + 1,) values of the cause, increasing: bins of about as many windows each lie between them, at both ends of fewer.
    effect : (B + 1,) accumulated local effect at them, 0 on average over the windows.
    low, high : (B + 1,) where it would be from the median of the cause on if the slope at every value were its 20th, or its 80th,
        percentile. Far apart where the slope depends on other series: an interaction, which `effect` shows the mean of.
    counts : (B,) windows in each bin.
    unit_shares : linear, spline and interaction as in the graph, at its lag; None where they are not known.
    """

    source: str
    target: str
    lag: int
    x: Vector
    effect: Vector
    low: Vector
    high: Vector
    counts: NDArray[np.int64]
    unit_shares: tuple[float, float, float] | None = None

    @property
    def n_windows(self) -> int:
        return int(self.counts.sum())


@dataclass(frozen=True)
class AskedEdge:
    """An edge by number: row and column of the scores, and its lag from 1, 0 for the strongest."""

    effect: int
    cause: int
    lag: int


def edge_effects(
    network: nn.Module, data: PreparedSeries, graph: Graph, edges: Sequence[Any] | None, top_k: int
) -> list[EdgeEffect]:
    """Effects of some edges, in their order; of the `top_k` strongest between different series where none are given, less those
    whose cause does not change.

    Parameters
    ----------
    network : of standardised windows, as it was fitted.
    data : series to take slopes at, standardised as they were for the fit.
    graph : of the fit.
    edges : (source, target), (source, target, lag) or `Edge`, by names; without a lag that of the strongest score.

    Raises
    ------
    InputError : edges that are not of this form or that the fit did not consider, a cause that does not change.
    """
    asked = _asked(graph.edges(top_k=top_k) if edges is None else edges, data, graph)
    windows = data.windows
    chosen = torch.linspace(0, len(windows) - 1, min(len(windows), MOST_WINDOWS), dtype=torch.float64).round().long()
    chosen = chosen.to(windows.steps.device)
    found: dict[AskedEdge, EdgeEffect] = {}
    for part, slopes in _slopes(network, windows, chosen, asked):
        for edge, local in zip(part, slopes.double().numpy().transpose(1, 0, 2), strict=True):
            lag = edge.lag or int(np.abs(local).mean(0).argmax()) + 1
            cause = int(data.edges.causes[edge.cause])
            values = windows.steps[windows.starts[chosen] + windows.n_lags - lag, cause].double().cpu().numpy()
            if values.min() < values.max():
                found[edge] = _effect(edge, lag, data, graph, values, local[:, lag - 1])
            elif edges is not None:
                name = graph.causes[edge.cause]
                raise InputError(
                    f"series {name!r} does not change in X, so there is no effect to see; pass steps where it does"
                )
    return [found[edge] for edge in asked if edge in found]


def _effect(
    edge: AskedEdge, lag: int, data: PreparedSeries, graph: Graph, values: Vector, slopes: Vector
) -> EdgeEffect:
    """From the cause's values and the slopes by it (N,), both standardised."""
    source, target = graph.causes[edge.cause], graph.names[edge.effect]
    effect, cause = data.edges.effects[edge.effect], data.edges.causes[edge.cause]
    scale, mean = data.scaler.scale_, data.scaler.mean_
    values = values * scale[cause] + mean[cause]
    curve = accumulated(values, slopes * scale[effect] / scale[cause])
    shares = None
    if graph.unit_shares is not None and int(graph.lags_at(*_pair(edge))[0]) == lag:
        (known,) = graph.unit_shares.at(*_pair(edge)).tolist()
        shares = None if np.isnan(known[0]) else (known[0], known[1], known[2])
    return EdgeEffect(source, target, lag, *curve, shares)


def _pair(edge: AskedEdge) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.array([edge.effect]), np.array([edge.cause])


def accumulated(values: Vector, slopes: Vector) -> tuple[Vector, Vector, Vector, Vector, NDArray[np.int64]]:
    """Edges of the bins, the effect at them, its band, and the windows in each bin, of a cause's values and slopes (N,)."""
    parts = np.linspace(0, 1, 1 + min(BINS, max(1, len(values) // FEWEST_IN_BIN)))
    halvings = int(np.log2(max(1, parts[1] * len(values) / FEWEST_AT_END)))
    ends = parts[1] / 2.0 ** np.arange(1, halvings + 1)
    # Values that were seen, so that no bin is empty, whatever is repeated.
    x = np.unique(np.quantile(values, np.unique([*parts, *ends, *(1 - ends)]), method="inverted_cdf"))
    place, width = np.searchsorted(x[1:-1], values), np.diff(x)
    counts = np.bincount(place, minlength=len(width))
    mean, centre = (np.bincount(place, of, minlength=len(width)) / counts for of in (slopes, values))
    effect = np.concatenate([[0.0], np.cumsum(mean * width)])
    effect -= np.interp(values, x, effect).mean()

    # Around the mean slope at each value: what the cause itself varies it by is no spread.
    around = slopes - np.interp(values, centre, mean)
    by_bin = np.split(around[np.argsort(place, kind="stable")], np.cumsum(counts)[:-1])
    spread = np.array([np.quantile(part, (OUTSIDE, 1 - OUTSIDE)) for part in by_bin])
    band = np.concatenate([np.zeros((1, 2)), np.cumsum((mean[:, None] + spread) * width[:, None], 0)])
    middle = int(np.abs(x - np.median(values)).argmin())
    band = effect[middle] + (band - band[middle])
    return x, effect, band.min(1), band.max(1), counts


def _slopes(
    network: nn.Module, windows: Windows, chosen: Tensor, asked: Sequence[AskedEdge]
) -> Iterator[tuple[list[AskedEdge], Tensor]]:
    """Edges of some targets at a time and their slopes (N, n, L), most recent lag first, in standardised units."""
    targets = sorted({edge.effect for edge in asked})
    n_inputs = windows.inputs(slice(0, 1)).numel()
    step = max(1, CHUNK_ELEMENTS // n_inputs)
    for start in range(0, len(targets), step):
        some = targets[start : start + step]
        row = {target: k for k, target in enumerate(some)}
        part = list(dict.fromkeys(edge for edge in asked if edge.effect in row))
        rows, causes = [row[edge.effect] for edge in part], [edge.cause for edge in part]
        index = torch.tensor(some, device=chosen.device)
        size = max(1, CHUNK_ELEMENTS // (n_inputs * len(some)))
        found = [
            jacobian_rows(network, windows.inputs(batch), index)[:, rows, causes].cpu() for batch in chosen.split(size)
        ]
        yield part, torch.cat(found)


@torch.no_grad()
def jacobian_rows(model: nn.Module, x: Tensor, targets: Tensor) -> Tensor:
    """d forecast of `targets` (T,) / d x at windows (N, L, C): (N, T, C, L), most recent lag first."""
    pieces = jacobian_pieces(model, x, targets)
    parts: dict[int, list[Tensor]] = {}
    for k in range(len(pieces)):
        piece = pieces.piece(k)
        parts.setdefault(piece.outputs, []).append(piece.jacobians.jacobian())
    return by_lag(torch.cat([torch.cat(parts[k]) for k in sorted(parts)], 1), pieces)


def _asked(edges: Sequence[Any], data: PreparedSeries, graph: Graph) -> list[AskedEdge]:
    """By number, with the lags of the graph where none are said and it knows them."""
    n_lags = data.windows.n_lags
    for edge in edges:
        if (
            isinstance(edge, (str, bytes))
            or not isinstance(edge, Sequence)
            or len(edge) not in (2, 3, len(Edge._fields))
        ):
            raise InputError(
                f"edges holds {edge!r}; pass (source, target) or (source, target, lag) by name, or graph edges"
            )
        if len(edge) > 2 and not (isinstance(edge[2], (int, np.integer)) and 1 <= edge[2] <= n_lags):
            raise InputError(
                f"edges holds the lag {edge[2]!r} of {edge[0]!r} -> {edge[1]!r}; the fit has lags 1 to {n_lags}"
            )
    places = data.edges.places([(edge[0], edge[1]) for edge in edges], data.table.names)
    effect, cause = np.array(places, dtype=np.int64).reshape(-1, 2).T
    lags = graph.lags_at(effect, cause).tolist()
    return [
        AskedEdge(*place, int(edge[2]) if len(edge) > 2 else lag)
        for edge, place, lag in zip(edges, places, lags, strict=True)
    ]
