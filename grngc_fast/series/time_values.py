"""Cells of a time column into numbers: numbers as they are, `10h` and `day 3` by their unit, dates however they are written."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

UNIT_SECONDS = {
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "hpi", "hpf"), 3600.0),
    **dict.fromkeys(("d", "day", "days", "dpi", "dpf"), 86400.0),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), 7 * 86400.0),
    **dict.fromkeys(("mo", "month", "months"), 30.4375 * 86400),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), 365.25 * 86400),
}
_SHORT = {1e-3: "ms", 1.0: "s", 60.0: "min", 3600.0: "h", 86400.0: "days", 7 * 86400.0: "weeks"}
_SHORT |= {30.4375 * 86400: "months", 365.25 * 86400: "years"}
_UNIT = "|".join(sorted(UNIT_SECONDS, key=len, reverse=True))
_NUMBER = r"[+-]?(?:\d+(?:[.,]\d+)?|[.,]\d+)"
_BEFORE = "t|tp|time|timepoint|time point|d|day|days|h|hr|hour|hours|min|minute|week|month|year"
_COUNTED = re.compile(
    rf"(?:(?P<before>{_BEFORE})(?:[ _=:.]+|-)?)?(?P<number>{_NUMBER})[ _]*(?P<after>{_UNIT})?", re.IGNORECASE
)
_WITHIN = re.compile(
    rf"(?<![A-Za-z0-9.])(?:(?P<number>\d+(?:\.\d+)?)[ ]?(?P<after>{_UNIT})|(?P<before>t|time|timepoint|day|hour|week|d|h)[ =]?"
    r"(?P<later>\d+(?:\.\d+)?))(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"(\d{1,3})[:.](\d{2})(?:[:.](\d{2}(?:[.,]\d+)?))?")
_DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})(?:[T ,]+(\S.*?))?")
_OF_MINUTES = re.compile(r"(\d{1,3}):(\d{2}[.,]\d+)")
_HALF_DAY = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?(?:[:.](\d{2}))? ?([ap])\.?m\.?", re.IGNORECASE)
_DURATION_PART = rf"\d+(?:\.\d+)? ?(?:{_UNIT}|m)"
_DURATION = re.compile(
    rf"(?P<iso>[+-]?P(?=.)(?:\d+D)?(?:T(?=.)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?)"
    r"|(?P<days>[+-]?\d+ days?,? )?[+-]?\d{1,2}:\d{2}:\d{2}(?:\.\d+)?"
    rf"|(?P<several>{_DURATION_PART}(?:[ ,]*{_DURATION_PART})+|\d+ ?h ?\d{{2}})|{_DURATION_PART}",
    re.IGNORECASE,
)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = rf"({'|'.join(_MONTHS)})[a-z]*\.?"
_DAY_AND_MONTH = re.compile(rf"(\d{{1,2}})[-/ .]{_MONTH}(?:[-/ .,']{{1,2}}(\d{{2}}))?", re.IGNORECASE)
_MONTH_AND_YEAR = re.compile(rf"{_MONTH}[-/ ']{{1,2}}(\d{{2}})", re.IGNORECASE)
# Quarters, months and weeks of a year, and spans of days, as pandas reads them.
_PARTS_OF_YEARS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"Q([1-4])[ /'-]*((?:19|20|21)\d{2})", re.IGNORECASE), r"\2Q\1"),
    (re.compile(r"((?:19|20|21)\d{2})[ :.-]?M(\d{1,2})", re.IGNORECASE), r"\1-\2"),
    (re.compile(r"(\d{4}-\d{2}-\d{2})/\d{4}-\d{2}-\d{2}"), r"\1"),
)
_WEEK = re.compile(r"((?:19|20|21)\d{2})[ -]?W(\d{1,2})(?:-?([1-7]))?", re.IGNORECASE)
_WORDED = re.compile(r".*(?<!\d)(19|20|21)\d{2}(?!\d).*|(19|20|21)\d{6}(?:[T ]?\d{4,6})?")


@dataclass(frozen=True)
class Times:
    """Times of rows.

    Attributes
    ----------
    values : (T,) numbers in `unit`; of dates, seconds since the first.
    kind : whether they were written as numbers or as dates.
    unit : where it is known.
    dates : of each row, where they are dates.
    named_units : whether the unit or a letter stood in each cell, as in a header `10h`.
    notes : how they were read.
    warnings : what may be read wrongly.
    """

    values: NDArray[np.float64]
    kind: Literal["number", "date"]
    unit: str | None = None
    dates: pd.DatetimeIndex | None = None
    named_units: bool = False
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoTime:
    """Cells that are no times: the first such row, what it holds, and how many were times."""

    row: int
    cell: Any
    n_read: int


def read_times(cells: Any) -> Times | NoTime:
    """Times of the cells of one column or index, in one way of writing for all of them."""
    column = pd.Series(cells).reset_index(drop=True)
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return _dates_or_gap(column, column)
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        return _all_read(column, Times(column.dt.total_seconds().to_numpy(np.float64), "number", "s"))
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype):
        return _numbers(column)
    return _from_text(column)


def read_date_parts(frame: pd.DataFrame) -> Times | NoTime:
    """Times of columns year and month or quarter, or year, month, day (and hour, minute, second), called so."""
    if "quarter" in frame:
        month = 3 * frame["quarter"] - 2
        frame = frame.drop(columns="quarter").assign(month=month.where(frame["quarter"].between(1, 4)))
    if "day" not in frame:
        frame = frame.assign(day=1)
    return _dates_or_gap(frame.iloc[:, 0], pd.Series(pd.to_datetime(frame, errors="coerce")))


def joined(day: Times, clock: Any) -> Times | NoTime:
    """Dates of one column and times of the day of another."""
    text = pd.Series(clock).reset_index(drop=True).astype(str).str.strip()
    seconds = _clock(text)
    if day.dates is None or seconds is None:
        row = 0 if seconds is None else len(text)
        return NoTime(row, text.iloc[0] if len(text) else "", 0)
    dates = day.dates + pd.to_timedelta(seconds, unit="s")
    return replace(day, dates=dates, values=_since_first(dates))


def read_times_and_rest(labels: list[str]) -> tuple[Times, list[str]] | None:
    """Of labels such as `0h_1` or `WT.day 3` the times and what is beside them; None if they are not all so.

    Each rest has to be beside several times, as replicates and strains are.
    """
    times, rests = [], []
    for label in labels:
        label = re.sub(r"^X(?=\d)", "", label.strip())
        found = list(_WITHIN.finditer(label.replace("_", "/")))
        if len(found) != 1:
            return None
        times.append(found[0][0])
        rests.append((label[: found[0].start()] + " " + label[found[0].end() :]).strip(" _./-:|"))
    counts = [rests.count(rest) for rest in set(rests)]
    read = _counted(pd.Series(times, dtype=object)) if counts and min(counts) > 1 else None
    return None if read is None else (read, rests)


def _numbers(column: pd.Series[Any]) -> Times | NoTime:
    values = column.to_numpy(np.float64, na_value=np.nan)
    whole = np.isfinite(values).all() and (values == np.round(values)).all() if len(values) else False
    if whole and ((values >= 19000101) & (values <= 21001231)).all():
        dates = pd.to_datetime(pd.Series(values.astype(np.int64).astype(str)), format="%Y%m%d", errors="coerce")
        if dates.notna().all():
            return _of_dates(pd.DatetimeIndex(dates))
    return _all_read(column, Times(values, "number"))


def _all_read(column: pd.Series[Any], times: Times) -> Times | NoTime:
    bad = ~np.isfinite(times.values)
    if bad.any():
        row = int(np.argmax(bad))
        return NoTime(row, column.iloc[row], int((~bad).sum()))
    return times


def _from_text(column: pd.Series[Any]) -> Times | NoTime:
    text = column.map(lambda cell: "" if _is_nothing(cell) else str(cell).strip())
    plain = pd.to_numeric(text, errors="coerce")
    if len(text) and plain.notna().all():
        return _numbers(plain)
    for read in (_counted, _written_dates, _clock_times, _durations, _named_months, _worded_dates):
        times = read(text)
        if times is not None:
            return times
    readable = plain.notna() | text.map(lambda cell: bool(_COUNTED.fullmatch(cell) or _DATE.fullmatch(cell)))
    row = int(np.argmin(readable.to_numpy(bool))) if len(text) else 0
    return NoTime(row, text.iloc[row] if len(text) else "", int(readable.sum()))


def _is_nothing(cell: Any) -> bool:
    return cell is None or cell is pd.NaT or cell is pd.NA or (isinstance(cell, float) and cell != cell)


def _counted(text: pd.Series[Any]) -> Times | None:
    """`0h`, `t=5`, `day 3`, `12 min`: one unit for all, or several put into seconds."""
    matches = [_COUNTED.fullmatch(cell) for cell in text]
    if not matches or not all(matches):
        return None
    found = [match for match in matches if match is not None]
    numbers = np.array([float(match["number"].replace(",", ".")) for match in found])
    units = [UNIT_SECONDS.get((match["after"] or match["before"] or "").lower()) for match in found]
    named = all(match["before"] or match["after"] for match in found)
    distinct = set(units)
    if len(distinct) == 1:
        unit = units[0]
        return Times(numbers, "number", None if unit is None else _SHORT[unit], named_units=named)
    if distinct <= {None, *UNIT_SECONDS.values()} and (
        None not in distinct or not numbers[[u is None for u in units]].any()
    ):
        seconds = numbers * np.array([u or 1.0 for u in units])
        size = min(u for u in distinct if u is not None)
        return Times(seconds / size, "number", _SHORT[size], named_units=True)
    return None


def _clock(text: pd.Series[Any]) -> NDArray[np.float64] | None:
    """Seconds of `HH:MM`, `HH:MM:SS`, `HH.MM.SS`, `HH:MM PM` or `MM:SS.s`."""
    halves = [_HALF_DAY.fullmatch(cell) for cell in text]
    if halves and all(halves):
        found = [match for match in halves if match is not None]
        if any(not 1 <= int(match[1]) <= 12 or int(match[2] or 0) > 59 for match in found):
            return None
        hours = [int(match[1]) % 12 + 12 * (match[4].lower() == "p") for match in found]
        return np.array(
            [h * 3600 + int(m[2] or 0) * 60 + int(m[3] or 0) for h, m in zip(hours, found, strict=True)], float
        )
    short = [_OF_MINUTES.fullmatch(cell) for cell in text]
    if short and all(short):
        return np.array(
            [int(match[1]) * 60 + float(match[2].replace(",", ".")) for match in short if match is not None]
        )
    matches = [_CLOCK.fullmatch(cell) for cell in text]
    if not matches or not all(matches):
        return None
    parts = [match.groups(default="0") for match in matches if match is not None]
    if any(int(minutes) > 59 for _, minutes, _ in parts):
        return None
    return np.array([int(h) * 3600 + int(m) * 60 + float(s.replace(",", ".")) for h, m, s in parts])


def _clock_times(text: pd.Series[Any]) -> Times | None:
    seconds = _clock(text)
    if seconds is None:
        return None
    # from 23:50 to 0:10 a day has passed
    midnights = np.concatenate([[0], np.cumsum(np.diff(seconds) < -43200)]) if seconds.max() < 86400 else 0.0
    return Times(seconds + 86400 * midnights, "number", "s", named_units=True)


def _durations(text: pd.Series[Any]) -> Times | None:
    """`2h30`, `1 h 30 min`, `1 days 02:00:00`, `PT1H30M`; one unit alone is for `_counted`."""
    matches = [_DURATION.fullmatch(cell) for cell in text]
    if (
        not matches
        or not all(matches)
        or not any(m["iso"] or m["days"] or m["several"] for m in matches if m is not None)
    ):
        return None
    spelled = text.str.replace(r"(?i)h ?(\d{2})$", r"h\1min", regex=True).str.replace(
        r"(?i)(\d ?)m(?![a-z])", r"\1min", regex=True
    )
    iso = [match is not None and match["iso"] is not None for match in matches]
    read = pd.to_timedelta(text.where(pd.Series(iso), spelled.str.replace(",", " ")), errors="coerce")
    if read.isna().any():
        return None
    return Times(read.dt.total_seconds().to_numpy(np.float64), "number", "s", named_units=True)


def _named_months(text: pd.Series[Any]) -> Times | None:
    """`31-Jan-20`, `Jan-20` and `31-Jan`, whose number may be of a day or of a year: what has the more even steps."""
    whole = [_DAY_AND_MONTH.fullmatch(cell) for cell in text]
    if whole and all(match is not None and match[3] for match in whole):
        found = [match for match in whole if match is not None]
        dates = _assembled(
            _years([m[3] for m in found]), _months([m[2] for m in found]), _ints([m[1] for m in found]), [None]
        )
        return None if dates is None else _of_dates(dates)
    turned = [_MONTH_AND_YEAR.fullmatch(cell) for cell in text]
    if whole and all(match is not None and not match[3] for match in whole):
        pairs = [(match[2], match[1]) for match in whole if match is not None]
    elif turned and all(turned):
        pairs = [(match[1], match[2]) for match in turned if match is not None]
    else:
        return None
    months, numbers = _months([month for month, _ in pairs]), _ints([number for _, number in pairs])
    of_years = _assembled(_years([number for _, number in pairs]), months, np.ones_like(months), [None])
    of_days = _assembled(_rolled(months), months, numbers, [None])
    first, second = (of_days, of_years) if all(whole) else (of_years, of_days)
    better = second is not None and (first is None or _evenness(second) > _evenness(first))
    dates = second if better else first
    if dates is None:
        return None
    which = "month and year" if dates is of_years else "day and month"
    return _of_dates(dates, (f"dates such as {text.iloc[0]!r} were read as {which}",))


def _ints(cells: list[str]) -> NDArray[Any]:
    return np.array([int(cell) for cell in cells])


def _years(cells: list[str]) -> NDArray[Any]:
    """Of two digits."""
    numbers = _ints(cells)
    return np.where(numbers < 70, 2000 + numbers, 1900 + numbers)


def _months(cells: list[str]) -> NDArray[Any]:
    return np.array([_MONTHS.index(cell[:3].lower()) + 1 for cell in cells])


def _rolled(months: NDArray[Any]) -> NDArray[Any]:
    """Years of dates without one: the next after each December that a January follows, if the months rise then."""
    years = 2000 + np.concatenate([[0], np.cumsum(np.diff(months) < -6)])
    rising = bool((np.diff(years * 12 + months) >= 0).all())
    return years if rising else np.full_like(months, 2000)


def _written_dates(text: pd.Series[Any]) -> Times | None:
    """Three numbers with `.`, `/` or `-` between, the order of day and month decided by all rows."""
    matches = [_DATE.fullmatch(cell) for cell in text]
    if not matches or not all(matches):
        return None
    found = [match for match in matches if match is not None]
    first, middle, last = (np.array([int(match[k]) for match in found]) for k in (1, 3, 4))
    rests = [match[5] for match in found]
    notes: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    if all(len(match[1]) == 4 for match in found):
        dates = _assembled(first, middle, last, rests)
    else:
        year = np.where(last >= 100, last, np.where(last < 70, 2000 + last, 1900 + last))
        day_first = _assembled(year, middle, first, rests)
        month_first = None if found[0][2] == "." else _assembled(year, first, middle, rests)
        dates = day_first if day_first is not None else month_first
        if day_first is not None and month_first is not None and not day_first.equals(month_first):
            dates, notes, warned = _either(day_first, month_first, found[0][0])
        elif dates is not None and day_first is not month_first:
            which = "day/month/year" if dates is day_first else "month/day/year"
            notes = (f"dates such as {found[0][0]!r} were read as {which}",)
    return None if dates is None else _of_dates(dates, notes, warned)


def _either(
    day_first: pd.DatetimeIndex, month_first: pd.DatetimeIndex, shown: str
) -> tuple[pd.DatetimeIndex, tuple[str, ...], tuple[str, ...]]:
    """The reading that rises, or has the more even steps; else day first."""
    month_is_better = _evenness(month_first) > _evenness(day_first)
    dates, which = (month_first, "month/day/year") if month_is_better else (day_first, "day/month/year")
    same = np.array_equal(np.argsort(day_first, kind="stable"), np.argsort(month_first, kind="stable"))
    clear = _evenness(month_first) != _evenness(day_first)
    text = f"dates such as {shown!r} were read as {which}; no row tells day from month"
    if same or clear:
        return dates, (text,), ()
    return dates, (), (text + ", and the order of the rows depends on it: write dates as YYYY-MM-DD",)


def _evenness(dates: pd.DatetimeIndex) -> tuple[bool, float]:
    """Whether dates rise, and how many of their steps are alike."""
    steps = np.diff(np.sort(_since_first(dates)))
    common = float(np.mean(np.isclose(steps, np.median(steps), rtol=0.02))) if len(steps) else 0.0
    return bool(dates.is_monotonic_increasing), common


def _assembled(
    year: NDArray[Any], month: NDArray[Any], day: NDArray[Any], rests: list[str | None]
) -> pd.DatetimeIndex | None:
    if (month < 1).any() or (month > 12).any() or (day < 1).any() or (day > 31).any():
        return None
    parts = pd.DataFrame({"year": year, "month": month, "day": day})
    dates = pd.DatetimeIndex(pd.to_datetime(parts, errors="coerce"))
    if dates.hasnans:
        return None
    if not any(rests):
        return dates
    if all(rest is not None and _CLOCK.fullmatch(rest) for rest in rests):
        seconds = _clock(pd.Series(rests))
        return dates + pd.to_timedelta(seconds, unit="s")
    whole = [f"{day:%Y-%m-%d} {rest or ''}".strip() for day, rest in zip(dates, rests, strict=True)]
    return _parsed(pd.Series(whole))


def _worded_dates(text: pd.Series[Any]) -> Times | None:
    """`31 Jan 2020`, `2020-01`, `2020Q1`, `2020-W05`, `20200131`: whatever has a year that cannot be taken for a name."""
    text = text.map(_with_part_of_year)
    if not len(text) or not all(_WORDED.fullmatch(cell) for cell in text):
        return None
    dates = _parsed(text)
    return None if dates is None else _of_dates(dates)


def _with_part_of_year(cell: str) -> str:
    """`2020Q1` for `Q1 2020`, `1960-02` for `1960M2`, the Monday for `2020-W05`."""
    week = _WEEK.fullmatch(cell)
    if week is not None and 1 <= int(week[2]) <= 53:
        try:
            return str(date.fromisocalendar(int(week[1]), int(week[2]), int(week[3] or 1)))
        except ValueError:
            return cell
    for pattern, spelled in _PARTS_OF_YEARS:
        if pattern.fullmatch(cell):
            return pattern.sub(spelled, cell)
    return cell


def _parsed(text: pd.Series[Any]) -> pd.DatetimeIndex | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dates = pd.DatetimeIndex(pd.to_datetime(text, format="mixed", errors="coerce", utc=True))
        except (ValueError, TypeError, OverflowError):
            return None
    return None if dates.hasnans else dates.tz_convert(None)


def _dates_or_gap(column: pd.Series[Any], dates: pd.Series[Any]) -> Times | NoTime:
    missing = dates.isna().to_numpy()
    if missing.any():
        row = int(np.argmax(missing))
        return NoTime(row, column.iloc[row], int((~missing).sum()))
    index = pd.DatetimeIndex(dates)
    return _of_dates(index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index)


def _of_dates(dates: pd.DatetimeIndex, notes: tuple[str, ...] = (), warned: tuple[str, ...] = ()) -> Times:
    return Times(_since_first(dates), "date", "s", dates, notes=notes, warnings=warned)


def _since_first(dates: pd.DatetimeIndex) -> NDArray[np.float64]:
    if not len(dates):
        return np.empty(0)
    return np.asarray((dates - dates.min()) / pd.Timedelta(seconds=1), dtype=np.float64)
