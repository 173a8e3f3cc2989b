"""Dates however they are written: three numbers, months by name, quarters and weeks, parts in columns of their own."""

from __future__ import annotations

import re
import warnings
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .clock import CLOCK, seconds_of_day
from .times import NoTime, Times

DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})(?:[T ,]+(\S.*?))?")
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


def read_date_parts(frame: pd.DataFrame) -> Times | NoTime:
    """Times of columns year and month or quarter, or year, month, day (and hour, minute, second), called so."""
    if "quarter" in frame:
        month = 3 * frame["quarter"] - 2
        frame = frame.drop(columns="quarter").assign(month=month.where(frame["quarter"].between(1, 4)))
    if "day" not in frame:
        frame = frame.assign(day=1)
    return dates_or_gap(frame.iloc[:, 0], pd.Series(pd.to_datetime(frame, errors="coerce")))


def written_dates(text: pd.Series[Any]) -> Times | None:
    """Three numbers with `.`, `/` or `-` between, the order of day and month decided by all rows."""
    matches = [DATE.fullmatch(cell) for cell in text]
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
    return None if dates is None else of_dates(dates, notes, warned)


def named_months(text: pd.Series[Any]) -> Times | None:
    """`31-Jan-20`, `Jan-20` and `31-Jan`, whose number may be of a day or of a year: what has the more even steps."""
    whole = [_DAY_AND_MONTH.fullmatch(cell) for cell in text]
    if whole and all(match is not None and match[3] for match in whole):
        found = [match for match in whole if match is not None]
        dates = _assembled(
            _years([m[3] for m in found]), _months([m[2] for m in found]), _ints([m[1] for m in found]), [None]
        )
        return None if dates is None else of_dates(dates)
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
    return of_dates(dates, (f"dates such as {text.iloc[0]!r} were read as {which}",))


def worded_dates(text: pd.Series[Any]) -> Times | None:
    """`31 Jan 2020`, `2020-01`, `2020Q1`, `2020-W05`, `20200131`: whatever has a year that cannot be taken for a name."""
    text = text.map(_with_part_of_year)
    if not len(text) or not all(_WORDED.fullmatch(cell) for cell in text):
        return None
    dates = _parsed(text)
    return None if dates is None else of_dates(dates)


def dates_or_gap(column: pd.Series[Any], dates: pd.Series[Any]) -> Times | NoTime:
    missing = dates.isna().to_numpy()
    if missing.any():
        row = int(np.argmax(missing))
        return NoTime(row, column.iloc[row], int((~missing).sum()))
    index = pd.DatetimeIndex(dates)
    return of_dates(index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index)


def of_dates(dates: pd.DatetimeIndex, notes: tuple[str, ...] = (), warned: tuple[str, ...] = ()) -> Times:
    return Times(since_first(dates), "date", "s", dates, notes=notes, warnings=warned)


def since_first(dates: pd.DatetimeIndex) -> NDArray[np.float64]:
    if not len(dates):
        return np.empty(0)
    return np.asarray((dates - dates.min()) / pd.Timedelta(seconds=1), dtype=np.float64)


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
    steps = np.diff(np.sort(since_first(dates)))
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
    if all(rest is not None and CLOCK.fullmatch(rest) for rest in rests):
        seconds = seconds_of_day(pd.Series(rests))
        return dates + pd.to_timedelta(seconds, unit="s")
    whole = [f"{day:%Y-%m-%d} {rest or ''}".strip() for day, rest in zip(dates, rests, strict=True)]
    return _parsed(pd.Series(whole))


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
