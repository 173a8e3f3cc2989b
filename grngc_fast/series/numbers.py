"""Columns of cells into one array of numbers; what is no number is refused with its place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import InputError
from ..row_blocks import row_blocks
from .frame import Frame, is_missing_mark, shown

# A mark for what is missing is short.
_LONGEST_MARK = 8
_ALMOST = re.compile(r"[<>~=]{0,2}\s*[$€£]?\s*[+-]?[\d.,]*\d[\d.,]*(?:e[+-]?\d+)?\s*[%*$€£]?", re.IGNORECASE)


def is_plain(dtype: Any) -> bool:
    """Whether the cells of a column are real numbers already."""
    return bool(pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype))


def parsed(column: pd.Series[Any], marks: Sequence[Any] = ()) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Numbers of a column of text or mixed cells, NaN where there is none or one of `marks`, and which cells are text."""
    cells = column.to_numpy(dtype=object)
    known = {str(mark).strip() for mark in marks}
    missing = np.array([is_missing_mark(cell) or str(cell).strip() in known for cell in cells], dtype=bool)
    text = pd.Series(np.array([cell.strip() if isinstance(cell, str) else cell for cell in cells], dtype=object))
    coarse = pd.to_numeric(text.where(~missing, None), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    is_text = np.isnan(coarse) & ~missing
    good = ~np.isnan(coarse)
    values = np.full(len(cells), np.nan)
    # float() rounds as it should, which to_numeric does not promise
    values[good] = [float(cell) for cell in text.to_numpy(dtype=object)[good]]
    return values, is_text


def numbers_of(
    frame: Frame, positions: Sequence[int], names: Sequence[str], missing_values: Sequence[Any] = ()
) -> NDArray[Any]:
    """(T, P) floats of these columns, NaN where a value is missing.

    Raises
    ------
    InputError : text, dates, complex numbers, infinities.
    """
    dtypes = frame.cells.dtypes.to_numpy()
    kinds = [dtypes[position] for position in positions]
    odd = [k for k, dtype in enumerate(kinds) if not is_plain(dtype)]
    single = bool(kinds) and not odd and all(dtype == np.float32 for dtype in kinds)
    positions = list(positions)
    chosen = frame.cells if positions == list(range(frame.cells.shape[1])) else frame.cells.iloc[:, positions]
    if odd:
        chosen = chosen.iloc[:, [k for k in range(len(positions)) if k not in set(odd)]]
    values: NDArray[Any] = chosen.to_numpy(dtype=np.float32 if single else np.float64, na_value=np.nan)
    if odd:
        values = _with_parsed(frame, positions, names, odd, values, missing_values)
    if missing_values:
        values = _without_marks(values, missing_values)
    _refuse_infinite(frame, values, positions, names)
    # sums are rounded by the order of memory, and a table should give what its array gives
    return np.ascontiguousarray(values)


def _with_parsed(
    frame: Frame,
    positions: Sequence[int],
    names: Sequence[str],
    odd: Sequence[int],
    plain: NDArray[Any],
    marks: Sequence[Any],
) -> NDArray[np.float64]:
    values = np.empty((len(frame.cells), len(positions)))
    values[:, [k for k in range(len(positions)) if k not in set(odd)]] = plain
    first: tuple[int, int, Any] | None = None
    for k in odd:
        column = frame.cells.iloc[:, positions[k]]
        if column.dtype.kind in "mMc":
            what = "complex numbers" if column.dtype.kind == "c" else "dates or durations"
            raise InputError(f"{frame.source}: series {names[k]!r} holds {what}, not real numbers; drop the column")
        try:
            values[:, k], is_text = parsed(column, marks)
        except (TypeError, ValueError):
            is_text = np.array([not isinstance(cell, (int, float)) for cell in column])
        if is_text.any():
            row = int(np.argmax(is_text))
            labels = not almost_number(column.iloc[row])
            if labels and 2 * is_text.sum() > max(1, (~np.isnan(values[:, k])).sum() + is_text.sum()):
                raise InputError(labels_message(frame, names[k], column.iloc[row]))
            if first is None or row < first[0]:
                first = row, k, column.iloc[row]
    if first is not None:
        row, k, cell = first
        written = frame.written(row, positions[k])
        cell = cell if written is None else written
        hint = _hint(cell)
        raise InputError(
            f"{frame.source}{frame.place(row, positions[k])}: series {_called(frame, names[k], positions[k])} has the text"
            f" {shown(cell)} where a number is needed{hint}; correct the cell or drop the row"
        )
    return values


def almost_number(cell: Any) -> bool:
    """`1,5`, `12 %`, `<0.1`, `$3`: a number in other clothes, which is neither read nor taken for a label."""
    return isinstance(cell, str) and _ALMOST.fullmatch(cell.strip()) is not None


def labels_message(frame: Frame, name: str, cell: Any) -> str:
    """A column of labels where series are expected, and what to do."""
    turned = "transpose=True" if frame.from_file else "X.T"
    return (
        f"{frame.source}: column {name!r} holds labels such as {shown(cell)}, not numbers; drop it, or pass {turned} if each"
        f" row is a series, or {frame.option('trajectory')}={name!r} if it tells trajectories apart"
    )


def _called(frame: Frame, name: str, position: int) -> str:
    return repr(name) if frame.named else f"column {position + 1}"


def _hint(cell: Any) -> str:
    """How a cell becomes a number, or a mark of what is missing."""
    if not isinstance(cell, str):
        return ""
    if _has_comma(cell):
        return "; write decimals with a point"
    if cell.strip().endswith("%"):
        return "; write it without the sign"
    short = len(cell) <= _LONGEST_MARK and not re.search(r"[\d']", cell)
    return f"; if it stands for a missing value, pass missing_values=[{cell.strip()!r}]" if short else ""


def _has_comma(cell: str) -> bool:
    try:
        float(cell.replace(",", ".", 1))
    except ValueError:
        return False
    return "," in cell


def as_numbers(marks: Sequence[Any]) -> list[float]:
    """Those of the marks that are numbers."""
    numbers = []
    for mark in marks:
        try:
            numbers.append(float(mark))
        except (TypeError, ValueError):
            continue
    return [number for number in numbers if number == number]


def _without_marks(values: NDArray[Any], missing_values: Sequence[Any]) -> NDArray[Any]:
    """NaN for numbers that stand for missing ones."""
    found = np.isin(values, as_numbers(missing_values))
    if not found.any():
        return values
    values = values.copy() if values.dtype.kind == "f" else values.astype(np.float64)
    values[found] = np.nan
    return values


def _refuse_infinite(frame: Frame, values: NDArray[Any], positions: Sequence[int], names: Sequence[str]) -> None:
    for rows in row_blocks(values.shape):
        bad = np.isinf(values[rows])
        if bad.any():
            row, k = (int(v) for v in np.argwhere(bad)[0])
            row += rows.start
            cell = frame.written(row, positions[k])
            cell = cell if cell is not None else str(values[row, k])
            raise InputError(
                f"{frame.source}{frame.place(row, positions[k])}: series {_called(frame, names[k], positions[k])} has the"
                f" infinite value {shown(cell)} where a number is needed; correct the cell or drop the row"
            )


def refuse_missing(frame: Frame, values: NDArray[Any], positions: Sequence[int], names: Sequence[str]) -> None:
    """Name the first missing value, in the order of the rows.

    Raises
    ------
    InputError : if there is one.
    """
    first: tuple[int, int] | None = None
    count = 0
    for rows in row_blocks(values.shape):
        bad = np.isnan(values[rows])
        if bad.any():
            count += int(bad.sum())
            row, k = (int(v) for v in np.argwhere(bad)[0])
            first = first or (row + rows.start, k)
    if first is None:
        return
    row, k = first
    cell = frame.written(row, positions[k])
    series = _called(frame, names[k], positions[k])
    gone = np.isnan(values[:, k]).all()
    fix = f"fill the {'gap' if count == 1 else 'gaps'} or drop the {'row' if count == 1 else 'rows'}"
    raise InputError(
        f"{frame.source}{frame.place(row, positions[k])}: series {series} has no value"
        + (f" ({shown(cell)})" if cell is not None else f": it holds NaN at row {row}")
        + (f" ({count} such values in all)" if count > 1 else "")
        + (
            ", nor anywhere else: drop it"
            if gone and len(values) > 1
            else f'; {fix}, or pass missing="drop" or "interpolate"'
        )
    )
