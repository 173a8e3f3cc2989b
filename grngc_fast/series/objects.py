"""Objects of other libraries into frames, by their attributes: pandas, polars, xarray, AnnData, mappings and lists of them."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError
from .frame import Frame, shown
from .numbers import is_plain
from .time_names import may_say_time, says_time, tells_apart

_SERIES_DIMENSIONS = re.compile(r"series|variables?|genes?|features?|channels?|nodes?|sensors?|space|x", re.IGNORECASE)

_POSITION = re.compile(
    r"(grid_?)?(lat|lon|latitude|longitude|x|y|z|row|col|column|level|depth|height)s?", re.IGNORECASE
)


def all_frames(X: Any, time: Hashable | None = None, trajectory: Hashable | None = None) -> list[Frame] | None:
    """Frames of a table or of a list of tables; None of arrays, tensors and nested lists."""
    if isinstance(X, (str, os.PathLike)):
        raise InputError(
            f"X is the text or path {shown(X)}; read a file by grngc_fast.datasets.read_table, and pass what it gives"
        )
    if hasattr(X, "toarray"):
        return None
    if isinstance(X, Mapping) and not _is_dataset(X):
        return _of_mapping(X, time, trajectory)
    if isinstance(X, (list, tuple)):
        if X and all(isinstance(part, pd.Series) for part in X):
            raise InputError(
                "X is a list of pandas Series, which may be series or steps; pass pd.concat(X, axis=1) where each is a series, or"
                " pd.DataFrame(X) where each is a step"
            )
        if X and all(isinstance(part, Mapping) and part and all(np.ndim(v) == 0 for v in part.values()) for part in X):
            # one mapping for each step, as JSON and databases give them
            return [Frame(_flat(pd.DataFrame.from_records(list(X))))]
        if not X or not any(_is_table(part) for part in X):
            return None
        parts = [all_frames(part, time, trajectory) for part in X]
        if any(part is None for part in parts):
            raise InputError("X mixes tables with names and arrays without; give every trajectory the same columns")
        listed = [frame for part in parts if part is not None for frame in part]
        return [_numbered(frame, number) for number, frame in enumerate(listed)]
    if _is_anndata(X):
        return [_with_observations(X, _of_anndata(X, time), time, trajectory)]
    if _is_dataset(X):
        return _of_dataset(X, time)
    if _is_data_array(X):
        return _of_data_array(X, time)
    frame = as_data_frame(X)
    return None if frame is None else [Frame(_flat(frame))]


def as_data_frame(X: Any) -> pd.DataFrame | None:
    """A pandas DataFrame of a table of pandas, polars, pyarrow or another library that has `to_pandas`; else None."""
    if isinstance(X, pd.DataFrame):
        return X
    if isinstance(X, np.ndarray) and X.dtype.names and X.ndim == 1:
        return pd.DataFrame({name: X[name] for name in X.dtype.names if X[name].ndim == 1})
    if hasattr(X, "collect") and hasattr(X, "collect_schema"):
        X = X.collect()
    if hasattr(X, "get_columns") and hasattr(X, "columns"):
        return pd.DataFrame({str(column.name): _of_polars(column) for column in X.get_columns()})
    if hasattr(X, "to_pandas") and (hasattr(X, "columns") or hasattr(X, "column_names")):
        made = X.to_pandas()
        return made if isinstance(made, pd.DataFrame) else None
    return None


def _is_table(X: Any) -> bool:
    kinds = (_is_anndata, _is_dataset, _is_data_array)
    has_columns = hasattr(X, "columns") and not callable(X.columns) and np.ndim(X) != 1
    structured = isinstance(X, np.ndarray) and bool(X.dtype.names) and X.ndim == 1
    return (
        has_columns
        or structured
        or hasattr(X, "column_names")
        or isinstance(X, Mapping)
        or any(is_kind(X) for is_kind in kinds)
    )


def _is_anndata(X: Any) -> bool:
    return all(hasattr(X, name) for name in ("obs", "var_names", "X", "obs_names"))


def _is_data_array(X: Any) -> bool:
    return all(hasattr(X, name) for name in ("dims", "coords", "values")) and not _is_dataset(X)


def _is_dataset(X: Any) -> bool:
    return all(hasattr(X, name) for name in ("dims", "coords", "data_vars"))


def _numbered(frame: Frame, number: int) -> Frame:
    return replace(frame, source=f"trajectory {number}")


def _of_polars(column: Any) -> Any:
    values = column.to_numpy()
    if values.dtype.kind in "fiubmM" and not column.null_count():
        return values
    return values if values.dtype.kind in "fmM" else pd.Series(column.to_list(), dtype=None if len(column) else object)


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """One row of names: levels of columns are joined; sparse columns are made dense."""
    if isinstance(frame.columns, pd.MultiIndex):
        frame = frame.set_axis([" ".join(str(part) for part in name if str(part)) for name in frame.columns], axis=1)
    sparse = [k for k, dtype in enumerate(frame.dtypes) if isinstance(dtype, pd.SparseDtype)]
    if sparse:
        dense = frame.iloc[:, sparse].sparse.to_dense()
        frame = frame.assign(**{str(name): dense.iloc[:, k] for k, name in enumerate(dense.columns)})
    return frame


def _of_mapping(X: Mapping[Any, Any], time: Hashable | None, trajectory: Hashable | None) -> list[Frame] | None:
    """Series by name, or trajectories by label."""
    if not X:
        raise InputError("X is an empty mapping; pass series by name, or trajectories by label")
    values = list(X.values())
    if all(_is_table(value) for value in values):
        return all_frames(values, time, trajectory)
    if all(isinstance(value, pd.Series) for value in values):
        # side by side, each value where its label is
        return [Frame(_flat(pd.DataFrame({str(name): value for name, value in X.items()})))]
    if all(np.ndim(value) == 2 for value in values):
        return [Frame(pd.DataFrame(np.asarray(value)), source=f"trajectory {k}") for k, value in enumerate(values)]
    if all(np.ndim(value) == 1 for value in values):
        lengths = {len(value) for value in values}
        if len(lengths) > 1:
            raise InputError(f"the series of X have different lengths: {sorted(lengths)}; they need one value per step")
        return [Frame(pd.DataFrame({str(name): np.asarray(value) for name, value in X.items()}))]
    raise InputError("X is a mapping of neither series (1-D) nor tables; pass {name: values} or {label: table}")


def _of_anndata(X: Any, time: Hashable | None) -> Frame:
    """Cells in rows, genes in columns, and the column of `obs` that orders them."""
    values, notes = X.X, []
    if values is None:
        layers = [str(name) for name in getattr(X, "layers", ())]
        raise InputError(
            f"X has no matrix X; put one of its layers {layers} there: adata.X = adata.layers[...]"
            if layers
            else "X has no matrix X; expected cells in rows and genes in columns"
        )
    if hasattr(values, "toarray"):
        values = values.toarray()
        notes = [f"the sparse matrix was made dense: {values.nbytes / 2**20:.0f} MiB"]
    names = [str(name) for name in X.var_names]
    cells = pd.DataFrame(np.asarray(values), columns=names)
    warned: tuple[str, ...] = ()
    columns = [str(name) for name in X.obs.columns]
    if time is None:
        found = [name for name in columns if says_time(name)]
        if len(found) > 1:
            notes.append(f"obs has {len(found)} columns that tell a time: {found[0]!r} was taken before {found[1]!r}")
        if not found:
            warned = (
                "no column of obs tells the time: the order of the cells was kept; pass time='pseudotime' or such",
            )
    elif str(time) not in columns:
        raise InputError(f"obs has no column {str(time)!r} to tell the time; its columns are {columns[:8]}")
    return Frame(cells, notes=tuple(notes), warnings=warned, place=lambda row, _: f", cell {row}")


def _with_observations(X: Any, frame: Frame, time: Hashable | None, trajectory: Hashable | None) -> Frame:
    """A frame of AnnData with the columns of `obs` that tell time and trajectories in front."""
    wanted = [time] if time is not None else [name for name in X.obs.columns if says_time(name)][:1]
    if trajectory is not None:
        if str(trajectory) not in [str(name) for name in X.obs.columns]:
            listed = [str(name) for name in X.obs.columns][:8]
            raise InputError(
                f"obs has no column {str(trajectory)!r} to tell trajectories apart; its columns are {listed}"
            )
        wanted.append(trajectory)
    if not wanted:
        return frame
    front = pd.DataFrame({str(name): X.obs[name].to_numpy() for name in wanted})
    return replace(frame, cells=pd.concat([front, frame.cells], axis=1))


def _time_dimension(X: Any, time: Hashable | None) -> str | None:
    dims = [str(dim) for dim in X.dims]
    if time is not None:
        if str(time) not in dims:
            raise InputError(f"X has no dimension {str(time)!r} to tell the time; its dimensions are {dims}")
        return str(time)
    for test in (says_time, may_say_time):
        for dim in dims:
            if test(dim):
                return dim
    if _is_dataset(X) and len(dims) == 1:
        return dims[0]
    dated = [dim for dim in dims if dim in X.coords and np.asarray(X.coords[dim].values).dtype.kind in "mM"]
    return dated[0] if dated else None


def _index(X: Any, dim: str) -> pd.Index[Any] | None:
    return pd.Index(np.asarray(X.coords[dim].values), name=dim) if dim in X.coords else None


def _of_data_array(X: Any, time: Hashable | None) -> list[Frame]:
    """(time, series), or with a further dimension of trajectories."""
    dims = [str(dim) for dim in X.dims]
    steps = _time_dimension(X, time)
    if steps is None:
        if len(dims) != 2 or any(not dim.startswith("dim_") for dim in dims):
            raise InputError(f"X has the dimensions {dims}, none of which is called time; name it time, or pass time")
        steps = dims[0]
    others = [dim for dim in dims if dim != steps]
    if len(others) not in (1, 2):
        raise InputError(f"X has the dimensions {dims}; expected time and series, and perhaps trajectories")
    series = others[-1]
    if len(others) == 2 and all(_POSITION.fullmatch(dim) for dim in others):
        raise InputError(
            f"X has the dimensions {dims}, where {others[0]!r} and {others[1]!r} are places: make each place a series by"
            f" X.stack(series={tuple(others)})"
        )
    if len(others) == 2:
        texts = [dim for dim in others if dim in X.coords and np.asarray(X.coords[dim].values).dtype.kind in "OUT"]
        apart = [dim for dim in others if tells_apart(dim)]
        left = [dim for dim in others if dim not in apart]
        series = next(
            (dim for dim in others if _SERIES_DIMENSIONS.fullmatch(dim)),
            left[0] if len(left) == 1 else texts[0] if len(texts) == 1 else series,
        )
    values = np.asarray(X.values)
    order = [dims.index(dim) for dim in (*(dim for dim in others if dim != series), steps, series)]
    values = values.transpose(order)
    names = _index(X, series)
    columns = [str(name) for name in names] if names is not None and not is_plain(names.dtype) else None
    index = _index(X, steps)
    parts = values if values.ndim == 3 else values[None]
    frames = [Frame(pd.DataFrame(part, index=index, columns=columns)) for part in parts]
    return frames if len(frames) == 1 else [_numbered(frame, number) for number, frame in enumerate(frames)]


def _of_dataset(X: Any, time: Hashable | None) -> list[Frame]:
    """Variables along the dimension of time; others are left out and said to be."""
    steps = _time_dimension(X, time)
    if steps is None:
        raise InputError(f"X has the dimensions {[str(d) for d in X.dims]}, none of which is called time; name it time")
    along = {str(name): X[name] for name in X.data_vars if tuple(map(str, X[name].dims)) == (steps,)}
    pairs = {str(name): X[name] for name in X.data_vars if len(X[name].dims) == 2 and steps in map(str, X[name].dims)}
    chosen = along or pairs
    dropped = tuple(
        (str(name), f"its dimensions are {tuple(map(str, X[name].dims))}")
        for name in X.data_vars
        if str(name) not in chosen
    )
    notes = tuple(f"variable {name!r} was left out: {why}" for name, why in dropped)
    index = _index(X, steps)
    if along or not pairs:
        if not along:
            raise InputError(f"X has no variable along {steps!r} alone; pass one DataArray of time and series")
        table = pd.DataFrame({name: np.asarray(values.values) for name, values in along.items()}, index=index)
        return [Frame(table, notes=notes, dropped=dropped)]
    arrays = []
    for values in pairs.values():
        array = np.asarray(values.values)
        arrays.append(array if str(values.dims[1]) == steps else array.T)
    if len({array.shape for array in arrays}) > 1:
        raise InputError(
            "the variables of X have different shapes; pass one DataArray of trajectories, time and series"
        )
    return [
        Frame(
            pd.DataFrame(dict(zip(pairs, parts, strict=True)), index=index),
            source=f"trajectory {number}",
            notes=notes,
            dropped=dropped,
        )
        for number, parts in enumerate(zip(*arrays, strict=True))
    ]
