"""Which columns and index levels of a frame are series, and which tell time, trajectories or the names of rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import InputError
from .frame import Frame, is_missing_mark, shown
from .numbers import almost_number, is_plain, labels_message, parsed
from .time_names import are_years, may_number_rows, may_say_time, says_time, tells_apart, unit_in
from .time_values import NoTime, Times, joined, read_date_parts, read_times, read_times_and_rest

_NAMES_OF_SERIES = re.compile(
    r"genes?([ _]?(id|names?|symbols?))?|(hugo[ _])?symbols?|orf|probes?([ _]?(id|set))?|id[ _]ref|entrez([ _]?(gene[ _])?id)?"
    r"|ensembl([ _]?(gene[ _])?id)?|features?|transcripts?|proteins?|target[ _]id|series|variables?"
)
_DATE_PARTS = ("year", "month", "day", "hour", "minute", "second")
_SUMMARY = re.compile(
    r"((grand|sub) ?)?totals?|sum|mean|average|avg|median|min(imum)?|max(imum)?|std( ?dev)?|sd|sem|variance|count"
)
_NAMES_SHOWN = 8
# Columns among which a year has its month or quarter beside it.
_FRONT = 4


@dataclass(frozen=True)
class Column:
    """One column or index level.

    Attributes
    ----------
    name : as text; "" without one.
    cells : (T,)
    position : among the columns; None of an index level.
    """

    name: str
    cells: pd.Series[Any]
    position: int | None = None

    @property
    def is_number(self) -> bool:
        return is_plain(self.cells.dtype)

    @property
    def is_date(self) -> bool:
        return self.cells.dtype.kind in "mM" or isinstance(self.cells.dtype, pd.PeriodDtype)


@dataclass
class Layout:
    """What each column is for.

    Attributes
    ----------
    series : positions of the columns that are series.
    names : of them.
    times, time_name : of the rows, and of the column that they were read from.
    trajectory, trajectory_name : (T,) number of the trajectory of each row, and of the column or index level.
    dropped : (column, why) of what is no series.
    """

    series: list[int]
    names: list[str]
    times: Times | None = None
    time_name: str | None = None
    trajectory: NDArray[np.intp] | None = None
    trajectory_name: str | None = None
    dropped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def lay_out(
    frame: Frame, time: Hashable | None = None, trajectory: Hashable | None = None, *, guess: bool = True
) -> Layout:
    """Tell series from what labels the rows.

    Without `guess` trajectories are known already, and none are sought among columns and labels.

    Raises
    ------
    InputError : a column named that is not there, times that cannot be read, labels that are missing or that are in the place
        of series, no column left.
    """
    finder = _Finder(frame, guess)
    if trajectory is not None:
        finder.take_trajectory(str(trajectory))
    if time is not None:
        finder.take_time(finder.named(str(time), "time"))
    else:
        finder.find_time()
    finder.drop_other_times()
    finder.take_index()
    finder.take_labels()
    if guess:
        finder.find_trajectory()
    return finder.layout()


class _Finder:
    """Takes columns one kind after another; what is left are the series."""

    def __init__(self, frame: Frame, guess: bool) -> None:
        self.frame, self.guess = frame, guess
        self.names = [
            "" if is_missing_mark(name) and not isinstance(name, str) else str(name) for name in frame.cells.columns
        ]
        self.dtypes = frame.cells.dtypes.to_numpy()
        self.left = list(range(len(self.names)))
        self.index = _index_levels(frame.cells.index)
        self.found = Layout([], [], dropped=list(frame.dropped))

    def column(self, position: int) -> Column:
        cells = self.frame.cells.iloc[:, position].reset_index(drop=True)
        return Column(self.names[position], cells, position)

    def named(self, name: str, role: str) -> Column:
        """The column or index level of this name."""
        if name in self.names:
            return self.column(self.names.index(name))
        for level in self.index:
            if level.name == name:
                return level
        if not self.frame.named:
            raise InputError(
                f"{self.frame.source} has no column names, so {self.frame.option(role)}={name!r} cannot be found; add a header"
            )
        what = "tell trajectories apart" if role == "trajectory" else "tell the time"
        listed = [*(level.name for level in self.index if level.name), *self.names]
        some = ", ".join(repr(n) for n in listed[:_NAMES_SHOWN]) + (", ..." if len(listed) > _NAMES_SHOWN else "")
        raise InputError(f"{self.frame.source} has no column {name!r} to {what}; its columns are {some}")

    def drop(self, column: Column, why: str, *, note: bool = False) -> None:
        if column.position is None:
            self.index = [level for level in self.index if level is not column]
        else:
            self.left.remove(column.position)
            self.found.dropped.append((column.name, why))
        if note:
            called = "the index" if column.position is None else f"column {column.name or column.position + 1!r}"
            self.found.notes.append(f"{called} was left out: {why}")

    def take_trajectory(self, name: str) -> None:
        column = self.named(name, "trajectory")
        for row, cell in enumerate(column.cells):
            if is_missing_mark(cell):
                place = self.frame.place(row, column.position)
                raise InputError(f"{self.frame.source}{place}: {name!r} is empty; fill it in")
        self.found.trajectory = np.asarray(pd.factorize(column.cells)[0], dtype=np.intp)
        self.found.trajectory_name = name
        self.drop(column, "it tells trajectories apart")

    def take_time(self, column: Column, times: Times | None = None) -> None:
        """The time axis of this column, which has to be readable."""
        read = read_times(column.cells) if times is None else times
        if isinstance(read, NoTime):
            gone = is_missing_mark(read.cell)
            what = "is empty" if gone else f"holds {shown(read.cell)}, which is no time"
            fix = "fill it in, or drop" if gone else "write numbers, or dates as YYYY-MM-DD, or drop"
            place = self.frame.place(read.row, column.position)
            turned = "transpose=True" if self.frame.from_file else "X.T"
            series = f", or pass {turned} if each row is a series" if 2 * read.n_read < len(column.cells) else ""
            raise InputError(
                f"{self.frame.source}{place}: the time column {column.name!r} {what}; {fix} the row{series}"
            )
        self.found.times = read
        self.found.time_name = column.name or None
        if read.unit is None and unit_in(column.name):
            self.found.times = _with_unit(read, unit_in(column.name))
        self.drop(column, "it tells the time")

    def find_time(self) -> None:
        for level in self.index:
            if level.is_date or may_say_time(level.name):
                self._take_if_times(level)
                break
        if self.left and self.found.times is None:
            self._find_by_name() or self._find_date_parts() or self._find_by_dtype() or self._find_leading()

    def drop_other_times(self) -> None:
        """Columns called time beside the one that is."""
        others = [p for p in self.left if says_time(self.names[p])] if self.found.times is not None else []
        for position in others:
            self.drop(self.column(position), "it tells the time, as another column does", note=True)

    def _find_by_name(self) -> bool:
        columns = [self.column(p) for p in self.left if says_time(self.names[p])]
        for column in columns:
            if len(column.cells) > 1 and column.cells.nunique(dropna=False) == 1 and len(columns) == 1:
                self.drop(column, "it is called time but never changes")
                self.found.warnings.append(f"column {column.name!r} never changes, so the order of the rows was kept")
                return True
            read = read_times(column.cells)
            if isinstance(read, Times) and read.dates is not None:
                for other in columns:
                    together = joined(read, other.cells) if other is not column else None
                    if isinstance(together, Times):
                        self.take_time(column, together)
                        self.drop(other, f"it tells the time of the day beside {column.name!r}")
                        return True
            if self._take_if_times(column):
                return True
        return False

    def _take_if_times(self, column: Column) -> bool:
        """Take a column called time; one without a single time in it is a label, and said to be."""
        read = read_times(column.cells)
        if isinstance(read, NoTime) and read.n_read == 0 and not all(is_missing_mark(cell) for cell in column.cells):
            self.drop(column, f"it is called time but holds {shown(read.cell)}")
            self.found.warnings.append(
                f"column {column.name!r} holds {shown(read.cell)}, which is no time: the order of the rows was kept"
            )
            return False
        self.take_time(column, read if isinstance(read, Times) else None)
        return True

    def _find_date_parts(self) -> bool:
        at = {self.names[p].strip().lower(): p for p in self.left if is_plain(self.dtypes[p])}
        if {"year", "month", "day"} <= set(at):
            parts = [part for part in _DATE_PARTS if part in at]
        else:
            # these two may be covariates where they do not lead
            front = {self.names[p].strip().lower() for p in self.left[:_FRONT]}
            part = next((part for part in ("month", "quarter") if {"year", part} <= front & set(at)), None)
            if part is None:
                return False
            parts = ["year", part]
        table = pd.DataFrame({part: self.column(at[part]).cells for part in parts})
        read = read_date_parts(table)
        if isinstance(read, NoTime):
            return False
        columns = [self.column(at[part]) for part in parts]
        self.take_time(columns[0], read)
        for column in columns[1:]:
            self.drop(column, "it is part of the time")
        self.found.time_name = ", ".join(column.name for column in columns)
        return True

    def _find_by_dtype(self) -> bool:
        columns = [self.column(p) for p in self.left if self.dtypes[p].kind in "mM"]
        for column in columns[1:]:
            self.drop(column, "it holds dates, as another column does", note=True)
        if columns:
            self.take_time(columns[0])
        return bool(columns)

    def _find_leading(self) -> bool:
        """A first column called `t`, or hours, days, ... that are spaced as times are; one of text that reads as times."""
        for level in self.index:
            read = None if level.is_number else read_times(level.cells)
            if isinstance(read, Times):
                self.take_time(level, read)
                return True
            if not level.is_number and len(self.index) == 1 and self._take_replicates(level):
                return True
        for position in self.left:
            column = self.column(position)
            if column.is_number:
                if may_say_time(column.name) and (column.name.lower() == "t" or _spaced(column.cells)):
                    return self._take_if_times(column)
                if not (may_number_rows(column.name) and _counts(column.cells)):
                    return self._find_dates_among_series()
                continue
            read = read_times(column.cells)
            if isinstance(read, Times) and (read.dates is not None or read.named_units or may_say_time(column.name)):
                self.take_time(column, read)
                return True
            if isinstance(read, Times):
                return False
            if self._take_replicates(column):
                return True
        return self._find_dates_among_series()

    def _take_replicates(self, column: Column) -> bool:
        """Labels such as `0h_1`, `WT 2h`: a time and what tells trajectories apart."""
        found = read_times_and_rest([str(cell) for cell in column.cells])
        known = self.found.trajectory is not None or not self.guess
        if found is None or (known and len(set(found[1])) > 1):
            return False
        times, rest = found
        if len(set(rest)) > 1:
            self.found.trajectory = np.asarray(pd.factorize(np.array(rest, dtype=object))[0], dtype=np.intp)
            self.found.trajectory_name = column.name or None
            self.found.warnings.append(
                f"labels such as {shown(column.cells.iloc[0])} were read as the time {times.values[0]:g}"
                f"{' ' + times.unit if times.unit else ''} of trajectory {rest[0]!r}, one of {len(set(rest))}; rename them if"
                " they mean something else"
            )
        self.take_time(column, times)
        return True

    def _find_dates_among_series(self) -> bool:
        for position in self.left:
            if not is_plain(self.dtypes[position]):
                column = self.column(position)
                read = read_times(column.cells)
                if isinstance(read, Times) and read.dates is not None:
                    self.take_time(column, read)
                    return True
        return False

    def take_index(self) -> None:
        """Levels of the index that are left: outer ones tell trajectories, the innermost the order or the names of the rows."""
        levels = self.index
        several = len(levels) > 1 or (len(levels) == 1 and isinstance(self.frame.cells.index, pd.MultiIndex))
        if several and self.found.trajectory is None:
            # where the time is a column of its own, the innermost level may do no more than number the rows
            inner = levels[-1]
            grouped = pd.DataFrame({k: level.cells for k, level in enumerate(levels)}).astype(object)
            unique_within = not grouped.duplicated().any()
            used = self.found.times is not None and len(levels) < self.frame.cells.index.nlevels
            outer = levels if used or not unique_within else levels[:-1]
            keys = pd.MultiIndex.from_arrays([level.cells for level in outer])
            self.found.trajectory = np.asarray(pd.factorize(keys)[0], dtype=np.intp)
            self.found.trajectory_name = ", ".join(level.name or f"level {k}" for k, level in enumerate(outer))
            if outer is not levels and self.found.times is None and inner.is_number:
                self.take_time(inner)
            self.index = []
            return
        for level in list(levels):
            self._take_rows_index(level)

    def _take_rows_index(self, level: Column) -> None:
        cells = level.cells
        if level.is_number and len(cells) > 1 and self.found.trajectory is None and not several_levels(self.frame):
            values = cells.to_numpy(np.float64, na_value=np.nan)
            steps = np.diff(values)
            whole = bool((values == np.round(values)).all())
            if self.found.times is None and np.isfinite(values).all():
                if (not whole and (steps > 0).all()) or _starts_again(values):
                    self.take_time(level)
                    return
                self._say_of_numbers(steps, whole)
        elif not level.is_number and level.position is None and self.found.trajectory is None:
            self._say_of_labels(level)
        self.drop(level, "it labels the rows")

    def _say_of_numbers(self, steps: NDArray[np.float64], whole: bool) -> None:
        if not (steps > 0).all():
            self.found.warnings.append(
                "the index of the rows is out of order: the rows were kept as they lie; if it is the time, call it 'time'"
            )
        elif whole and len(steps) > 2 and (steps == 1).mean() >= 0.5 and (steps > 1).any():
            self.found.warnings.append(
                f"the index of the rows leaves numbers out at {int((steps > 1).sum())} places: if steps are missing there,"
                " call it 'time', so that windows do not cross them"
            )

    def _say_of_labels(self, level: Column) -> None:
        self._refuse_names_of_series(level)
        self._doubt_summaries(level)
        times = read_times([str(cell) for cell in level.cells])
        if isinstance(times, NoTime) and 2 * times.n_read > len(level.cells) > 2:
            self.found.warnings.append(
                f"most labels are times, but {shown(times.cell)} is none: each was taken for a step, in the order they lie;"
                " remove what is no step, so that the others are put in the order of time"
            )
        first = shown(level.cells.iloc[0]) if len(level.cells) else ""
        if level.cells.duplicated().any():
            self.found.warnings.append(
                f"labels of the rows such as {first} repeat: the rows were taken for one trajectory in their order; if the"
                f" labels tell trajectories apart, name them and pass {self.frame.option('trajectory')}"
            )
        elif self.frame.of_headers and level.position is None:
            self.found.notes.append(
                f"headers of the columns such as {first} tell no time: the columns were taken in their order"
            )
        else:
            turned = "transpose=True" if self.frame.from_file else "X.T"
            self.found.notes.append(
                f"labels of the rows such as {first} were left out, each row being a step; pass {turned} if it is a series"
            )
        labels = [str(cell) for cell in level.cells]
        if len(labels) > 2 and labels == sorted(labels) != sorted(labels, key=_natural):
            some = ", ".join(sorted(labels, key=_natural)[:3])
            self.found.warnings.append(
                f"labels such as {', '.join(labels[:3])} lie in the order of text, and were kept so: put them in the order"
                f" {some}, ... if that is the order of time"
            )

    def _doubt_summaries(self, level: Column) -> None:
        """Rows called mean, total, ... among others are no steps."""
        labels = [str(cell).strip() for cell in level.cells]
        summaries = [label for label in labels if _SUMMARY.fullmatch(label.lower())]
        if summaries and 2 * len(summaries) < len(labels):
            some = ", ".join(map(repr, summaries[:3]))
            self.found.warnings.append(
                f"rows called {some} were taken for steps; if they sum up the others, remove them"
            )

    def take_labels(self) -> None:
        """Columns in front that number or name the rows."""
        for position in list(self.left):
            if is_plain(self.dtypes[position]):
                if may_number_rows(self.names[position]) and self._take_row_numbers(self.column(position)):
                    continue
                return
            column = self.column(position)
            if not self._is_text(column):
                return
            if column.name and column.cells.duplicated().any():
                cell = next(cell for cell in column.cells if not is_missing_mark(cell))
                raise InputError(labels_message(self.frame, column.name, cell))
            self._say_of_labels(column)
            self.drop(column, "it labels the rows")

    def _take_row_numbers(self, column: Column) -> bool:
        """Numbers of the rows in a column of a file: an index that was saved with it."""
        if not _is_unnamed(column.name):
            if not _counts(column.cells):
                numbers = column.cells.to_numpy(np.float64, na_value=np.nan)
                if len(numbers) < 3 or not _counts(pd.Series(np.sort(numbers) - numbers.min())):
                    return False
                self._say_of_numbers(np.diff(numbers), True)
            self.drop(column, "it numbers the rows", note=True)
            return True
        values = column.cells.to_numpy(np.float64, na_value=np.nan)
        whole = bool(np.isfinite(values).all() and (values == np.round(values)).all())
        rising = bool((np.diff(values) > 0).all())
        if not whole and not (rising and len(values) > 1):
            return False
        if (not whole or _starts_again(values)) and self.found.times is None and self.found.trajectory is None:
            self.take_time(column)
            return True
        if self.found.times is None and self.found.trajectory is None:
            self._say_of_numbers(np.diff(values), whole)
        self.drop(column, "it numbers the rows", note=True)
        return True

    def _is_text(self, column: Column) -> bool:
        if column.is_date or column.cells.dtype.kind == "c":
            return False
        try:
            _, is_text = parsed(column.cells)
        except (TypeError, ValueError):
            return False
        present = [cell for cell in column.cells if not is_missing_mark(cell)]
        in_disguise = sum(map(almost_number, present))
        return bool(is_text.any()) and 2 * int(is_text.sum()) > len(present) > 2 * in_disguise

    def _refuse_names_of_series(self, column: Column) -> None:
        if _NAMES_OF_SERIES.fullmatch(column.name.strip().lower()):
            first = next((cell for cell in column.cells if not is_missing_mark(cell)), "")
            raise InputError(labels_message(self.frame, column.name, first))
        names = [self.names[p] for p in self.left if p != column.position]
        times = read_times(names) if len(names) > 1 else None
        told = isinstance(times, Times) and (times.named_units or times.dates is not None)
        if self.frame.named and (told or are_years(names)):
            some = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
            turned = "transpose=True" if self.frame.from_file else "X.T"
            raise InputError(
                f"{self.frame.source}: the columns are called by times ({some}) and the rows by labels, so each row seems to be"
                f" a series: pass {turned}"
            )

    def find_trajectory(self) -> None:
        """A column of whole numbers called subject, run, ... whose times are there once each, where they repeat among all."""
        times = self.found.times
        if self.found.trajectory is not None:
            return
        if times is None or len(np.unique(times.values)) == len(times.values):
            self._doubt_numbers_of_trajectories()
            return
        for position in self.left:
            if not is_plain(self.dtypes[position]) or not tells_apart(self.names[position]):
                continue
            column = self.column(position)
            values = column.cells.to_numpy(np.float64, na_value=np.nan)
            whole = np.isfinite(values).all() and (values == np.round(values)).all()
            pairs = np.column_stack([values, times.values])
            if whole and 1 < len(np.unique(values)) <= len(values) / 2 and len(np.unique(pairs, axis=0)) == len(pairs):
                self.take_trajectory(column.name)
                self.found.warnings.append(
                    f"column {column.name!r} was taken to tell trajectories apart, since every time is there once for each of its"
                    f" values; pass {self.frame.option('trajectory')}={column.name!r} to confirm, or rename it if it is a series"
                )
                return

    def _doubt_numbers_of_trajectories(self) -> None:
        """A column of whole numbers called subject, run, ... that changes seldom is a label rather than a series."""
        for position in self.left:
            if not is_plain(self.dtypes[position]) or not tells_apart(self.names[position]):
                continue
            values = self.column(position).cells.to_numpy(np.float64, na_value=np.nan)
            n_runs = 1 + int((np.diff(values) != 0).sum())
            if (values == np.round(values)).all() and 1 < n_runs == len(np.unique(values)) <= len(values) / 2:
                name = self.names[position]
                self.found.warnings.append(
                    f"column {name!r} was taken for a series, though its {n_runs} numbers stand in one run of rows each; if it"
                    f" tells trajectories apart, pass {self.frame.option('trajectory')}={name!r}"
                )
                return

    def _first_label(self) -> str:
        """A cell that was taken for a label, and what may have made it one."""
        labels = [p for p in range(len(self.names)) if not is_plain(self.dtypes[p])]
        cells = [
            str(cell) for cell in self.frame.cells.iloc[:1, labels].to_numpy().ravel() if not is_missing_mark(cell)
        ]
        cell = next((cell for cell in cells if any(map(str.isdigit, cell))), None)
        if cell is None:
            return ""
        mend = "; if numbers are in it, check the delimiter and the quotes" if self.frame.from_file else ""
        return f": it holds cells such as {shown(cell)}{mend}"

    def layout(self) -> Layout:
        found = self.found
        if not self.left:
            raise InputError(
                f"{self.frame.source} has no column of numbers beside its labels, times and dates{self._first_label()}"
            )
        for position in self.left:
            if not self.names[position]:
                raise InputError(
                    f"{self.frame.source}{self.frame.place(-1, position)}: column {position + 1} has no name; name it, or drop"
                    " it if it is a row index (pandas: to_csv(..., index=False))"
                )
        found.series, found.names = self.left, [self.names[p] for p in self.left]
        return found


def _natural(label: str) -> list[tuple[bool, float, str]]:
    """For sorting s2 before s10."""
    parts = re.split(r"(\d+)", label)
    return [(part.isdigit(), float(part) if part.isdigit() else 0.0, part) for part in parts]


def several_levels(frame: Frame) -> bool:
    return isinstance(frame.cells.index, pd.MultiIndex)


def _index_levels(index: pd.Index[Any]) -> list[Column]:
    if isinstance(index, pd.RangeIndex) and not may_say_time(index.name):
        return []
    return [
        Column("" if name is None else str(name), pd.Series(index.get_level_values(k)).reset_index(drop=True))
        for k, name in enumerate(index.names)
    ]


def _is_unnamed(name: str) -> bool:
    return not name or name.lower().startswith("unnamed:")


def _counts(cells: pd.Series[Any]) -> bool:
    """0, 1, 2, ... or 1, 2, 3, ..."""
    values = cells.to_numpy(np.float64, na_value=np.nan)
    return len(values) > 0 and values[0] in (0, 1) and bool((np.diff(values) == 1).all())


def _starts_again(values: NDArray[np.float64]) -> bool:
    """0, 1, 2, 0, 1, 2: as when tables are put one below the other."""
    falls = np.flatnonzero(np.diff(values) <= 0) + 1
    if not len(falls) or len(falls) + 1 > len(values) / 2:
        return False
    return bool((values[falls] == values[0]).all())


def _spaced(cells: pd.Series[Any]) -> bool:
    """Whether numbers are spaced as times are: rising, or evenly spaced when sorted."""
    values = cells.to_numpy(np.float64, na_value=np.nan)
    if len(values) < 2 or not np.isfinite(values).all():
        return False
    steps = np.diff(np.unique(values))
    if not len(steps):
        return False
    return bool((np.diff(values) > 0).all() or np.mean(np.isclose(steps, np.median(steps), rtol=0.01)) >= 0.8)


def _with_unit(times: Times, unit: str | None) -> Times:
    return replace(times, unit=unit)


def duplicates(names: Sequence[str]) -> list[str]:
    """Names that are there more than once."""
    return sorted(name for name, count in Counter(names).items() if count > 1)
