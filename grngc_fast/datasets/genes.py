"""Measured gene expression: SOS response and heat and cold of E. coli, IRMA, two sets of yeast, HeLa."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import InputError
from ..series import SeriesTable, as_series_table
from ..series.assembled import AssemblyOptions, assembled
from ..series.table import check_table, of_assembled
from ._files import beside, find_file
from ._matlab import read_matlab
from ._text import TextOptions, read_text_frame
from .dataset import Dataset
from .table import read_table
from .truth import Truth, read_truth

SOS_GENES = ("uvrD", "lexA", "umuD", "recA", "uvrA", "uvrY", "ruvA", "polB")
IRMA_GENES = ("SWI5", "CBF1", "GAL4", "GAL80", "ASH1")
_IRMA = {"on": ("SOn", "a1", "a2", "a3", "a4", "a5"), "off": ("SOff", "b1", "b2", "b3", "b4")}
_DDGNI_CULTURES = 2
_STRESS_STEPS = 8


def read_sos(place: str | os.PathLike[str]) -> Dataset:
    """SOS response of E. coli to UV light: promoter activities of 8 genes, 4 experiments of 50 steps (Ronen et al., 2002).

    `data_samples_SOS.mat` with `sosPromoterAct` (4, 8, 50), and `SOS_gold_edges.tsv` with 7 edges; some papers count 9.

    Parameters
    ----------
    place : the folder with the two files, or one above it.

    Returns
    -------
    Dataset with a trajectory for each experiment and an (8, 8) truth [effect, cause].

    Raises
    ------
    InputError : a missing file, an array of another shape, an edge of another gene.
    """
    path = find_file(place, "data_samples_SOS.mat")
    activity = read_matlab(path, "sosPromoterAct")["sosPromoterAct"]
    if activity.ndim != 3 or activity.shape[1] != len(SOS_GENES):
        raise InputError(
            f"{path}: 'sosPromoterAct' has shape {activity.shape}; expected (experiments, {len(SOS_GENES)} genes, times)"
        )
    table = as_series_table(list(activity.swapaxes(1, 2)), SOS_GENES)
    return _with_gold(table, "SOS response of E. coli", place, path, "SOS_gold_edges.tsv")


def read_irma(place: str | os.PathLike[str], switch: Literal["on", "off"]) -> Dataset:
    """IRMA, a network of 5 genes built into yeast, switched on by galactose or off by glucose (Cantone et al., Cell, 2009).

    `data_samples_irma_SOnDct.mat` (5 series, a1 to a5) or `..._SOffDct.mat` (4, b1 to b4), and `IRMA_gold_edges.tsv`. The
    values are cycle counts of a PCR: a higher one is less expression. As that holds of all genes alike, edges keep
    their signs.

    Parameters
    ----------
    place : the folder with the files, or one above it.
    switch : "on" or "off".

    Returns
    -------
    Dataset with trajectories of 10 to 21 steps and a (5, 5) truth [effect, cause].

    Raises
    ------
    InputError : another switch, a missing file, arrays of another number of genes, an edge of another gene.
    """
    if switch not in _IRMA:
        raise InputError(f"switch is {switch!r}; choose 'on' or 'off'")
    stem, *names = _IRMA[switch]
    path = find_file(place, f"data_samples_irma_{stem}Dct.mat")
    held = read_matlab(path, *names)
    odd = next((name for name in names if held[name].ndim != 2 or held[name].shape[1] != len(IRMA_GENES)), None)
    if odd is not None:
        raise InputError(f"{path}: {odd!r} has shape {held[odd].shape}; expected (times, {len(IRMA_GENES)} genes)")
    table = as_series_table([held[name] for name in names], IRMA_GENES)
    return _with_gold(table, f"IRMA switched {switch}", place, path, "IRMA_gold_edges.tsv")


def read_yeast_ddgni(place: str | os.PathLike[str]) -> Dataset:
    """Cell cycle of yeast, 8 regulators, two cultures of 15 steps (of the method DDGni).

    `DDGni_Yeast.txt`, in which the rows of the two cultures alternate, and `DDGni_Yeast_network.txt`.

    Parameters
    ----------
    place : the folder with the two files, or one above it.

    Returns
    -------
    Dataset with a trajectory for each culture and an (8, 8) truth [effect, cause] of 6 edges.

    Raises
    ------
    InputError : a missing file, an odd number of rows, an edge of another gene, whatever `read_table` refuses.
    """
    path = find_file(place, "DDGni_Yeast.txt")
    rows = read_table(path)
    if len(rows.trajectories) != 1 or rows.n_steps % _DDGNI_CULTURES:
        raise InputError(
            f"{path} has {rows.n_steps} rows; those of {_DDGNI_CULTURES} cultures alternate, as many of each"
        )
    cultures = [rows.trajectories[0][k::_DDGNI_CULTURES].copy() for k in range(_DDGNI_CULTURES)]
    table = as_series_table(cultures, rows.names)
    return _with_gold(table, "cell cycle of yeast, DDGni", place, path, "DDGni_Yeast_network.txt")


def read_yeast_cell_cycle(place: str | os.PathLike[str]) -> Dataset:
    """Cell cycle of yeast by RNA sequencing (Kelliher et al., 2016), regulation after Balaji et al. (2006).

    `derived_Scer_RNAseq_balaji_nodes_ORF.tsv.gz`, 4338 genes by 50 times, every 5 minutes, and
    `derived_balaji_edges_norm.tsv`. Genes have their systematic names. 67 never change and are left out, with their edges.

    Parameters
    ----------
    place : the folder with the two files, or one above it.

    Returns
    -------
    Dataset of 4271 genes with one trajectory, a (P, P) truth [effect, cause] and the 152 regulators that it has edges of.

    Raises
    ------
    InputError : a missing file, an edge of a gene that the table has not, whatever `read_table` refuses.
    """
    stem = "derived_Scer_RNAseq_balaji_nodes_ORF.tsv"
    path = find_file(place, f"{stem}.gz", stem)
    table = read_table(path, transpose=True, drop_constant=True)
    gold = beside(place, path, "derived_balaji_edges_norm.tsv")
    constant = [name for name, why in table.reading.dropped if why == "it never changes"] if table.reading else []
    truth = read_truth(gold, [*table.names, *constant])[: table.n_series, : table.n_series]
    return Dataset(table, truth, "cell cycle of yeast", _causes(table, truth), (path, gold))


def read_ecoli_stress(place: str | os.PathLike[str], stress: Literal["cold", "heat"]) -> Dataset:
    """E. coli under cold or heat: 1484 genes, 3 replicates of 8 steps, regulation of RegulonDB as joined for BiXGBoost.

    `{stress}_time_3_replice.tsv` and `integrated_gold_network.txt`.

    Parameters
    ----------
    place : the folder with the files, or one above it.
    stress : "cold" or "heat".

    Returns
    -------
    Dataset with a trajectory for each replicate, a (P, P) truth [effect, cause] and the 163 regulators that it has edges of.

    Raises
    ------
    InputError : another stress, a missing file, rows that are no replicates of 8 steps, an edge of a gene that the table
        has not, whatever `read_table` refuses.
    """
    if stress not in ("cold", "heat"):
        raise InputError(f"stress is {stress!r}; choose 'cold' or 'heat'")
    path = find_file(place, f"{stress}_time_3_replice.tsv")
    table = read_table(path, trajectory_length=_STRESS_STEPS)
    data = _with_gold(table, f"E. coli under {stress}", place, path, "integrated_gold_network.txt")
    assert data.truth is not None
    return replace(data, regulators=_causes(table, data.truth))


def read_hela(place: str | os.PathLike[str]) -> Dataset:
    """Cell cycle of HeLa cells by RNA sequencing: 8813 genes by 14 times, no truth.

    `Hela_CellCycle_RNAseq.tsv`. 13 of the series have the name of one before them, and get a number: `CKS1B.2`.

    Parameters
    ----------
    place : the file, its folder or one above it.

    Returns
    -------
    Dataset with one trajectory and no truth.

    Raises
    ------
    InputError : a missing file, whatever `read_table` refuses.
    """
    path = find_file(place, "Hela_CellCycle_RNAseq.tsv")
    frame = read_text_frame(path, TextOptions(transpose=True))
    names = [str(name) for name in frame.cells.columns]
    met = Counter[str]()
    told = []
    for name in names:
        met[name] += 1
        told.append(name if met[name] == 1 else f"{name}.{met[name]}")
    repeated = len(names) - len(met)
    notes = (
        *frame.notes,
        *([f"{repeated} series got a number, having the name of one before them"] if repeated else []),
    )
    frame = replace(frame, cells=frame.cells.set_axis(told, axis=1), notes=notes)
    found = assembled([frame], AssemblyOptions(), source=str(path), orientation="series in rows")
    table = of_assembled(found)
    try:
        check_table(table)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return Dataset(table, None, "cell cycle of HeLa cells", files=(path,))


def _with_gold(table: SeriesTable, name: str, place: str | os.PathLike[str], path: Path, gold: str) -> Dataset:
    known = beside(place, path, gold)
    return Dataset(table, read_truth(known, table.names), name, files=(path, known))


def _causes(table: SeriesTable, truth: Truth) -> tuple[str, ...]:
    """The series that have an effect."""
    return tuple(table.names[cause] for cause in np.flatnonzero(truth.any(0)))
