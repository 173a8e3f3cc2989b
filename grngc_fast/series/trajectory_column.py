"""The column that tells trajectories apart: named by the caller, or by what its numbers and the times have together."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import InputError
from .columns import Sorting
from .frame import is_missing_mark
from .numbers import is_plain
from .time_names import tells_apart


def take_trajectory(sorting: Sorting, name: str) -> None:
    column = sorting.named(name, "trajectory")
    for row, cell in enumerate(column.cells):
        if is_missing_mark(cell):
            place = sorting.frame.place(row, column.position)
            raise InputError(f"{sorting.frame.source}{place}: {name!r} is empty; fill it in")
    sorting.found.trajectory = np.asarray(pd.factorize(column.cells)[0], dtype=np.intp)
    sorting.found.trajectory_name = name
    sorting.drop(column, "it tells trajectories apart")


def find_trajectory(sorting: Sorting) -> None:
    """A column of whole numbers called subject, run, ... whose times are there once each, where they repeat among all."""
    times = sorting.found.times
    if sorting.found.trajectory is not None:
        return
    if times is None or len(np.unique(times.values)) == len(times.values):
        _doubt_numbers_of_trajectories(sorting)
        return
    for position in sorting.left:
        if not is_plain(sorting.dtypes[position]) or not tells_apart(sorting.names[position]):
            continue
        column = sorting.column(position)
        values = column.cells.to_numpy(np.float64, na_value=np.nan)
        whole = np.isfinite(values).all() and (values == np.round(values)).all()
        pairs = np.column_stack([values, times.values])
        if whole and 1 < len(np.unique(values)) <= len(values) / 2 and len(np.unique(pairs, axis=0)) == len(pairs):
            take_trajectory(sorting, column.name)
            sorting.found.warnings.append(
                f"column {column.name!r} was taken to tell trajectories apart, since every time is there once for each of its"
                f" values; pass {sorting.frame.option('trajectory')}={column.name!r} to confirm, or rename it if it is a series"
            )
            return


def _doubt_numbers_of_trajectories(sorting: Sorting) -> None:
    """A column of whole numbers called subject, run, ... that changes seldom is a label rather than a series."""
    for position in sorting.left:
        if not is_plain(sorting.dtypes[position]) or not tells_apart(sorting.names[position]):
            continue
        values = sorting.column(position).cells.to_numpy(np.float64, na_value=np.nan)
        n_runs = 1 + int((np.diff(values) != 0).sum())
        if (values == np.round(values)).all() and 1 < n_runs == len(np.unique(values)) <= len(values) / 2:
            name = sorting.names[position]
            sorting.found.warnings.append(
                f"column {name!r} was taken for a series, though its {n_runs} numbers stand in one run of rows each; if it"
                f" tells trajectories apart, pass {sorting.frame.option('trajectory')}={name!r}"
            )
            return
