"""Cells of one object or file before it is known which columns are series, and where each cell was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

SHEET_ERRORS = frozenset(["#n/a", "#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!"])
MISSING_MARKS = SHEET_ERRORS | {
    "",
    "na",
    "n/a",
    "nan",
    "null",
    "none",
    "nat",
    "-",
    "?",
    ".",
    "#n/a n/a",
    "<na>",
    "missing",
    "nd",
    "n.d.",
    "n.a.",
    "-nan",
    "--",
    "---",
    "..",
    "*",
    "(null)",
    "\\n",
    "-1.#ind",
    "1.#ind",
    "1.#qnan",
    "-1.#qnan",
}


@dataclass(frozen=True)
class Frame:
    """Cells with steps in rows.

    Attributes
    ----------
    cells : (T, C), numbers or text; row labels as its index or among its columns.
    source : what to call it in messages: the file, or "X".
    place : of (row, column) where the cell stands, such as ", line 7"; the column None for the whole row.
    written : of (row, column) the cell as it is in the file, or None where that is not known.
    blocks : rows of each part that blank lines set apart; they add up to T.
    from_file : whether messages speak of the options of `read_table` or of `as_series_table`.
    of_headers : whether the index holds what were the headers of a table with series in rows.
    shape : rows and columns as found, if not those of `cells`.
    notes, warnings : what was said so far.
    """

    cells: pd.DataFrame
    source: str = "X"
    place: Callable[[int, int | None], str] = lambda row, _: f", row {row}" if row >= 0 else ""
    written: Callable[[int, int], str | None] = lambda *_: None
    blocks: tuple[int, ...] | None = None
    from_file: bool = False
    of_headers: bool = False
    shape: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()

    @property
    def named(self) -> bool:
        """Whether its columns have names rather than their numbers."""
        return list(self.cells.columns) != list(range(self.cells.shape[1]))

    def option(self, name: str) -> str:
        """What the option `time` or `trajectory` is called where this came from."""
        return f"{name}_column" if self.from_file else name


def is_missing_mark(cell: Any) -> bool:
    """Whether a cell stands for a missing value."""
    if cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and cell != cell):
        return True
    return isinstance(cell, str) and cell.strip().lower() in MISSING_MARKS


def shown(cell: Any) -> str:
    """A cell in a message, cut where it is long."""
    text = str(cell)
    return repr(text if len(text) <= 40 else text[:37] + "...")
