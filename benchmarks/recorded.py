"""The last recorded figure of each method, size and metric, and how figures are written for a reader.

Where rows of one commit are of several seeds, their mean counts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import stdev

from .results import RESULTS, read

# What was measured on a GPU, by the name of its file.
GPU = "gpu-nvidia-h200"


@dataclass(frozen=True)
class Figure:
    """A recorded value, and whether the machine was busy."""

    value: float
    busy: bool


@dataclass
class Draws:
    """The rows that count of one method, size and metric: the last, or those of every seed of its commit."""

    commit: str = ""
    figures: dict[str, Figure] = field(default_factory=dict)

    def add(self, commit: str, seed: str, figure: Figure) -> None:
        if not seed or commit != self.commit or "" in self.figures:
            self.commit, self.figures = commit, {}
        self.figures[seed] = figure

    @property
    def mean(self) -> Figure:
        found = [figure.value for figure in self.figures.values()]
        return Figure(sum(found) / len(found), any(figure.busy for figure in self.figures.values()))

    @property
    def sd(self) -> float | None:
        """Of a sample; None of one."""
        found = [figure.value for figure in self.figures.values()]
        return stdev(found) if len(found) > 1 else None


class Recorded:
    """The last figure of each method, size and metric."""

    def __init__(self, rows: Sequence[dict[str, str]]) -> None:
        self._last: dict[tuple[str, int, int, str], dict[int, Draws]] = {}
        self._named: dict[str, dict[str, Draws]] = {}
        self._widths: dict[tuple[str, int, int, int, str], Figure] = {}
        for row in rows:
            figure = Figure(float(row["value"]), bool(row["busy"]))
            if "H" in row:
                self._widths[row["method"], int(row["P"]), int(row["N"]), int(row["H"]), row["metric"]] = figure
            given = row.get("commit", ""), row.get("seed", ""), figure
            key = row["method"], int(row["P"]), int(row["L"]), row["metric"]
            # The last is at the end.
            own = self._last.setdefault(key, {})
            own[int(row["N"])] = own.pop(int(row["N"]), Draws())
            own[int(row["N"])].add(*given)
            self._named.setdefault(row["method"], {}).setdefault(row["metric"], Draws()).add(*given)

    @classmethod
    def of_file(cls, path: Path) -> Recorded:
        return cls(read(path))

    def get(self, method: str, metric: str, P: int, N: int | None = None, L: int = 1) -> Figure | None:
        """None where nothing was recorded; of any number of windows the last, where N is None."""
        found = self._last.get((method, P, L, metric), {})
        draws = (list(found.values()) or [None])[-1] if N is None else found.get(N)
        return None if draws is None else draws.mean

    def passed(self, method: str, P: int, L: int = 1) -> float | None:
        """Seconds until AUROC and AUPRC both passed .95, infinite where one did not; None where that was not recorded."""
        taken = [self.get(method, f"time to {metric} 0.95", P, L=L) for metric in ("AUROC", "AUPRC")]
        known = [figure.value for figure in taken if figure is not None]
        return max(known) if len(known) == len(taken) else None

    def of_method(self, method: str) -> dict[str, Draws]:
        """Of a method in a system that its name tells in full, the draws of each metric."""
        return self._named.get(method, {})

    def of_width(self, method: str, metric: str, P: int, N: int, H: int) -> Figure | None:
        """The last of one width, None where nothing was recorded."""
        return self._widths.get((method, P, N, H, metric))


@cache
def of_gpu(name: str = GPU) -> Recorded:
    """The rows of a run on a GPU, whose file they are alone in."""
    text = RESULTS.with_name(f"{name}.json").read_text()
    return Recorded([{**row, "busy": ""} for row in json.loads(text)["rows"]])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """As Markdown has it."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def share(value: float, digits: int) -> str:
    """.784, and 1.000 for what rounds to it."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("0") if value < 1 else text


def quality(recorded: Recorded, method: str, P: int, N: int | None = None, L: int = 1) -> str:
    """AUROC / AUPRC, the first to four digits where three would hide what is missing."""
    auroc, auprc = (recorded.get(method, metric, P, N, L) for metric in ("AUROC", "AUPRC"))
    if auroc is None or auprc is None:
        return ""
    return f"{share(auroc.value, 4 if auroc.value > 0.9985 else 3)} / {share(auprc.value, 3)}"


def seconds(figure: Figure | None) -> str:
    if figure is None:
        return ""
    value = figure.value
    text = f"{value:.0f} s" if value >= 9.95 else f"{value:.1f} s" if value >= 0.95 else f"{value * 1e3:.3g} ms"
    return text + " (busy)" * figure.busy


def memory(figure: Figure | None, unit: float = 1.0) -> str:
    """Of GiB times `unit`."""
    if figure is None:
        return ""
    value = figure.value * unit
    if value >= 0.95:
        return f"{value:.1f} GiB"
    return f"{value * 1024:.0f} MiB" if value * 1024 >= 0.5 else "less than 1 MiB"


def times(figure: Figure | None) -> str:
    """So many times as long, 87x or 7.0x."""
    if figure is None:
        return ""
    return f"{figure.value:.0f}x" if figure.value >= 9.95 else f"{figure.value:.1f}x"
