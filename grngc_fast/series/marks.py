"""Numbers that files write for missing values, told by how far they are from all others of their series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .table import SeriesTable

# What files write for a missing value, and the least of what fills gaps in files of the atmosphere.
MARKS = frozenset([-99.0, -999.0, -9999.0, -99999.0, -99.9, -99.99, -999.9, -999.99, 9999.0, 99999.0, 999999.0])
FILL = 1e20
# How many times as large as any other value.
FAR = 5


def marks_among(
    names: Sequence[str], low: NDArray[Any], high: NDArray[Any], values: Callable[[int], NDArray[Any]]
) -> list[tuple[str, float]]:
    """(series, value) of each lowest or highest value that looks like a mark of a missing one.

    `low`, `high` : (P,) of the known values. `values` : of the number of a series all its values, NaN where missing.
    """
    found = []
    for k, name in enumerate(names):
        for value in (low[k], high[k]):
            if value in MARKS or value >= FILL:
                rest = values(k)
                rest = rest[~np.isnan(rest) & (rest != value)]
                if len(rest) and FAR * np.abs(rest).max() < abs(value):
                    found.append((name, float(value)))
    return found


def marks_of(table: SeriesTable) -> list[tuple[str, float]]:
    """Of all series of a table."""
    parts = table.trajectories
    low = np.fmin.reduce([np.fmin.reduce(part, axis=0) for part in parts])
    high = np.fmax.reduce([np.fmax.reduce(part, axis=0) for part in parts])
    return marks_among(table.names, low, high, lambda k: np.concatenate([part[:, k] for part in parts]))


def told_of_marks(marks: Sequence[tuple[str, float]], from_file: bool) -> str:
    """What a person should look at, and how such values are read as missing ones."""
    name, value = marks[0]
    more = f" and {len(marks) - 1} more series" if len(marks) > 1 else ""
    fix = f"pass missing_values=['{value:g}']" if from_file else "put NaN in its place and pass missing='interpolate'"
    return f"series {name!r}{more} holds {value:g}, far from its other values; if it stands for a missing one, {fix}"
