"""Index levels and columns in front that name or number the rows, and what is odd about them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import InputError
from .columns import Column, Sorting, counts
from .frame import Frame, is_missing_mark, shown
from .long_format import NAMES_OF_SERIES
from .numbers import almost_number, is_plain, labels_message, parsed
from .time_column import take_time
from .time_names import are_years, may_number_rows
from .time_values import read_times
from .times import NoTime, Times

_SUMMARY = re.compile(
    r"((grand|sub) ?)?totals?|sum|mean|average|avg|median|min(imum)?|max(imum)?|std( ?dev)?|sd|sem|variance|count"
)


def take_index(sorting: Sorting) -> None:
    """Levels of the index that are left: outer ones tell trajectories, the innermost the order or the names of the rows."""
    levels = sorting.index
    several = len(levels) > 1 or (len(levels) == 1 and isinstance(sorting.frame.cells.index, pd.MultiIndex))
    if several and sorting.found.trajectory is None:
        # where the time is a column of its own, the innermost level may do no more than number the rows
        inner = levels[-1]
        grouped = pd.DataFrame({k: level.cells for k, level in enumerate(levels)}).astype(object)
        unique_within = not grouped.duplicated().any()
        used = sorting.found.times is not None and len(levels) < sorting.frame.cells.index.nlevels
        outer = levels if used or not unique_within else levels[:-1]
        keys = pd.MultiIndex.from_arrays([level.cells for level in outer])
        sorting.found.trajectory = np.asarray(pd.factorize(keys)[0], dtype=np.intp)
        sorting.found.trajectory_name = ", ".join(level.name or f"level {k}" for k, level in enumerate(outer))
        if outer is not levels and sorting.found.times is None and inner.is_number:
            take_time(sorting, inner)
        sorting.index = []
        return
    for level in list(levels):
        _take_rows_index(sorting, level)


def _take_rows_index(sorting: Sorting, level: Column) -> None:
    cells = level.cells
    if level.is_number and len(cells) > 1 and sorting.found.trajectory is None and not _several_levels(sorting.frame):
        values = cells.to_numpy(np.float64, na_value=np.nan)
        steps = np.diff(values)
        whole = bool((values == np.round(values)).all())
        if sorting.found.times is None and np.isfinite(values).all():
            if (not whole and (steps > 0).all()) or _starts_again(values):
                take_time(sorting, level)
                return
            _say_of_numbers(sorting, steps, whole)
    elif not level.is_number and level.position is None and sorting.found.trajectory is None:
        _say_of_labels(sorting, level)
    sorting.drop(level, "it labels the rows")


def _say_of_numbers(sorting: Sorting, steps: NDArray[np.float64], whole: bool) -> None:
    if not (steps > 0).all():
        sorting.found.warnings.append(
            "the index of the rows is out of order: the rows were kept as they lie; if it is the time, call it 'time'"
        )
    elif whole and len(steps) > 2 and (steps == 1).mean() >= 0.5 and (steps > 1).any():
        sorting.found.warnings.append(
            f"the index of the rows leaves numbers out at {int((steps > 1).sum())} places: if steps are missing there,"
            " call it 'time', so that windows do not cross them"
        )


def _say_of_labels(sorting: Sorting, level: Column) -> None:
    _refuse_names_of_series(sorting, level)
    _doubt_summaries(sorting, level)
    times = read_times([str(cell) for cell in level.cells])
    if isinstance(times, NoTime) and 2 * times.n_read > len(level.cells) > 2:
        sorting.found.warnings.append(
            f"most labels are times, but {shown(times.cell)} is none: each was taken for a step, in the order they lie;"
            " remove what is no step, so that the others are put in the order of time"
        )
    first = shown(level.cells.iloc[0]) if len(level.cells) else ""
    if level.cells.duplicated().any():
        sorting.found.warnings.append(
            f"labels of the rows such as {first} repeat: the rows were taken for one trajectory in their order; if the"
            f" labels tell trajectories apart, name them and pass {sorting.frame.option('trajectory')}"
        )
    elif sorting.frame.of_headers and level.position is None:
        sorting.found.notes.append(
            f"headers of the columns such as {first} tell no time: the columns were taken in their order"
        )
    else:
        turned = "transpose=True" if sorting.frame.from_file else "X.T"
        sorting.found.notes.append(
            f"labels of the rows such as {first} were left out, each row being a step; pass {turned} if it is a series"
        )
    labels = [str(cell) for cell in level.cells]
    if len(labels) > 2 and labels == sorted(labels) != sorted(labels, key=_natural):
        some = ", ".join(sorted(labels, key=_natural)[:3])
        sorting.found.warnings.append(
            f"labels such as {', '.join(labels[:3])} lie in the order of text, and were kept so: put them in the order"
            f" {some}, ... if that is the order of time"
        )


def _doubt_summaries(sorting: Sorting, level: Column) -> None:
    """Rows called mean, total, ... among others are no steps."""
    labels = [str(cell).strip() for cell in level.cells]
    summaries = [label for label in labels if _SUMMARY.fullmatch(label.lower())]
    if summaries and 2 * len(summaries) < len(labels):
        some = ", ".join(map(repr, summaries[:3]))
        sorting.found.warnings.append(
            f"rows called {some} were taken for steps; if they sum up the others, remove them"
        )


def take_labels(sorting: Sorting) -> None:
    """Columns in front that number or name the rows."""
    for position in list(sorting.left):
        if is_plain(sorting.dtypes[position]):
            if may_number_rows(sorting.names[position]) and _take_row_numbers(sorting, sorting.column(position)):
                continue
            return
        column = sorting.column(position)
        if not _is_text(sorting, column):
            return
        if column.name and column.cells.duplicated().any():
            cell = next(cell for cell in column.cells if not is_missing_mark(cell))
            raise InputError(labels_message(sorting.frame, column.name, cell))
        _say_of_labels(sorting, column)
        sorting.drop(column, "it labels the rows")


def _take_row_numbers(sorting: Sorting, column: Column) -> bool:
    """Numbers of the rows in a column of a file: an index that was saved with it."""
    if not _is_unnamed(column.name):
        if not counts(column.cells):
            numbers = column.cells.to_numpy(np.float64, na_value=np.nan)
            if len(numbers) < 3 or not counts(pd.Series(np.sort(numbers) - numbers.min())):
                return False
            _say_of_numbers(sorting, np.diff(numbers), True)
        sorting.drop(column, "it numbers the rows", note=True)
        return True
    values = column.cells.to_numpy(np.float64, na_value=np.nan)
    whole = bool(np.isfinite(values).all() and (values == np.round(values)).all())
    rising = bool((np.diff(values) > 0).all())
    if not whole and not (rising and len(values) > 1):
        return False
    if (not whole or _starts_again(values)) and sorting.found.times is None and sorting.found.trajectory is None:
        take_time(sorting, column)
        return True
    if sorting.found.times is None and sorting.found.trajectory is None:
        _say_of_numbers(sorting, np.diff(values), whole)
    sorting.drop(column, "it numbers the rows", note=True)
    return True


def _is_text(sorting: Sorting, column: Column) -> bool:
    if column.is_date or column.cells.dtype.kind == "c":
        return False
    try:
        _, is_text = parsed(column.cells)
    except (TypeError, ValueError):
        return False
    present = [cell for cell in column.cells if not is_missing_mark(cell)]
    in_disguise = sum(map(almost_number, present))
    return bool(is_text.any()) and 2 * int(is_text.sum()) > len(present) > 2 * in_disguise


def _refuse_names_of_series(sorting: Sorting, column: Column) -> None:
    if NAMES_OF_SERIES.fullmatch(column.name.strip().lower()):
        first = next((cell for cell in column.cells if not is_missing_mark(cell)), "")
        raise InputError(labels_message(sorting.frame, column.name, first))
    names = [sorting.names[p] for p in sorting.left if p != column.position]
    times = read_times(names) if len(names) > 1 else None
    told = isinstance(times, Times) and (times.named_units or times.dates is not None)
    if sorting.frame.named and (told or are_years(names)):
        some = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        turned = "transpose=True" if sorting.frame.from_file else "X.T"
        raise InputError(
            f"{sorting.frame.source}: the columns are called by times ({some}) and the rows by labels, so each row seems to be"
            f" a series: pass {turned}"
        )


def _natural(label: str) -> list[tuple[bool, float, str]]:
    """For sorting s2 before s10."""
    parts = re.split(r"(\d+)", label)
    return [(part.isdigit(), float(part) if part.isdigit() else 0.0, part) for part in parts]


def _several_levels(frame: Frame) -> bool:
    return isinstance(frame.cells.index, pd.MultiIndex)


def _is_unnamed(name: str) -> bool:
    return not name or name.lower().startswith("unnamed:")


def _starts_again(values: NDArray[np.float64]) -> bool:
    """0, 1, 2, 0, 1, 2: as when tables are put one below the other."""
    falls = np.flatnonzero(np.diff(values) <= 0) + 1
    if not len(falls) or len(falls) + 1 > len(values) / 2:
        return False
    return bool((values[falls] == values[0]).all())
