"""Figures from arrays and names: scores, lag profiles of edges, a page with both; errors along a path; effects of causes.

Figures are made without pyplot, so no display and no global state is touched; `fig.savefig("file.png")` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure


# Okabe and Ito's colours for every kind of colour vision, less the yellow that is lost on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_KINDS = ("linear", "spline", "interaction")
_TRUTH_COLOUR = "#0091AD"
# What the scores of a fit are unless edges are ranked by more.
GRADIENT = "mean |gradient|"
_MAX_CELLS = 500
_MAX_LABEL = 18
# Panels of effects on a page and beside one another.
_MAX_PANELS, _PANEL_COLUMNS = 24, 4
# Of the cause's values, of the height of a panel.
_DENSITY_HEIGHT = 0.15


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
        ax = _new_figure(width + 0.9, height).add_subplot()
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
    figure = _figure_of(ax)
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
        ax = _new_figure(7.2, 4.0).add_subplot()
    lags = np.arange(1, n_lags + 1)
    for number, ((source, target), profile) in enumerate(zip(edges, profiles, strict=True)):
        turn, colour = divmod(number, len(_COLOURS))
        ax.plot(
            lags,
            profile,
            color=_COLOURS[colour],
            linestyle=("-", "--", ":", "-.")[turn % 4],
            marker="osD^"[turn % 4],
            markersize=4,
            linewidth=1.5,
            label=_legend_label(f"{_short(source)} -> {_short(target)}"),
        )
    ax.set(xlabel="lag (steps back)", ylabel=quantity, xlim=(0.5, n_lags + 0.5))
    _number_ticks(ax.xaxis)
    _tidy(ax)
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
    return _figure_of(ax)


def plot_summary(
    scores: Any,
    names: Sequence[str],
    causes: Sequence[str],
    *,
    own_causes: NDArray[np.int64] | None = None,
    truth: NDArray[Any] | None = None,
    profiles: Sequence[NDArray[Any]] | None = None,
    edges: Sequence[tuple[str, str]] = (),
    n_lags: int = 1,
    history: Any = None,
    quantity: str = GRADIENT,
) -> Figure:
    """One page: the score matrix, the lag profiles if there are any, the losses if a history is given.

    Parameters
    ----------
    scores, names, causes, own_causes, truth : as `plot_scores`.
    profiles, edges, n_lags : as `plot_lags`; None where lags are not told apart.
    history : optional object with equally long sequences `step`, `forecast`, `penalty` and `validation`; NaN where a
        value was not measured.
    quantity : what the scores are.

    Raises
    ------
    InputError : a truth of another shape, or a history without one of its sequences.
    """
    curves = None if history is None else _curves(history)
    panels = (profiles is not None) + (curves is not None)
    if not panels:
        return plot_scores(scores, names, causes, own_causes=own_causes, truth=truth, quantity=quantity)
    figure = _new_figure(13.0, 6.2)
    grid = figure.add_gridspec(panels, 2, width_ratios=(1.15, 1.0))
    matrix = figure.add_subplot(grid[:, 0])
    plot_scores(scores, names, causes, own_causes=own_causes, truth=truth, quantity=quantity, ax=matrix)
    if profiles is not None:
        plot_lags(profiles, edges, n_lags, ax=figure.add_subplot(grid[0, 1]), quantity=quantity)
    if curves is not None:
        _plot_curves(figure.add_subplot(grid[-1, 1]), *curves)
    return figure


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
        ax = _new_figure(7.2, 4.0).add_subplot()
    shown = np.isfinite(error)
    lams, error, spread = lams[shown], error[shown], spread[shown]
    edges_ax = ax.twinx()
    edges_ax.step(lams, edge_counts[shown], where="mid", color=_COLOURS[1], linewidth=1.2, label="edges")
    edges_ax.set_ylabel("edges", color=_COLOURS[1])
    edges_ax.set_ylim(bottom=0)
    edges_ax.spines["top"].set_visible(False)
    _number_ticks(edges_ax.yaxis)
    ax.errorbar(lams, error, spread, color=_COLOURS[0], marker="o", markersize=4, linewidth=1.5, capsize=2)
    for (label, lam), style in zip(marks.items(), ("-", ":", "--"), strict=False):
        ax.axvline(lam, color="0.4", linestyle=style, linewidth=1.2, label=f"{label}: lam {lam:.2g}")
    ax.set_xscale("log")
    ax.set(xlabel="penalty strength lam")
    ax.set_ylabel("held-out squared error", color=_COLOURS[0])
    _tidy(ax)
    # Error bars above the steps of the other axes.
    ax.set_zorder(edges_ax.get_zorder() + 1)
    ax.patch.set_visible(False)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize="small")
    return _figure_of(ax)


class DrawnEffect(Protocol):
    """What is drawn of an edge's effect; `grngc_fast.scoring.EdgeEffect` is one."""

    @property
    def source(self) -> str: ...

    @property
    def target(self) -> str: ...

    @property
    def lag(self) -> int: ...

    @property
    def x(self) -> NDArray[np.float64]: ...

    @property
    def effect(self) -> NDArray[np.float64]: ...

    @property
    def low(self) -> NDArray[np.float64]: ...

    @property
    def high(self) -> NDArray[np.float64]: ...

    @property
    def counts(self) -> NDArray[np.int64]: ...

    @property
    def unit_shares(self) -> tuple[float, float, float] | None: ...


def plot_edge_effects(effects: Sequence[DrawnEffect]) -> Figure:
    """A panel for each of the first 24 edges: how the forecast of the effect changes with the cause, in the data's units.

    The line is the mean over windows. The band, which meets it at the median of the cause, is where slopes between the 20th and
    the 80th percentile lead: wide where the effect of the cause depends on other series. Grey along the bottom are the values
    that the cause has.

    Parameters
    ----------
    effects : of `GRNGC.edge_effects`.

    Examples
    --------
    >>> plot_edge_effects(found.edge_effects(X)).savefig("effects.png", dpi=150)  # doctest: +SKIP
    """
    shown = effects[:_MAX_PANELS]
    if not shown:
        figure = _new_figure(4.0, 2.0)
        figure.text(0.5, 0.5, "no edges", ha="center", va="center", color="0.4")
        return figure
    columns = min(len(shown), _PANEL_COLUMNS if len(shown) > _PANEL_COLUMNS + 2 else 3)
    rows = -(-len(shown) // columns)
    figure = _new_figure(max(2.7 * columns, 5.4), 2.3 * rows + 0.6)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, effect in zip(panels, shown, strict=False):
        _plot_effect(ax, effect)
    for ax in panels[len(shown) :]:
        ax.remove()
    figure.supxlabel("value of the cause", fontsize="small")
    figure.supylabel("effect on the forecast", fontsize="small")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize="small")
    return figure


def _plot_effect(ax: Axes, effect: DrawnEffect) -> None:
    ax.fill_between(
        effect.x, effect.low, effect.high, color=_COLOURS[5], alpha=0.35, linewidth=0, label="60% of local slopes"
    )
    ax.plot(effect.x, effect.effect, color=_COLOURS[0], linewidth=1.5, label="mean over windows")
    density = effect.counts / np.diff(effect.x)
    height = _DENSITY_HEIGHT * density / density.max()
    # The band's ends hang on a few windows, which may lie far out: they do not set the range.
    within = slice(1, -1) if len(effect.x) > 4 else slice(None)
    every = np.concatenate([effect.effect, effect.low[within], effect.high[within]])
    bottom, top = float(every.min()), float(every.max())
    room = (top - bottom) or 1.0
    ax.set_ylim(bottom - (_DENSITY_HEIGHT + 0.1) * room, top + 0.05 * room)
    below: dict[str, Any] = {"transform": ax.get_xaxis_transform(), "zorder": 0.5}
    ax.stairs(height, effect.x, fill=True, color="0.75", label="values of the cause", **below)
    title = f"{_short(effect.source)} -> {_short(effect.target)} (lag {effect.lag})"
    ax.set_title(title, fontsize="small", parse_math=False, pad=16 if effect.unit_shares else 4)
    if effect.unit_shares is not None:
        text = ", ".join(f"{share:.0%} {kind}" for kind, share in zip(_KINDS, effect.unit_shares, strict=True))
        ax.text(0.5, 1.03, text, transform=ax.transAxes, ha="center", va="bottom", color="0.4", fontsize=6.5)
    ax.margins(x=0.02)
    ax.tick_params(labelsize=7, length=2)
    _tidy(ax)


def _new_figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "grngc-fast[plot]"') from error
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def _figure_of(ax: Axes) -> Figure:
    figure: Any = ax.figure
    while figure.figure is not figure:
        figure = figure.figure
    root: Figure = figure
    return root


def _number_ticks(axis: Axis) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))


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


def _block_max(cells: NDArray[Any], block: int) -> NDArray[Any]:
    """The largest of every block x block cells; the last blocks of a side may be smaller."""
    if block == 1:
        return cells
    rows = np.maximum.reduceat(cells, np.arange(0, cells.shape[0], block), axis=0)
    largest: NDArray[Any] = np.maximum.reduceat(rows, np.arange(0, cells.shape[1], block), axis=1)
    return largest


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
        _number_ticks(ax.xaxis)
        _number_ticks(ax.yaxis)
        return
    columns = [_short(name) for name in causes]
    crowded = max(map(len, columns)) * len(columns) > 50
    ax.set_xticks(range(len(columns)), columns, rotation=90 if crowded else 0, parse_math=False)
    ax.set_yticks(range(len(names)), [_short(name) for name in names], parse_math=False)
    ax.tick_params(labelsize=float(np.clip(260 / longest, 6, 9)), length=2)


def _curves(history: Any) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    try:
        step, forecast, penalty, validation = (
            np.asarray(getattr(history, name), dtype=np.float64)
            for name in ("step", "forecast", "penalty", "validation")
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"history cannot be drawn ({error}); pass an object with the number sequences step, forecast, penalty,"
            " validation"
        ) from error
    curves = {"forecast loss": forecast, "held-out loss": validation, "penalty": penalty}
    for name, values in curves.items():
        if values.shape != step.shape:
            raise InputError(f"history has {step.size} steps and {values.size} values of {name}; give one value a step")
    return step, curves


def _plot_curves(ax: Axes, step: NDArray[np.float64], curves: dict[str, NDArray[np.float64]]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    shown = {name: np.isfinite(values) for name, values in curves.items()}
    for (name, values), colour in zip(curves.items(), (_COLOURS[0], _COLOURS[1], _COLOURS[2]), strict=True):
        keep = shown[name]
        if keep.any():
            few = keep.sum() <= 40
            ax.plot(
                step[keep],
                values[keep],
                color=colour,
                linewidth=1.5,
                marker="o" if few else None,
                markersize=3,
                label=name,
            )
    measured = [values[shown[name]] for name, values in curves.items() if shown[name].any()]
    if measured and min(v.min() for v in measured) > 0:
        narrow = max(v.max() for v in measured) < 1000 * min(v.min() for v in measured)
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if narrow else (1.0,)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set(xlabel="step", ylabel="loss")
    _tidy(ax)
    if measured:
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, frameon=False, fontsize="small")


def _tidy(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)


def _short(name: str) -> str:
    return name if len(name) <= _MAX_LABEL else f"{name[: _MAX_LABEL - 1]}…"


def _legend_label(label: str) -> str:
    # matplotlib leaves labels out of the legend that begin with an underscore.
    return f" {label}" if label.startswith("_") else label
