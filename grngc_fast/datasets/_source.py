"""A text, where its rows and cells begin, and which line each is."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ._lines import is_comment, split_cells

# Lines that a row with quoted line ends has at most, where its first ones are looked at.
_LONGEST_ROW = 5


@dataclass(frozen=True)
class Row:
    """A line that is no comment and not blank."""

    number: int
    start: int
    line: str


@dataclass(frozen=True)
class Source:
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
        blank = blank_line(self.delimiter)
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
            if not blank_line(self.delimiter).fullmatch(self.text, start, end):
                break
            end = max(start - 1, self.start)
        return end

    def line(self, row: int) -> int:
        return self.rows[row][0]

    def written(self, row: int, column: int) -> str | None:
        cells = self.cells(row)
        return cells[column] if 0 <= column < len(cells) else ""


def kept_rows(text: str, offset: int, comments: tuple[str, ...]) -> Iterator[Row]:
    number = text.count("\n", 0, offset) + 1
    while offset < len(text):
        end = text.find("\n", offset)
        end = len(text) if end < 0 else end
        line = text[offset:end]
        if line.strip() and not is_comment(line, comments):
            end = _end_of_quoted(text, offset, end)
            yield Row(number, offset, text[offset:end])
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


def blank_line(delimiter: str | None) -> re.Pattern[str]:
    return re.compile(rf"[ \t{_escaped(delimiter)}]*")


def _escaped(delimiter: str | None) -> str:
    return re.escape(delimiter) if delimiter is not None else ""
