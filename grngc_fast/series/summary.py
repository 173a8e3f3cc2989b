"""What there is in a table of series: sizes, scales, and what a person should look at before anything is fitted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..row_blocks import BLOCK_ELEMENTS
from .marks import marks_among, told_of_marks
from .table import SeriesTable

# Steps that are too few for a rising series to look like the time.
RISING_STEPS = 5
# Names of each kind that are kept.
SHOWN = 20
# The largest value over the median of a series that is spread over powers of ten.
WIDE = 100.0


@dataclass(frozen=True)
class TableSummary:
    """Of a table as it was read; names of series at most `SHOWN` of each kind.

    Attributes
    ----------
    n_series, n_steps, n_trajectories : P; steps and number of all trajectories.
    shortest, longest : steps of a trajectory.
    n_missing, with_missing : values that are missing, and (series, count) of those with most.
    n_constant, constant : series that never change.
    n_duplicated, duplicated : series that equal an earlier one, as (series, earlier one).
    repeated_rows : steps that equal the one before in all series, within a trajectory.
    smallest_spread, largest_spread : (series, standard deviation) of those that change; None where none does.
    zeros : share of the known values that are 0.
    counts : all values are whole numbers, none negative, and some above 1.
    wide : nothing is negative, and in half of the series the largest value is `WIDE` times the median or more.
    n_rising, rising : series that rise at every step, of five steps or more.
    marks : (series, value) of those whose lowest or highest value is one that files write for a missing one, far from the rest.
    numbered : all names are numbers that are no places in a row, as where a row of values was taken for the header.
    """

    n_series: int
    n_steps: int
    n_trajectories: int
    shortest: int
    longest: int
    n_missing: int
    with_missing: tuple[tuple[str, int], ...]
    n_constant: int
    constant: tuple[str, ...]
    n_duplicated: int
    duplicated: tuple[tuple[str, str], ...]
    repeated_rows: int
    smallest_spread: tuple[str, float] | None
    largest_spread: tuple[str, float] | None
    zeros: float
    counts: bool
    wide: bool
    n_rising: int
    rising: tuple[str, ...]
    numbered: bool
    marks: tuple[tuple[str, float], ...] = ()

    def settings(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)

    @property
    def log_advised(self) -> bool:
        """Whether log(1 + x) would even out values that are counts or spread over powers of ten."""
        return self.counts or self.wide

    @property
    def suspicions(self) -> tuple[str, ...]:
        """What looks like something else than series, in words."""
        texts = [f"series {name!r} rises at every step; if it is the time, remove the column" for name in self.rising]
        if self.n_rising > len(self.rising):
            texts.append(f"{self.n_rising - len(self.rising)} more series rise at every step")
        if self.marks:
            texts.append(told_of_marks(self.marks, from_file=True))
        if self.numbered:
            texts.append("every series is named by a number; check which way the table runs, and transpose=True")
        return tuple(texts)


class _Columns:
    """What is gathered of some series, one trajectory after another."""

    def __init__(self, width: int) -> None:
        self.missing = np.zeros(width, dtype=np.int64)
        self.low, self.high = np.full(width, np.inf), np.full(width, -np.inf)
        self.total, self.square, self.known = (np.zeros(width) for _ in range(3))
        self.zeros = 0
        self.whole, self.rising = True, np.ones(width, dtype=bool)
        self.shift: NDArray[Any] | None = None
        self.digests = [hashlib.blake2b(digest_size=16) for _ in range(width)]
        self.values: list[NDArray[Any]] = []

    def add(self, part: NDArray[Any]) -> None:
        """Steps (T_r, width) of a trajectory."""
        gaps = np.isnan(part)
        any_gap = bool(gaps.any())
        known = np.where(gaps, 0.0, part) if any_gap else part
        self.missing += gaps.sum(0)
        count = len(part) - gaps.sum(0)
        self.low = np.minimum(self.low, np.where(gaps, np.inf, part).min(0) if any_gap else part.min(0))
        self.high = np.maximum(self.high, np.where(gaps, -np.inf, part).max(0) if any_gap else part.max(0))
        if self.shift is None:
            self.shift = known.mean(0, dtype=np.float64)
        centred = np.where(gaps, 0.0, part - self.shift) if any_gap else part - self.shift
        # values beyond 1e154 are refused by a fit, and summed up all the same
        with np.errstate(over="ignore"):
            self.total += centred.sum(0, dtype=np.float64)
            self.square += np.square(centred, dtype=np.float64).sum(0)
        self.known += count
        self.zeros += int((known == 0).sum() - gaps.sum())
        self.whole = self.whole and bool((np.floor(known) == known).all())
        self.rising &= (part[1:] > part[:-1]).all(0)
        for digest, column in zip(self.digests, np.ascontiguousarray(part.T), strict=True):
            digest.update(column.tobytes())
        self.values.append(part)

    @property
    def spread(self) -> NDArray[Any]:
        """(width,) standard deviations of the values that are known."""
        known = np.maximum(self.known, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            spread: NDArray[Any] = np.sqrt(np.maximum(self.square / known - (self.total / known) ** 2, 0))
        return spread

    def marks(self, names: Sequence[str]) -> list[tuple[str, float]]:
        """(series, value) of the values that look like marks of missing ones."""
        return marks_among(names, self.low, self.high, lambda k: np.concatenate([part[:, k] for part in self.values]))

    def medians(self) -> NDArray[Any]:
        """(width,) of the values that are known; 0 where none is."""
        every = np.concatenate(self.values)
        if not self.missing.any():
            medians: NDArray[Any] = np.median(every, axis=0)
            return medians
        known = (column[~np.isnan(column)] for column in every.T)
        return np.array([np.median(column) if len(column) else 0.0 for column in known])


def summarise(table: SeriesTable) -> TableSummary:
    """Look at every value of a table once, some series at a time."""
    names, lengths = table.names, [len(t) for t in table.trajectories]
    seen: dict[bytes, str] = {}
    missing: list[tuple[str, int]] = []
    constant: list[str] = []
    duplicated: list[tuple[str, str]] = []
    rising: list[str] = []
    spreads: list[tuple[str, float]] = []
    marks: list[tuple[str, float]] = []
    zeros, whole, least, greatest, wide = 0, True, np.inf, -np.inf, 0
    changed = [np.zeros(max(0, length - 1), dtype=bool) for length in lengths]
    for columns in _blocks(table):
        found = _Columns(columns.stop - columns.start)
        for trajectory, moves in zip(table.trajectories, changed, strict=True):
            part = np.asarray(trajectory[:, columns])
            found.add(part)
            same = (part[1:] == part[:-1]) | (np.isnan(part[1:]) & np.isnan(part[:-1]))
            moves |= ~same.all(1)
        own = names[columns]
        missing += [(name, int(count)) for name, count in zip(own, found.missing, strict=True) if count]
        constant += [name for name, low, high in zip(own, found.low, found.high, strict=True) if not low < high]
        rising += [name for name, rises in zip(own, found.rising, strict=True) if rises]
        spreads += [
            (name, float(size))
            for name, size, low, high in zip(own, found.spread, found.low, found.high, strict=True)
            if low < high
        ]
        marks += found.marks(own)
        for name, digest in zip(own, found.digests, strict=True):
            first = seen.setdefault(digest.digest(), name)
            if first != name:
                duplicated.append((name, first))
        zeros, whole = zeros + found.zeros, whole and found.whole
        least, greatest = min(least, float(found.low.min())), max(greatest, float(found.high.max()))
        if found.low.min() >= 0:
            wide += int((found.high > WIDE * np.maximum(found.medians(), np.finfo(float).tiny)).sum())
    n_values = table.n_steps * table.n_series - sum(count for _, count in missing)
    long_enough = table.n_steps - len(lengths) >= RISING_STEPS
    return TableSummary(
        n_series=table.n_series,
        n_steps=table.n_steps,
        n_trajectories=len(lengths),
        shortest=min(lengths),
        longest=max(lengths),
        n_missing=sum(count for _, count in missing),
        with_missing=tuple(sorted(missing, key=lambda pair: -pair[1])[:SHOWN]),
        n_constant=len(constant),
        constant=tuple(constant[:SHOWN]),
        n_duplicated=len(duplicated),
        duplicated=tuple(duplicated[:SHOWN]),
        repeated_rows=sum(int((~moves).sum()) for moves in changed),
        smallest_spread=min(spreads, key=lambda pair: pair[1], default=None),
        largest_spread=max(spreads, key=lambda pair: pair[1], default=None),
        zeros=round(zeros / max(1, n_values), 4),
        counts=whole and least >= 0 and greatest > 1,
        wide=least >= 0 and greatest > 0 and wide >= table.n_series / 2,
        n_rising=len(rising) if long_enough else 0,
        rising=tuple(rising[:SHOWN]) if long_enough else (),
        numbered=table.named and all(_is_measurement(name) for name in names),
        marks=tuple(marks[:SHOWN]),
    )


def _blocks(table: SeriesTable) -> Iterator[slice]:
    width = max(1, BLOCK_ELEMENTS // max(1, table.n_steps))
    return (slice(first, min(first + width, table.n_series)) for first in range(0, table.n_series, width))


def _is_measurement(name: str) -> bool:
    try:
        return not float(name).is_integer()
    except (ValueError, OverflowError):
        return False
