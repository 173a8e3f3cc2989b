"""The sets that methods are compared on: those that `grngc_fast.datasets.load` finds, and systems drawn anew for each seed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grngc_fast.datasets import Dataset, catalogue, load, lorenz96, read_netsim
from grngc_fast.errors import InputError

# P, T, F of Lorenz-96.
SIMULATED = ((20, 500, 10), (20, 500, 40), (100, 1000, 20), (100, 1000, 40), (300, 1000, 40))
VAR_LAGS = {"var-10": 3, "var-50": 3, "var-100": 5}
N_SUBJECTS = 50
# Whose self-influences the publications count.
SELF_COUNTED = ("lorenz96", "netsim", "causaltime")
# Sets whose truth was in view when steps, widths and the choice of networks were set: oracle in that sense, and marked in rows.
DEVELOPMENT = (
    "Lorenz-96 P=20 F=10",
    "Lorenz-96 P=20 F=40",
    "Lorenz-96 P=100 F=40",
    "Lorenz-96 P=300 F=40",
    "VAR P=10",
    "VAR P=100",
    "DREAM4 size 100 net 1",
    "DREAM4 size 100 net 2",
    "DREAM3 size 100 Ecoli1",
    "DREAM3 size 100 Yeast1",
)
# Those, and the ones that the weights of the combined ranking were looked at on.
IN_VIEW = (
    *DEVELOPMENT,
    *(f"DREAM3 size 10 {name}" for name in ("Ecoli1", "Ecoli2", "Yeast1", "Yeast2", "Yeast3")),
    *(f"DREAM4 size 10 net {k}" for k in range(1, 6)),
    *("sos", "irma-on", "irma-off", "yeast-ddgni"),
)


@dataclass(frozen=True)
class Case:
    """A set.

    Attributes
    ----------
    name : for the command.
    title : in rows and tables.
    lags : that every method is given.
    load : of a seed to the set.
    simulated : drawn anew for each seed.
    draws : the seeds where they are parts of the set, as subjects are; None for those that are asked for.
    """

    name: str
    title: str
    lags: int
    load: Callable[[int], Dataset]
    simulated: bool = False
    draws: range | None = None

    @property
    def family(self) -> str:
        return self.name.partition("-")[0]

    @property
    def self_counted(self) -> bool:
        """Whether its publications count self-influence."""
        return self.family in SELF_COUNTED


def label(method: str, title: str, protocol: str = "strict") -> str:
    """What a row of a method and a set is called."""
    if protocol == "published":
        return f"{method}, {title}, published protocol"
    return f"{method}, {title}" + " (oracle defaults)" * (method == "GRNGC" and title in DEVELOPMENT)


def title_of(name: str) -> str:
    """
    >>> title_of("dream4-10-1"), title_of("dream3-100-ecoli1"), title_of("netsim-3"), title_of("var-10")
    ('DREAM4 size 10 net 1', 'DREAM3 size 100 Ecoli1', 'NetSim 3', 'VAR P=10')
    """
    parts = name.split("-")
    if re.fullmatch(r"dream[34]-\d+-\w+", name):
        return f"{parts[0].upper()} size {parts[1]} {'net ' if parts[2].isdigit() else ''}{parts[2].capitalize()}"
    if parts[0] in ("netsim", "var"):
        return f"{'NetSim ' if parts[0] == 'netsim' else 'VAR P='}{parts[1]}"
    return name


def known(data: Path) -> list[Case]:
    """Every case there is a name for, whether its files are at hand or not."""
    return [*_simulated(), *_published(data)]


def cases(data: Path, names: Sequence[str] = ()) -> Iterator[Case]:
    """Those of these names, or all, that are there; one line tells of what is not.

    Raises
    ------
    ValueError : a name that there is no case of.
    """
    every = {case.name: case for case in known(data)}
    strange = [name for name in names if name not in every]
    if strange:
        raise ValueError(f"there is no set {strange[0]!r}; choose of {', '.join(every)}")
    missing = []
    for case in (every[name] for name in names or every):
        try:
            found = case.simulated or case.load(next(iter(case.draws or [0]))).truth is not None
        except InputError:
            found = False
        if found:
            yield case
        else:
            missing.append(case.name)
    if missing:
        told = shorten(", ".join(missing), 120, placeholder=" ...")
        print(f"skipped {len(missing)} sets that are not below {data} or have no truth: {told}")


def _simulated() -> Iterator[Case]:
    for n_series, n_steps, forcing in SIMULATED:
        yield Case(
            f"lorenz96-p{n_series}-f{forcing}",
            f"Lorenz-96 P={n_series} F={forcing}",
            1,
            partial(_lorenz96, n_series, n_steps, float(forcing)),
            simulated=True,
        )


def _published(data: Path) -> Iterator[Case]:
    for named in catalogue():
        title = title_of(named.name)
        yield Case(named.name, title, VAR_LAGS.get(named.name, 1), partial(_named, named.name, data))
        if named.name.startswith("netsim"):
            simulation = int(named.name.partition("-")[2])
            yield Case(
                f"{named.name}-subjects",
                f"{title} by subject",
                1,
                partial(_subject, data, simulation),
                draws=range(1, N_SUBJECTS + 1),
            )


def _lorenz96(n_series: int, n_steps: int, forcing: float, seed: int) -> Dataset:
    return lorenz96(n_series, n_steps, forcing, seed=seed)


def _named(name: str, data: Path, seed: int) -> Dataset:
    return load(name, data)


def _subject(data: Path, simulation: int, subject: int) -> Dataset:
    return read_netsim(data, simulation, subject=subject)


def joined(data: Dataset) -> list[NDArray[Any]]:
    """Trajectories end to end, as the authors' code reads them."""
    return [np.concatenate(data.trajectories)]
