"""Pictures of p-values and of repeated fits: beside the scores, as a histogram, as the graph of what was found."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..graph import CausalGraph, SparseCausalGraph, check_rate

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[["Axes"], None]
Matrix = NDArray[np.floating[Any]]
# p-values below are drawn there.
LEAST = 1e-16
MOST_LABELS, MOST_EDGES = 60, 2000
FOUND, REST = "#D55E00", "#56B4E9"
# Share of the fits.
HALF = 0.5


def plot(graph: CausalGraph | SparseCausalGraph, kind: str, q: float) -> Figure:
    """See `Significance.plot`."""
    check_rate(q)
    draw: dict[str, Draw] = {
        "p_values": partial(_histogram, graph, q),
        "scores": partial(_scores, graph, q),
        "graph": partial(_graph, graph, q),
    }
    return _figure(draw, kind)


def plot_repeats(graph: CausalGraph | SparseCausalGraph, often: SparseCausalGraph, kind: str, top_k: int) -> Figure:
    """See `Stability.plot`; `often` holds the edges that are drawn as a graph, with frequencies for scores."""
    draw: dict[str, Draw] = {
        "frequencies": partial(_frequencies, graph),
        "scores": partial(_spread, graph, top_k),
        "graph": partial(_often, often),
    }
    return _figure(draw, kind)


def _figure(draw: dict[str, Draw], kind: str) -> Figure:
    """One of the pictures, or all side by side as "summary"."""
    if kind not in draw and kind != "summary":
        raise InputError(f"unknown plot kind {kind!r}; choose one of {', '.join(map(repr, (*draw, 'summary')))}")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "grngc-fast[plot]"') from error
    if kind == "summary":
        figure = Figure(figsize=(15.0, 5.0), layout="constrained")
        for drawn, ax in zip(draw.values(), figure.subplots(1, len(draw)), strict=True):
            drawn(ax)
        return figure
    figure = Figure(figsize=(6.4, 6.4) if kind == "graph" else (6.4, 4.0), layout="constrained")
    draw[kind](figure.add_subplot())
    return figure


def _scores(graph: CausalGraph | SparseCausalGraph, q: float, ax: Axes) -> None:
    tested = graph.p_values
    assert tested is not None
    effect, cause = np.nonzero(~np.isnan(tested.p))
    score = graph.described(effect, cause).score
    evidence, found = -np.log10(np.maximum(tested.p[effect, cause], LEAST)), tested.significant(q)[effect, cause]
    for chosen, colour, label in ((~found, REST, "other pairs"), (found, FOUND, f"found at q = {q:g}")):
        ax.scatter(score[chosen], evidence[chosen], s=6, color=colour, label=label, linewidths=0, rasterized=True)
    if found.any():
        ax.axhline(evidence[found].min(), color="0.4", linewidth=0.8, linestyle="--")
    ax.set(xlabel="score", ylabel="-log10 p")
    ax.legend(frameon=False)


def _histogram(graph: CausalGraph | SparseCausalGraph, q: float, ax: Axes) -> None:
    tested = graph.p_values
    assert tested is not None
    p = tested.p[~np.isnan(tested.p)]
    ax.hist(p, bins=np.linspace(0, 1, 21).tolist(), density=True, color=REST)
    ax.axhline(1, color="0.4", linewidth=0.8, linestyle="--", label="if no cause helped")
    ax.set(xlabel="p-value", ylabel="density", xlim=(0, 1))
    ax.set_title(f"{int(tested.significant(q).sum())} of {p.size:,} pairs found at q = {q:g}", fontsize=10)
    ax.legend(frameon=False)


def _graph(graph: CausalGraph | SparseCausalGraph, q: float, ax: Axes) -> None:
    network = _networkx(graph.threshold("auto", q))
    surely = [-np.log10(max(p, LEAST)) / -np.log10(LEAST) for _, _, p in network.edges(data="p_value")]
    _network(network, surely, f"edges found at q = {q:g}; the wider the surer", ax)


def _frequencies(graph: CausalGraph | SparseCausalGraph, ax: Axes) -> None:
    assert graph.repeats is not None
    found = graph.repeats.frequency[graph.repeats.frequency > 0]
    ax.hist(found, bins=np.linspace(0, 1, 21).tolist(), color=REST)
    always = int((found == 1).sum())
    ax.set(xlabel="share of the fits in which a pair is found", ylabel="pairs ever found", xlim=(0, 1))
    ax.set_title(f"{always} of {found.size:,} pairs that were ever found always were", fontsize=10)


def _spread(graph: CausalGraph | SparseCausalGraph, top_k: int, ax: Axes) -> None:
    repeats = graph.repeats
    assert repeats is not None
    effect, cause = strongest_pairs(repeats.score, graph.own_causes, top_k)
    score, often = repeats.score[effect, cause], repeats.frequency[effect, cause]
    place = np.arange(len(score))
    for chosen, colour, label in (
        (often >= HALF, FOUND, "found in half of the fits"),
        (often < HALF, REST, "less often"),
    ):
        spread = repeats.standard_error[effect, cause][chosen]
        ax.errorbar(
            place[chosen], score[chosen], spread, fmt="o", markersize=3, color=colour, linewidth=0.8, label=label
        )
    if len(place) <= MOST_LABELS:
        labels = [
            f"{graph.causes[j]} \N{RIGHTWARDS ARROW} {graph.names[i]}" for i, j in zip(effect, cause, strict=True)
        ]
        ax.set_xticks(place, labels, rotation=90, fontsize=6)
    ax.set(ylabel="score over the fits, with its standard error")
    ax.legend(frameon=False)


def _often(often: SparseCausalGraph, ax: Axes) -> None:
    network = _networkx(often)
    widths = [share for _, _, share in network.edges(data="frequency")]
    _network(network, widths, "edges found in half of the fits; the wider the more often", ax)


def strongest_pairs(score: Matrix, own: NDArray[np.int64], top_k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Effect and cause of the largest scores above 0 between different series, the largest first."""
    between = np.array(score)
    rows = np.flatnonzero(own >= 0)
    between[rows, own[rows]] = 0
    order = np.argsort(-between, axis=None, kind="stable")[:top_k]
    effect, cause = np.unravel_index(order[between.ravel()[order] > 0], between.shape)
    return effect, cause


def _networkx(graph: SparseCausalGraph) -> nx.DiGraph:
    try:
        return graph.to_networkx(top_k=MOST_EDGES)
    except ImportError as error:
        raise ImportError('a picture of a graph needs networkx: pip install "grngc-fast[plot]"') from error


def _network(network: nx.DiGraph, widths: list[float], title: str, ax: Axes) -> None:
    """Series on a circle; widths between 0 and 1."""
    import networkx as nx

    at = nx.circular_layout(network)
    nx.draw_networkx_nodes(network, at, ax=ax, node_size=60, node_color=REST)
    if len(network) <= MOST_LABELS:
        nx.draw_networkx_labels(network, at, ax=ax, font_size=8, verticalalignment="bottom")
    drawn = [0.4 + 2.6 * width for width in widths]
    signs = [FOUND if sign < 0 else "0.35" for _, _, sign in network.edges(data="sign")]
    nx.draw_networkx_edges(
        network, at, ax=ax, width=drawn, edge_color=signs, arrowsize=8, connectionstyle="arc3,rad=0.08"
    )
    ax.set_title(f"{network.number_of_edges()} {title}", fontsize=10)
    ax.set_axis_off()
