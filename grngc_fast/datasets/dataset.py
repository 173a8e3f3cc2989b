"""A table of series together with the network that is known to have made it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..series import SeriesTable


@dataclass(frozen=True, eq=False)
class Dataset:
    """Series and their truth.

    Attributes
    ----------
    table : the trajectories and their names.
    truth : (P, P) bool [effect, cause], (P, P, L) bool [effect, cause, lag] with lag index 0 for lag 1, or None.
    name : what to call it in a table of results.
    regulators : the series that the truth has causes among, where it says nothing of others as causes; None for all.
    files : what it was read from.
    """

    table: SeriesTable
    truth: NDArray[np.bool_] | None
    name: str
    regulators: tuple[str, ...] | None = None
    files: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        P = self.table.n_series
        if self.truth is not None and (self.truth.ndim not in (2, 3) or self.truth.shape[:2] != (P, P)):
            raise InputError(
                f"the truth of {self.name} has shape {self.truth.shape}; its {P} series need ({P}, {P}[, lags])"
            )
        unknown = set(self.regulators or ()) - set(self.table.names)
        if unknown:
            raise InputError(f"{sorted(unknown)[0]!r}, a regulator of {self.name}, is none of its {P} series")

    @property
    def trajectories(self) -> tuple[NDArray[Any], ...]:
        """The (T_r, P) arrays."""
        return self.table.trajectories

    @property
    def names(self) -> tuple[str, ...]:
        """The P series names."""
        return self.table.names

    @property
    def X(self) -> NDArray[Any] | list[NDArray[Any]]:
        """The (T, P) array if there is one trajectory, else the list of them: what `fit` takes."""
        return self.trajectories[0] if len(self.trajectories) == 1 else list(self.trajectories)

    def __repr__(self) -> str:
        edges = "no truth" if self.truth is None else f"truth {self.truth.shape} with {int(self.truth.sum())} edges"
        return (
            f"Dataset({self.name!r}: {self.table.n_series} series, {self.table.n_steps} steps in"
            f" {len(self.trajectories)} trajectories, {edges})"
        )
