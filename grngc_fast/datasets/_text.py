"""Delimited text into a grid: pandas reads the cells, what is here finds where they begin and names the line of a bad one."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError
from ..series.frame import MISSING_MARKS, Frame
from ._dialect import Marks, is_header, number_marks, table_delimiter, turned_layout, with_units
from ._grid import Grid, ragged, series_in_rows, steps_in_rows, with_header_in_place
from ._lines import is_comment, read_text, split_cells

# Rows that the layout is told from.
_SAMPLE = 30
_SAMPLE_OF_DELIMITERS = 12
# Lines that a row with quoted line ends has at most, where its first ones are looked at.
_LONGEST_ROW = 5
_SEPARATOR = re.compile(r"sep=(.)", re.IGNORECASE)
_EXACT = {"float_precision": "round_trip"} if tuple(map(int, pd.__version__.split(".")[:2])) < (3, 0) else {}
_MARKS = sorted({form(mark) for mark in MISSING_MARKS for form in (str, str.upper, str.title)} | {"NaN", "NaT", "<NA>"})


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
class _Row:
    """A line that is no comment and not blank."""

    number: int
    start: int
    line: str


@dataclass(frozen=True)
class _Source:
    """A text, where its cells begin and how they are cut; lines are found again only to name one."""

    path: Path
    text: str = field(repr=False)
    delimiter: str | None
    comments: tuple[str, ...]
    first_number: int
    start: int

    @cached_property
    def rows(self) -> list[tuple[int, str | list[str]]]:
        """(line number, line) of the body; the cells in place of the line where a quoted cell runs over its end."""
        lines = self.text[self.start : self.end].split("\n")
        blank = _blank(self.delimiter)
        kept = [
            (k, line)
            for k, line in enumerate(lines)
            if not blank.fullmatch(line) and not is_comment(line, self.comments)
        ]
        numbered: list[tuple[int, str | list[str]]] = [(self.first_number + k, line) for k, line in kept]
        if self.delimiter is None or not any(line.count('"') % 2 for _, line in kept):
            return numbered
        reader = csv.reader((line + "\n" for _, line in kept), delimiter=self.delimiter, skipinitialspace=True)
        rows: list[tuple[int, str | list[str]]] = []
        before = 0
        try:
            for cells in reader:
                rows.append((numbered[before][0], [cell.strip() for cell in cells]))
                before = reader.line_num
        except csv.Error:
            return numbered
        return rows

    def cells(self, row: int) -> list[str]:
        line = self.rows[row][1]
        return split_cells(line, self.delimiter) if isinstance(line, str) else line

    @cached_property
    def cut(self) -> bool:
        """Whether blank lines or comments stand between the rows."""
        marks = "".join("|" + re.escape(mark) for mark in self.comments)
        odd = rf"\n(?:[ \t{_escaped(self.delimiter)}]*(?=\n){marks})"
        return re.compile(odd).search(self.text, max(0, self.start - 1), self.end) is not None

    @cached_property
    def n_comments(self) -> int:
        """Comments between the rows."""
        if not self.cut:
            return 0
        return sum(is_comment(line, self.comments) for line in self.text[self.start : self.end].split("\n"))

    @cached_property
    def end(self) -> int:
        """Where the last row ends; what follows is blank."""
        end = len(self.text)
        while end > self.start:
            start = self.text.rfind("\n", self.start, end) + 1 or self.start
            if not _blank(self.delimiter).fullmatch(self.text, start, end):
                break
            end = max(start - 1, self.start)
        return end

    def line(self, row: int) -> int:
        return self.rows[row][0]

    def written(self, row: int, column: int) -> str | None:
        cells = self.cells(row)
        return cells[column] if 0 <= column < len(cells) else ""


def read_text_frame(path: Path, options: TextOptions) -> Frame:
    """The frame of a text table."""
    text, warning = read_text(path)
    comments = ("#", "!") if options.comment is None else (options.comment,) if options.comment else ()
    separator = _SEPARATOR.fullmatch(text[:8].split("\n")[0].strip())
    offset = text.index("\n") + 1 if separator and "\n" in text else 0
    rows = list(islice(_kept(text, offset, comments), _SAMPLE))
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
    rows = _without_titles([row for row in rows if not _blank(delimiter).fullmatch(row.line)], delimiter, notes)
    if not rows:
        raise InputError(
            f"{path} holds delimiters and no cell; expected one row per time step and one column per series"
        )
    cells = [split_cells(row.line, delimiter) for row in rows]
    head, head_line, first = _header(text, offset, rows, cells, delimiter, comments, options.transpose)
    n_labels = 1
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
    if head is not None and first == 1 and not options.transpose:
        end = rows[0].start + len(rows[0].line)
        if text.find("\n" + rows[0].line, end) >= 0:
            # blanks of the same length, so that no place moves; they set trajectories apart
            again = re.compile(rf"\n{re.escape(rows[0].line)}(?=\n|\Z)")
            rest, n_again = again.subn(lambda match: "\n" + " " * (len(match[0]) - 1), text[end:])
            text = text[:end] + rest
            if n_again:
                notes.append(f"the header is there {n_again + 1} times, and a trajectory begins below each")
            rows = [rows[0], *(row for row in rows[1:] if row.line != rows[0].line)]
            cells = [split_cells(row.line, delimiter) for row in rows]
        head, n_units = with_units(head, cells[1:])
        if n_units:
            notes.append(
                f"line {rows[1].number} below the header, with {rows[1].line[:40].strip()!r}, was taken for units"
            )
            first += n_units
    source = _Source(path, text, delimiter, comments, rows[first].number, rows[first].start)
    marks = number_marks(cells[first:], delimiter) if options.decimal is None else Marks(options.decimal)
    typed = {0: object} if options.transpose else _kept_as_text(head, cells[first], options.trajectory_column)
    body, blocks = _body(source, marks, typed, options, None if head is None else len(head))
    if options.decimal is None and marks == Marks():
        later = _late_commas(body)
        if later:
            marks = later
            body, blocks = _body(source, marks, typed, options, None if head is None else len(head))
    if marks.decimal == "," and options.decimal is None:
        notes.append("decimals are written with a comma")
    if source.n_comments:
        notes.append(
            f"{source.n_comments} lines between the rows that begin with {' or '.join(comments)} were left out"
        )
    warned = [warning] if warning else []
    if marks.unclear is not None:
        warned.append(
            f"{marks.unclear!r} was read with a decimal comma; if the comma marks thousands, pass decimal='.' or write none"
        )
    grid = Grid(
        str(path),
        head,
        head_line,
        body,
        source.line,
        source.written,
        blocks=blocks,
        notes=tuple(notes),
        warnings=tuple(warned),
    )
    if options.transpose:
        if head is not None and len(head) == body.shape[1] - 1:
            grid = replace(grid, head=["", *head])
        return series_in_rows(with_header_in_place(grid), n_labels, options.missing_values)
    return steps_in_rows(with_header_in_place(grid))


def _kept(text: str, offset: int, comments: tuple[str, ...]) -> Iterator[_Row]:
    number = text.count("\n", 0, offset) + 1
    while offset < len(text):
        end = text.find("\n", offset)
        end = len(text) if end < 0 else end
        line = text[offset:end]
        if line.strip() and not is_comment(line, comments):
            end = _end_of_quoted(text, offset, end)
            yield _Row(number, offset, text[offset:end])
        number += text.count("\n", offset, end + 1)
        offset = end + 1


def _end_of_quoted(text: str, start: int, end: int) -> int:
    """The end of a row whose quoted cell runs over the end of its line."""
    whole = end
    for _ in range(_LONGEST_ROW):
        if text.count('"', start, whole) % 2 == 0:
            return whole
        whole = text.find("\n", whole + 1)
        if whole < 0:
            break
    return end


def _without_titles(rows: list[_Row], delimiter: str | None, notes: list[str]) -> list[_Row]:
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
    rows: Sequence[_Row],
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


def _escaped(delimiter: str | None) -> str:
    return re.escape(delimiter) if delimiter is not None else ""


def _blank(delimiter: str | None) -> re.Pattern[str]:
    return re.compile(rf"[ \t{_escaped(delimiter)}]*")


def _body(
    source: _Source, marks: Marks, typed: dict[int, Any], options: TextOptions, n_head: int | None
) -> tuple[pd.DataFrame, tuple[int, ...] | None]:
    """The cells, and the rows of each part between blank lines."""
    blocks = None
    if source.cut:
        lines = source.text[source.start : source.end].split("\n")
        blank = _blank(source.delimiter)
        plain = [line for line in lines if not is_comment(line, source.comments)]
        parts = [
            list(part) for empty, part in groupby(plain, key=lambda line: bool(blank.fullmatch(line))) if not empty
        ]
        blocks = tuple(len(part) for part in parts) if len(parts) > 1 else None
        data = "\n".join(line for part in parts for line in part).encode()
    else:
        data = source.text[source.start : source.end].encode()
    wanted = {str(mark) for mark in options.missing_values}
    arguments: dict[str, Any] = {
        "sep": r"\s+" if source.delimiter is None else source.delimiter,
        "header": None,
        "dtype": typed or None,
        "keep_default_na": False,
        "na_values": [*_MARKS, *wanted],
        "skipinitialspace": True,
        "skip_blank_lines": False,
        "decimal": marks.decimal,
        "thousands": marks.thousands,
        "low_memory": False,
        "engine": "c",
        **_EXACT,
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            body = pd.read_csv(io.BytesIO(data), **arguments)
    except (
        pd.errors.ParserError,
        pd.errors.ParserWarning,
        pd.errors.EmptyDataError,
        ValueError,
        OverflowError,
    ) as error:
        _explain(source, n_head)
        raise InputError(
            f"{source.path} could not be read as a table of numbers; check the delimiter and the quotes"
        ) from error
    _refuse_short(source, body, n_head)
    if blocks is not None and sum(blocks) != len(body):
        blocks = None
    return body, blocks


def _refuse_short(source: _Source, body: pd.DataFrame, n_head: int | None) -> None:
    """Rows that end early, which pandas fills."""
    last = body.iloc[:, -1].isna().to_numpy()
    for row in map(int, np.flatnonzero(last)):
        if row >= len(source.rows) or len(source.cells(row)) != body.shape[1]:
            _explain(source, n_head)
            return


def _explain(source: _Source, n_head: int | None) -> None:
    """Name the first line of another width."""
    widths = [len(source.cells(row)) for row in range(len(source.rows))]
    if not widths:
        return
    expected, like = (n_head, "the header") if n_head is not None and n_head in widths else (widths[0], "the first row")
    for (number, _), width in zip(source.rows, widths, strict=True):
        if width != expected:
            raise ragged(str(source.path), "line", number, expected, width, like)


def _late_commas(body: pd.DataFrame) -> Marks | None:
    """Decimal commas that the first rows did not show."""
    text = [k for k, dtype in enumerate(body.dtypes) if dtype.kind == "O" or dtype == "str"]
    for k in text:
        cells = [str(cell).strip() for cell in body.iloc[:, k] if isinstance(cell, str)]
        if cells and all(re.fullmatch(r"[+-]?\d*(,\d+)?(?:[eE][+-]?\d+)?", cell) for cell in cells):
            whole = all(dtype.kind != "f" or body.iloc[:, j].isna().any() for j, dtype in enumerate(body.dtypes))
            found = number_marks([cells], None)
            return found if whole and found.decimal == "," else None
    return None
