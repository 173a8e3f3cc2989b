"""What all figures have alike: how they are made, their colours, ticks and names.

Figures are made without pyplot, so no display and no global state is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe and Ito's colours for every kind of colour vision, less the yellow that is lost on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# What the scores of a fit are unless edges are ranked by more.
GRADIENT = "mean |gradient|"
_MAX_LABEL = 18


def new_figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "grngc-fast[plot]"') from error
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def figure_of(ax: Axes) -> Figure:
    figure: Any = ax.figure
    while figure.figure is not figure:
        figure = figure.figure
    root: Figure = figure
    return root


def number_ticks(axis: Axis) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))


def tidy(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)


def short(name: str) -> str:
    return name if len(name) <= _MAX_LABEL else f"{name[: _MAX_LABEL - 1]}…"
