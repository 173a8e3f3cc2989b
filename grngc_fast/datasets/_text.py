"""Delimited text into numbers: delimiter, header, label columns and blank lines recognised, bad cells named by line."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "?"})
_IDENTIFIERS = frozenset({"entrez_gene_id", "entrezid", "entrez", "gene_id", "geneid", "description"})
_QUOTED_OR_WORD = re.compile(r'"[^"]*"|\S+')


@dataclass(frozen=True)
class RawTable:
    """What a file held, before it is cut into trajectories.

    Attributes
    ----------
    values : (T, P) floats, all rows of all trajectories.
    names : P series names, or None where the file has none.
    blocks : rows of each part that blank lines (or a leading axis) set apart; they add up to T.
    labels : T trajectory labels, or None.
    """

    values: NDArray[Any]
    names: list[str] | None
    blocks: list[int]
    labels: list[str] | None = None


@dataclass(frozen=True)
class _Rows:
    """The non-blank lines of a file, with their line numbers and the delimiter between their cells."""

    path: Path
    delimiter: str | None
    numbers: list[int]
    lines: list[str]

    def cells(self, row: int) -> list[str]:
        return split_cells(self.lines[row], self.delimiter)


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 text file, unpacked if gzipped; an `InputError` for anything that is not text."""
    raw = path.read_bytes()
    if path.suffix.lower() == ".gz":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path} is not a complete gzip file ({error}); fetch or compress it again") from error
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"{path} is UTF-16 text; save it as UTF-8 (in Excel: 'CSV UTF-8')")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text (byte {error.start}); is it binary? Save it as UTF-8 text"
        ) from error
    if "\0" in text:
        raise InputError(f"{path} holds binary data under the name of a text file; save the table as CSV or TSV")
    if not text.strip():
        raise InputError(f"{path} is empty; expected one row per time step and one column per series")
    if text.lstrip().startswith("<"):
        raise InputError(f"{path} holds HTML or XML, not a table; download the file itself rather than its web page")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def split_cells(line: str, delimiter: str | None) -> list[str]:
    """The cells of one line, stripped of blanks and quotes; delimiter None is any run of blanks."""
    if '"' not in line:
        return [cell.strip() for cell in line.split(delimiter)]
    if delimiter is None:
        return [word.strip('"') for word in _QUOTED_OR_WORD.findall(line)]
    try:
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        # a cell beyond csv's limit is no number: leave it to the message that names its line
        cells = line.split(delimiter)
    return [cell.strip() for cell in cells]


def find_delimiter(lines: Sequence[str]) -> str | None:
    """Tab, semicolon or comma, whichever cuts the first lines into equally many cells; None for blanks."""
    present = [d for d in ("\t", ";", ",") if len(split_cells(lines[0], d)) > 1]
    for delimiter in present:
        if len({len(split_cells(line, delimiter)) for line in lines[:3]}) == 1:
            return delimiter
    return present[0] if present else None


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def is_text(cell: str) -> bool:
    """Neither a number nor a mark for a missing value."""
    return not is_number(cell) and cell.lower() not in MISSING


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else cell[:37] + "...")


def _has_decimal_comma(cell: str) -> bool:
    return "," in cell and is_number(cell.replace(",", ".", 1))


def _is_label(cell: str) -> bool:
    return is_text(cell) and not _has_decimal_comma(cell)


def column_index(path: Path, names: Sequence[str] | None, column: str) -> int:
    """Where the trajectory column is; an `InputError` where it is not."""
    if names is None:
        raise InputError(f"{path} has no column names, so trajectory_column={column!r} cannot be found; add a header")
    if column not in names:
        shown = ", ".join(repr(n) for n in names[:8]) + (", ..." if len(names) > 8 else "")
        raise InputError(f"{path} has no column {column!r} to tell trajectories apart; its columns are {shown}")
    return list(names).index(column)


def time_columns(names: Sequence[str] | None, trajectory: int | None) -> set[int]:
    """Columns called time, and a leading one called t (a gene may be called T, so not elsewhere)."""
    if names is None:
        return set()
    leading = next((i for i in range(len(names)) if i != trajectory), None)
    return {i for i, n in enumerate(names) if n.lower() == "time" or (n.lower() == "t" and i == leading)} - {trajectory}


def parse_text(path: Path, delimiter: str | None, trajectory_column: str | None, transpose: bool) -> RawTable:
    """Read a delimited text table; see `read_table` for what is recognised."""
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '\r\n"'):
        raise InputError(f"delimiter is {delimiter!r}; expected one character, or None to have it recognised")
    lines = read_lines(path)
    kept = [i for i, line in enumerate(lines) if line.strip()]
    first = lines[kept[0]]
    if first.startswith("#"):
        # numpy.savetxt marks its header so
        lines[kept[0]] = first = first.lstrip("# ")
    if delimiter is None:
        delimiter = find_delimiter([lines[i] for i in kept[:3]])
    rows = _Rows(path, None if delimiter in (None, " ") else delimiter, [i + 1 for i in kept], [lines[i] for i in kept])
    return _series_in_rows(rows) if transpose else _series_in_columns(rows, trajectory_column)


def _series_in_columns(rows: _Rows, trajectory_column: str | None) -> RawTable:
    header = rows.cells(0) if _is_header(rows.cells(0)) else None
    start = 0 if header is None else 1
    if start == len(rows.lines):
        raise InputError(f"{rows.path} holds a header and no values; expected one row per time step below it")
    trajectory = None if trajectory_column is None else column_index(rows.path, header, trajectory_column)
    drop = time_columns(header, trajectory)
    skip = sorted(drop if trajectory is None else {*drop, trajectory})
    width = len(rows.cells(start)) if header is None else len(header)
    for column, name in enumerate(header or ()):
        if not name:
            raise InputError(
                f"{rows.path}, line {rows.numbers[0]}: column {column + 1} has no name; name it, or drop"
                " it if it is a row index (pandas: to_csv(..., index=False))"
            )
    cut, values = _numbers(rows, start, width, skip, header)
    labels = None if trajectory is None else [cells[skip.index(trajectory)] for cells in cut]
    for row, label in enumerate(labels or ()):
        if not label:
            raise InputError(
                f"{rows.path}, line {rows.numbers[start + row]}: {trajectory_column!r} is empty; fill it in"
            )
    names = None if header is None else [name for i, name in enumerate(header) if i not in skip]
    gaps = [i for i in range(start + 1, len(rows.lines)) if rows.numbers[i] != rows.numbers[i - 1] + 1]
    edges = [start, *gaps, len(rows.lines)]
    return RawTable(values, names, [b - a for a, b in pairwise(edges)], labels)


def _series_in_rows(rows: _Rows) -> RawTable:
    start, n_labels = _transposed_layout(rows)
    if start == len(rows.lines):
        raise InputError(f"{rows.path} holds a header and no values; expected one row per series below it")
    width = len(rows.cells(start))
    cut, values = _numbers(rows, start, width, list(range(n_labels)), None, transposed=True)
    names = [cells[0] for cells in cut]
    for row, name in enumerate(names):
        if not name:
            raise InputError(f"{rows.path}, line {rows.numbers[start + row]}: the series has no name in its first cell")
    return RawTable(values.T, names, [values.shape[1]])


def _is_header(cells: list[str]) -> bool:
    if not any(is_text(cell) for cell in cells):
        counted = [str(i) for i in range(len(cells))], [str(i + 1) for i in range(len(cells))]
        return len(cells) > 2 and cells in counted
    texts = sum(is_text(cell) for cell in cells)
    decimals = any(is_number(cell) and not cell.lstrip("+-").isdigit() for cell in cells)
    return not decimals or 2 * texts >= len(cells)


def _transposed_layout(rows: _Rows) -> tuple[int, int]:
    """The first row that is a series, and how many leading columns are labels."""
    head = rows.cells(0)
    sample = [rows.cells(i) for i in range(1, min(6, len(rows.lines)))] or [head]
    width = min(len(cells) for cells in sample)
    n_labels = 1
    while n_labels < width and (
        (
            any(is_text(cells[n_labels]) for cells in sample)
            and not any(is_number(cells[n_labels]) and cells[n_labels].lower() != "nan" for cells in sample)
        )
        or (n_labels < len(head) and head[n_labels].lower() in _IDENTIFIERS)
    ):
        n_labels += 1
    points = head[n_labels:]
    if len(head) == len(sample[0]) - 1 or any(is_text(cell) for cell in points):
        return 1, n_labels
    times = [float(cell) for cell in points] if all(is_number(cell) for cell in points) else []
    rising = len(times) > 1 and all(b > a for a, b in pairwise(times))
    return (1 if rising and len(rows.lines) > 1 else 0), n_labels


def _numbers(
    rows: _Rows, start: int, width: int, skip: list[int], names: Sequence[str] | None, transposed: bool = False
) -> tuple[list[list[str]], NDArray[np.float64]]:
    """The skipped cells of each row, and the rest as numbers."""
    lines = rows.lines[start:]
    if len(skip) >= width:
        raise InputError(f"{rows.path} has no column of numbers beside its labels and times")
    cut: list[list[str]] = []
    if skip:
        lines, cut = _cut(lines, rows.delimiter, width, skip)
    quote = '"' if any('"' in line for line in lines) else None
    try:
        values = np.loadtxt(lines, delimiter=rows.delimiter, comments=None, quotechar=quote, ndmin=2)
    except ValueError:
        values = np.empty((0, 0))
    if values.shape != (len(rows.lines) - start, width - len(skip)) or not np.isfinite(values).all():
        _explain(rows, start, width, skip, names, transposed)
    return cut, values


def _cut(lines: list[str], delimiter: str | None, width: int, skip: list[int]) -> tuple[list[str], list[list[str]]]:
    rest, cut = [], []
    leading = skip == list(range(len(skip)))
    for line in lines:
        if leading and '"' not in line:
            cells = line.split(delimiter, len(skip))
            rest.append(cells[-1] if len(cells) > len(skip) else "")
            cut.append([cell.strip() for cell in cells[: len(skip)]])
            continue
        cells = split_cells(line, delimiter)
        keep = [cell for i, cell in enumerate(cells) if i not in skip]
        rest.append((delimiter or " ").join(keep) if len(cells) == width else "")
        cut.append([cells[i] if i < len(cells) else "" for i in skip])
    return rest, cut


def _explain(
    rows: _Rows, start: int, width: int, skip: list[int], names: Sequence[str] | None, transposed: bool
) -> NoReturn:
    """Find the first cell or row that numbers cannot be made of, and raise it."""
    table = [rows.cells(i) for i in range(start, len(rows.lines))]
    if not transposed and 0 not in skip and 2 * sum(_is_label(cells[0]) for cells in table) > len(table):
        column = repr(names[0]) if names and names[0] and len(table[0]) == width else "1"
        label = next(cells[0] for cells in table if _is_label(cells[0]))
        raise InputError(
            f"{rows.path}: column {column} holds labels such as {_shown(label)}, not numbers; drop it, or pass"
            " transpose=True if each row is a series, or trajectory_column if it tells trajectories apart"
        )
    for row, cells in enumerate(table):
        line = rows.numbers[start + row]
        if len(cells) != width:
            source = "the header has" if names is not None else "the first row has"
            raise InputError(
                f"{rows.path}, line {line}: expected {width} cells, as many as {source}, but found {len(cells)};"
                " every row needs one cell per column"
            )
        for position, cell in enumerate(cells):
            finite = is_number(cell) and np.isfinite(float(cell))
            if position in skip or finite:
                continue
            owner = cells[0] if transposed else names[position] if names is not None else None
            series = f"column {position + 1}" if owner is None else repr(owner)
            if cell.lower() in MISSING:
                raise InputError(
                    f"{rows.path}, line {line}: series {series} has no value ({cell!r}); fill the gap or drop the row"
                )
            hint = "; write decimals with a point" if _has_decimal_comma(cell) else ""
            kind = "the infinite value" if is_number(cell) else "the text"
            raise InputError(
                f"{rows.path}, line {line}: series {series} has {kind} {_shown(cell)} where a number is needed{hint};"
                " correct the cell or drop the row"
            )
    raise InputError(f"{rows.path} could not be read as a table of numbers; check the delimiter and the quotes")
