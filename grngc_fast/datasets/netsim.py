"""NetSim: simulated fMRI of 28 kinds, 50 subjects each (Smith et al., NeuroImage 54, 875, 2011)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..series import as_series_table
from ._files import find_file
from ._matlab import read_matlab
from ._options import whole
from .dataset import Dataset

Direction = Literal["source-target", "target-source"]

# Nodes of each simulation, from the paper's table 1.
NODES = dict.fromkeys(range(1, 29), 5) | {2: 10, 3: 15, 4: 50, 6: 10, 11: 10, 12: 10, 17: 10}
_DIRECTIONS = ("source-target", "target-source")


def read_netsim(
    place: str | os.PathLike[str],
    simulation: int,
    *,
    subject: int | None = None,
    direction: Direction = "source-target",
) -> Dataset:
    """One simulation, `sim{simulation}.mat` as FMRIB distributes it: all subjects, each a trajectory, or one of them.

    The file does not say which way its networks run. They are read as net[subject, source, target]: in `sim1.mat` and
    `sim3.mat` the pairwise likelihood ratio of Hyvarinen and Smith (2013), which knows no lags, favours that for 22 of
    the 23 connections. Some publications read it the other way; `direction` follows them. The diagonal of -1, a node's
    own decay, is a self-influence of the truth.

    Parameters
    ----------
    place : the file, the folder that holds it or a folder above.
    simulation : 1 to 28.
    subject : 1 to 50 for one alone; default all, with the network that they share.
    direction : what rows and columns of a network are.

    Returns
    -------
    Dataset with series node1, node2, ... and a (P, P) truth [effect, cause].

    Raises
    ------
    InputError : no such file, simulation or subject; arrays whose shapes disagree, as where subjects have different
        numbers of steps; subjects whose networks differ, unless one is asked for.
    """
    path, series, networks = _read(place, simulation, direction)
    if subject is None:
        odd = np.flatnonzero((networks != networks[0]).any((1, 2)))
        if odd.size:
            raise InputError(
                f"{path}: subject {odd[0] + 1} has another network than subject 1, so there is no truth of all; read"
                " one with subject=1, or each with read_netsim_subjects"
            )
        return _dataset(path, f"NetSim {simulation}", list(series), networks[0])
    if isinstance(subject, bool) or subject not in range(1, len(series) + 1):
        raise InputError(f"subject is {subject!r}; {path} has subjects 1 to {len(series)}")
    return _dataset(path, f"NetSim {simulation} subject {subject}", [series[subject - 1]], networks[subject - 1])


def read_netsim_subjects(
    place: str | os.PathLike[str], simulation: int, *, direction: Direction = "source-target"
) -> tuple[Dataset, ...]:
    """Each subject of a simulation apart, with its own network; see `read_netsim`."""
    path, series, networks = _read(place, simulation, direction)
    return tuple(
        _dataset(path, f"NetSim {simulation} subject {number}", [own], network)
        for number, (own, network) in enumerate(zip(series, networks, strict=True), 1)
    )


def _read(
    place: str | os.PathLike[str], simulation: int, direction: str
) -> tuple[Path, NDArray[np.float64], NDArray[np.bool_]]:
    """The file, (S, T, P) series and (S, P, P) networks [effect, cause]."""
    whole("simulation", simulation, 1)
    if simulation not in NODES:
        raise InputError(f"NetSim has no simulation {simulation}; choose 1 to 28")
    if direction not in _DIRECTIONS:
        raise InputError(f"direction is {direction!r}; choose one of {', '.join(map(repr, _DIRECTIONS))}")
    path = find_file(place, f"sim{simulation}.mat")
    held = read_matlab(path, "ts", "net", "Nnodes", "Nsubjects", "Ntimepoints")
    P, S, T = (int(held[name].flat[0]) if held[name].size else 0 for name in ("Nnodes", "Nsubjects", "Ntimepoints"))
    if NODES[simulation] != P:
        raise InputError(f"{path} has {P} nodes and NetSim {simulation} {NODES[simulation]}; is it another simulation?")
    for name, shape in (("ts", (S * T, P)), ("net", (S, P, P))):
        if held[name].shape != shape:
            raise InputError(
                f"{path}: {name!r} has shape {held[name].shape}, but {S} subjects of {T} steps and {P} nodes need {shape};"
                " every subject needs as many steps: fetch the file again"
            )
    networks = held["net"] != 0
    return path, held["ts"].reshape(S, T, P), networks.swapaxes(1, 2) if direction == "source-target" else networks


def _dataset(path: Path, name: str, series: list[NDArray[np.float64]], network: NDArray[np.bool_]) -> Dataset:
    names = [f"node{k + 1}" for k in range(len(network))]
    return Dataset(as_series_table(series, names), network, name, files=(path,))
