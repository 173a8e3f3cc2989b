"""What causes do to the forecasts of their effects, a panel each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .style import COLOURS, new_figure, short, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KINDS = ("linear", "spline", "interaction")
# Panels of effects on a page and beside one another.
_MAX_PANELS, _PANEL_COLUMNS = 24, 4
# Of the cause's values, of the height of a panel.
_DENSITY_HEIGHT = 0.15


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
        figure = new_figure(4.0, 2.0)
        figure.text(0.5, 0.5, "no edges", ha="center", va="center", color="0.4")
        return figure
    columns = min(len(shown), _PANEL_COLUMNS if len(shown) > _PANEL_COLUMNS + 2 else 3)
    rows = -(-len(shown) // columns)
    figure = new_figure(max(2.7 * columns, 5.4), 2.3 * rows + 0.6)
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
        effect.x, effect.low, effect.high, color=COLOURS[5], alpha=0.35, linewidth=0, label="60% of local slopes"
    )
    ax.plot(effect.x, effect.effect, color=COLOURS[0], linewidth=1.5, label="mean over windows")
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
    title = f"{short(effect.source)} -> {short(effect.target)} (lag {effect.lag})"
    ax.set_title(title, fontsize="small", parse_math=False, pad=16 if effect.unit_shares else 4)
    if effect.unit_shares is not None:
        text = ", ".join(f"{share:.0%} {kind}" for kind, share in zip(_KINDS, effect.unit_shares, strict=True))
        ax.text(0.5, 1.03, text, transform=ax.transAxes, ha="center", va="bottom", color="0.4", fontsize=6.5)
    ax.margins(x=0.02)
    ax.tick_params(labelsize=7, length=2)
    tidy(ax)
