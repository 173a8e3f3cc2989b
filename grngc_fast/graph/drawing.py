"""Pictures of a graph: what of it goes into which figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .. import plotting
from ..errors import InputError
from .input import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EVIDENCE = "evidence (nats)"
# Edges whose lags a page shows.
PROFILES = 10


class Drawn(Protocol):
    """What is drawn of a graph."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def causes(self) -> tuple[str, ...]: ...

    @property
    def own_causes(self) -> NDArray[np.int64]: ...

    @property
    def n_lags(self) -> int: ...

    @property
    def metadata(self) -> dict[str, Any]: ...

    def edges(self, *, top_k: int) -> Sequence[Any]: ...

    def to_scipy(self, *, diagonal: bool) -> Any: ...


def plot_scores(
    graph: Drawn,
    *,
    ax: Axes | None = None,
    truth: NDArray[Any] | None = None,
    max_labels: int = 40,
    diagonal: bool = True,
) -> Figure:
    """Heat map of a graph's scores; the options are those of `grngc_fast.plotting.plot_scores`."""
    return plotting.plot_scores(
        _scores(graph),
        graph.names,
        graph.causes,
        own_causes=graph.own_causes,
        ax=ax,
        truth=truth,
        max_labels=max_labels,
        diagonal=diagonal,
        quantity=_quantity(graph),
    )


def plot_lags(graph: Drawn, *, ax: Axes | None = None, top_k: int = PROFILES) -> Figure:
    """Scores of the `top_k` strongest edges between different series over the lags, strongest first in the legend.

    Raises
    ------
    InputError : a graph without `lag_scores`, or a `top_k` below 1.
    """
    return plotting.plot_lags(*_profiles(graph, top_k), graph.n_lags, ax=ax, quantity=_quantity(graph))


def plot_graph_summary(graph: Drawn, truth: NDArray[Any] | None = None, history: Any = None) -> Figure:
    """One page: the score matrix, the lag profiles if there is more than one lag, the losses if a history is given.

    Parameters
    ----------
    truth, history : as `grngc_fast.plotting.plot_summary`.
    """
    profiles, edges = _profiles(graph, PROFILES) if graph.n_lags > 1 and _lag_scores(graph) is not None else (None, [])
    return plotting.plot_summary(
        _scores(graph),
        graph.names,
        graph.causes,
        own_causes=graph.own_causes,
        truth=truth,
        profiles=profiles,
        edges=edges,
        n_lags=graph.n_lags,
        history=history,
        quantity=_quantity(graph),
    )


def _scores(graph: Drawn) -> Any:
    """As they are kept: an array, or a sparse one of the kept edges."""
    dense = getattr(graph, "scores", None)
    return graph.to_scipy(diagonal=True) if dense is None else dense


def _quantity(graph: Drawn) -> str:
    """What the scores are: evidence where the fit combined several kinds."""
    told = graph.metadata.get("ranking")
    return EVIDENCE if isinstance(told, dict) and told.get("by") == "combined" else plotting.GRADIENT


def _lag_scores(graph: Drawn) -> Array | None:
    return getattr(graph, "lag_scores", None)


def _profiles(graph: Drawn, top_k: int) -> tuple[list[NDArray[Any]], list[tuple[str, str]]]:
    """(L,) scores of the strongest edges, and (source, target) of each."""
    lag_scores = _lag_scores(graph)
    if lag_scores is None:
        raise InputError("the graph has no lag_scores, so there are no lags to draw; make it with lag_scores=(E, C, L)")
    effect, cause = ({name: number for number, name in enumerate(side)} for side in (graph.names, graph.causes))
    chosen = graph.edges(top_k=top_k)
    profiles = [np.asarray(lag_scores[effect[edge.target], cause[edge.source]]) for edge in chosen]
    return profiles, [(edge.source, edge.target) for edge in chosen]
