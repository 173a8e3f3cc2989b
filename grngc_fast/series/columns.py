"""Columns and index levels of a frame as they are sorted into series and what labels the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import InputError
from .frame import Frame, is_missing_mark
from .numbers import is_plain
from .time_names import may_say_time
from .times import Times

_NAMES_SHOWN = 8


@dataclass(frozen=True)
class Column:
    """One column or index level.

    Attributes
    ----------
    name : as text; "" without one.
    cells : (T,)
    position : among the columns; None of an index level.
    """

    name: str
    cells: pd.Series[Any]
    position: int | None = None

    @property
    def is_number(self) -> bool:
        return is_plain(self.cells.dtype)

    @property
    def is_date(self) -> bool:
        return self.cells.dtype.kind in "mM" or isinstance(self.cells.dtype, pd.PeriodDtype)


@dataclass
class Layout:
    """What each column is for.

    Attributes
    ----------
    series : positions of the columns that are series.
    names : of them.
    times, time_name : of the rows, and of the column that they were read from.
    trajectory, trajectory_name : (T,) number of the trajectory of each row, and of the column or index level.
    dropped : (column, why) of what is no series.
    """

    series: list[int]
    names: list[str]
    times: Times | None = None
    time_name: str | None = None
    trajectory: NDArray[np.intp] | None = None
    trajectory_name: str | None = None
    dropped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Sorting:
    """A frame whose columns are taken, one kind after another; what is left are the series.

    Attributes
    ----------
    guess : whether trajectories are sought among columns and labels.
    names, dtypes : of all columns. left : positions of those that are not taken.
    index : levels of the index that are not taken.
    found : what was found so far.
    """

    def __init__(self, frame: Frame, guess: bool) -> None:
        self.frame, self.guess = frame, guess
        self.names = [
            "" if is_missing_mark(name) and not isinstance(name, str) else str(name) for name in frame.cells.columns
        ]
        self.dtypes = frame.cells.dtypes.to_numpy()
        self.left = list(range(len(self.names)))
        self.index = _index_levels(frame.cells.index)
        self.found = Layout([], [], dropped=list(frame.dropped))

    def column(self, position: int) -> Column:
        cells = self.frame.cells.iloc[:, position].reset_index(drop=True)
        return Column(self.names[position], cells, position)

    def named(self, name: str, role: str) -> Column:
        """The column or index level of this name."""
        if name in self.names:
            return self.column(self.names.index(name))
        for level in self.index:
            if level.name == name:
                return level
        if not self.frame.named:
            raise InputError(
                f"{self.frame.source} has no column names, so {self.frame.option(role)}={name!r} cannot be found; add a header"
            )
        what = "tell trajectories apart" if role == "trajectory" else "tell the time"
        listed = [*(level.name for level in self.index if level.name), *self.names]
        some = ", ".join(repr(n) for n in listed[:_NAMES_SHOWN]) + (", ..." if len(listed) > _NAMES_SHOWN else "")
        raise InputError(f"{self.frame.source} has no column {name!r} to {what}; its columns are {some}")

    def drop(self, column: Column, why: str, *, note: bool = False) -> None:
        if column.position is None:
            self.index = [level for level in self.index if level is not column]
        else:
            self.left.remove(column.position)
            self.found.dropped.append((column.name, why))
        if note:
            called = "the index" if column.position is None else f"column {column.name or column.position + 1!r}"
            self.found.notes.append(f"{called} was left out: {why}")


def _index_levels(index: pd.Index[Any]) -> list[Column]:
    if isinstance(index, pd.RangeIndex) and not may_say_time(index.name):
        return []
    return [
        Column("" if name is None else str(name), pd.Series(index.get_level_values(k)).reset_index(drop=True))
        for k, name in enumerate(index.names)
    ]


def counts(cells: pd.Series[Any]) -> bool:
    """0, 1, 2, ... or 1, 2, 3, ..."""
    values = cells.to_numpy(np.float64, na_value=np.nan)
    return len(values) > 0 and values[0] in (0, 1) and bool((np.diff(values) == 1).all())


def duplicates(names: Sequence[str]) -> list[str]:
    """Names that are there more than once."""
    return sorted(name for name, count in Counter(names).items() if count > 1)
