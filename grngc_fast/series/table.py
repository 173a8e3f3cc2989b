"""A table of series as every door takes it: one trajectory or several, with names, checked once.

`(T, P)` array or table with names, `(R, T, P)` array, or a list of `(T_r, P)` arrays or tables become a `SeriesTable`. What
cannot be used (NaN, a constant series, text, ragged rows, duplicate names) is an `InputError` that names the series.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataWarning, InputError
from ..row_blocks import row_blocks
from .assembled import Assembled, AssemblyOptions, assembled
from .columns import duplicates
from .objects import all_frames
from .reading import Reading
from .time_axis import Gaps

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class SeriesTable:
    """Trajectories of the same named series.

    Attributes
    ----------
    trajectories : tuple of (T_r, P) float arrays, time running down the rows.
    names : tuple of P distinct series names.
    named : whether the names came with the data (False for the default x0, x1, ...).
    reading : how the table was understood, or None where it was made as it is.
    origin : of each trajectory the number of the one that it was cut from, at gaps; None where each is its own.
    """

    trajectories: tuple[Array, ...]
    names: tuple[str, ...]
    named: bool = True
    reading: Reading | None = None
    origin: tuple[int, ...] | None = None

    @property
    def n_series(self) -> int:
        return len(self.names)

    @property
    def n_steps(self) -> int:
        """Time steps over all trajectories."""
        return sum(len(t) for t in self.trajectories)

    @property
    def from_file(self) -> bool:
        """Whether it was read from a file."""
        return self.reading is not None and self.reading.source is not None

    def n_pieces_of(self, number: int) -> int:
        """How many trajectories were cut from the one that trajectory `number` was cut from; 1 where it is its own."""
        return 1 if self.origin is None else self.origin.count(self.origin[number])


def as_series_table(
    X: Any,
    names: Sequence[str] | None = None,
    *,
    forecast: bool = False,
    missing: str = "error",
    time: Hashable | None = None,
    trajectory: Hashable | None = None,
    gaps: Gaps = "cut",
) -> SeriesTable:
    """Bring `X` into the one form the library works on, and check it.

    Tables with names (DataFrames of pandas and polars, tables of pyarrow, xarray, AnnData, mappings, lists of them) are read as
    `read_table` reads files: what tells the time orders the rows and is no series, outer levels of a MultiIndex tell trajectories
    apart, names of rows are left out, and `reading` of the result says so.

    Parameters
    ----------
    X : SeriesTable, (T, P) array or table, (R, T, P) array, or a list of (T_r, P) arrays or tables, whose columns are put in the
        order of the first one's. AnnData: cells are steps and genes series.
    names : P series names; default the table's columns, else x0, x1, ...
    forecast : data to forecast from, which may be constant or of one series.
    missing : "error" refuses missing values; with "drop" and "interpolate" they stay as NaN.
    time : name of the column, index level, dimension or column of `obs` that tells the time; default: recognised by its name
        (`time`, `date`, `timestamp`, ...) or type.
    trajectory : name of the column, index level or column of `obs` that tells trajectories apart.
    gaps : "cut" cuts trajectories where steps of a regular time axis are missing; "ignore" leaves them whole.

    Warns
    -----
    DataWarning : where the order of the steps, or which rows belong together, had to be guessed.

    Raises
    ------
    InputError : text or missing values, infinities, fewer than two series, duplicate names, trajectories that differ in
        their series, a series that is constant over all trajectories, times that cannot be read.
    """
    options = AssemblyOptions(time=time, trajectory=trajectory, missing=missing, gaps=gaps)
    if isinstance(X, SeriesTable):
        table = X
    else:
        frames = all_frames(X, time, trajectory)
        if frames is not None:
            table = of_assembled(assembled(frames, options), names)
        elif time is not None or trajectory is not None:
            given = "time" if time is not None else "trajectory"
            raise InputError(
                f"X has no column names, so {given} cannot be found; pass a table with names, such as a DataFrame"
            )
        else:
            table = _of_arrays(X, names, missing)
        warn_of(table)
    check_table(table, forecast=forecast, missing=missing)
    return table


def of_assembled(found: Assembled, names: Sequence[str] | None = None) -> SeriesTable:
    """The table of assembled trajectories, under their names or the ones given."""
    width = found.trajectories[0].shape[1]
    return SeriesTable(
        found.trajectories, *_names(names, found.names, width), reading=found.reading, origin=found.origin
    )


def warn_of(table: SeriesTable) -> None:
    """Say what its reading warns of."""
    for text in table.reading.warnings if table.reading is not None else ():
        warnings.warn(text, DataWarning, stacklevel=3)


def _names(given: Sequence[str] | None, found: Sequence[str] | None, width: int) -> tuple[tuple[str, ...], bool]:
    names = found if given is None else [str(n) for n in given]
    if given is not None and len(given) != width:
        raise InputError(f"{len(given)} names were given for {width} series")
    return (tuple(f"x{i}" for i in range(width)), False) if names is None else (tuple(names), True)


def _of_arrays(X: Any, names: Sequence[str] | None, missing: str) -> SeriesTable:
    parts = _split(X)
    if not parts:
        raise InputError(f"X has no trajectories (shape={np.shape(X)}); pass at least one (T, P) trajectory")
    arrays = tuple(_as_float(part, number, len(parts), missing) for number, part in enumerate(parts))
    widths = sorted({a.shape[1] for a in arrays})
    if len(widths) > 1:
        raise InputError(f"the trajectories have different numbers of series: {widths}; all need the same columns")
    reading = Reading(None, "steps in rows", sum(map(len, arrays)), widths[0], None, None, len(arrays), len(arrays))
    if missing != "error":
        reading = replace(reading, n_missing=sum(int(np.isnan(a).sum()) for a in arrays))
    return SeriesTable(arrays, *_names(names, None, widths[0]), reading=reading)


def _split(X: Any) -> list[Any]:
    if hasattr(X, "toarray"):
        raise InputError("X is a sparse matrix; series are dense: pass X.toarray()")
    if isinstance(X, (list, tuple)):
        if not X:
            raise InputError("X is an empty list; pass at least one (T, P) trajectory")
        first = X[0]
        nested = isinstance(first, (list, tuple)) and len(first) > 0 and isinstance(first[0], (list, tuple))
        if nested or getattr(first, "ndim", 0) == 2:
            return list(X)
        return [X]
    if hasattr(X, "detach"):
        X = X.detach().cpu().numpy()
    # With the masks of a masked array.
    return list(np.asanyarray(X)) if np.ndim(X) == 3 else [X]


def _as_float(part: Any, number: int, n_parts: int, missing: str) -> Array:
    where = f"trajectory {number}" if n_parts > 1 else "X"
    if hasattr(part, "detach"):
        part = part.detach().cpu().numpy()
    try:
        array = np.asarray(part)
    except ValueError as error:
        raise InputError(f"{where} has rows of different lengths; every row needs one value per series") from error
    if np.ma.is_masked(part) and missing == "error":
        raise InputError(
            f'{where} is a masked array with values missing; fill the gaps or drop those rows, or pass missing="drop" or'
            ' "interpolate"'
        )
    if array.dtype.kind in "mM":
        raise InputError(f"{where} holds dates or durations, not numbers; drop those columns")
    if array.ndim != 2:
        raise InputError(
            f"{where} has shape {array.shape}; expected a 2-D array (time steps, series)."
            " Reshape your data to (T, P), or pass a list of such arrays"
        )
    if 0 in array.shape:
        what, count = ("sample(s)", 1) if array.shape[0] == 0 else ("feature(s)", 2)
        raise InputError(
            f"{where} is empty: 0 {what} (shape={array.shape}) while a minimum of {count} is required;"
            " pass time steps in rows and at least two series in columns"
        )
    if np.iscomplexobj(array):
        raise InputError(f"{where} holds complex numbers. Complex data not supported: pass real values")
    if array.dtype.kind not in "fiub":
        array = _numbers(array, where)
    array = array.astype(np.float64, copy=False) if array.dtype != np.float32 else array
    return np.where(np.ma.getmaskarray(part), np.nan, array) if np.ma.is_masked(part) else array


def _numbers(array: NDArray[Any], where: str) -> Array:
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        pass
    for row, column in np.ndindex(array.shape):
        try:
            float(array[row, column])
        except (TypeError, ValueError):
            series = f"column {column}"
            raise InputError(
                f"{where}: series {series!r} has the non-number {array[row, column]!r} at row {row};"
                " remove label columns and fill or drop text cells"
            ) from None
    return array.astype(np.float64)


def check_table(table: SeriesTable, *, forecast: bool = False, missing: str = "error") -> None:
    """Refuse what no fit can use; see `as_series_table`."""
    names = table.names
    if len(names) < 2 and not forecast:
        raise InputError(
            f"X has 1 series ({names[0]!r}): n_features=1, but causality between series needs at least two columns"
            if names
            else "X has no series left; causality between series needs at least two columns"
        )
    repeated = duplicates(names)
    if repeated:
        raise InputError(f"duplicate series names: {some(repeated)}; rename the columns so that each is distinct")
    n_missing = sum(
        _count_missing(trajectory, names, f" of trajectory {number}" if len(table.trajectories) > 1 else "", missing)
        for number, trajectory in enumerate(table.trajectories)
    )
    if forecast:
        return
    if n_missing:
        known = np.any([np.isfinite(t).any(axis=0) for t in table.trajectories], axis=0)
        if not known.all():
            empty = [names[i] for i in np.flatnonzero(~known)]
            raise InputError(
                f"series without a single value: {some(empty)}; drop them (of a file pass drop_constant=True)"
            )
    low = np.fmin.reduce([np.fmin.reduce(t, axis=0) for t in table.trajectories])
    high = np.fmax.reduce([np.fmax.reduce(t, axis=0) for t in table.trajectories])
    constant = [names[i] for i in np.flatnonzero(low == high)]
    if constant and table.n_steps > 1:
        raise InputError(
            f"constant series: {some(constant)}; a series that never changes can neither cause nor be caused: drop it"
            " (of a file pass drop_constant=True)"
        )


def _count_missing(trajectory: Array, names: tuple[str, ...], where: str, missing: str) -> int:
    """Values that are NaN, where they may be; infinities may never."""
    refused = np.isinf if missing != "error" else lambda values: ~np.isfinite(values)
    first: tuple[int, int] | None = None
    count = n_missing = 0
    for rows in row_blocks(trajectory.shape):
        bad = refused(trajectory[rows])
        if missing != "error":
            n_missing += int(np.isnan(trajectory[rows]).sum())
        if bad.any():
            count += int(bad.sum())
            row, column = (int(v) for v in np.argwhere(bad)[0])
            first = first or (rows.start + row, column)
    if first is not None:
        kind = "NaN" if np.isnan(trajectory[first]) else "inf"
        also = ', or pass missing="drop" or "interpolate"' if kind == "NaN" else ""
        raise InputError(
            f"series {names[first[1]]!r} holds {kind} at row {first[0]}{where} ({count} such values in all);"
            f" fill the gaps or drop those rows{also}"
        )
    return n_missing


def some(items: Iterable[str], limit: int = 5) -> str:
    """The first few, quoted, and how many more."""
    items = list(items)
    shown = ", ".join(repr(i) for i in items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"
