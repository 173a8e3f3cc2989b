"""What is done to a table before its series are standardised: gaps filled, trends removed, differences taken."""

from __future__ import annotations

import numbers
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .missing import MISSING, interpolated
from .table import SeriesTable

Array = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Treated:
    """A table after it, and where its values were filled in.

    Attributes
    ----------
    table : of the same series; with differences of each piece a step less.
    filled : of each trajectory (T_r, P) bool; None where nothing was.
    n_filled : how many values were.
    """

    table: SeriesTable
    filled: tuple[Mask, ...] | None = None
    n_filled: int = 0


@dataclass(frozen=True)
class Treatment:
    """Options of `GRNGC` of the same names.

    Attributes
    ----------
    missing : "error", "drop" or "interpolate". max_gap : steps that are interpolated at most.
    difference : 1 for the change from each step to the next in place of the values.
    detrend : take off the straight line of each series, fitted to each trajectory.

    Raises
    ------
    InputError : an option that is not one of those it may be.
    """

    missing: str = "error"
    max_gap: int = 3
    difference: int = 0
    detrend: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.missing, str) or self.missing not in MISSING:
            raise InputError(f"missing={self.missing!r} is unknown; use one of {', '.join(map(repr, MISSING))}")
        if not _is_whole(self.max_gap) or self.max_gap < 1:
            raise InputError(f"max_gap={self.max_gap!r}; expected a whole number of at least 1")
        if not _is_whole(self.difference) or self.difference not in (0, 1):
            raise InputError(f"difference={self.difference!r}; expected 0 or 1")
        if not isinstance(self.detrend, (bool, np.bool_)):
            raise InputError(f"detrend={self.detrend!r}; expected True or False")

    def __call__(self, table: SeriesTable, lags: int) -> Treated:
        """The table so treated; itself where there is nothing to do.

        Raises
        ------
        InputError : a trajectory that is too short for a window of its differences.
        """
        trajectories, filled = list(table.trajectories), None
        if self.missing == "interpolate":
            trajectories, filled = interpolated(trajectories, self.max_gap)
        n_filled = 0 if filled is None else sum(int(where.sum()) for where in filled)
        if self.detrend:
            trajectories = detrended(trajectories, table.origin)
        if self.difference:
            _refuse_short(table, lags)
            trajectories = [np.diff(t, axis=0) for t in trajectories]
            # A difference is of two values.
            filled = None if filled is None else [where[1:] | where[:-1] for where in filled]
        if not (n_filled or self.detrend or self.difference):
            return Treated(table)
        kept = tuple(filled) if filled is not None and n_filled else None
        return Treated(replace(table, trajectories=tuple(trajectories)), kept, n_filled)


def detrended(trajectories: Sequence[Array], origin: Sequence[int] | None = None) -> list[Array]:
    """Each less its straight line in time, by least squares over the values that are known.

    Pieces of one trajectory have one slope and their own levels: how long the gaps between them are is not known.
    """
    of = range(len(trajectories)) if origin is None else origin
    pieces = [[i for i, own in enumerate(of) if own == number] for number in dict.fromkeys(of)]
    result: list[Array] = list(trajectories)
    for numbers_ in pieces:
        parts = [_centred(trajectories[i]) for i in numbers_]
        spread = np.sum([(time**2).sum(0) for time, _ in parts], axis=0)
        along = np.sum([(time * np.nan_to_num(values)).sum(0) for time, values in parts], axis=0)
        slope = np.divide(along, spread, out=np.zeros_like(along), where=spread > 0)
        for i, (time, values) in zip(numbers_, parts, strict=True):
            result[i] = values - slope * time
    return result


def _centred(values: Array) -> tuple[Array, Array]:
    """Steps and values (T, P), less their means over the known ones of each series; steps are 0 where a value is missing."""
    known = ~np.isnan(values)
    count = np.maximum(known.sum(0), 1)
    steps = np.arange(len(values), dtype=np.float64)[:, None]
    time = np.where(known, steps - (steps * known).sum(0) / count, 0.0)
    return time, values.astype(np.float64) - np.nansum(values, axis=0, dtype=np.float64) / count


def _refuse_short(table: SeriesTable, lags: int) -> None:
    of = list(range(len(table.trajectories)) if table.origin is None else table.origin)
    pieces = Counter(of)
    for number, trajectory in enumerate(table.trajectories):
        if pieces[of[number]] == 1 and len(trajectory) <= lags + 1:
            where = f"trajectory {number}" if len(of) > 1 else "X"
            raise InputError(
                f"{where} has {len(trajectory)} time steps (n_samples={len(trajectory)}), but difference=1 with lags={lags} needs"
                f" at least {lags + 2}; use fewer lags or longer series"
            )


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
