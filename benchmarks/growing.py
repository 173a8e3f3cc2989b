"""How a cost grows with the number of series: what the next size will take, and the exponent of the last ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .results import Row


def predicted(rows: Sequence[Row], n_series: int) -> float:
    """By the growth between the last two, at least linear."""
    if not rows:
        return 0.0
    last = rows[-1]
    slope = 2.0
    if len(rows) > 1 and rows[-2].value > 0 and last.value > 0:
        slope = float(np.log(last.value / rows[-2].value) / np.log(last.P / rows[-2].P))
    return last.value * (n_series / last.P) ** max(1.0, min(slope, 3.0))


def exponent(rows: Sequence[Row], metric: str) -> list[Row]:
    """The slope of the last three in logarithms, as a row of the last; none of fewer."""
    if len(rows) < 3:
        return []
    last = rows[-1]
    slope = np.polyfit(*np.log([(row.P, row.value) for row in rows[-3:]]).T, 1)[0]
    size = {"P": last.P, "L": last.L, "H": last.H, "N": last.N}
    return [Row(last.method, **size, metric=metric, value=float(slope), unit="1", seed=last.seed)]
