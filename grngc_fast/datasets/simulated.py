"""Simulated series that papers compare on, from their files: Lorenz-96 of SRU, vector autoregressions of JRNGC."""

from __future__ import annotations

import os

import numpy as np

from ..errors import InputError
from ..series import as_series_table
from ._arrays import load_arrays
from ._files import beside, find_file
from ._options import whole
from .dataset import Dataset

# Lags of the vector autoregression of so many series.
VAR_LAGS = {10: 3, 50: 5, 100: 5}


def read_sru_lorenz96(
    place: str | os.PathLike[str], forcing: int, *, n_steps: int = 500, replicate: int = 1
) -> Dataset:
    """Lorenz-96 of 10 series as SRU and eSRU were compared on (Khanna and Tan, ICLR 2020).

    Parameters
    ----------
    place : the file `F_{forcing}_T_{n_steps}_dataset_{replicate}.npz`, the folder that holds it or a folder above.
    forcing : F, 10 or 40.
    n_steps : T, 250, 500 or 1000.
    replicate : 1 to 5.

    Returns
    -------
    Dataset with one (T, 10) trajectory and a (10, 10) truth [effect, cause], self-influence among it.

    Raises
    ------
    InputError : an option out of range, a missing file, arrays of other shapes or of another forcing.
    """
    if forcing not in (10, 40) or n_steps not in (250, 500, 1000):
        raise InputError(f"there is no F={forcing!r}, T={n_steps!r}; choose F 10 or 40 and T 250, 500 or 1000")
    whole("replicate", replicate, 1)
    stem = f"F_{forcing}_T_{n_steps}_dataset_{replicate}.npz"
    path = find_file(place, stem, f"sru_{stem}")
    held = load_arrays(path)
    missing = {"X_np", "Gref", "F"} - held.keys()
    if missing:
        raise InputError(f"{path} has no array {sorted(missing)[0]!r}, but {', '.join(held)}; is it another data set?")
    if held["X_np"].shape != (10, n_steps) or held["Gref"].shape != (10, 10) or held["F"] != forcing:
        raise InputError(
            f"{path}: 'X_np' has shape {held['X_np'].shape}, 'Gref' {held['Gref'].shape} and 'F' is {held['F']}; expected"
            f" (10, {n_steps}), (10, 10) and {forcing}: fetch the file again"
        )
    table = as_series_table(held["X_np"].T.copy())
    return Dataset(table, held["Gref"] != 0, f"Lorenz-96 F={forcing} T={n_steps} of SRU", files=(path,))


def read_jrngc_var(place: str | os.PathLike[str], n_series: int) -> Dataset:
    """A vector autoregression that JRNGC was compared on (Zhou et al., ICML 2024): `_x.npy` (P, T), `_gc.npy` (P, P, L).

    Parameters
    ----------
    place : the folder with the two files, or one above it that has it as `p{n_series}`.
    n_series : P, 10, 50 or 100.

    Returns
    -------
    Dataset with one (T, P) trajectory and a (P, P, L) truth [effect, cause, lag], lag index 0 being lag 1 (the file has
    the newest lag last).

    Raises
    ------
    InputError : another number of series, a missing file, arrays of other shapes.
    """
    if n_series not in VAR_LAGS:
        raise InputError(
            f"there is no autoregression of {n_series!r} series; choose one of {', '.join(map(str, VAR_LAGS))}"
        )
    path = find_file(place, "_x.npy", folder=f"p{n_series}")
    gold = beside(path.parent, path, "_gc.npy")
    series, truth = load_arrays(path)[""], load_arrays(gold)[""]
    shape = (n_series, n_series, VAR_LAGS[n_series])
    if series.ndim != 2 or len(series) != n_series:
        raise InputError(f"{path} has shape {series.shape}; expected ({n_series}, time steps)")
    if truth.shape != shape:
        raise InputError(f"{gold} has shape {truth.shape}; expected {shape} [effect, cause, lag]")
    return Dataset(
        as_series_table(np.array(series.T)),
        np.array(truth[..., ::-1]) != 0,
        f"VAR P={n_series} of JRNGC",
        files=(path, gold),
    )
