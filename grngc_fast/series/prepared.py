"""A table made ready for a forecaster: each series z-scored, the pairs that are considered, the windows that are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from ..errors import InputError
from ..row_blocks import row_blocks
from .candidates import CandidateEdges, candidate_edges
from .table import SeriesTable, as_series_table
from .windows import Windows


@dataclass(frozen=True)
class PreparedSeries:
    """What a fit works on.

    Attributes
    ----------
    table : as it was given.
    scaler : of its P series.
    edges : pairs (effect, cause) that are considered.
    windows : of the standardised series: inputs `edges.inputs`, targets `edges.effects`.
    """

    table: SeriesTable
    scaler: StandardScaler
    edges: CandidateEdges
    windows: Windows

    @property
    def effects(self) -> tuple[str, ...]:
        """Names of the E series that are forecast."""
        return tuple(self.table.names[i] for i in self.edges.effects)

    @property
    def causes(self) -> tuple[str, ...]:
        """Names of the C series that may be causes."""
        return tuple(self.table.names[i] for i in self.edges.causes)


def prepare(
    X: Any,
    lags: int,
    *,
    regulators: Any = None,
    targets: Any = None,
    candidates: Any = None,
    own_past: bool = True,
    device: torch.device | str = "cpu",
) -> PreparedSeries:
    """Check a table, z-score its series and cut it into windows; the arguments are those of `GRNGC`.

    Raises
    ------
    InputError : see `as_series_table`, `fitted_scaler`, `candidate_edges` and `Windows.from_trajectories`.
    """
    table = as_series_table(X)
    scaler = fitted_scaler(table)
    edges = candidate_edges(table.names, regulators, targets, candidates, own_past)
    return PreparedSeries(table, scaler, edges, windows_of(standardised(scaler, table), lags, edges, device))


def windows_of(
    trajectories: Sequence[NDArray[Any]], lags: int, edges: CandidateEdges, device: torch.device | str
) -> Windows:
    """Windows of standardised trajectories, with the columns that these edges name."""
    return Windows.from_trajectories(
        trajectories, lags, device=device, input_columns=edges.inputs, target_columns=edges.effects
    )


def fitted_scaler(table: SeriesTable) -> StandardScaler:
    """Mean and standard deviation of each series over all trajectories.

    Raises
    ------
    InputError : a series whose spread is lost in its rounding, or too large for a float.
    """
    scaler = StandardScaler()
    with np.errstate(over="ignore", invalid="ignore"):
        for trajectory in table.trajectories:
            for rows in row_blocks(trajectory.shape):
                scaler.partial_fit(trajectory[rows])
        spread = np.sqrt(scaler.var_)
    # The scaler leaves a series alone whose spread is rounding.
    bad = np.flatnonzero(~np.isfinite(spread) | (scaler.scale_ != spread))
    if len(bad) and table.n_steps > 1:
        name, size = table.names[bad[0]], spread[bad[0]]
        raise InputError(
            f"series {name!r} has standard deviation {size:g} about mean {scaler.mean_[bad[0]]:g}, which cannot be"
            f" z-scored in floating point ({len(bad)} such series); rescale it or drop it"
        )
    return scaler


def standardised(scaler: StandardScaler, table: SeriesTable) -> list[NDArray[Any]]:
    """In float32, whatever the table is in: a memory map is read some rows at a time and never held whole in float64."""
    parts = []
    for trajectory in table.trajectories:
        part = np.empty(trajectory.shape, dtype=np.float32)
        for rows in row_blocks(part.shape):
            part[rows] = scaler.transform(trajectory[rows])
        parts.append(part)
    return parts
