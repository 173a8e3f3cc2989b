"""Rows in the order of time, cut where time repeats or leaps, so that no window runs across."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .reading import TimeAxis
from .times import Times

Gaps = Literal["cut", "ignore"]
Rows = NDArray[np.intp]

# An axis is regular if this share of its steps is as long as the median one.
REGULAR_SHARE = 0.8
_SAME_STEP = 0.01
# A longer step of a regular axis, in usual steps, is a gap.
_LONGEST_STEP = 1.5
_SHOWN = 6


@dataclass(frozen=True)
class Pieces:
    """Rows of the pieces that windows do not cross.

    Attributes
    ----------
    rows : of each piece its rows, in the order of time.
    origin : of each piece the number of its trajectory.
    n_trajectories : before gaps were cut.
    axis : what was found of the axis; None without one.
    notes, warnings : what was done, in words.
    """

    rows: tuple[Rows, ...]
    origin: tuple[int, ...]
    n_trajectories: int
    axis: TimeAxis | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass
class _Said:
    """Counts over trajectories, put into words once."""

    sorted: int = 0
    identical: int = 0
    runs: list[int] = field(default_factory=list)
    replicates: list[int] = field(default_factory=list)
    repeated: int = 0


def in_time(
    times: Times,
    trajectories: Sequence[Rows],
    values: NDArray[Any],
    name: str | None,
    *,
    gaps: Gaps = "cut",
    of_headers: bool = False,
) -> Pieces:
    """Sort each trajectory by time and cut it: runs that start again, times that repeat, gaps of a regular axis.

    Parameters
    ----------
    times : of all rows.
    trajectories : rows of each.
    values : (T, P), to tell rows that are there twice from replicates.
    name : of the column or index.
    gaps : "ignore" leaves a regular axis whole where steps are missing.
    of_headers : whether the times were the headers of a table with series in rows.
    """
    called = "the time axis" if name is None else f"the time axis {name!r}"
    numbers, unit = _calendar(times)
    said = _Said()
    parts: list[tuple[int, list[Rows]]] = []
    for rows in trajectories:
        for part in _ordered(numbers, rows, values, said):
            parts.append((len(parts), part))
    step = _usual_step([np.diff(numbers[piece]) for _, part in parts for piece in part])
    n_longer = 0
    cut: list[Rows] = []
    origin: list[int] = []
    for number, part in parts:
        for piece in part:
            steps = np.diff(numbers[piece])
            usual = step if step is not None else _usual_step([steps])
            leaps = (
                np.flatnonzero(steps > _LONGEST_STEP * usual) + 1 if usual is not None else np.empty(0, dtype=np.intp)
            )
            n_longer += len(leaps)
            for whole in np.split(piece, leaps) if gaps == "cut" else [piece]:
                cut.append(whole)
                origin.append(number)
    size, shown_unit = _in_words(step, unit, times)
    notes, warned = _sentences(called, said, n_longer, cut, gaps, step, numbers)
    order: Literal["as found", "sorted", "guessed"] = "sorted" if said.sorted else "as found"
    if said.sorted and (of_headers or name is None) and times.named_units:
        order = "guessed"
        warned = [_guessed(times, cut[0], "columns" if of_headers else "rows"), *warned]
    elif said.sorted:
        where = f" of {said.sorted} of {len(trajectories)} trajectories" if len(trajectories) > 1 else ""
        lay, by = ("columns", "their headers") if of_headers else ("rows", "the index" if name is None else repr(name))
        notes = [f"the {lay}{where} were not in the order of time: sorted by {by}", *notes]
    kind: Literal["number", "date", "header"] = "header" if of_headers else times.kind
    return Pieces(
        tuple(cut),
        tuple(origin),
        len(parts),
        TimeAxis(name, kind, order, size, shown_unit),
        (*times.notes, *notes),
        (*times.warnings, *warned),
    )


def _ordered(numbers: NDArray[np.float64], rows: Rows, values: NDArray[Any], said: _Said) -> list[list[Rows]]:
    """The trajectories that these rows are, each cut where a time repeats."""
    t = numbers[rows]
    steps = np.diff(t)
    if (steps > 0).all():
        return [[rows]]
    order = np.argsort(t, kind="stable")
    repeats = np.diff(t[order]) == 0
    if repeats.any():
        kept = _without_identical(t, values, rows, order, repeats)
        if kept is not None:
            said.identical += len(rows) - len(kept)
            return _ordered(numbers, kept, values, said)
    else:
        said.sorted += 1
        return [[rows[order]]]
    counts = np.unique(t, return_counts=True)[1]
    restarts = np.flatnonzero(steps <= 0) + 1
    if len(restarts) + 1 == counts.max():
        runs = np.split(rows, restarts)
        said.runs.extend(len(run) for run in runs)
        return [[run] for run in runs]
    if (steps < 0).any():
        said.sorted += 1
    if (counts == counts[0]).all():
        said.replicates.append(int(counts[0]))
        return [[rows[order[k :: counts[0]]]] for k in range(counts[0])]
    said.repeated += int(repeats.sum())
    return [np.split(rows[order], np.flatnonzero(repeats) + 1)]


def _without_identical(
    t: NDArray[np.float64], values: NDArray[Any], rows: Rows, order: Rows, repeats: NDArray[np.bool_]
) -> Rows | None:
    """The rows less those that are there twice, if that leaves every time once."""
    twice = np.zeros(len(rows), dtype=bool)
    twice[order[1:][repeats]] = True
    twice[order[:-1][repeats]] = True
    candidates = np.flatnonzero(twice)
    cells = pd.DataFrame(np.column_stack([t[candidates], values[rows[candidates]]]))
    repeated = cells.duplicated().to_numpy()
    kept = np.ones(len(rows), dtype=bool)
    kept[candidates[repeated]] = False
    return rows[kept] if len(np.unique(t[kept])) == kept.sum() else None


def _usual_step(differences: Sequence[NDArray[np.float64]]) -> float | None:
    """The step of a regular axis; None of an irregular one, or of one too short to tell."""
    steps = np.concatenate(differences) if differences else np.empty(0)
    steps = steps[steps > 0]
    if len(steps) < 2:
        return None
    median = float(np.median(steps))
    return median if np.mean(np.abs(steps - median) <= _SAME_STEP * median) >= REGULAR_SHARE else None


def _calendar(times: Times) -> tuple[NDArray[np.float64], str | None]:
    """Times as numbers whose steps are even where the calendar's are: months, days of the week without its end, days."""
    dates = times.dates
    if dates is None or len(dates) < 3 or not (dates == dates.normalize()).all():
        return times.values, times.unit
    distinct = dates.unique().sort_values()
    steps = np.diff(distinct.to_numpy().astype("datetime64[D]")).astype(np.int64)
    one_day_of_month = (dates.day == dates[0].day).all() or dates.is_month_end.all() or _last_or(dates, dates.day.max())
    if len(steps) and steps.min() >= 28 and one_day_of_month:
        return np.asarray(dates.year * 12 + dates.month, dtype=np.float64), "months"
    days = dates.to_numpy().astype("datetime64[D]")
    working = (dates.day_of_week < 5).all() and len(steps) >= 4 and (steps == 1).any() and (steps == 3).any()
    if working:
        counted = np.busday_count(days.min(), days).astype(np.float64)
        if _usual_step([np.diff(np.unique(counted))]) is not None:
            return counted, "weekdays"
    return (days - days.min()).astype(np.float64), "days"


def _last_or(dates: pd.DatetimeIndex, day: int) -> bool:
    """Whether all are on this day of the month, or on the last of a shorter one."""
    return bool((dates.day == np.minimum(day, dates.days_in_month)).all())


def _in_words(step: float | None, unit: str | None, times: Times) -> tuple[float | None, str | None]:
    if step is None or times.dates is None or unit != "s":
        return step, unit
    for size, name in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if step >= size:
            return step / size, name
    return step, unit


def _guessed(times: Times, rows: Rows, lay: str) -> str:
    unit = f" {times.unit}" if times.unit else ""
    shown = ", ".join(f"{times.values[row]:g}" for row in rows[:_SHOWN]) + (", ..." if len(rows) > _SHOWN else "")
    return (
        f"the {lay} were put in the order {shown}{unit}, which their {'headers' if lay == 'columns' else 'labels'} seem to tell;"
        " rename them if that is not the order of time"
    )


def _sentences(
    called: str,
    said: _Said,
    n_longer: int,
    pieces: Sequence[Rows],
    gaps: Gaps,
    step: float | None,
    numbers: NDArray[np.float64],
) -> tuple[list[str], list[str]]:
    notes, warned = [], []
    if said.identical:
        notes.append(f"{said.identical} rows of {called} were there twice, with the same values: one was kept of each")
    if said.runs:
        notes.append(f"{called} starts again: {_lengths('trajectories', said.runs)}, which windows do not cross")
    if said.replicates:
        warned.append(
            f"{called} has every time {said.replicates[0]} times: the k-th row of each time was taken for the k-th replicate;"
            " if rows are matched otherwise, name a column that tells trajectories apart"
        )
    lengths = [len(piece) for piece in pieces]
    if said.repeated:
        text = f"{called} holds {said.repeated} times twice; it was cut there: {_lengths('pieces', lengths)}"
        (warned if said.repeated > 0.1 * len(numbers) else notes).append(
            text + "; if they are replicates, name a column that tells trajectories apart"
        )
    steps = [usual for piece in pieces if (usual := _usual_step([np.diff(numbers[piece])])) is not None]
    if step is None and len(pieces) > 1 and len(steps) == len(pieces) and max(steps) > (1 + _SAME_STEP) * min(steps):
        warned.append(
            f"{called} has steps of {min(steps):g} in one trajectory and of {max(steps):g} in another: a lag means another time"
            " in each"
        )
    if n_longer and gaps == "cut":
        notes.append(
            f"{called} has {n_longer} gap{'s' * (n_longer > 1)}: {_lengths('pieces', lengths)}, which windows do not cross"
        )
    elif n_longer:
        notes.append(f"{called} has {n_longer} gap{'s' * (n_longer > 1)}, which windows cross as gaps='ignore' asks")
    irregular = step is None and any(
        _usual_step([np.diff(numbers[piece])]) is None for piece in pieces if len(piece) > 2
    )
    if irregular:
        notes.append(f"{called} has uneven steps: windows go by the order of the rows, not by the time between them")
    return notes, warned


def _lengths(what: str, lengths: Sequence[int]) -> str:
    shown = ", ".join(str(n) for n in lengths[:_SHOWN])
    rest = f" and {len(lengths) - _SHOWN} more" if len(lengths) > _SHOWN else ""
    return f"{len(lengths)} {what} of {shown}{rest} steps"


def as_found(trajectories: Sequence[Rows]) -> Pieces:
    """Trajectories without a time axis."""
    return Pieces(tuple(trajectories), tuple(range(len(trajectories))), len(trajectories))


def with_notes(pieces: Pieces, notes: Sequence[str] = (), warned: Sequence[str] = ()) -> Pieces:
    """The same with more to say, in front."""
    return replace(pieces, notes=(*notes, *pieces.notes), warnings=(*warned, *pieces.warnings))
