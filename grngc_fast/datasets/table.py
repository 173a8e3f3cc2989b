"""`read_table`: a file of series into the `SeriesTable` that every door of the library takes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import InputError
from ..series import Reading, SeriesTable
from ..series.assembled import Assembled, AssemblyOptions, assembled, changing, cut_in_lengths
from ..series.frame import Frame
from ..series.numbers import as_numbers
from ..series.table import check_table, of_assembled, warn_of
from ..series.time_axis import Gaps
from ..series.time_names import may_say_time, says_time
from ._arrays import read_arrays
from ._columnar import read_columnar_frame
from ._h5ad import read_h5ad_frame
from ._sheet import read_sheet_frame
from ._text import TextOptions, read_text_frame

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".dat")
_SHEETS = (".xlsx", ".xlsm", ".xls", ".ods")
_OTHERS = (".npy", ".npz", ".parquet", ".feather", ".h5ad")


def read_table(
    path: str | os.PathLike[str],
    *,
    delimiter: str | None = None,
    decimal: str | None = None,
    time_column: str | None = None,
    trajectory_column: str | None = None,
    trajectory_length: int | None = None,
    transpose: bool = False,
    drop_constant: bool = False,
    missing: Literal["error", "drop", "interpolate"] = "error",
    missing_values: Sequence[float | str] = (),
    gaps: Gaps = "cut",
    sheet: str | int | None = None,
    comment: str | None = None,
) -> SeriesTable:
    """Read series from text, a workbook, Parquet, Feather, NumPy or AnnData.

    Text (`.csv`, `.tsv`, `.txt`, `.tab`, `.dat`, each also `.gz`): rows are time steps and columns are series. The delimiter
    (tab, semicolon, comma, `|`, blanks), the mark of decimals and a header line are recognised; a header of bare numbers only
    where they count 0, 1, 2, ... or 1, 2, 3, ...; a header that leaves the name of the row labels out, as R writes it; a
    delimiter at the end of lines; lines that start with `#`; units below the header. Blank lines between rows, and a header that
    is there again, set trajectories apart.
    Workbooks (`.xlsx`, with further packages `.xls` and `.ods`), `.parquet` and `.feather` alike. `.h5ad` (AnnData): cells are
    steps and genes series. All of these need the extra `io`.
    `.npy`: (T, P), or (R, T, P) for R trajectories; opened as a memory map, which float32 and float64 stay. `.npz`: the
    same under the key `X` or as the sole array, with P `names` and (T,) `time` if present.

    The time (a column called `time`, `date`, `timestamp`, ..., a leading `t` or `hours`, a leading column of dates, headers such
    as `10h` of a table with series in rows) is no series. Rows are sorted by it; a time that starts again begins a trajectory,
    times that are there several times are replicates, and a gap of a regular time axis cuts. Names and numbers of rows are left
    out. `reading` of the result says what was done.

    Parameters
    ----------
    path : the file.
    delimiter : the character between cells of a text file; default: recognised.
    decimal : "." or "," in a text file; default: recognised.
    time_column : name of the column that tells the time; default: recognised. Of AnnData, a column of `obs`.
    trajectory_column : name of the column that labels trajectories; rows with one label form one trajectory.
    trajectory_length : time steps of each trajectory; every trajectory found so far is cut after every so many rows.
    transpose : each row is a series (a genes x times table). The first column holds the names; further leading columns of text,
        or of gene identifiers by their header, are left out. A first line whose cells are text or strictly rising numbers (the
        times) is the header; a row below it of one unit of time belongs to it.
    drop_constant : leave out series that never change, such as genes that are never expressed, instead of refusing them.
    missing : "error" refuses missing values (empty, NA, NaN, null, `.`, `-`, `?`); with "drop" and "interpolate" they stay NaN.
    missing_values : further values that stand for missing ones, such as -999.
    gaps : "cut" cuts trajectories where steps of a regular time axis are missing; "ignore" leaves them whole.
    sheet : name or number (from 0) of the sheet of a workbook; default: the first that holds rows of numbers.
    comment : what starts a line of a text file that is no row; default `#` (and `!`, as in files of GEO), "" for none.

    Returns
    -------
    SeriesTable of (T_r, P) trajectories, checked as `as_series_table` does.

    Warns
    -----
    DataWarning : where the order of the steps, or which rows belong together, had to be guessed.

    Raises
    ------
    InputError : a file that is missing, empty or not what its suffix says; text, missing or infinite cells (with series
        and line); ragged rows; a column of labels among series; a table in long format, a row for each value; times that cannot
        be read; a trajectory column or length that does not fit; whatever `as_series_table` refuses.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "two.csv"
    >>> _ = file.write_text("time,a,b\\n1,1.5,1.0\\n0,1.0,2.0\\n")
    >>> table = read_table(file)
    >>> table.names, table.trajectories[0].tolist()
    (('a', 'b'), [[1.0, 2.0], [1.5, 1.0]])
    >>> table.reading.notes
    ("the rows were not in the order of time: sorted by 'time'",)
    """
    path = existing_file(path)
    if trajectory_column is not None and trajectory_length is not None:
        raise InputError("trajectory_column and trajectory_length were both given; give the one that fits the file")
    if trajectory_column is not None and transpose:
        raise InputError("trajectory_column needs series in columns; with transpose=True use trajectory_length")
    if time_column is not None and transpose:
        raise InputError("time_column needs series in columns; with transpose=True the header tells the times")
    marks = (missing_values,) if isinstance(missing_values, (str, int, float)) else tuple(missing_values)
    options = AssemblyOptions(time_column, trajectory_column, trajectory_length, missing, marks, gaps, drop_constant)
    kind = data_suffix(path)
    if kind in (".npy", ".npz"):
        found = _of_arrays(path, *read_arrays(path, transpose), options, transpose)
    else:
        if kind in TEXT_SUFFIXES:
            text = TextOptions(delimiter, decimal, comment, transpose, trajectory_column, marks)
            frame = read_text_frame(path, text)
        elif kind in _SHEETS:
            frame = read_sheet_frame(path, sheet, transpose, marks, trajectory_column)
        elif kind in (".parquet", ".feather"):
            frame = read_columnar_frame(path, transpose, marks)
        elif kind == ".h5ad" and not transpose:
            frame = read_h5ad_frame(path, time_column, trajectory_column)
        elif kind == ".h5ad":
            raise InputError(f"{path}: cells are steps and genes series in AnnData; leave transpose out")
        else:
            known = ", ".join((*TEXT_SUFFIXES, *_SHEETS, *_OTHERS))
            raise InputError(f"{path} has the suffix {kind!r}, which is not read; save the table as one of {known}")
        orientation: Literal["steps in rows", "series in rows"] = "series in rows" if transpose else "steps in rows"
        found = assembled([frame], options, source=str(path), orientation=orientation)
    table = of_assembled(found)
    try:
        check_table(table, missing=missing)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    warn_of(table)
    return table


def existing_file(path: str | os.PathLike[str]) -> Path:
    """`path` as a Path, or an `InputError` if no file is there."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a directory; give the path of one file in it")
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path (relative paths start at {Path.cwd()})")
    return path


def data_suffix(path: Path) -> str:
    """The suffix that says what is in the file: `.csv` for `a.csv.gz`."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        return suffixes[-2] if suffixes[-2:-1] and suffixes[-2] in TEXT_SUFFIXES else ".gz"
    return suffixes[-1] if suffixes else ""


def _of_arrays(
    path: Path, X: NDArray[Any], names: list[str] | None, options: AssemblyOptions, transpose: bool
) -> Assembled:
    """Arrays with a time or a trajectory among their names are frames; others stay as they are."""
    orientation: Literal["steps in rows", "series in rows"] = "series in rows" if transpose else "steps in rows"
    labelled = names is not None and (any(map(says_time, names)) or may_say_time(names[0]))
    if labelled or options.time is not None or options.trajectory is not None:
        parts = [X] if X.ndim == 2 else list(X)
        frames = [Frame(pd.DataFrame(part, columns=names), source=str(path), from_file=True) for part in parts]
        return assembled(frames, options, source=str(path), orientation=orientation)
    blocks = (len(X),) if X.ndim == 2 else (X.shape[1],) * len(X)
    values = X.reshape(-1, X.shape[-1])
    if options.missing_values:
        values = np.where(np.isin(values, as_numbers(options.missing_values)), np.nan, values)
    if options.trajectory_length is not None:
        blocks = cut_in_lengths(str(path), blocks, options.trajectory_length)
    trajectories = tuple(_as_float(part) for part in np.split(values, np.cumsum(blocks)[:-1]))
    reading = Reading(
        str(path), orientation, *values.shape, n_trajectories=len(trajectories), n_pieces=len(trajectories)
    )
    found = Assembled(trajectories, None if names is None else tuple(names), reading, None)
    if options.missing != "error":
        found = replace(
            found, reading=replace(reading, n_missing=sum(int(np.isnan(part).sum()) for part in trajectories))
        )
    return changing(found) if options.drop_constant else found


def _as_float(part: NDArray[Any]) -> NDArray[Any]:
    return part if part.dtype in (np.float32, np.float64) else part.astype(np.float64)
