"""`read_table`: a file of series into the `SeriesTable` that every door of the library takes."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..series import SeriesTable, as_series_table
from ._options import whole
from ._text import RawTable, column_index, is_text, parse_text, time_columns

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")


def read_table(
    path: str | os.PathLike[str],
    *,
    delimiter: str | None = None,
    trajectory_column: str | None = None,
    trajectory_length: int | None = None,
    transpose: bool = False,
    drop_constant: bool = False,
) -> SeriesTable:
    """Read series from `.csv`, `.tsv`, `.txt` (each also `.gz`), `.npy`, `.npz` or `.parquet`.

    Text: rows are time steps and columns are series. The delimiter (tab, semicolon, comma, blanks) and a header line
    are recognised; a header of bare numbers only where they count 0, 1, 2, ... or 1, 2, 3, .... A column called `time`,
    or a leading one called `t`, in any case, is dropped. Blank lines between rows set trajectories apart.
    `.npy`: (T, P), or (R, T, P) for R trajectories; opened as a memory map, which float32 and float64 stay. `.npz`: the
    same under the key `X` or as the sole array, with P `names` if present. `.parquet`: rows are time steps; needs the
    extra `io`.

    Parameters
    ----------
    path : the file.
    delimiter : the character between cells of a text file; default: recognised.
    trajectory_column : name of the column that labels trajectories; rows with one label form one trajectory, in order.
    trajectory_length : time steps of each trajectory; every trajectory found so far is cut after every so many rows.
    transpose : each row is a series (a genes x times table). In text and parquet the first column holds the names;
        further leading columns of text, or of gene identifiers by their header, are left out. A first line whose cells
        are text or strictly rising numbers (the times) is the header.
    drop_constant : leave out series that never change, such as genes that are never expressed, instead of refusing them.

    Returns
    -------
    SeriesTable of (T_r, P) trajectories, checked as `as_series_table` does.

    Raises
    ------
    InputError : a file that is missing, empty or not what its suffix says; text, missing or infinite cells (with series
        and line); ragged rows; row labels; a trajectory column or length that does not fit; whatever `as_series_table`
        refuses.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "two.csv"
    >>> _ = file.write_text("time,a,b\\n0,1.0,2.0\\n1,1.5,1.0\\n")
    >>> read_table(file).names
    ('a', 'b')
    """
    path = existing_file(path)
    if trajectory_column is not None and trajectory_length is not None:
        raise InputError("trajectory_column and trajectory_length were both given; give the one that fits the file")
    if trajectory_column is not None and transpose:
        raise InputError("trajectory_column needs series in columns; with transpose=True use trajectory_length")
    kind = data_suffix(path)
    if kind in TEXT_SUFFIXES:
        raw = parse_text(path, delimiter, trajectory_column, transpose)
    elif kind in (".npy", ".npz"):
        raw = _named_columns(path, *_read_numpy(path, kind, transpose), trajectory_column)
    elif kind == ".parquet":
        raw = _read_parquet(path, trajectory_column, transpose)
    else:
        known = ", ".join((*TEXT_SUFFIXES, ".npy", ".npz", ".parquet"))
        raise InputError(f"{path} has the suffix {kind!r}, which is not read; save the table as one of {known}")
    trajectories, names = _trajectories(path, raw, trajectory_length), raw.names
    if drop_constant:
        trajectories, names = _changing(trajectories, names)
    try:
        return as_series_table(trajectories, names)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _changing(trajectories: list[NDArray[Any]], names: list[str] | None) -> tuple[list[NDArray[Any]], list[str]]:
    """The series that change, under the names they would have had among all."""
    first = trajectories[0][0]
    changes = np.any([(t != first).any(axis=0) for t in trajectories], axis=0)
    kept = np.flatnonzero(changes)
    known = names if names is not None else [f"x{i}" for i in range(len(changes))]
    return [t if changes.all() else t[:, kept] for t in trajectories], [known[i] for i in kept]


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


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an `.npz`, or the memory map of an `.npy` under the key ""; nothing is ever unpickled."""
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty; save the array again")
    try:
        with path.open("rb") as file:
            if path.suffix.lower() == ".npy":
                if file.read(6) != b"\x93NUMPY":
                    raise InputError(
                        f"{path} is not an .npy file; write it with numpy.save, or give it its right suffix"
                    )
                return {"": np.load(path, mmap_mode="r", allow_pickle=False)}
            if not zipfile.is_zipfile(file):
                raise InputError(f"{path} is not an .npz file, or is cut short; write it with numpy.savez")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}
    except InputError:
        raise
    except (ValueError, EOFError, OSError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        if "bject" in str(error):
            raise InputError(
                f"{path} holds Python objects, which are never unpickled; save numbers, and names as"
                " np.array(names, dtype=str)"
            ) from error
        raise InputError(f"{path} is corrupt or cut short ({error}); save the array again") from error


def sole_array(path: Path, arrays: dict[str, NDArray[Any]], key: str) -> NDArray[Any]:
    """The array under `key`, else the only one beside `names`."""
    others = [k for k in arrays if k != "names"]
    if key in arrays:
        return arrays[key]
    if len(others) != 1:
        raise InputError(f"{path} holds the arrays {others}; name the one to read {key!r}")
    return arrays[others[0]]


def _read_numpy(path: Path, kind: str, transpose: bool) -> tuple[NDArray[Any], list[str] | None]:
    arrays = load_arrays(path)
    X = arrays[""] if kind == ".npy" else sole_array(path, arrays, "X")
    if X.dtype.kind not in "fiub":
        raise InputError(f"{path} holds values of type {X.dtype}; save a plain array of real numbers")
    if X.ndim not in (2, 3) or 0 in X.shape:
        raise InputError(
            f"{path} has shape {X.shape}; expected (time steps, series) or (trajectories, time steps, series)"
        )
    X = X.swapaxes(-1, -2) if transpose else X
    names = [str(n) for n in arrays["names"].ravel()] if "names" in arrays else None
    if names is not None and len(names) != X.shape[-1]:
        raise InputError(f"{path} has {len(names)} names for {X.shape[-1]} series (shape {X.shape}); is it transposed?")
    return X, names


def _read_parquet(path: Path, trajectory_column: str | None, transpose: bool) -> RawTable:
    try:
        import pandas
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise InputError(f'reading {path} needs pandas and pyarrow: pip install "grngc-fast[io]"') from error
    try:
        frame = pandas.read_parquet(path, engine="pyarrow")
    except (ValueError, OSError) as error:
        raise InputError(f"{path} is not a readable parquet file ({error}); write it again") from error
    frame.columns = [str(c) for c in frame.columns]
    if transpose:
        while frame.shape[1] and not _is_numeric(frame.iloc[:, 0]):
            keep_index = frame.index.dtype.kind in "OTU"
            frame = frame.iloc[:, 1:] if keep_index else frame.set_index(frame.columns[0])
        frame = frame.T
        frame.columns = [str(c) for c in frame.columns]
    for position, name in enumerate(frame.columns):
        column = frame.iloc[:, position]
        if name not in (trajectory_column, "time") and not _is_numeric(column):
            shown = next((v for v in column if is_text(str(v))), None)
            raise InputError(
                f"{path}: series {name!r} holds text such as {shown!r}, not numbers; drop the column, or pass"
                " transpose=True if each row is a series, or trajectory_column if it tells trajectories apart"
            )
    names = list(frame.columns)
    trajectory = None if trajectory_column is None else column_index(path, names, trajectory_column)
    skip = time_columns(names, trajectory) | ({trajectory} if trajectory is not None else set())
    kept = [i for i in range(len(names)) if i not in skip]
    values = frame.iloc[:, kept].to_numpy(dtype=np.float64, na_value=np.nan)
    labels = None if trajectory is None else [str(v) for v in frame.iloc[:, trajectory]]
    return RawTable(values, [names[i] for i in kept], [len(values)], labels)


def _is_numeric(column: Any) -> bool:
    from pandas.api import types

    return bool(types.is_numeric_dtype(column) and not types.is_complex_dtype(column))


def _named_columns(path: Path, X: NDArray[Any], names: list[str] | None, trajectory_column: str | None) -> RawTable:
    trajectory = None if trajectory_column is None else column_index(path, names, trajectory_column)
    skip = time_columns(names, trajectory) | ({trajectory} if trajectory is not None else set())
    blocks = [len(X)] if X.ndim == 2 else [X.shape[1]] * len(X)
    values = X.reshape(-1, X.shape[-1])
    labels = None if trajectory is None else [str(v) for v in values[:, trajectory]]
    if names is None or not skip:
        return RawTable(values, names, blocks, labels)
    kept = [i for i in range(len(names)) if i not in skip]
    return RawTable(values[:, kept], [names[i] for i in kept], blocks, labels)


def _trajectories(path: Path, raw: RawTable, length: int | None) -> list[NDArray[Any]]:
    if raw.labels is not None:
        numbers: dict[str, int] = {}
        which = np.array([numbers.setdefault(label, len(numbers)) for label in raw.labels])
        return [raw.values[which == k] for k in range(len(numbers))]
    blocks = raw.blocks
    if length is not None:
        whole("trajectory_length", length, 1)
        for block in blocks:
            if block % length:
                raise InputError(
                    f"{path} has {block} rows in a trajectory, which trajectory_length={length} does not divide;"
                    " check for rows that are missing or too many"
                )
        blocks = [length] * (sum(blocks) // length)
    cut: Callable[..., list[NDArray[Any]]] = np.split
    return cut(raw.values, np.cumsum(blocks)[:-1])
