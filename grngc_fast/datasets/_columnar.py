"""Files that keep columns with their types: Parquet and Feather."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError
from ..series.frame import Frame
from ..series.numbers import is_plain
from ._grid import Grid, series_in_rows


def read_columnar_frame(path: Path, transpose: bool, missing_values: Sequence[Any]) -> Frame:
    """The frame of a Parquet or Feather file, its index as it was saved."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise InputError(f'reading {path} needs pyarrow: pip install "grngc-fast[io]"') from error
    try:
        read = pd.read_parquet if path.suffix.lower() == ".parquet" else pd.read_feather
        table = read(path)
    except (ValueError, OSError) as error:
        kind = path.suffix.lower()[1:]
        raise InputError(f"{path} is not a readable {kind} file ({error}); write it again") from error
    table.columns = [str(name) for name in table.columns]
    if not len(table):
        raise InputError(f"{path} holds no rows; expected one row per time step and one column per series")
    if transpose:
        return _turned(path, table, missing_values)
    return Frame(table, source=str(path), from_file=True)


def _turned(path: Path, table: pd.DataFrame, missing_values: Sequence[Any]) -> Frame:
    if not isinstance(table.index, pd.RangeIndex) and not is_plain(table.index.dtype):
        table = table.reset_index()
    n_labels = 0
    while n_labels < table.shape[1] and not is_plain(table.dtypes.iloc[n_labels]):
        n_labels += 1
    grid = Grid(
        str(path),
        [str(name) for name in table.columns],
        0,
        table.set_axis(range(table.shape[1]), axis=1),
        line=lambda row: row,
        written=lambda row, column: str(table.iloc[row, column]),
        unit="row",
    )
    if n_labels == 0:
        raise InputError(
            f"{path} has no column of text that names its series; with transpose=True the first column does"
        )
    return series_in_rows(grid, n_labels, missing_values)
