"""What the first rows of a table tell: the delimiter, the mark of decimals, and whether the first row is a header."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..series.time_names import are_years, may_number_rows, may_say_time
from ..series.time_values import UNIT_SECONDS
from ._lines import is_number, is_text, split_cells

_IDENTIFIERS = frozenset({"entrez_gene_id", "entrezid", "entrez", "gene_id", "geneid", "description"})
_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_POINT = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?")
_GROUPED_BY_POINTS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+,\d+")
_GROUPED_BY_COMMAS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_GROUPED_BY_QUOTES = re.compile(r"[+-]?[1-9]\d{0,2}(?:'\d{3})+(?:[.,]\d+)?")
_PERHAPS_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
_CORNERS = re.compile(
    r"|genes?|ids?|names?|orf|symbols?|probes?|id_ref|series|variables?|gene_?(id|name|symbol)s?", re.IGNORECASE
)


@dataclass(frozen=True)
class Marks:
    """How numbers are written: the mark of decimals, that of thousands, and whether the first could be the second."""

    decimal: str = "."
    thousands: str | None = None
    unclear: str | None = None


def table_delimiter(lines: Sequence[str]) -> str | None:
    """The character that cuts the lines into equally many cells, most of them numbers; None for blanks."""
    scores = {}
    for priority, delimiter in enumerate(("\t", ";", ",", "|", None)):
        rows = [split_cells(line, delimiter) for line in lines]
        body = rows[1:] or rows
        cells = [cell for row in body for cell in row]
        widths = Counter(len(row) for row in body)
        width, alike = widths.most_common(1)[0]
        if width < 2 and len(rows[0]) < 2:
            continue
        numbers = sum(is_number(c) or bool(_COMMA.fullmatch(c)) or (not is_text(c) and width > 1) for c in cells)
        scores[delimiter] = (width > 1, numbers / len(cells), alike / len(body), -priority)
    return max(scores, key=lambda d: scores[d]) if scores else None


def number_marks(rows: Sequence[Sequence[str]], delimiter: str | None) -> Marks:
    """How the numbers of these rows are written."""
    cells = [cell for row in rows for cell in row]
    points = any(_POINT.fullmatch(cell) for cell in cells)
    if any(_GROUPED_BY_POINTS.fullmatch(cell) for cell in cells):
        return Marks(",", ".")
    if any(_GROUPED_BY_QUOTES.fullmatch(cell) for cell in cells):
        return Marks("." if points or not any("," in cell for cell in cells) else ",", "'")
    commas = [cell for cell in cells if _COMMA.fullmatch(cell) or _GROUPED_BY_COMMAS.fullmatch(cell)]
    if not commas:
        return Marks()
    if any("." in cell for cell in commas) or any(cell.count(",") > 1 for cell in commas):
        return Marks(".", ",") if all(_GROUPED_BY_COMMAS.fullmatch(cell) for cell in commas) else Marks()
    if points:
        # a mixture: the cell that is no number is named
        return Marks()
    unclear = all(_PERHAPS_GROUPED.fullmatch(cell) for cell in commas) and delimiter != ";"
    return Marks(",", None, commas[0] if unclear else None)


def is_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row holds the names of the columns, told from it and the rows below."""
    texts = [is_text(cell) and not _COMMA.fullmatch(cell) for cell in first]
    counting = first[1:] if first and not first[0] and len(first) > 3 else first
    if not any(texts):
        counted = [str(i) for i in range(len(counting))], [str(i + 1) for i in range(len(counting))]
        return (len(counting) > 2 and list(counting) in counted) or _all_but_corner(first)
    same = [row for row in rows if len(row) == len(first)]
    if same and texts[0] and not any(texts[1:]) and len(first) > 1 and all(is_text(row[0]) for row in same):
        # labels in front of every row: a header only if the rest of this row is no data
        corner = _CORNERS.fullmatch(first[0]) or may_number_rows(first[0]) or may_say_time(first[0])
        return bool(corner) or are_years(first[1:])
    decimals = any(is_number(cell) and not cell.lstrip("+-").isdigit() for cell in first)
    return not decimals or 2 * sum(texts) >= len(first)


def with_units(head: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], int]:
    """The header, and how many of the rows below belong to it: units or a second level of names, and the name of the index.

    What is below a name is added to it only where that tells columns of one name apart.
    """
    if not _of_units(head, rows):
        return list(head), 0
    below = rows[0]
    joined = [f"{name} {unit}".strip() for name, unit in zip(head, below, strict=True)]
    names = joined if len(set(head)) < len(head) and len(set(joined)) == len(joined) else list(head)
    first = rows[1]
    if is_text(first[0]) and not any(first[1:]):
        # pandas writes the name of the index below two levels of names
        return [first[0], *names[1:]], 2
    # in front of the levels pandas writes their names
    return (["", *names[1:]] if names is joined and first[0] == "0" else names), 1


def with_unit_of_times(head: Sequence[str], rows: Sequence[Sequence[str]], n_labels: int) -> tuple[list[str], int]:
    """Of a table with series in rows the header, each time with the unit below it, and how many of the rows are of units.

    These are one unit of time, below every time.
    """
    if not _of_units(head, rows):
        return list(head), 0
    units = {cell.strip("[]()").lower() for cell in rows[0][n_labels:]}
    if len(units) > 1 or not units <= UNIT_SECONDS.keys():
        return list(head), 0
    unit = units.pop()
    return [*head[:n_labels], *(f"{time} {unit}" if is_number(time) else time for time in head[n_labels:])], 1


def _of_units(head: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is text above nothing but numbers."""
    if len(rows) < 3 or len(rows[0]) != len(head):
        return False
    texts = [is_text(cell) and not re.match(r"[\W_]*\d", cell) for cell in rows[0]]
    below = [
        [is_number(cell) or bool(_COMMA.fullmatch(cell)) for cell in row] for row in rows[1:] if len(row) == len(head)
    ]
    columns = [k for k in range(len(head)) if below and sum(row[k] for row in below) > len(below) / 2]
    return (
        len(columns) > 1
        and all(texts[k] or not rows[0][k] for k in columns)
        and 2 * sum(texts[k] for k in columns) > len(columns)
    )


def _all_but_corner(first: Sequence[str]) -> bool:
    """An empty corner and numbers that rise, as of a table whose columns are times."""
    rest = first[1:]
    if first[0] or len(rest) < 2 or not all(is_number(cell) for cell in rest):
        return False
    return all(float(b) > float(a) for a, b in pairwise(rest))


def turned_layout(head: Sequence[str], sample: Sequence[Sequence[str]]) -> tuple[bool, int]:
    """Of a table with series in rows: whether its first row is a header, and how many leading columns are labels."""
    sample = sample or [head]
    width = min(len(cells) for cells in sample)
    n_labels = 1
    while n_labels < width and (
        (
            any(is_text(cells[n_labels]) for cells in sample)
            and not any(is_number(cells[n_labels]) and cells[n_labels].lower() != "nan" for cells in sample)
            and not any(_COMMA.fullmatch(cells[n_labels]) for cells in sample)
        )
        or (n_labels < len(head) and head[n_labels].lower() in _IDENTIFIERS)
    ):
        n_labels += 1
    points = head[n_labels:]
    if len(head) == len(sample[0]) - 1 or any(is_text(cell) and not _COMMA.fullmatch(cell) for cell in points):
        return True, n_labels
    if not points or not all(is_number(cell) for cell in points) or sample[0] is head:
        return False, n_labels
    times = [float(cell) for cell in points]
    rising = len(times) > 1 and all(b > a for a, b in pairwise(times))
    told = len(times) > 1 and (all(time.is_integer() for time in times) or sorted(times) == times)
    named = bool(_CORNERS.fullmatch(head[0])) or may_say_time(head[0])
    return rising or (told and named), n_labels
