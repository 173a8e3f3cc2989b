"""A table of series as every door takes it: one trajectory or several, with names, checked once.

`(T, P)` array or DataFrame, `(R, T, P)` array, or a list of `(T_r, P)` arrays or DataFrames become a `SeriesTable`. What
cannot be used (NaN, a constant series, text, ragged rows, duplicate names) is an `InputError` that names the series.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..row_blocks import row_blocks
from .reading import Reading

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


def as_series_table(X: Any, names: Sequence[str] | None = None, *, forecast: bool = False) -> SeriesTable:
    """Bring `X` into the one form the library works on, and check it.

    Parameters
    ----------
    X : SeriesTable, (T, P) array or DataFrame, (R, T, P) array, or a list of (T_r, P) arrays or DataFrames.
    names : P series names; default the DataFrame's columns, else x0, x1, ...
    forecast : data to forecast from, which may be constant or of one series.

    Raises
    ------
    InputError : text or missing values, infinities, fewer than two series, duplicate names, trajectories that differ in
        their series, a series that is constant over all trajectories.
    """
    if isinstance(X, SeriesTable):
        table = X
    else:
        parts = _split(X)
        if not parts:
            raise InputError(f"X has no trajectories (shape={np.shape(X)}); pass at least one (T, P) trajectory")
        found = [_column_names(part) for part in parts]
        if any(f != found[0] for f in found[1:]):
            raise InputError(
                "the trajectories have different column names; give every trajectory the same series, in one order"
            )
        arrays = tuple(_as_float(part, number, len(parts), found[0]) for number, part in enumerate(parts))
        widths = sorted({a.shape[1] for a in arrays})
        if len(widths) > 1:
            raise InputError(f"the trajectories have different numbers of series: {widths}; all need the same columns")
        given = found[0] if names is None else [str(n) for n in names]
        if names is not None and len(given or ()) != widths[0]:
            raise InputError(f"{len(given or ())} names were given for {widths[0]} series")
        table = SeriesTable(
            arrays, tuple(given) if given is not None else tuple(f"x{i}" for i in range(widths[0])), given is not None
        )
    _check(table, forecast)
    return table


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
    return list(np.asarray(X)) if np.ndim(X) == 3 else [X]


def _column_names(part: Any) -> list[str] | None:
    columns = getattr(part, "columns", None)
    if columns is None or not all(isinstance(c, str) for c in columns):
        return None
    return list(columns)


def _as_float(part: Any, number: int, n_parts: int, names: list[str] | None) -> Array:
    where = f"trajectory {number}" if n_parts > 1 else "X"
    if hasattr(part, "detach"):
        part = part.detach().cpu().numpy()
    try:
        array = np.asarray(part)
    except ValueError as error:
        raise InputError(f"{where} has rows of different lengths; every row needs one value per series") from error
    if np.ma.is_masked(part):
        raise InputError(f"{where} is a masked array with values missing; fill the gaps or drop those rows")
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
        array = _numbers(array, where, names)
    return array.astype(np.float64, copy=False) if array.dtype != np.float32 else array


def _numbers(array: NDArray[Any], where: str, names: list[str] | None) -> Array:
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        pass
    for row, column in np.ndindex(array.shape):
        try:
            float(array[row, column])
        except (TypeError, ValueError):
            series = names[column] if names else f"column {column}"
            raise InputError(
                f"{where}: series {series!r} has the non-number {array[row, column]!r} at row {row};"
                " remove label columns and fill or drop text cells"
            ) from None
    return array.astype(np.float64)


def _check(table: SeriesTable, forecast: bool) -> None:
    names = table.names
    if len(names) < 2 and not forecast:
        raise InputError(
            f"X has 1 series ({names[0]!r}): n_features=1, but causality between series needs at least two columns"
        )
    duplicates = sorted(n for n, count in Counter(names).items() if count > 1)
    if duplicates:
        raise InputError(f"duplicate series names: {some(duplicates)}; rename the columns so that each is distinct")
    for number, trajectory in enumerate(table.trajectories):
        _check_finite(trajectory, names, f" of trajectory {number}" if len(table.trajectories) > 1 else "")
    if forecast:
        return
    low = np.min([t.min(axis=0) for t in table.trajectories], axis=0)
    high = np.max([t.max(axis=0) for t in table.trajectories], axis=0)
    constant = [names[i] for i in np.flatnonzero(low == high)]
    if constant and table.n_steps > 1:
        raise InputError(
            f"constant series: {some(constant)}; a series that never changes can neither cause nor be caused: drop it"
            " (of a file pass drop_constant=True)"
        )


def _check_finite(trajectory: Array, names: tuple[str, ...], where: str) -> None:
    first: tuple[int, int] | None = None
    count = 0
    for rows in row_blocks(trajectory.shape):
        bad = ~np.isfinite(trajectory[rows])
        if bad.any():
            count += int(bad.sum())
            row, column = (int(v) for v in np.argwhere(bad)[0])
            first = first or (rows.start + row, column)
    if first is not None:
        kind = "NaN" if np.isnan(trajectory[first]) else "inf"
        raise InputError(
            f"series {names[first[1]]!r} holds {kind} at row {first[0]}{where} ({count} such values in all);"
            " fill the gaps or drop those rows"
        )


def some(items: Iterable[str], limit: int = 5) -> str:
    """The first few, quoted, and how many more."""
    items = list(items)
    shown = ", ".join(repr(i) for i in items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"
