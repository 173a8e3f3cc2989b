"""Pictures of p-values: beside the scores, as a histogram, as the graph of what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..graph import CausalGraph, SparseCausalGraph, check_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# p-values below are drawn there.
LEAST = 1e-16
MOST_LABELS, MOST_EDGES = 60, 2000
FOUND, REST = "#D55E00", "#56B4E9"


def plot(graph: CausalGraph | SparseCausalGraph, kind: str, q: float) -> Figure:
    """See `Significance.plot`."""
    draw = {"p_values": _histogram, "scores": _scores, "graph": _graph}
    if kind not in draw and kind != "summary":
        raise InputError(f"unknown plot kind {kind!r}; choose one of {', '.join(map(repr, (*draw, 'summary')))}")
    check_rate(q)
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "grngc-fast[plot]"') from error
    if kind == "summary":
        figure = Figure(figsize=(15.0, 5.0), layout="constrained")
        for drawn, ax in zip(draw.values(), figure.subplots(1, 3), strict=True):
            drawn(graph, q, ax)
        return figure
    figure = Figure(figsize=(6.4, 6.4) if kind == "graph" else (6.4, 4.0), layout="constrained")
    draw[kind](graph, q, figure.add_subplot())
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
    try:
        import networkx as nx
    except ImportError as error:
        raise ImportError('a picture of a graph needs networkx: pip install "grngc-fast[plot]"') from error
    kept = graph.threshold("auto", q)
    network = kept.to_networkx(top_k=MOST_EDGES)
    at = nx.circular_layout(network)
    nx.draw_networkx_nodes(network, at, ax=ax, node_size=60, node_color=REST)
    if len(network) <= MOST_LABELS:
        nx.draw_networkx_labels(network, at, ax=ax, font_size=8, verticalalignment="bottom")
    surely = [-np.log10(max(p, LEAST)) for _, _, p in network.edges(data="p_value")]
    widths = [0.4 + 2.6 * value / -np.log10(LEAST) for value in surely]
    signs = [FOUND if sign < 0 else "0.35" for _, _, sign in network.edges(data="sign")]
    nx.draw_networkx_edges(
        network, at, ax=ax, width=widths, edge_color=signs, arrowsize=8, connectionstyle="arc3,rad=0.08"
    )
    ax.set_title(f"{network.number_of_edges()} edges found at q = {q:g}; the wider the surer", fontsize=10)
    ax.set_axis_off()
