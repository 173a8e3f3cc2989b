"""One page of a fit: the score matrix, lag profiles, losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .lags import plot_lags
from .matrix import plot_scores
from .style import COLOURS, GRADIENT, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
    figure = new_figure(13.0, 6.2)
    grid = figure.add_gridspec(panels, 2, width_ratios=(1.15, 1.0))
    matrix = figure.add_subplot(grid[:, 0])
    plot_scores(scores, names, causes, own_causes=own_causes, truth=truth, quantity=quantity, ax=matrix)
    if profiles is not None:
        plot_lags(profiles, edges, n_lags, ax=figure.add_subplot(grid[0, 1]), quantity=quantity)
    if curves is not None:
        _plot_curves(figure.add_subplot(grid[-1, 1]), *curves)
    return figure


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
    for (name, values), colour in zip(curves.items(), (COLOURS[0], COLOURS[1], COLOURS[2]), strict=True):
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
    tidy(ax)
    if measured:
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, frameon=False, fontsize="small")
