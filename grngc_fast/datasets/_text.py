"""Delimited text into a grid: what its first rows tell of the layout, and the cells below."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError
from ..series.frame import Frame
from ._body import late_commas, read_body
from ._dialect import Marks, is_header, number_marks, table_delimiter, turned_layout, with_unit_of_times, with_units
from ._grid import Grid, series_in_rows, steps_in_rows, with_header_in_place
from ._lines import read_text, split_cells
from ._source import Row, Source, blank_line, kept_rows

# Rows that the layout is told from.
_SAMPLE = 30
_SAMPLE_OF_DELIMITERS = 12
_SEPARATOR = re.compile(r"sep=(.)", re.IGNORECASE)


@dataclass(frozen=True)
class TextOptions:
    """How to read a text table; see `read_table`."""

    delimiter: str | None = None
    decimal: str | None = None
    comment: str | None = None
    transpose: bool = False
    trajectory_column: str | None = None
    missing_values: Sequence[Any] = ()

    def __post_init__(self) -> None:
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '\r\n"'):
            raise InputError(f"delimiter is {self.delimiter!r}; expected one character, or None to have it recognised")
        if self.decimal not in (None, ".", ","):
            raise InputError(f"decimal is {self.decimal!r}; expected '.' or ','")


@dataclass(frozen=True)
class _Top:
    """What the first rows tell of the layout.

    Attributes
    ----------
    text : of the file; a header that is there again is blank.
    delimiter : None for blanks. comments : what starts a line that is no row.
    rows, cells : the first rows, without titles above them.
    head, head_line : cells of the header, None without one, and its line.
    first : which of the rows is the first below header and units.
    n_labels : leading columns of labels, where series are in rows.
    notes : what was said so far.
    """

    text: str
    delimiter: str | None
    comments: tuple[str, ...]
    rows: list[Row]
    cells: list[list[str]]
    head: list[str] | None
    head_line: int
    first: int
    n_labels: int
    notes: list[str]


def read_text_frame(path: Path, options: TextOptions) -> Frame:
    """The frame of a text table."""
    text, warning = read_text(path)
    top = _top(path, text, options)
    below = top.rows[top.first]
    source = Source(path, top.text, top.delimiter, top.comments, below.number, below.start)
    body, blocks, marks = _cells_below(source, top, options)
    notes, warned = list(top.notes), [warning] if warning else []
    if marks.decimal == "," and options.decimal is None:
        notes.append("decimals are written with a comma")
    if source.n_comments:
        marks_of_comments = " or ".join(top.comments)
        notes.append(f"{source.n_comments} lines between the rows that begin with {marks_of_comments} were left out")
    if marks.unclear is not None:
        warned.append(
            f"{marks.unclear!r} was read with a decimal comma; if the comma marks thousands, pass decimal='.' or write none"
        )
    head = top.head
    if options.transpose and head is not None and len(head) == body.shape[1] - 1:
        head = ["", *head]
    grid = with_header_in_place(
        Grid(
            str(path),
            head,
            top.head_line,
            body,
            source.line,
            source.written,
            blocks=blocks,
            notes=tuple(notes),
            warnings=tuple(warned),
        )
    )
    return series_in_rows(grid, top.n_labels, options.missing_values) if options.transpose else steps_in_rows(grid)


def _top(path: Path, text: str, options: TextOptions) -> _Top:
    comments = ("#", "!") if options.comment is None else (options.comment,) if options.comment else ()
    separator = _SEPARATOR.fullmatch(text[:8].split("\n")[0].strip())
    offset = text.index("\n") + 1 if separator and "\n" in text else 0
    rows = list(islice(kept_rows(text, offset, comments), _SAMPLE))
    if text.startswith(("#1.2\n", "#1.3\n")):
        # the second line of a GCT file counts its rows and columns
        rows = rows[1:]
    if not rows:
        raise InputError(f"{path} holds no row that is not a comment; expected one row per time step")
    delimiter = options.delimiter or (separator[1] if separator else None)
    if delimiter is None:
        delimiter = table_delimiter([row.line for row in rows[:_SAMPLE_OF_DELIMITERS]])
    delimiter = None if delimiter == " " else delimiter
    notes: list[str] = []
    rows = _without_titles([row for row in rows if not blank_line(delimiter).fullmatch(row.line)], delimiter, notes)
    if not rows:
        raise InputError(
            f"{path} holds delimiters and no cell; expected one row per time step and one column per series"
        )
    cells = [split_cells(row.line, delimiter) for row in rows]
    head, head_line, first = _header(text, offset, rows, cells, delimiter, comments, options.transpose)
    n_labels = n_units = 0
    if options.transpose:
        above = head is not None and head_line != rows[0].number
        has_head, n_labels = turned_layout(
            head if head is not None and above else cells[0], cells if above else cells[1:]
        )
        if not above:
            head, head_line, first = (cells[0], rows[0].number, 1) if has_head else (None, 0, 0)
    if first >= len(rows):
        below = "series" if options.transpose else "time step"
        raise InputError(f"{path} holds a header and no values; expected one row per {below} below it")
    if head is not None and options.transpose:
        head, n_units = with_unit_of_times(head, cells[first:], n_labels)
    elif head is not None and first == 1:
        text, rows = _without_headers_again(text, rows, notes)
        cells = [split_cells(row.line, delimiter) for row in rows]
        head, n_units = with_units(head, cells[1:])
    if n_units:
        units = rows[first]
        notes.append(f"line {units.number} below the header, with {units.line[:40].strip()!r}, was taken for units")
    return _Top(text, delimiter, comments, rows, cells, head, head_line, first + n_units, n_labels, notes)


def _cells_below(source: Source, top: _Top, options: TextOptions) -> tuple[pd.DataFrame, tuple[int, ...] | None, Marks]:
    """The cells, the rows of each part between blank lines, and how numbers are written."""
    first, n_head = top.cells[top.first :], None if top.head is None else len(top.head)
    marks = number_marks(first, top.delimiter) if options.decimal is None else Marks(options.decimal)
    typed = {0: object} if options.transpose else _kept_as_text(top.head, first[0], options.trajectory_column)
    body, blocks = read_body(source, marks, typed, options.missing_values, n_head)
    later = late_commas(body) if options.decimal is None and marks == Marks() else None
    if later is None:
        return body, blocks, marks
    return *read_body(source, later, typed, options.missing_values, n_head), later


def _without_headers_again(text: str, rows: list[Row], notes: list[str]) -> tuple[str, list[Row]]:
    """The header once: where it is there again are blanks of the same length, so that no place moves, and a part begins."""
    head = rows[0]
    end = head.start + len(head.line)
    if text.find("\n" + head.line, end) < 0:
        return text, rows
    again = re.compile(rf"\n{re.escape(head.line)}(?=\n|\Z)")
    rest, n_again = again.subn(lambda match: "\n" + " " * (len(match[0]) - 1), text[end:])
    if n_again:
        notes.append(f"the header is there {n_again + 1} times, and a trajectory begins below each")
    return text[:end] + rest, [head, *(row for row in rows[1:] if row.line != head.line)]


def _without_titles(rows: list[Row], delimiter: str | None, notes: list[str]) -> list[Row]:
    """Without lines of one cell above a table of more."""
    widths = [sum(bool(cell) for cell in split_cells(row.line, delimiter)) for row in rows]
    if delimiter is None or len(rows) < 4 or sorted(widths)[len(widths) // 2] < 3:
        return rows
    n_titles = 0
    while n_titles < len(rows) - 2 and widths[n_titles] == 1:
        n_titles += 1
    if n_titles:
        notes.append(
            f"{n_titles} title line{'s' * (n_titles > 1)} above the table left out: {rows[0].line[:40].strip()!r}"
        )
    return rows[n_titles:]


def _header(
    text: str,
    offset: int,
    rows: Sequence[Row],
    cells: Sequence[list[str]],
    delimiter: str | None,
    comments: tuple[str, ...],
    transpose: bool,
) -> tuple[list[str] | None, int, int]:
    """The header, its line, and which row is the first below it; a comment right above the table may be the header."""
    if not transpose and is_header(cells[0], cells[1:6]):
        return cells[0], rows[0].number, 1
    above = text[offset : rows[0].start].rstrip("\n").split("\n")[-1]
    if above.startswith(comments) and comments:
        named = split_cells(above.lstrip("".join(comments) + " "), delimiter)
        if len(named) in (len(cells[0]), len(cells[0]) - 1) and len(named) > 1 and is_header(named, cells[:5]):
            return named, rows[0].number - 1, 0
    return None, 0, 0


def _kept_as_text(head: list[str] | None, first: list[str], column: str | None) -> dict[int, Any]:
    """A column of trajectories, so that 01 and 1 stay two of them."""
    if head is None or column not in head:
        return {}
    shift = 1 if len(first) == len(head) + 1 and first[-1] else 0
    return {head.index(column) + shift: object}
