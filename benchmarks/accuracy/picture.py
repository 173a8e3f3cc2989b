"""Sets by methods as dots, of the recorded rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..recorded import Recorded
from ..results import RESULTS
from .methods import CHEAP, METHODS
from .tables import OURS, found, lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(path: Path) -> None:
    """Of the rows in the results.

    Raises
    ------
    ValueError : nothing was recorded.
    """
    drawn(Recorded.of_file(RESULTS) if RESULTS.exists() else Recorded([])).savefig(path, dpi=130)


def drawn(recorded: Recorded) -> Figure:
    """AUROC and AUPRC of the strict protocol: the default large and black, networks full, cheap methods hollow."""
    from matplotlib.figure import Figure

    methods = [method.label for method in METHODS.values()]
    cells = {line.name: {name: found(recorded, name, line) for name in methods} for line in lines()}
    cells = {name: own for name, own in cells.items() if any(own.values())}
    if not cells:
        raise ValueError("no rows to draw; record some first")
    figure = Figure(figsize=(11, 1.2 + 0.3 * len(cells)), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for k, name in enumerate(methods):
        colour = "black" if name == OURS else f"C{k % 10}"
        for panel, metric in zip(panels, ("auroc", "auprc"), strict=True):
            points = [
                (getattr(own[name], metric), -row) for row, own in enumerate(cells.values()) if own[name] is not None
            ]
            if points:
                panel.scatter(
                    *zip(*points, strict=True),
                    s=60 if name == OURS else 28,
                    marker="D"
                    if name == OURS
                    else "o"
                    if name in CHEAP
                    else "^"
                    if name.startswith("official")
                    else "s",
                    facecolors="none" if name in CHEAP else colour,
                    edgecolors=colour,
                    zorder=3 if name == OURS else 2,
                    label="default" if name == OURS else name,
                )
    for panel, metric in zip(panels, ("AUROC", "AUPRC"), strict=True):
        panel.set(xlabel=metric, yticks=[-row for row in range(len(cells))], yticklabels=list(cells))
        panel.grid(axis="y", linewidth=0.4)
    panels[0].axvline(0.5, color="grey", linewidth=0.8, linestyle=":")
    handles = {
        text: handle for panel in panels for handle, text in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="outside right center", fontsize=8, frameon=False)
    return figure
