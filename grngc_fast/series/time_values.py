"""Cells of a time column into numbers: numbers as they are, `10h` and `day 3` by their unit, dates however they are written."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from .clock import seconds_of_day
from .dates import DATE, dates_or_gap, named_months, of_dates, since_first, worded_dates, written_dates
from .times import NoTime, Times

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
_DURATION_PART = rf"\d+(?:\.\d+)? ?(?:{_UNIT}|m)"
_DURATION = re.compile(
    rf"(?P<iso>[+-]?P(?=.)(?:\d+D)?(?:T(?=.)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?)"
    r"|(?P<days>[+-]?\d+ days?,? )?[+-]?\d{1,2}:\d{2}:\d{2}(?:\.\d+)?"
    rf"|(?P<several>{_DURATION_PART}(?:[ ,]*{_DURATION_PART})+|\d+ ?h ?\d{{2}})|{_DURATION_PART}",
    re.IGNORECASE,
)


def read_times(cells: Any) -> Times | NoTime:
    """Times of the cells of one column or index, in one way of writing for all of them."""
    column = pd.Series(cells).reset_index(drop=True)
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return dates_or_gap(column, column)
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        return _all_read(column, Times(column.dt.total_seconds().to_numpy(np.float64), "number", "s"))
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype):
        return _numbers(column)
    return _from_text(column)


def joined(day: Times, clock: Any) -> Times | NoTime:
    """Dates of one column and times of the day of another."""
    text = pd.Series(clock).reset_index(drop=True).astype(str).str.strip()
    seconds = seconds_of_day(text)
    if day.dates is None or seconds is None:
        row = 0 if seconds is None else len(text)
        return NoTime(row, text.iloc[0] if len(text) else "", 0)
    dates = day.dates + pd.to_timedelta(seconds, unit="s")
    return replace(day, dates=dates, values=since_first(dates))


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
            return of_dates(pd.DatetimeIndex(dates))
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
    for read in (_counted, written_dates, _clock_times, _durations, named_months, worded_dates):
        times = read(text)
        if times is not None:
            return times
    readable = plain.notna() | text.map(lambda cell: bool(_COUNTED.fullmatch(cell) or DATE.fullmatch(cell)))
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


def _clock_times(text: pd.Series[Any]) -> Times | None:
    seconds = seconds_of_day(text)
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
