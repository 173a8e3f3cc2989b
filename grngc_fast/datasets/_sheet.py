"""A sheet of a workbook into a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError
from ..series.frame import Frame, is_missing_mark
from ._dialect import is_header, turned_layout, with_unit_of_times, with_units
from ._grid import Grid, series_in_rows, steps_in_rows, with_header_in_place
from ._lines import is_number

_ENGINES = {".xlsx": "openpyxl", ".xlsm": "openpyxl", ".xls": "xlrd", ".ods": "odf"}
# What brings an engine that is not installed.
_PACKAGES = {"openpyxl": '"grngc-fast[io]"', "xlrd": "xlrd", "odf": "odfpy"}


def read_sheet_frame(
    path: Path, sheet: str | int | None, transpose: bool, missing_values: Sequence[Any], trajectory_column: str | None
) -> Frame:
    """The frame of one sheet, the first if none is named."""
    cells, notes = _cells(path, sheet)
    filled = [not all(is_missing_mark(cell) for cell in row) for row in cells.itertuples(index=False)]
    columns = [k for k in range(cells.shape[1]) if not all(map(is_missing_mark, cells.iloc[:, k]))]
    kept = [row for row, full in enumerate(filled) if full]
    if not kept:
        raise InputError(f"{path} is empty; expected one row per time step and one column per series")
    cells = cells.iloc[:, : columns[-1] + 1]
    texts = [[_as_text(cell) for cell in cells.iloc[row]] for row in kept[:8]]
    widths = [sum(bool(cell) for cell in row) for row in texts]
    title = 0
    while len(texts) > 3 and title < len(texts) - 2 and widths[title] == 1 and sorted(widths)[len(widths) // 2] > 2:
        title += 1
    if title:
        notes = (
            *notes,
            f"{title} title row{'s' * (title > 1)} above the table left out: {next(filter(None, texts[0]))[:40]!r}",
        )
    kept, texts = kept[title:], texts[title:]
    n_labels = 1
    if transpose:
        has_head, n_labels = turned_layout(texts[0], texts[1:])
    else:
        has_head = is_header(texts[0], texts[1:6])
    head = texts[0] if has_head else None
    first = int(has_head)
    if head is not None:
        head, n_units = with_unit_of_times(head, texts[1:], n_labels) if transpose else with_units(head, texts[1:])
        if n_units:
            notes = (
                *notes,
                f"row {kept[1] + 1} below the header, with {', '.join(texts[1])[:40]!r}, was taken for units",
            )
            first += n_units
    rows = kept[first:]
    if not rows:
        raise InputError(f"{path} holds a header and no values; expected rows below it")
    body = cells.iloc[rows].reset_index(drop=True)
    body = pd.DataFrame(
        {k: _typed(body.iloc[:, k], keep=head is not None and head[k] == trajectory_column) for k in body}
    )
    # rows of nothing set trajectories apart
    blocks = [sum(1 for _ in part) for full, part in groupby(filled[rows[0] :]) if full]
    grid = Grid(
        str(path),
        head,
        kept[0] + 1,
        body,
        line=lambda row: rows[row] + 1,
        written=lambda row, column: _as_text(cells.iloc[rows[row], column]),
        unit="row",
        blocks=tuple(blocks) if len(blocks) > 1 else None,
        notes=notes,
    )
    if transpose:
        return series_in_rows(replace(with_header_in_place(grid), blocks=None), n_labels, missing_values)
    return steps_in_rows(with_header_in_place(grid))


def _cells(path: Path, sheet: str | int | None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    engine = _ENGINES[path.suffix.lower()]
    try:
        with pd.ExcelFile(path, engine=engine) as book:
            names = [str(name) for name in book.sheet_names]
            number = (
                sheet
                if isinstance(sheet, int)
                else int(sheet)
                if sheet and sheet.isdigit() and sheet not in names
                else None
            )
            if number is not None and not 0 <= number < len(names):
                raise InputError(f"{path} has no sheet {number}; its {len(names)} sheets are {', '.join(names)}")
            if sheet is not None and number is None and sheet not in names:
                raise InputError(f"{path} has no sheet {sheet!r}; its sheets are {', '.join(map(repr, names))}")
            named = names[number] if number is not None else None if sheet is None else str(sheet)
            chosen, cells = _first_table(book, names if named is None else [named])
    except ImportError as error:
        other = "CSV" if engine == "openpyxl" else "XLSX or CSV"
        raise InputError(
            f"reading {path} needs {engine}: pip install {_PACKAGES[engine]}, or save the sheet as {other}"
        ) from error
    except InputError:
        raise
    except Exception as error:  # each engine has errors of its own for a broken workbook
        raise InputError(
            f"{path} is not a readable workbook ({error}); save it again, or give it the suffix .csv or .tsv if it is text"
        ) from error
    others = [name for name in names if name != chosen]
    notes = (
        (f"sheet {chosen!r} was read; the others are {', '.join(map(repr, others))}",)
        if others and sheet is None
        else ()
    )
    return pd.DataFrame(cells), notes


def _first_table(book: pd.ExcelFile, names: Sequence[str]) -> tuple[str, pd.DataFrame]:
    """The first sheet with rows of numbers, so that one of remarks is passed over; else the first."""
    first: pd.DataFrame | None = None
    for name in names:
        cells = pd.read_excel(book, name, header=None, dtype=object, keep_default_na=False, na_values=[""])
        numbers = cells.map(lambda cell: (isinstance(cell, (int, float)) and cell == cell) or is_number(str(cell)))
        if len(names) == 1 or (numbers.sum(axis=1) > 1).sum() > 1:
            return name, cells
        first = cells if first is None else first
    return names[0], pd.DataFrame() if first is None else first


def _as_text(cell: Any) -> str:
    if is_missing_mark(cell) and not isinstance(cell, str):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _typed(column: pd.Series[Any], keep: bool) -> pd.Series[Any]:
    """Numbers and dates as such, where the whole column is of them."""
    if keep:
        return column.map(lambda cell: None if is_missing_mark(cell) else _as_text(cell)).astype(object)
    return column.where(~column.map(is_missing_mark), None).infer_objects()
