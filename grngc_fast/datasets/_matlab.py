"""MATLAB files: arrays of real numbers by name."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError


def read_matlab(path: Path, *names: str) -> dict[str, NDArray[np.float64]]:
    """The arrays of a `.mat` file (MATLAB 4 to 7.2) under these names, as float64, at least two-dimensional.

    Raises
    ------
    InputError : a file that is no such file or cut short, one that lacks an array, an array of no finite real numbers.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        held = loadmat(path)
    except NotImplementedError as error:
        raise InputError(f"{path} is of MATLAB 7.3, which is HDF5; save it again with save(..., '-v7')") from error
    except (
        MatReadError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        EOFError,
        OSError,
        OverflowError,
        zlib.error,
    ) as error:
        raise InputError(f"{path} is not a MATLAB file, or is cut short ({error}); fetch it again") from error
    there = [name for name in held if not name.startswith("__")]
    arrays = {}
    for name in names:
        if name not in held:
            raise InputError(f"{path} has no array {name!r}, but {', '.join(there) or 'none'}; is it another data set?")
        array = held[name]
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            raise InputError(f"{path}: {name!r} is no array of finite real numbers; fetch the file again")
        arrays[name] = array.astype(np.float64)
    return arrays
