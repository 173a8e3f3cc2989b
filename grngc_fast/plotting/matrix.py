"""Scores as a heat map, with the true edges outlined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .style import GRADIENT, figure_of, new_figure, number_ticks, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

_TRUTH_COLOUR = "#0091AD"
_MAX_CELLS = 500


def plot_scores(
    scores: Any,
    names: Sequence[str],
    causes: Sequence[str],
    *,
    own_causes: NDArray[np.int64] | None = None,
    ax: Axes | None = None,
    truth: NDArray[Any] | None = None,
    max_labels: int = 40,
    diagonal: bool = True,
    quantity: str = GRADIENT,
) -> Figure:
    """Heat map of the scores, effects down the rows and causes along the columns.

    Parameters
    ----------
    scores : (E, C) array or scipy sparse array `[effect, cause]`.
    names, causes : of the E effects and the C causes.
    own_causes : (E,) the column of each effect's influence on itself, -1 where it is no cause; None for the diagonal.
    ax : axes to draw into; default a new figure.
    truth : optional (E, C) true edges `[effect, cause]`, non-zero where there is one; they are outlined.
    max_labels : name the ticks up to this many series, number them beyond.
    diagonal : whether to show each series' influence on itself. It never sets the colour range, which ends at the
        largest off-diagonal score.
    quantity : what the scores are.

    Beyond 500 series a pixel stands for a block of cells and shows its maximum, so that a lone edge stays visible.

    Raises
    ------
    InputError : a truth of another shape.

    Examples
    --------
    >>> plot_scores(scores, names, names, truth=truth).savefig("scores.png", dpi=200)  # doctest: +SKIP
    """
    shape = len(names), len(causes)
    diagonal_columns = np.where(np.arange(shape[0]) < shape[1], np.arange(shape[0]), -1)
    own = diagonal_columns if own_causes is None else own_causes
    true_cells = None if truth is None else _as_truth(truth, shape)
    block = -(-max(shape) // _MAX_CELLS)
    cells, top, highest = _cells(scores, own, block, diagonal)
    if ax is None:
        sides = np.array(shape[::-1], dtype=float)
        longest = 6.4 if max(shape) > max_labels else float(np.clip(0.2 * max(shape) + 1.8, 4.0, 8.0))
        width, height = np.maximum(longest * sides / sides.max(), 0.4 * longest)
        ax = new_figure(width + 0.9, height).add_subplot()
    extent = (-0.5, -0.5 + block * cells.shape[1], -0.5 + block * cells.shape[0], -0.5)
    aspect: Any = "equal" if max(shape) <= 2.5 * min(shape) else "auto"
    image = ax.imshow(
        cells, cmap=_colour_map(), vmin=0.0, vmax=top, extent=extent, interpolation="nearest", aspect=aspect
    )
    ax.set(xlim=(-0.5, shape[1] - 0.5), ylim=(shape[0] - 0.5, -0.5), xlabel="cause", ylabel="effect")
    if true_cells is not None:
        if not diagonal:
            mine = np.flatnonzero(own >= 0)
            true_cells[mine, own[mine]] = False
        _outline(ax, _block_max(true_cells, block), block)
    _label_ticks(ax, names, causes, max_labels)
    label = quantity if block == 1 else f"{quantity}, largest of {block} x {block} cells"
    figure = figure_of(ax)
    bar_axes = ax.inset_axes((1.03, 0.0, 0.04, 1.0))
    bar = figure.colorbar(image, cax=bar_axes, label=label, extend="max" if highest > top else "neither")
    bar.outline.set_linewidth(0.5)
    return figure


def _cells(every: Any, own: NDArray[np.int64], block: int, diagonal: bool) -> tuple[NDArray[np.float64], float, float]:
    """The picture's cells, the end of its colour range, and the largest score shown."""
    parts, between, highest = [], 0.0, 0.0
    step = block * max(1, _MAX_CELLS // block)
    for start in range(0, every.shape[0], step):
        rows = every[start : start + step]
        scores = np.array(rows.toarray() if hasattr(rows, "toarray") else rows, dtype=np.float64)
        mine = np.flatnonzero(own[start : start + step] >= 0)
        place = mine, own[start + mine]
        highest, self_scores = max(highest, float(scores.max())), scores[place]
        scores[place] = -np.inf
        between = max(between, float(scores.max()))
        if diagonal:
            scores[place] = self_scores
        parts.append(_block_max(scores, block))
    cells = np.concatenate(parts)
    cells[np.isneginf(cells)] = np.nan
    return cells, between or highest or 1.0, highest if diagonal else between


def _block_max(cells: NDArray[Any], block: int) -> NDArray[Any]:
    """The largest of every block x block cells; the last blocks of a side may be smaller."""
    if block == 1:
        return cells
    rows = np.maximum.reduceat(cells, np.arange(0, cells.shape[0], block), axis=0)
    largest: NDArray[Any] = np.maximum.reduceat(rows, np.arange(0, cells.shape[1], block), axis=1)
    return largest


def _colour_map() -> Colormap:
    """Magma from white: nothing is white, more is darker, in print and for every kind of colour vision."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    colours = colormaps["magma_r"](np.linspace(0.06, 0.86, 256))
    paleness = np.clip(1 - np.arange(256) / 56, 0, 1)[:, None]
    colours[:, :3] = paleness + (1 - paleness) * colours[:, :3]
    return ListedColormap(colours, name="magma_from_white").with_extremes(bad="0.85", over="black")


def _as_truth(truth: Any, shape: tuple[int, int]) -> NDArray[np.bool_]:
    cells = np.asarray(truth)
    if cells.shape != shape:
        raise InputError(f"truth has shape {cells.shape}, the graph {shape}; pass one of the same [effect, cause]")
    return np.asarray(cells != 0)


def _outline(ax: Axes, cells: NDArray[np.bool_], block: int) -> None:
    """Draw the borders between true and other cells, `block` series wide, so that neighbouring edges share one outline.

    Where cells are a few pixels wide the outline keeps off by a cell or more and leaves their colour to be seen.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D
    from scipy.ndimage import maximum_filter

    size = max(cells.shape)
    distance = round(size / 240)
    padded = np.pad(maximum_filter(cells, size=2 * distance + 1), 1)
    row, column = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    flat = np.stack([column - 0.5, row - 0.5, column + 0.5, row - 0.5], axis=1)
    row, column = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    upright = np.stack([column - 0.5, row - 0.5, column - 0.5, row + 0.5], axis=1)
    segments = list((np.concatenate([flat, upright]) * block + (block - 1) / 2).reshape(-1, 2, 2))
    width = float(np.clip(70 / size, 0.6, 1.6))
    ax.add_collection(
        LineCollection(segments, colors=_TRUTH_COLOUR, linewidths=width, capstyle="projecting"), autolim=False
    )
    square = Line2D(
        [],
        [],
        linestyle="",
        marker="s",
        markersize=7,
        markerfacecolor="none",
        markeredgecolor=_TRUTH_COLOUR,
        markeredgewidth=1.4,
        label="true edge",
    )
    ax.legend(
        handles=[square],
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.2,
        frameon=False,
        fontsize="small",
        handletextpad=0.2,
    )


def _label_ticks(ax: Axes, names: Sequence[str], causes: Sequence[str], max_labels: int) -> None:
    longest = max(len(names), len(causes))
    if longest > max_labels:
        number_ticks(ax.xaxis)
        number_ticks(ax.yaxis)
        return
    columns = [short(name) for name in causes]
    crowded = max(map(len, columns)) * len(columns) > 50
    ax.set_xticks(range(len(columns)), columns, rotation=90 if crowded else 0, parse_math=False)
    ax.set_yticks(range(len(names)), [short(name) for name in names], parse_math=False)
    ax.tick_params(labelsize=float(np.clip(260 / longest, 6, 9)), length=2)
