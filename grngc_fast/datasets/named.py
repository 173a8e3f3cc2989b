"""`load`: a published data set by its name, and the list of the names."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from inspect import Parameter, signature
from typing import Any

from ..errors import DataWarning, InputError
from . import causaltime, netsim
from .dataset import Dataset
from .dream import DREAM3_NETWORKS, read_dream3, read_dream4
from .genes import read_ecoli_stress, read_hela, read_irma, read_sos, read_yeast_cell_cycle, read_yeast_ddgni
from .simulated import VAR_LAGS, read_jrngc_var, read_sru_lorenz96

# True edges between different genes of the networks in order, after the challenges' gold standards.
_DREAM3_EDGES = {10: (11, 15, 10, 25, 22), 50: (62, 82, 77, 160, 173), 100: (125, 119, 166, 389, 551)}
_DREAM4_EDGES = {10: (15, 16, 15, 13, 12), 100: (176, 249, 195, 211, 193)}
_DREAM3_EXPERIMENTS = {10: 4, 50: 23, 100: 46}
_DREAM4_EXPERIMENTS = {10: 5, 100: 10}
# Steps of a subject where they are not 200, from NetSim's paper.
_NETSIM_STEPS = {5: 1200, 6: 1200, 7: 5000, 9: 5000, 19: 2400, 20: 2400, 25: 100, 26: 50, 27: 50, 28: 100}
_NETSIM_EDGES = {1: 5, 3: 18}
_VAR_EDGES = {10: 20, 100: 2000}

_DREAM3 = "https://www.synapse.org/Synapse:syn2853594"
_DREAM4 = "https://www.synapse.org/Synapse:syn3049712"
_JRNGC = "https://github.com/ElleZWQ/JRNGC"
_BIXGBOOST = "https://github.com/zrq0123/BiXGBoost"
_TOPOLOGY = "https://github.com/AjayNairLab/GRN_inference_topology"
_BIO218 = "https://github.com/maxwellmlin/bio218-project"


@dataclass(frozen=True)
class NamedDataset:
    """What is known of a published data set before it is read.

    Attributes
    ----------
    name : what `load` takes.
    about : what it is.
    n_series : P.
    n_trajectories : of the table.
    n_steps : time steps over all trajectories.
    n_edges : true edges between different series; None where there is no truth, or it was not counted.
    origin : where it can be had.
    """

    name: str
    about: str
    n_series: int
    n_trajectories: int
    n_steps: int
    n_edges: int | None
    origin: str
    reader: Callable[..., Dataset] = field(repr=False)
    fixed: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def options(self) -> tuple[str, ...]:
        """The options that `load` takes for it."""
        taken = signature(self.reader).parameters.values()
        return tuple(p.name for p in taken if p.kind is Parameter.KEYWORD_ONLY)


@lru_cache(maxsize=1)
def catalogue() -> tuple[NamedDataset, ...]:
    """The data sets that `load` knows by name.

    Examples
    --------
    >>> [data.name for data in catalogue() if "irma" in data.name]
    ['irma-on', 'irma-off']
    """
    return (*_dream(), *_netsim(), *_causaltime(), *_genes(), *_simulated())


def load(name: str, path: str | os.PathLike[str], **options: Any) -> Dataset:
    """Read a published data set by its name, checked, with its truth as [effect, cause].

    Nothing is fetched: `catalogue` and `grngc-fast datasets` tell where each can be had. Names are

    - `dream3-{10,50,100}-{ecoli1,ecoli2,yeast1,yeast2,yeast3}`, `dream4-{10,100}-{1..5}`
    - `netsim-{1..28}`: all subjects; options `subject` and `direction`, see `read_netsim`
    - `causaltime-{pm25,traffic,medical}`
    - `sos`, `irma-on`, `irma-off`, `yeast-ddgni`, `yeast-cell-cycle`, `ecoli-cold`, `ecoli-heat`, `hela`
    - `lorenz96-{f10,f40}`, options `n_steps` and `replicate`, see `read_sru_lorenz96`; `var-{10,50,100}`

    Parameters
    ----------
    name : one of them, in any case.
    path : the folder that holds its files as they are distributed, a folder at most two above, or the file.
    options : of its reader.

    Returns
    -------
    Dataset; `regulators` where its truth is of some genes as causes alone.

    Raises
    ------
    InputError : an unknown name or option, a missing file, a file that is not what its name says; see the readers.

    Warns
    -----
    DataWarning : other numbers of series, time steps or edges than published, as of files that are cut short.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np
    >>> from grngc_fast.datasets import lorenz96
    >>> folder, data = pathlib.Path(tempfile.mkdtemp()), lorenz96(10, 500, 10.0)
    >>> np.savez(folder / "sru_F_10_T_500_dataset_1.npz", X_np=data.X.T, Gref=data.truth, F=10)
    >>> load("lorenz96-f10", folder)
    Dataset('Lorenz-96 F=10 T=500 of SRU': 10 series, 500 steps in 1 trajectories, truth (10, 10) with 40 edges)
    """
    known = {data.name: data for data in catalogue()}
    found = known.get(name.lower())
    if found is None:
        close = ", ".join(map(repr, get_close_matches(name.lower(), known, n=3)))
        raise InputError(
            f"there is no data set {name!r};{f' did you mean {close}?' if close else ''} `grngc-fast datasets` lists them"
        )
    unknown = options.keys() - set(found.options)
    if unknown:
        takes = f"takes {' and '.join(found.options)}" if found.options else "takes none"
        raise InputError(f"{found.name} has no option {sorted(unknown)[0]!r}; it {takes}")
    data = found.reader(path, **found.fixed, **options)
    _compare(data, found, whole=not options)
    return data


def _compare(data: Dataset, known: NamedDataset, whole: bool) -> None:
    """Warn where a set is not as large as published, as one whose files are cut off at the end of a line."""
    counts = [("series", data.table.n_series, known.n_series)]
    if whole:
        counts.append(("time steps", data.table.n_steps, known.n_steps))
    if known.n_edges is not None and data.truth is not None:
        truth = data.truth.any(-1) if data.truth.ndim == 3 else data.truth
        counts.append(("true edges", int(truth.sum() - truth.diagonal().sum()), known.n_edges))
    other = [f"{found} {what}, published are {expected}" for what, found, expected in counts if found != expected]
    if other:
        files = ", ".join(map(str, data.files))
        told = f"{known.name} has {'; '.join(other)}: are its files cut short, or of another version? ({files})"
        warnings.warn(told, DataWarning, stacklevel=3)


def _dream() -> list[NamedDataset]:
    sets = []
    for size, edges in _DREAM3_EDGES.items():
        n = _DREAM3_EXPERIMENTS[size]
        for network, count in zip(DREAM3_NETWORKS, edges, strict=True):
            fixed: dict[str, Any] = {"size": size, "network": network}
            name = f"dream3-{size}-{network.lower()}"
            about = f"DREAM3, in-silico gene network {network}"
            sets.append(NamedDataset(name, about, size, n, 21 * n, count, _DREAM3, read_dream3, fixed))
    for size, edges in _DREAM4_EDGES.items():
        n = _DREAM4_EXPERIMENTS[size]
        for number, count in enumerate(edges, 1):
            fixed = {"size": size, "network": number}
            about = f"DREAM4, in-silico gene network {number}"
            sets.append(
                NamedDataset(f"dream4-{size}-{number}", about, size, n, 21 * n, count, _DREAM4, read_dream4, fixed)
            )
    return sets


def _netsim() -> list[NamedDataset]:
    origin = "https://www.fmrib.ox.ac.uk/datasets/netsim"
    return [
        NamedDataset(
            f"netsim-{number}",
            f"simulated fMRI {number}, 50 subjects",
            nodes,
            50,
            50 * _NETSIM_STEPS.get(number, 200),
            _NETSIM_EDGES.get(number),
            origin,
            netsim.read_netsim,
            {"simulation": number},
        )
        for number, nodes in netsim.NODES.items()
    ]


def _causaltime() -> list[NamedDataset]:
    about = {"pm25": "air quality", "traffic": "traffic", "medical": "vital signs and drugs"}
    return [
        NamedDataset(
            f"causaltime-{network}",
            f"series generated after measured {about[network]}",
            P,
            480,
            480 * causaltime.STEPS,
            62 if network == "traffic" else None,
            "https://www.causaltime.cc",
            causaltime.read_causaltime,
            {"network": network},
        )
        for network, P in causaltime.SERIES.items()
    ]


def _genes() -> list[NamedDataset]:
    return [
        NamedDataset("sos", "SOS response of E. coli", 8, 4, 200, 7, _TOPOLOGY, read_sos),
        NamedDataset("irma-on", "network built into yeast, on", 5, 5, 62, 6, _TOPOLOGY, read_irma, {"switch": "on"}),
        NamedDataset("irma-off", "network built into yeast, off", 5, 4, 80, 6, _TOPOLOGY, read_irma, {"switch": "off"}),
        NamedDataset(
            "yeast-ddgni",
            "cell cycle of yeast, 8 regulators",
            8,
            2,
            30,
            6,
            "https://github.com/lab319/GRNs_nonlinear_ODEs",
            read_yeast_ddgni,
        ),
        NamedDataset("yeast-cell-cycle", "cell cycle of yeast", 4271, 1, 50, 12163, _BIO218, read_yeast_cell_cycle),
        NamedDataset(
            "ecoli-cold", "E. coli under cold", 1484, 3, 24, 2976, _BIXGBOOST, read_ecoli_stress, {"stress": "cold"}
        ),
        NamedDataset(
            "ecoli-heat", "E. coli under heat", 1484, 3, 24, 2976, _BIXGBOOST, read_ecoli_stress, {"stress": "heat"}
        ),
        NamedDataset("hela", "cell cycle of HeLa cells", 8813, 1, 14, None, _BIO218, read_hela),
    ]


def _simulated() -> list[NamedDataset]:
    sru = "https://github.com/sakhanna/SRU_for_GCI"
    return [
        *(
            NamedDataset(f"lorenz96-f{F}", f"Lorenz-96, F={F}", 10, 1, 500, 30, sru, read_sru_lorenz96, {"forcing": F})
            for F in (10, 40)
        ),
        *(
            NamedDataset(
                f"var-{P}",
                f"vector autoregression, {L} lags",
                P,
                1,
                600,
                _VAR_EDGES.get(P),
                _JRNGC,
                read_jrngc_var,
                {"n_series": P},
            )
            for P, L in VAR_LAGS.items()
        ),
    ]
