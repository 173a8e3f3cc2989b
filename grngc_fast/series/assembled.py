"""Frames into trajectories: columns told apart, numbers taken, rows put in the order of time and cut, all of it recorded."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .columns import Layout, duplicates
from .frame import Frame
from .layout import lay_out
from .numbers import numbers_of, refuse_missing
from .reading import Orientation, Reading
from .time_axis import Gaps, Pieces, as_found, in_time, with_notes


@dataclass(frozen=True)
class AssemblyOptions:
    """How frames become trajectories; see `read_table`."""

    time: Hashable | None = None
    trajectory: Hashable | None = None
    trajectory_length: int | None = None
    missing: str = "error"
    missing_values: tuple[Any, ...] = ()
    gaps: Gaps = "cut"
    drop_constant: bool = False

    def __post_init__(self) -> None:
        if self.missing not in ("error", "drop", "interpolate"):
            raise InputError(f"missing is {self.missing!r}; choose 'error', 'drop' or 'interpolate'")
        if self.gaps not in ("cut", "ignore"):
            raise InputError(f"gaps is {self.gaps!r}; choose 'cut' or 'ignore'")


@dataclass(frozen=True)
class Assembled:
    """Trajectories of the same series, and how they were read."""

    trajectories: tuple[NDArray[Any], ...]
    names: tuple[str, ...] | None
    reading: Reading
    origin: tuple[int, ...] | None


def assembled(
    frames: Sequence[Frame],
    options: AssemblyOptions,
    *,
    source: str | None = None,
    orientation: Orientation = "steps in rows",
) -> Assembled:
    """Trajectories of frames of the same series; the columns of later frames are put in the order of the first.

    Raises
    ------
    InputError : frames whose series differ, whatever `lay_out` and `numbers_of` refuse.
    """
    for frame in frames:
        if not len(frame.cells):
            raise InputError(f"{frame.source} has no rows; expected one row per time step and one column per series")
    layouts = [
        lay_out(
            frame, options.time, options.trajectory, guess=options.trajectory_length is None and frame.blocks is None
        )
        for frame in frames
    ]
    layouts = aligned(frames, layouts)
    trajectories: list[NDArray[Any]] = []
    origin: list[int] = []
    found: list[Pieces] = []
    for frame, layout in zip(frames, layouts, strict=True):
        shown = layout.names if frame.named else [str(position + 1) for position in layout.series]
        values = numbers_of(frame, layout.series, shown, options.missing_values)
        if options.missing == "error":
            refuse_missing(frame, values, layout.series, shown)
        pieces = _pieces(frame, layout, values, options)
        before = origin[-1] + 1 if origin else 0
        trajectories += [_taken(values, rows) for rows in pieces.rows]
        origin += [before + number for number in pieces.origin]
        found.append(pieces)
    found = _with_steps_compared(found)
    reading = _reading(frames, layouts, found, source, orientation)
    reading = replace(reading, n_missing=sum(int(np.isnan(part).sum()) for part in trajectories))
    names = tuple(layouts[0].names) if frames[0].named else None
    whole = Assembled(tuple(trajectories), names, reading, None if len(set(origin)) == len(origin) else tuple(origin))
    return changing(whole) if options.drop_constant else whole


def aligned(frames: Sequence[Frame], layouts: Sequence[Layout]) -> list[Layout]:
    """The series of each in the order of the first, by name."""
    first = layouts[0]
    repeated = duplicates(first.names)
    result = [first]
    for number, (frame, layout) in enumerate(zip(frames[1:], layouts[1:], strict=True), 1):
        if frame.named != frames[0].named or (frame.named and set(layout.names) != set(first.names)):
            missing = [name for name in first.names if name not in set(layout.names)]
            other = [name for name in layout.names if name not in set(first.names)]
            told = [f"lacks {_some(missing)}"] if missing else []
            told += [f"has {_some(other)} besides"] if other else []
            raise InputError(
                f"the trajectories have different column names: trajectory {number} {' and '.join(told) or 'has no names'};"
                " give every trajectory the same series"
            )
        if not frame.named or repeated or layout.names == first.names:
            result.append(layout)
            continue
        at = dict(zip(layout.names, layout.series, strict=True))
        moved = replace(layout, names=list(first.names), series=[at[name] for name in first.names])
        moved.notes.append("the columns of a trajectory were put in the order of the first one's, by name")
        result.append(moved)
    return result


def _some(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def changing(table: Assembled) -> Assembled:
    """Without the series that never change, under the names they would have had among all."""
    changes = np.zeros(table.trajectories[0].shape[1], dtype=bool)
    first = np.full(len(changes), np.nan)
    for part in table.trajectories:
        known = ~np.isnan(part)
        start = part[known.argmax(axis=0), np.arange(part.shape[1])] if len(part) else first
        first = np.where(np.isnan(first), start, first)
        changes |= ((part != first) & known).any(axis=0)
    names = table.names if table.names is not None else tuple(f"x{i}" for i in range(len(changes)))
    if changes.all():
        return replace(table, names=names)
    gone = [name for name, changing in zip(names, changes, strict=True) if not changing]
    return replace(
        table,
        trajectories=tuple(part[:, changes] for part in table.trajectories),
        names=tuple(name for name, changing in zip(names, changes, strict=True) if changing),
        reading=replace(
            table.reading,
            dropped=(*table.reading.dropped, *((name, "it never changes") for name in gone)),
            n_missing=sum(int(np.isnan(part[:, changes]).sum()) for part in table.trajectories),
            notes=(*table.reading.notes, f"{len(gone)} series that never change were left out: {_some(gone)}"),
        ),
    )


def _pieces(frame: Frame, layout: Layout, values: NDArray[Any], options: AssemblyOptions) -> Pieces:
    trajectories = _given_trajectories(frame, layout, options.trajectory_length)
    if layout.times is None:
        return as_found(trajectories)
    return in_time(layout.times, trajectories, values, layout.time_name, gaps=options.gaps, of_headers=frame.of_headers)


def _with_steps_compared(found: list[Pieces]) -> list[Pieces]:
    """Warn where the time axes of several tables have other steps."""
    steps = {(p.axis.step, p.axis.unit) for p in found if p.axis is not None and p.axis.step is not None}
    sizes = sorted(size for size, _ in steps if size is not None)
    if len({unit for _, unit in steps}) != 1 or sizes[-1] <= 1.01 * sizes[0]:
        return found
    unit = f" {unit}" if (unit := next(iter(steps))[1]) else ""
    text = f"one trajectory has steps of {sizes[0]:g}{unit} and another of {sizes[-1]:g}{unit}: a lag means another time in each"
    return [with_notes(found[0], warned=[text]), *found[1:]]


def _given_trajectories(frame: Frame, layout: Layout, length: int | None) -> list[NDArray[np.intp]]:
    """Rows of each trajectory that labels, blank lines or a length tell apart."""
    rows = np.arange(len(frame.cells))
    if layout.trajectory is not None:
        order = np.argsort(layout.trajectory, kind="stable")
        return np.split(rows[order], np.cumsum(np.bincount(layout.trajectory))[:-1])
    blocks = frame.blocks or (len(rows),)
    if length is not None:
        blocks = cut_in_lengths(frame.source, blocks, length)
    edges = np.concatenate([[0], np.cumsum(blocks)])
    return [rows[start:end] for start, end in pairwise(edges)]


def cut_in_lengths(source: str, blocks: Sequence[int], length: int) -> tuple[int, ...]:
    """Blocks of rows, each cut after every so many.

    Raises
    ------
    InputError : a length that does not divide them.
    """
    if isinstance(length, bool) or not isinstance(length, (int, np.integer)) or length < 1:
        raise InputError(f"trajectory_length is {length!r}; expected a whole number of at least 1")
    for block in blocks:
        if block % length:
            raise InputError(
                f"{source} has {block} rows in a trajectory, which trajectory_length={length} does not divide;"
                " check for rows that are missing or too many"
            )
    return (int(length),) * (sum(blocks) // length)


def _taken(values: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[Any]:
    """Rows of an array, a view where they follow one another."""
    if len(rows) and (np.diff(rows) == 1).all():
        return values[int(rows[0]) : int(rows[-1]) + 1]
    return values[rows]


def _reading(
    frames: Sequence[Frame],
    layouts: Sequence[Layout],
    found: Sequence[Pieces],
    source: str | None,
    orientation: Orientation,
) -> Reading:
    def each(*groups: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(item for group in groups for item in group))

    shapes = [frame.shape or frame.cells.shape for frame in frames]
    return Reading(
        source=source,
        orientation=orientation,
        n_rows=sum(shape[0] for shape in shapes),
        n_columns=max(shape[1] for shape in shapes),
        time=next((pieces.axis for pieces in found if pieces.axis is not None), None),
        trajectory=layouts[0].trajectory_name,
        n_trajectories=sum(pieces.n_trajectories for pieces in found),
        n_pieces=sum(len(pieces.rows) for pieces in found),
        dropped=each(*(layout.dropped for layout in layouts)),
        notes=each(
            *(part for f, lay, p in zip(frames, layouts, found, strict=True) for part in (f.notes, lay.notes, p.notes))
        ),
        warnings=each(
            *(
                part
                for f, lay, p in zip(frames, layouts, found, strict=True)
                for part in (f.warnings, lay.warnings, p.warnings)
            )
        ),
    )
