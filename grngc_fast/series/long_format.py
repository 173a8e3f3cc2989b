"""Tables in long format, a row for each value of a series at a time, refused with the line that makes them wide."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from ..errors import InputError
from .columns import Sorting
from .numbers import is_plain
from .time_names import may_say_time, tells_apart

NAMES_OF_SERIES = re.compile(
    r"genes?([ _]?(id|names?|symbols?))?|(hugo[ _])?symbols?|orf|probes?([ _]?(id|set))?|id[ _]ref|entrez([ _]?(gene[ _])?id)?"
    r"|ensembl([ _]?(gene[ _])?id)?|features?|transcripts?|proteins?|target[ _]id|series|variables?"
)
_VALUES = re.compile(
    r"values?|val|expression|(read[ _]?)?counts?|measure(ment)?s?|signal|intensity|y|tpm|fpkm", re.IGNORECASE
)
# Share of the series at each time that a table in long format has at least.
FULL = 0.5
_READERS = {
    ".tsv": ", sep='\\t'",
    ".tab": ", sep='\\t'",
    **dict.fromkeys((".txt", ".dat"), ", sep=None, engine='python'"),
}


def refuse_long(sorting: Sorting, time: str | None = None) -> None:
    """Raise where a column names the series, another holds their values, and the times are there once for each.

    `time` : the column that was taken to tell it; None for none.

    Raises
    ------
    InputError : such a table.
    """
    if not sorting.frame.named or len(set(sorting.names)) < len(sorting.names):
        return
    plain = [sorting.names[p] for p in sorting.left if is_plain(sorting.dtypes[p])]
    text = [sorting.names[p] for p in sorting.left if not is_plain(sorting.dtypes[p])]
    named = [name for name in (*text, *plain) if NAMES_OF_SERIES.fullmatch(name.strip().lower())]
    series = named[0] if named else text[0] if len(text) == len(plain) == 1 and not tells_apart(text[0]) else None
    measured = [name for name in plain if name != series]
    if series is None or not measured:
        return
    guessed = time is None
    if guessed:
        time = next((name for name in measured if may_say_time(name)), measured[0] if len(measured) > 1 else None)
    measured = [name for name in measured if name != time and not tells_apart(name)]
    cells = sorting.frame.cells.set_axis(sorting.names, axis=1)
    indexed = time is not None and time in cells.index.names
    if not (indexed or time in sorting.names) or not measured:
        return
    values = next((name for name in measured if _VALUES.fullmatch(name.strip())), measured[0])
    index = [*(name for name in (*text, *plain) if name not in (series, time, values) and _tells(name, text)), time]
    if sorting.found.trajectory_name in sorting.names:
        index.insert(0, str(sorting.found.trajectory_name))
    keys = (cells.reset_index() if indexed else cells)[[*index, series]].astype(object)
    if not _is_grid(keys, series, FULL if series in text and not guessed else 1.0):
        return
    at = repr(index[0]) if len(index) == 1 else repr(index)
    pivot = f"{'reset_index().' * indexed}pivot(index={at}, columns={series!r}, values={values!r})"
    raise InputError(
        f"{sorting.frame.source} is in long format, a row for each {series!r} at each {time!r}; make each a column:"
        f" {_wide(sorting, pivot)}"
    )


def _is_grid(keys: pd.DataFrame, series: str, full: float) -> bool:
    """Whether series and times repeat, each pair is there once at most, and so full is the grid of both."""
    names, times = keys[series], keys.drop(columns=series)
    n_series, n_times = names.nunique(), int((~times.duplicated()).sum())
    repeated = len(keys) >= 2 * max(n_series, n_times)
    return repeated and not keys.duplicated().any() and len(keys) >= full * n_series * n_times


def _tells(name: str, text: list[str]) -> bool:
    return name in text or tells_apart(name)


def _wide(sorting: Sorting, pivot: str) -> str:
    """The line of pandas."""
    frame = sorting.frame
    if not frame.from_file:
        return f"X.{pivot}"
    path = Path(frame.source)
    kind = path.suffix.lower()
    reader = {".xlsx": "read_excel", ".parquet": "read_parquet", ".feather": "read_feather"}.get(kind, "read_csv")
    return f"pandas.{reader}({frame.source!r}{_READERS.get(kind, '')}).{pivot}.to_csv({path.stem + '_wide.csv'!r})"
