"""The cells of a text below its header, by pandas, and which line is to blame where they cannot be read."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError
from ..series.frame import MISSING_MARKS
from ._dialect import Marks, number_marks
from ._grid import ragged
from ._lines import is_comment
from ._source import Source, blank_line

_EXACT = {"float_precision": "round_trip"} if tuple(map(int, pd.__version__.split(".")[:2])) < (3, 0) else {}
_MARKS = sorted({form(mark) for mark in MISSING_MARKS for form in (str, str.upper, str.title)} | {"NaN", "NaT", "<NA>"})


def read_body(
    source: Source, marks: Marks, typed: dict[int, Any], missing_values: Sequence[Any], n_head: int | None
) -> tuple[pd.DataFrame, tuple[int, ...] | None]:
    """The cells, and the rows of each part between blank lines."""
    blocks = None
    if source.cut:
        lines = source.text[source.start : source.end].split("\n")
        blank = blank_line(source.delimiter)
        plain = [line for line in lines if not is_comment(line, source.comments)]
        parts = [
            list(part) for empty, part in groupby(plain, key=lambda line: bool(blank.fullmatch(line))) if not empty
        ]
        blocks = tuple(len(part) for part in parts) if len(parts) > 1 else None
        data = "\n".join(line for part in parts for line in part).encode()
    else:
        data = source.text[source.start : source.end].encode()
    wanted = {str(mark) for mark in missing_values}
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


def _refuse_short(source: Source, body: pd.DataFrame, n_head: int | None) -> None:
    """Rows that end early, which pandas fills."""
    last = body.iloc[:, -1].isna().to_numpy()
    for row in map(int, np.flatnonzero(last)):
        if row >= len(source.rows) or len(source.cells(row)) != body.shape[1]:
            _explain(source, n_head)
            return


def _explain(source: Source, n_head: int | None) -> None:
    """Name the first line of another width."""
    widths = [len(source.cells(row)) for row in range(len(source.rows))]
    if not widths:
        return
    expected, like = (n_head, "the header") if n_head is not None and n_head in widths else (widths[0], "the first row")
    for (number, _), width in zip(source.rows, widths, strict=True):
        if width != expected:
            raise ragged(str(source.path), "line", number, expected, width, like)


def late_commas(body: pd.DataFrame) -> Marks | None:
    """Decimal commas that the first rows did not show."""
    text = [k for k, dtype in enumerate(body.dtypes) if dtype.kind == "O" or dtype == "str"]
    for k in text:
        cells = [str(cell).strip() for cell in body.iloc[:, k] if isinstance(cell, str)]
        if cells and all(re.fullmatch(r"[+-]?\d*(,\d+)?(?:[eE][+-]?\d+)?", cell) for cell in cells):
            whole = all(dtype.kind != "f" or body.iloc[:, j].isna().any() for j, dtype in enumerate(body.dtypes))
            found = number_marks([cells], None)
            return found if whole and found.decimal == "," else None
    return None
