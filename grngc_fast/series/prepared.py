"""A table made ready for a forecaster: each series z-scored, the pairs that are considered, the windows that are read."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from ..errors import DataWarning, InputError
from ..row_blocks import row_blocks
from .candidates import CandidateEdges, candidate_edges
from .marks import marks_of, told_of_marks
from .missing import few_windows, missing_counts, refuse_too_many
from .stationarity import doubt
from .table import SeriesTable, as_series_table, some
from .treatment import Treated, Treatment
from .windows import Windows

# Of a series' spread, what is left of a straight line by rounding.
FLAT = 1e-9
# A smaller share of the windows left by gaps is told with a warning.
FEW_LEFT = 0.2


@dataclass(frozen=True)
class PreparedSeries:
    """What a fit works on.

    Attributes
    ----------
    table : as it was given.
    scaler : of its P series.
    edges : pairs (effect, cause) that are considered.
    windows : of the standardised series: inputs `edges.inputs`, targets `edges.effects`.
    notes : what a person may want to know of gaps, and of what was left out.
    """

    table: SeriesTable
    scaler: StandardScaler
    edges: CandidateEdges
    windows: Windows
    notes: tuple[str, ...] = ()

    def tell(self) -> None:
        """Give to the logger "grngc_fast" what is noted of the table and of what was left out of it."""
        if self.table.reading is not None:
            self.table.reading.tell()
        for note in self.notes:
            logging.getLogger("grngc_fast").info(note)

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
    missing: str = "error",
    max_gap: int = 3,
    difference: int = 0,
    detrend: bool = False,
    device: torch.device | str = "cpu",
) -> PreparedSeries:
    """Check a table, z-score its series and cut it into windows; the arguments are those of `GRNGC`.

    A `DataWarning` names series that are not stationary, and such as hold what looks like a mark of missing values.

    Raises
    ------
    InputError : see `as_series_table`, `Treatment`, `fitted_scaler`, `candidate_edges` and `Windows.from_trajectories`; a series
        with too many values missing, no window without a missing input.
    """
    treatment = Treatment(missing, max_gap, difference, detrend)
    table = as_series_table(X, missing=missing)
    marks = marks_of(table)
    if marks:
        warnings.warn(told_of_marks(marks, table.from_file), DataWarning, stacklevel=3)
    edges = candidate_edges(table.names, regulators, targets, candidates, own_past)
    read = np.concatenate([edges.inputs, edges.effects])
    counts = None if missing == "error" else missing_counts(table)
    if counts is not None:
        refuse_too_many(table, counts, read)
    treated = treatment(table, lags)
    scaler = fitted_scaler(treated.table)
    if treated.table is not table:
        _refuse_flat(table, scaler, treatment)
    windows = windows_of(scaler, treated, lags, edges, device)
    possible = sum(max(0, len(t) - lags) for t in treated.table.trajectories)
    if counts is not None and len(windows) < FEW_LEFT * possible:
        told = few_windows(table, counts, edges.inputs, lags + difference, len(windows), max_gap)
        if not len(windows):
            raise InputError(told)
        warnings.warn(told, DataWarning, stacklevel=3)
    _refuse_unknown(windows, [table.names[i] for i in edges.effects])
    doubted = doubt(treated.table, read, bool(difference), bool(detrend))
    if doubted:
        warnings.warn(doubted, DataWarning, stacklevel=3)
    return PreparedSeries(table, scaler, edges, windows, _notes(table, counts, treated, treatment, windows))


def windows_of(
    scaler: StandardScaler,
    treated: Treated,
    lags: int,
    edges: CandidateEdges,
    device: torch.device | str,
    with_target: bool = True,
) -> Windows:
    """Windows of the standardised series of a table, with the columns that these edges name; see `Windows.from_trajectories`."""
    return Windows.from_trajectories(
        standardised(scaler, treated.table),
        lags,
        device=device,
        input_columns=edges.inputs,
        target_columns=edges.effects,
        origin=treated.table.origin,
        filled=treated.filled,
        with_target=with_target,
    )


def _notes(
    table: SeriesTable,
    counts: NDArray[np.int64] | None,
    treated: Treated,
    treatment: Treatment,
    windows: Windows,
) -> tuple[str, ...]:
    notes, left = [], windows.left_out
    n_missing = 0 if counts is None else int(counts.sum())
    if n_missing:
        filled = f", {treated.n_filled} of them interpolated" if treatment.missing == "interpolate" else ""
        share = n_missing / (table.n_steps * table.n_series)
        notes.append(f"{n_missing} values are missing ({share:.2%}){filled}")
    if left is not None and left.pieces:
        notes.append(f"{left.pieces} pieces between gaps in time are shorter than a window and were left out")
    if left is not None and left.windows:
        notes.append(f"{left.windows} of {left.of_windows} windows touch a missing value and were left out")
    if left is not None and left.targets:
        notes.append(f"{left.targets} of {left.of_targets} targets of the other windows are not known and have no loss")
    if treatment.detrend:
        notes.append("the straight line of each series in time was taken off")
    if treatment.difference:
        notes.append("series are changes from one step to the next")
    return tuple(notes)


def _refuse_unknown(windows: Windows, effects: list[str]) -> None:
    known = windows.known_targets()
    never = [] if known is None else [effects[i] for i in torch.nonzero(known == 0).flatten().tolist()]
    if never:
        raise InputError(
            f"series {some(never)}: missing wherever the inputs before it are known, so that no forecast of it can be learned;"
            " leave it out of targets, or pass missing='interpolate'"
        )


def _refuse_flat(table: SeriesTable, scaler: StandardScaler, treatment: Treatment) -> None:
    """What is left of a straight line is rounding, which must not be blown up to variance 1."""
    whole = fitted_scaler(table).scale_
    flat = np.flatnonzero(scaler.scale_ <= FLAT * whole)
    if len(flat):
        done = "differences" if treatment.difference else "detrending"
        raise InputError(
            f"series {some(table.names[i] for i in flat)}: nothing is left after {done}, as of a straight line; drop it"
        )


def fitted_scaler(table: SeriesTable) -> StandardScaler:
    """Mean and standard deviation of each series over all trajectories, of what is known.

    Raises
    ------
    InputError : a series whose spread is lost in its rounding, or too large for a float.
    """
    scaler = StandardScaler()
    with np.errstate(over="ignore", invalid="ignore"):
        if any(_has_nan(trajectory) for trajectory in table.trajectories):
            scaler.fit(_two_rows_of(table))
        else:
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


def _has_nan(trajectory: NDArray[Any]) -> bool:
    return any(bool(np.isnan(trajectory[rows]).any()) for rows in row_blocks(trajectory.shape))


def _two_rows_of(table: SeriesTable) -> NDArray[np.float64]:
    """Of the mean and the variance that the known values of each series have.

    A scaler that is fitted part by part keeps the NaN of a first part without a value.
    """
    blocks = [(number, rows) for number, t in enumerate(table.trajectories) for rows in row_blocks(t.shape)]
    count, total, squares = (np.zeros(table.n_series) for _ in range(3))
    for number, rows in blocks:
        part = table.trajectories[number][rows]
        count += (~np.isnan(part)).sum(0)
        total += np.nansum(part, axis=0, dtype=np.float64)
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    for number, rows in blocks:
        squares += np.nansum((table.trajectories[number][rows] - mean) ** 2, axis=0)
    deviation = np.sqrt(squares / np.maximum(count, 1))
    return np.stack([mean - deviation, mean + deviation])


def standardised(scaler: StandardScaler, table: SeriesTable) -> list[NDArray[Any]]:
    """In float32, whatever the table is in: a memory map is read some rows at a time and never held whole in float64."""
    parts = []
    for trajectory in table.trajectories:
        part = np.empty(trajectory.shape, dtype=np.float32)
        for rows in row_blocks(part.shape):
            part[rows] = scaler.transform(trajectory[rows])
        parts.append(part)
    return parts
