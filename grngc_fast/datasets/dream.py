"""The in-silico gene networks of the DREAM3 and DREAM4 challenges, read from a folder of their files."""

from __future__ import annotations

import os

from ..errors import InputError
from ._files import beside, find_file
from .dataset import Dataset
from .table import read_table
from .truth import read_truth

DREAM3_NETWORKS = ("Ecoli1", "Ecoli2", "Yeast1", "Yeast2", "Yeast3")
_STEPS = 21


def read_dream3(directory: str | os.PathLike[str], size: int, network: str) -> Dataset:
    """One DREAM3 network: `dream3_{size}_{k}.tsv` and `dream3_{size}_{k}_true.txt`, k = 0..4 in the order below.

    The challenge's own files, `InSilicoSize{size}-{network}-trajectories.tsv` and
    `DREAM3GoldStandard_InSilicoSize{size}_{network}.txt`, are read alike.

    Parameters
    ----------
    directory : the folder with the files, or one above it.
    size : number of genes: 10, 50 or 100.
    network : "Ecoli1", "Ecoli2", "Yeast1", "Yeast2" or "Yeast3".

    Returns
    -------
    Dataset with trajectories of 21 steps and a (P, P) truth [effect, cause].

    Raises
    ------
    InputError : an unknown size or network, a missing file, trajectories of other lengths, another number of genes.
    """
    if size not in (10, 50, 100):
        raise InputError(f"DREAM3 has no networks of size {size!r}; choose 10, 50 or 100")
    if network not in DREAM3_NETWORKS:
        raise InputError(f"DREAM3 has no network {network!r}; choose one of {', '.join(DREAM3_NETWORKS)}")
    stem = f"dream3_{size}_{DREAM3_NETWORKS.index(network)}"
    challenge = f"InSilicoSize{size}-{network}-trajectories"
    series = f"{stem}.tsv", f"{challenge}.tsv", f"{challenge}.txt"
    gold = f"{stem}_true.txt", f"DREAM3GoldStandard_InSilicoSize{size}_{network}.txt"
    return _read(directory, series, gold, size, f"DREAM3 {network} size {size}")


def read_dream4(directory: str | os.PathLike[str], size: int, network: int) -> Dataset:
    """One DREAM4 network: `insilico_size{size}_{k}_timeseries.tsv`, `DREAM4_GoldStandard_InSilico_Size{size}_{k}.tsv`.

    The challenge's own files (a `Time` column, blank lines between trajectories) and files stripped to the genes are
    read alike.

    Parameters
    ----------
    directory : the folder with the files, or one above it.
    size : number of genes: 10 or 100.
    network : 1 to 5.

    Returns
    -------
    Dataset with trajectories of 21 steps and a (P, P) truth [effect, cause].

    Raises
    ------
    InputError : an unknown size or network, a missing file, trajectories of other lengths, another number of genes.
    """
    if size not in (10, 100):
        raise InputError(f"DREAM4 has no networks of size {size!r}; choose 10 or 100")
    if network not in (1, 2, 3, 4, 5):
        raise InputError(f"DREAM4 has no network {network!r}; choose 1 to 5")
    series = f"insilico_size{size}_{network}_timeseries.tsv"
    gold = f"DREAM4_GoldStandard_InSilico_Size{size}_{network}.tsv"
    return _read(directory, (series,), (gold,), size, f"DREAM4 network {network} size {size}")


def _read(
    directory: str | os.PathLike[str], series: tuple[str, ...], gold: tuple[str, ...], size: int, name: str
) -> Dataset:
    path = find_file(directory, *series)
    table = read_table(path, trajectory_length=_STEPS)
    if table.n_series != size:
        raise InputError(f"{path} has {table.n_series} genes; size {size} was asked for")
    known = beside(directory, path, *gold)
    return Dataset(table, read_truth(known, table.names), name, files=(path, known))
