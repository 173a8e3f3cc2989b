"""NumPy files: arrays, and the memory map of one, never unpickled."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..series.time_names import says_time


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
    others = [k for k in arrays if k != "names" and not says_time(k)]
    if key in arrays:
        return arrays[key]
    if len(others) != 1:
        raise InputError(f"{path} holds the arrays {others}; name the one to read {key!r}")
    return arrays[others[0]]


def read_arrays(path: Path, transpose: bool) -> tuple[NDArray[Any], list[str] | None]:
    """(T, P) or (R, T, P), and P names."""
    arrays = load_arrays(path)
    X = arrays[""] if path.suffix.lower() == ".npy" else sole_array(path, arrays, "X")
    if (
        X.dtype.names
        and X.ndim == 1
        and all(X.dtype[name].kind in "fiub" and not X.dtype[name].shape for name in X.dtype.names)
    ):
        arrays["names"] = np.array(X.dtype.names)
        X = np.column_stack([X[name] for name in X.dtype.names])
    if X.dtype.kind not in "fiub":
        raise InputError(f"{path} holds values of type {X.dtype}; save a plain array of real numbers")
    if X.ndim not in (2, 3) or 0 in X.shape:
        raise InputError(
            f"{path} has shape {X.shape}; expected (time steps, series) or (trajectories, time steps, series)"
        )
    X = X.swapaxes(-1, -2) if transpose else X
    names = [str(n) for n in arrays["names"].ravel()] if "names" in arrays else None
    key = next((key for key in arrays if says_time(key)), None)
    if key is not None and X.ndim == 2 and arrays[key].shape == X.shape[:1] and arrays[key].dtype.kind in "fiu":
        names = [key, *(names if names is not None else (f"x{k}" for k in range(X.shape[1])))]
        X = np.column_stack([arrays[key], X])
    if names is not None and len(names) != X.shape[-1]:
        raise InputError(f"{path} has {len(names)} names for {X.shape[-1]} series (shape {X.shape}); is it transposed?")
    return X, names
