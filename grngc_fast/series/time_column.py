"""The column or index level that tells the time: by its name, its kind, or what its cells read as."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError
from .columns import Column, Sorting, counts
from .dates import read_date_parts
from .frame import is_missing_mark, shown
from .numbers import is_plain
from .time_names import may_number_rows, may_say_time, says_time, unit_in
from .time_values import joined, read_times, read_times_and_rest
from .times import NoTime, Times

_DATE_PARTS = ("year", "month", "day", "hour", "minute", "second")
# Columns among which a year has its month or quarter beside it.
_FRONT = 4


def take_time(sorting: Sorting, column: Column, times: Times | None = None) -> None:
    """The time axis of this column, which has to be readable."""
    read = read_times(column.cells) if times is None else times
    if isinstance(read, NoTime):
        gone = is_missing_mark(read.cell)
        what = "is empty" if gone else f"holds {shown(read.cell)}, which is no time"
        fix = "fill it in, or drop" if gone else "write numbers, or dates as YYYY-MM-DD, or drop"
        place = sorting.frame.place(read.row, column.position)
        turned = "transpose=True" if sorting.frame.from_file else "X.T"
        series = f", or pass {turned} if each row is a series" if 2 * read.n_read < len(column.cells) else ""
        raise InputError(
            f"{sorting.frame.source}{place}: the time column {column.name!r} {what}; {fix} the row{series}"
        )
    sorting.found.times = read
    sorting.found.time_name = column.name or None
    if read.unit is None and unit_in(column.name):
        sorting.found.times = replace(read, unit=unit_in(column.name))
    sorting.drop(column, "it tells the time")


def find_time(sorting: Sorting) -> None:
    for level in sorting.index:
        if level.is_date or may_say_time(level.name):
            _take_if_times(sorting, level)
            break
    if sorting.left and sorting.found.times is None:
        _find_by_name(sorting) or _find_date_parts(sorting) or _find_by_dtype(sorting) or _find_leading(sorting)


def drop_other_times(sorting: Sorting) -> None:
    """Columns called time beside the one that is."""
    others = [p for p in sorting.left if says_time(sorting.names[p])] if sorting.found.times is not None else []
    for position in others:
        sorting.drop(sorting.column(position), "it tells the time, as another column does", note=True)


def _find_by_name(sorting: Sorting) -> bool:
    columns = [sorting.column(p) for p in sorting.left if says_time(sorting.names[p])]
    for column in columns:
        if len(column.cells) > 1 and column.cells.nunique(dropna=False) == 1 and len(columns) == 1:
            sorting.drop(column, "it is called time but never changes")
            sorting.found.warnings.append(f"column {column.name!r} never changes, so the order of the rows was kept")
            return True
        read = read_times(column.cells)
        if isinstance(read, Times) and read.dates is not None:
            for other in columns:
                together = joined(read, other.cells) if other is not column else None
                if isinstance(together, Times):
                    take_time(sorting, column, together)
                    sorting.drop(other, f"it tells the time of the day beside {column.name!r}")
                    return True
        if _take_if_times(sorting, column):
            return True
    return False


def _take_if_times(sorting: Sorting, column: Column) -> bool:
    """Take a column called time; one without a single time in it is a label, and said to be."""
    read = read_times(column.cells)
    if isinstance(read, NoTime) and read.n_read == 0 and not all(is_missing_mark(cell) for cell in column.cells):
        sorting.drop(column, f"it is called time but holds {shown(read.cell)}")
        sorting.found.warnings.append(
            f"column {column.name!r} holds {shown(read.cell)}, which is no time: the order of the rows was kept"
        )
        return False
    take_time(sorting, column, read if isinstance(read, Times) else None)
    return True


def _find_date_parts(sorting: Sorting) -> bool:
    at = {sorting.names[p].strip().lower(): p for p in sorting.left if is_plain(sorting.dtypes[p])}
    if {"year", "month", "day"} <= set(at):
        parts = [part for part in _DATE_PARTS if part in at]
    else:
        # these two may be covariates where they do not lead
        front = {sorting.names[p].strip().lower() for p in sorting.left[:_FRONT]}
        part = next((part for part in ("month", "quarter") if {"year", part} <= front & set(at)), None)
        if part is None:
            return False
        parts = ["year", part]
    table = pd.DataFrame({part: sorting.column(at[part]).cells for part in parts})
    read = read_date_parts(table)
    if isinstance(read, NoTime):
        return False
    columns = [sorting.column(at[part]) for part in parts]
    take_time(sorting, columns[0], read)
    for column in columns[1:]:
        sorting.drop(column, "it is part of the time")
    sorting.found.time_name = ", ".join(column.name for column in columns)
    return True


def _find_by_dtype(sorting: Sorting) -> bool:
    columns = [sorting.column(p) for p in sorting.left if sorting.dtypes[p].kind in "mM"]
    for column in columns[1:]:
        sorting.drop(column, "it holds dates, as another column does", note=True)
    if columns:
        take_time(sorting, columns[0])
    return bool(columns)


def _find_leading(sorting: Sorting) -> bool:
    """A first column called `t`, or hours, days, ... that are spaced as times are; one of text that reads as times."""
    for level in sorting.index:
        read = None if level.is_number else read_times(level.cells)
        if isinstance(read, Times):
            take_time(sorting, level, read)
            return True
        if not level.is_number and len(sorting.index) == 1 and _take_replicates(sorting, level):
            return True
    for position in sorting.left:
        column = sorting.column(position)
        if column.is_number:
            if may_say_time(column.name) and (column.name.lower() == "t" or _spaced(column.cells)):
                return _take_if_times(sorting, column)
            if not (may_number_rows(column.name) and counts(column.cells)):
                return _find_dates_among_series(sorting)
            continue
        read = read_times(column.cells)
        if isinstance(read, Times) and (read.dates is not None or read.named_units or may_say_time(column.name)):
            take_time(sorting, column, read)
            return True
        if isinstance(read, Times):
            return False
        if _take_replicates(sorting, column):
            return True
    return _find_dates_among_series(sorting)


def _take_replicates(sorting: Sorting, column: Column) -> bool:
    """Labels such as `0h_1`, `WT 2h`: a time and what tells trajectories apart."""
    found = read_times_and_rest([str(cell) for cell in column.cells])
    known = sorting.found.trajectory is not None or not sorting.guess
    if found is None or (known and len(set(found[1])) > 1):
        return False
    times, rest = found
    if len(set(rest)) > 1:
        sorting.found.trajectory = np.asarray(pd.factorize(np.array(rest, dtype=object))[0], dtype=np.intp)
        sorting.found.trajectory_name = column.name or None
        sorting.found.warnings.append(
            f"labels such as {shown(column.cells.iloc[0])} were read as the time {times.values[0]:g}"
            f"{' ' + times.unit if times.unit else ''} of trajectory {rest[0]!r}, one of {len(set(rest))}; rename them if"
            " they mean something else"
        )
    take_time(sorting, column, times)
    return True


def _find_dates_among_series(sorting: Sorting) -> bool:
    for position in sorting.left:
        if not is_plain(sorting.dtypes[position]):
            column = sorting.column(position)
            read = read_times(column.cells)
            if isinstance(read, Times) and read.dates is not None:
                take_time(sorting, column, read)
                return True
    return False


def _spaced(cells: pd.Series[Any]) -> bool:
    """Whether numbers are spaced as times are: rising, or evenly spaced when sorted."""
    values = cells.to_numpy(np.float64, na_value=np.nan)
    if len(values) < 2 or not np.isfinite(values).all():
        return False
    steps = np.diff(np.unique(values))
    if not len(steps):
        return False
    return bool((np.diff(values) > 0).all() or np.mean(np.isclose(steps, np.median(steps), rtol=0.01)) >= 0.8)
