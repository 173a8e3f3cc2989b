"""Held-out error and edges along a path of penalty strengths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .style import COLOURS, figure_of, new_figure, number_ticks, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_path(
    lams: NDArray[np.float64],
    error: NDArray[np.float64],
    spread: NDArray[np.float64],
    edge_counts: NDArray[np.int64],
    marks: Mapping[str, float],
    *,
    ax: Axes | None = None,
) -> Figure:
    """Validation error against penalty strength, with its standard error, and the number of edges on a second axis.

    Parameters
    ----------
    lams : (K,) strengths. error, spread : (K,) held-out error and its standard error. edge_counts : (K,).
    marks : strengths to be marked, by what they are.
    ax : axes to draw into; default a new figure.

    Strengths whose error is not finite are left out.
    """
    if ax is None:
        ax = new_figure(7.2, 4.0).add_subplot()
    shown = np.isfinite(error)
    lams, error, spread = lams[shown], error[shown], spread[shown]
    edges_ax = ax.twinx()
    edges_ax.step(lams, edge_counts[shown], where="mid", color=COLOURS[1], linewidth=1.2, label="edges")
    edges_ax.set_ylabel("edges", color=COLOURS[1])
    edges_ax.set_ylim(bottom=0)
    edges_ax.spines["top"].set_visible(False)
    number_ticks(edges_ax.yaxis)
    ax.errorbar(lams, error, spread, color=COLOURS[0], marker="o", markersize=4, linewidth=1.5, capsize=2)
    for (label, lam), style in zip(marks.items(), ("-", ":", "--"), strict=False):
        ax.axvline(lam, color="0.4", linestyle=style, linewidth=1.2, label=f"{label}: lam {lam:.2g}")
    ax.set_xscale("log")
    ax.set(xlabel="penalty strength lam")
    ax.set_ylabel("held-out squared error", color=COLOURS[0])
    tidy(ax)
    # Error bars above the steps of the other axes.
    ax.set_zorder(edges_ax.get_zorder() + 1)
    ax.patch.set_visible(False)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize="small")
    return figure_of(ax)
