"""Scores of edges over lags, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .style import COLOURS, GRADIENT, figure_of, new_figure, number_ticks, short, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_lags(
    profiles: Sequence[NDArray[Any]],
    edges: Sequence[tuple[str, str]],
    n_lags: int,
    *,
    ax: Axes | None = None,
    quantity: str = GRADIENT,
) -> Figure:
    """Scores of some edges over the lags 1 to L, one line an edge.

    Parameters
    ----------
    profiles : (L,) scores of each edge, strongest first.
    edges : (source, target) of each.
    n_lags : L.
    ax : axes to draw into; default a new figure.
    quantity : what the scores are.
    """
    if ax is None:
        ax = new_figure(7.2, 4.0).add_subplot()
    lags = np.arange(1, n_lags + 1)
    for number, ((source, target), profile) in enumerate(zip(edges, profiles, strict=True)):
        turn, colour = divmod(number, len(COLOURS))
        ax.plot(
            lags,
            profile,
            color=COLOURS[colour],
            linestyle=("-", "--", ":", "-.")[turn % 4],
            marker="osD^"[turn % 4],
            markersize=4,
            linewidth=1.5,
            label=_legend_label(f"{short(source)} -> {short(target)}"),
        )
    ax.set(xlabel="lag (steps back)", ylabel=quantity, xlim=(0.5, n_lags + 0.5))
    number_ticks(ax.xaxis)
    tidy(ax)
    if edges:
        ax.set_ylim(0, 1.08 * max(float(profile.max()) for profile in profiles) or 1.0)
        legend = ax.legend(
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            borderaxespad=0.0,
            frameon=False,
            fontsize="small",
            title="strongest edges",
            title_fontsize="small",
            alignment="left",
            ncols=1 + (len(edges) - 1) // 14,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
    else:
        ax.text(0.5, 0.5, "no edges", transform=ax.transAxes, ha="center", va="center", color="0.4")
    return figure_of(ax)


def _legend_label(label: str) -> str:
    # matplotlib leaves labels out of the legend that begin with an underscore.
    return f" {label}" if label.startswith("_") else label
