"""A header and rows of cells, from text or a sheet, into a frame with steps in rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError
from ..series.frame import Frame, is_missing_mark, shown
from ..series.numbers import is_plain, parsed


@dataclass(frozen=True)
class Grid:
    """What a file held.

    Attributes
    ----------
    source : the file.
    head : cells of the header; None without one.
    head_line : where it stands.
    body : (rows, columns) cells below it.
    line : of a row of the body its line (or row of the sheet).
    written : of (row, column) the cell as it is in the file; None where that is not known.
    unit : what lines are called.
    blocks : rows of each part that blank lines set apart; None where there is one.
    notes, warnings : what was said so far.
    """

    source: str
    head: list[str] | None
    head_line: int
    body: pd.DataFrame
    line: Callable[[int], int]
    written: Callable[[int, int], str | None]
    unit: str = "line"
    blocks: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def with_header_in_place(grid: Grid) -> Grid:
    """The header over its columns: R leaves the name of the row labels out; a delimiter at the end of lines is no column.

    Raises
    ------
    InputError : rows of another width than the header.
    """
    head, width = grid.head, grid.body.shape[1]
    empty = _empty_columns(grid)
    filled = width - empty[::-1].index(False) if False in empty else width
    if head is not None:
        named = len(head)
        while named > 1 and not head[named - 1]:
            named -= 1
        # names above columns that hold nothing keep them
        filled = max(filled, min(named, width))
        left_out = named == filled - 1 and len(head) < width
        head = ["", *head[:named]] if left_out else head[: max(named, filled)]
        if len(head) != filled:
            raise ragged(grid.source, grid.unit, grid.line(0), len(head), width, "the header")
    if filled == width:
        return replace(grid, head=head)
    note = f"{width - filled} empty column{'s' * (width - filled > 1)} at the end of the lines left out"
    return replace(grid, head=head, body=grid.body.iloc[:, :filled], notes=(*grid.notes, note))


def ragged(source: str, unit: str, line: int, expected: int, found: int, like: str) -> InputError:
    return InputError(
        f"{source}, {unit} {line}: expected {expected} cells, as many as {like} has, but found {found};"
        " every row needs one cell per column"
    )


def _empty_columns(grid: Grid) -> list[bool]:
    """Which columns at the end hold nothing, not even a mark for what is missing."""
    empty = [False] * grid.body.shape[1]
    ends = {0, len(grid.body) - 1} if len(grid.body) else set()
    for column in reversed(range(len(empty))):
        gone = bool(grid.body.iloc[:, column].isna().all())
        empty[column] = gone and not any(grid.written(row, column) for row in ends)
        if not empty[column]:
            break
    return empty


def steps_in_rows(grid: Grid) -> Frame:
    """Each row a step."""
    body, head = grid.body, grid.head
    if not len(body):
        raise InputError(f"{grid.source} holds a header and no values; expected one row per time step below it")
    dropped: list[tuple[str, str]] = []
    notes = list(grid.notes)
    kept = list(range(body.shape[1]))
    if head is not None:
        nameless = [k for k, name in enumerate(head) if not name and body.iloc[:, k].isna().all()]
        kept = [k for k in kept if k not in set(nameless)]
        if nameless:
            notes.append(f"{len(nameless)} columns without a name or a value were left out")
            dropped = [("", "it is empty")] * len(nameless)
    cells = body.iloc[:, kept] if len(kept) < body.shape[1] else body
    cells = cells.set_axis([head[k] for k in kept] if head is not None else range(len(kept)), axis=1)

    def place(row: int, column: int | None) -> str:
        return f", {grid.unit} {grid.head_line if row < 0 else grid.line(row)}"

    return Frame(
        cells.reset_index(drop=True),
        source=grid.source,
        place=place,
        written=lambda row, column: grid.written(row, kept[column]),
        blocks=grid.blocks,
        from_file=True,
        shape=(len(body), body.shape[1]),
        notes=tuple(notes),
        warnings=grid.warnings,
        dropped=tuple(dropped),
    )


def series_in_rows(grid: Grid, n_labels: int, missing_values: Sequence[Any] = ()) -> Frame:
    """Each row a series: its name, further labels, its values; the header tells the times."""
    body = grid.body
    if not len(body):
        raise InputError(f"{grid.source} holds a header and no values; expected one row per series below it")
    if n_labels >= body.shape[1]:
        raise InputError(f"{grid.source} has no column of numbers beside its labels and times")
    names = []
    for row, cell in enumerate(body.iloc[:, 0]):
        name = grid.written(row, 0) if is_missing_mark(cell) else str(cell).strip()
        if not name:
            raise InputError(f"{grid.source}, {grid.unit} {grid.line(row)}: the series has no name in its first cell")
        names.append(name)
    values = _values(grid, body.iloc[:, n_labels:], names, missing_values)
    head = grid.head[n_labels:] if grid.head is not None else None
    labels = () if n_labels == 1 else tuple((_label(grid, k), "it labels the series") for k in range(1, n_labels))
    notes = tuple(f"column {name!r} was left out: {why}" for name, why in labels)
    return Frame(
        pd.DataFrame(values.T, index=None if head is None else pd.Index(head, dtype=object), columns=names),
        source=grid.source,
        place=lambda _, column: f", {grid.unit} {grid.line(column or 0)}",
        written=lambda row, column: grid.written(column, row + n_labels),
        from_file=True,
        of_headers=True,
        shape=(len(body), body.shape[1]),
        notes=(*grid.notes, *notes),
        warnings=grid.warnings,
        dropped=labels,
    )


def _label(grid: Grid, column: int) -> str:
    return grid.head[column] if grid.head is not None and grid.head[column] else f"column {column + 1}"


def _values(
    grid: Grid, body: pd.DataFrame, names: Sequence[str], missing_values: Sequence[Any]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(P, T) numbers; text in them is named by its series."""
    odd = [k for k, dtype in enumerate(body.dtypes) if not is_plain(dtype)]
    values = np.empty(body.shape)
    plain = [k for k in range(body.shape[1]) if k not in set(odd)]
    values[:, plain] = body.iloc[:, plain].to_numpy(np.float64, na_value=np.nan)
    first: tuple[int, int] | None = None
    for k in odd:
        values[:, k], is_text = parsed(body.iloc[:, k], missing_values)
        if is_text.any():
            row = int(np.argmax(is_text))
            first = min(first or (row, k), (row, k))
    if first is not None:
        row, k = first
        raise InputError(
            f"{grid.source}, {grid.unit} {grid.line(row)}: series {names[row]!r} has the text {shown(body.iloc[row, k])} where a"
            " number is needed; correct the cell or drop the row"
        )
    return values
