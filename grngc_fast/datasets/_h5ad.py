"""AnnData files by h5py alone: the matrix, the names of its genes and the columns of `obs`."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from ..errors import InputError
from ..series.frame import Frame
from ..series.objects import all_frames


@dataclass(frozen=True)
class _AnnotatedMatrix:
    """What `series.objects` takes of AnnData."""

    X: Any
    obs: pd.DataFrame
    var_names: pd.Index[Any]

    @property
    def obs_names(self) -> pd.Index[Any]:
        return self.obs.index


def read_h5ad_frame(path: Path, time: Hashable | None, trajectory: Hashable | None) -> Frame:
    """Cells in rows and genes in columns, with the columns of `obs` that tell time and trajectories.

    Raises
    ------
    InputError : no AnnData file, or one without a matrix.
    """
    try:
        import h5py
    except ImportError as error:
        raise InputError(f'reading {path} needs h5py: pip install "grngc-fast[io]"') from error
    try:
        with h5py.File(path, "r") as file:
            missing = [name for name in ("X", "obs", "var") if name not in file]
            if missing:
                raise InputError(f"{path} has no {missing[0]!r}, so it is no AnnData file; write it with write_h5ad")
            data = _AnnotatedMatrix(_matrix(file["X"]), _table(file["obs"]), _table(file["var"]).index)
    except InputError:
        raise
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a readable AnnData file ({error}); write it again with write_h5ad") from error
    [frame] = all_frames(data, time, trajectory) or []
    return replace(frame, source=str(path), from_file=True)


def _matrix(stored: Any) -> Any:
    if not hasattr(stored, "keys"):
        return stored[()]
    kind = stored.attrs.get("encoding-type", stored.attrs.get("h5sparse_format", "csr_matrix"))
    shape = tuple(stored.attrs.get("shape", stored.attrs.get("h5sparse_shape")))
    made = sparse.csc_array if str(kind).startswith("csc") else sparse.csr_array
    return made((stored["data"][()], stored["indices"][()], stored["indptr"][()]), shape=shape)


def _table(stored: Any) -> pd.DataFrame:
    """Columns and index of `obs` or `var`; columns of other kinds are left out."""
    if not hasattr(stored, "keys"):
        # a compound array, as early versions wrote
        records = stored[()]
        columns = {name: _decoded(records[name]) for name in records.dtype.names}
        index = next((name for name in ("index", "_index") if name in columns), next(iter(columns)))
        return pd.DataFrame(columns).set_index(index)
    index = stored.attrs.get("_index", "_index")
    columns = {}
    for name in stored:
        if name != "__categories":
            cells = _column(stored, name)
            if cells is not None:
                columns[name] = cells
    return pd.DataFrame(columns).set_index(index)


def _column(stored: Any, name: str) -> Any:
    cells = stored[name]
    if hasattr(cells, "keys"):
        if "codes" in cells and "categories" in cells:
            return pd.Categorical.from_codes(cells["codes"][()], _decoded(cells["categories"][()]))
        if "values" in cells and "mask" in cells:
            return pd.Series(_decoded(cells["values"][()])).mask(cells["mask"][()])
        return None
    values = _decoded(cells[()])
    if "categories" in cells.attrs:
        return pd.Categorical.from_codes(values, _decoded(stored[cells.attrs["categories"]][()]))
    return values if np.ndim(values) == 1 else None


def _decoded(values: Any) -> Any:
    if values.dtype.kind == "O":
        return np.array([v.decode() if isinstance(v, bytes) else v for v in values], dtype=object)
    return np.char.decode(values, "utf-8").astype(object) if values.dtype.kind == "S" else values
