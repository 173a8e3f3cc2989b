"""Tables as people save them: each way of saving one table reads as the table itself."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from grngc_fast import GRNGC
from grngc_fast.datasets import read_table
from grngc_fast.errors import DataWarning, InputError
from grngc_fast.series import SeriesTable, as_series_table

NAMES = ("a", "b", "c")
N_STEPS = 12
CLEAN = np.round(np.random.default_rng(7).normal(size=(N_STEPS, 3)) * [1, 1500, 1] + [0, 0, -5], 3)
SHUFFLED = np.random.default_rng(1).permutation(N_STEPS)
WHOLE = [list(range(N_STEPS))]
HALVES = [list(range(6)), list(range(6, 12))]


@dataclass(frozen=True)
class Case:
    """A way of saving: the text of a file or an object, the rows of CLEAN of each trajectory, and what is said."""

    name: str
    made: Any
    rows: list[list[int]] = field(default_factory=lambda: WHOLE)
    warned: str | None = None
    noted: str | None = None
    dropped: tuple[str, ...] = ()
    suffix: str = ".csv"
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def text(
    *front: tuple[str, Any],
    delimiter: str = ",",
    rows: Any = None,
    values: Callable[[float], str] = repr,
    end: str = "",
    header: bool = True,
    before: str = "",
    newline: str = "\n",
) -> str:
    """CLEAN, or some of its rows, with columns in front."""
    chosen = list(range(N_STEPS)) if rows is None else list(rows)
    body = [
        delimiter.join([*(str(cells[k]) for _, cells in front), *(values(v) for v in CLEAN[row].tolist())]) + end
        for k, row in enumerate(chosen)
    ]
    head = [delimiter.join([*(name for name, _ in front), *NAMES]) + end] if header else []
    return before + newline.join([*head, *body]) + newline


def turned(headers: list[str], columns: Any = None, delimiter: str = "\t", corner: str | None = "gene") -> str:
    """Series in rows, the columns being these rows of CLEAN."""
    chosen = list(range(N_STEPS)) if columns is None else list(columns)
    head = delimiter.join([*([corner] if corner is not None else []), *headers])
    lines = [delimiter.join([name, *(repr(float(v)) for v in CLEAN[chosen, k])]) for k, name in enumerate(NAMES)]
    return "\n".join([head, *lines]) + "\n"


def dates(form: str, start: str = "2020-01-25", freq: str = "D") -> list[str]:
    return [f"{day:{form}}" for day in pd.date_range(start, periods=N_STEPS, freq=freq)]


def frame(rows: Any = None, **options: Any) -> pd.DataFrame:
    chosen = list(range(N_STEPS)) if rows is None else list(rows)
    return pd.DataFrame(CLEAN[chosen], columns=list(NAMES), **options)


def comma(value: float) -> str:
    return repr(value).replace(".", ",")


def shuffled(cells: list[Any]) -> list[Any]:
    return [cells[k] for k in SHUFFLED]


LABELS = [f"s{k}" for k in range(N_STEPS)]
COUNTED = [str(k) for k in range(1, N_STEPS + 1)]
HOURS = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22]
TEXT_ORDER = sorted(range(N_STEPS), key=lambda k: f"{HOURS[k]}h")
IN_TEXT = [int(label[1:]) for label in sorted(LABELS)]
GAPPED = [0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14]
TWICE = [0, 1, 2, 3, 4, 5] * 2
INTERLEAVED = [k // 2 for k in range(N_STEPS)]
EVENS = [list(range(0, 12, 2)), list(range(1, 12, 2))]

SPELLED = {
    "time": [f"{k // 2}h{30 * (k % 2):02d}" for k in range(N_STEPS)],
    "Time": [f"{k // 2} h {30 * (k % 2)} min" for k in range(N_STEPS)],
    "elapsed": [str(pd.Timedelta(minutes=30 * k)) for k in range(N_STEPS)],
    "elapsed time": [f"PT{k}H" for k in range(N_STEPS)],
    "times": [f"{k:02d}:30.5" for k in range(N_STEPS)],
    "Period": [f"Q{1 + k % 4} {2019 + k // 4}" for k in range(N_STEPS)],
    "date": [f"1960M{k + 1}" for k in range(N_STEPS)],
    "week": [f"2020-W{k + 1:02d}" for k in range(N_STEPS)],
    "dates": [str(week) for week in pd.period_range("2020-01-06", periods=N_STEPS, freq="W")],
    "month": dates("%b-%y", "2019-08-01", "MS"),
    "Date": dates("%d-%b-%y"),
    "day": dates("%d-%b", "2020-01-05"),
}

TWO_LEVELS = ("columns in two levels", "two rows of names", "two levels of names", "two levels of names and an index")
UNITS = text(("time", range(N_STEPS))).split("\n", 1)

FILES = [
    # time columns out of order
    Case("time shuffled", text(("time", SHUFFLED), rows=SHUFFLED), noted="sorted by 'time'", dropped=("time",)),
    Case("Time (h) shuffled", text(("Time (h)", SHUFFLED), rows=SHUFFLED), noted="sorted by"),
    Case("t shuffled", text(("t", SHUFFLED), rows=SHUFFLED), noted="sorted by 't'"),
    Case("hours shuffled", text(("hours", SHUFFLED * 3), rows=SHUFFLED), noted="sorted by 'hours'"),
    Case("iso dates shuffled", text(("timestamp", shuffled(dates("%Y-%m-%d"))), rows=SHUFFLED), noted="sorted by"),
    Case("headers 0h 10h 12h", turned([f"{HOURS[k]}h" for k in TEXT_ORDER], TEXT_ORDER), warned="order 0, 2, 4, 6, 8, 10",
         suffix=".tsv", options={"transpose": True}),
    Case("headers t=5", turned([f"t={k}" for k in SHUFFLED], SHUFFLED), warned="order 0, 1, 2", options={"transpose": True}),
    Case("headers day 3", turned([f"day {k}" for k in SHUFFLED], SHUFFLED), warned="days", options={"transpose": True}),
    Case("headers of numbers", turned([str(k) for k in SHUFFLED], SHUFFLED), noted="sorted", options={"transpose": True}),
    Case("headers of dates", turned(shuffled(dates("%Y-%m-%d")), SHUFFLED), noted="sorted", options={"transpose": True}),
    Case("headers of samples", turned(LABELS), options={"transpose": True}),
    Case("headers s0 s1 s10", turned(sorted(LABELS), IN_TEXT), rows=[IN_TEXT], warned="order of text",
         options={"transpose": True}),
    Case("headers with replicates", turned([f"{h}h_{r}" for h in range(6) for r in (1, 2)],
         [k + 6 * r for k in range(6) for r in (0, 1)]), rows=HALVES,
         warned="the time 0 h of trajectory '1', one of 2", options={"transpose": True}),
    Case("headers of R with replicates", turned([*(f"X{h}h" for h in range(6)), *(f"X{h}h.1" for h in range(6))]),
         rows=HALVES, warned="one of 2", options={"transpose": True}),
    Case("headers with replicates, cut by length", turned([f"{h}h_{r}" for r in (1, 2) for h in range(6)]), rows=HALVES,
         options={"transpose": True, "trajectory_length": 6}),
    # gaps and repeated times
    Case("gap", text(("time", GAPPED)), rows=HALVES, noted="1 gap: 2 pieces of 6, 6 steps"),
    Case("gap shuffled", text(("time", [GAPPED[k] for k in SHUFFLED]), rows=SHUFFLED), rows=HALVES, noted="1 gap"),
    Case("gap ignored", text(("time", GAPPED)), options={"gaps": "ignore"}, noted="gaps='ignore'"),
    Case("gap of dates", text(("date", [f"2020-03-{k + 1:02d}" for k in GAPPED])), rows=HALVES, noted="1 gap"),
    Case("months are regular", text(("date", dates("%Y-%m-%d", "2020-01-31", "ME")))),
    Case("a month is missing", text(("date", [d for k, d in enumerate(
        f"{day:%Y-%m-%d}" for day in pd.date_range("2020-01-01", periods=N_STEPS + 1, freq="MS")) if k != 6])),
        rows=HALVES, noted="1 gap"),
    Case("weekends are no gap", text(("Date", dates("%d/%m/%Y", "2020-01-27", "B"))), noted="day/month/year"),
    Case("uneven steps", text(("time", np.cumsum(np.arange(1, 13) ** 2))), noted="uneven steps"),
    Case("time starts again", text(("time", TWICE)), rows=HALVES, noted="starts again"),
    Case("replicates side by side", text(("time", INTERLEAVED)), rows=EVENS, warned="every time 2 times"),
    Case("rows there twice", text(("time", [0, 1, 2, 2, *range(3, 12)]), rows=[0, 1, 2, 2, *range(3, 12)]), noted="there twice"),
    Case("one time twice", text(("time", [*range(6), *range(5, 11)])), rows=HALVES, noted="starts again"),
    Case("a time twice, shuffled", text(("time", [[0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10][k] for k in SHUFFLED[::-1]]),
         rows=SHUFFLED[::-1]), rows=[[0, 1, 2, 3, 4, 6 if list(SHUFFLED[::-1]).index(6) < list(SHUFFLED[::-1]).index(5) else 5],
         [5 if list(SHUFFLED[::-1]).index(6) < list(SHUFFLED[::-1]).index(5) else 6, 7, 8, 9, 10, 11]], noted="cut there"),
    Case("trajectory column, shuffled", text(("cell", ["p" if k < 6 else "q" for k in SHUFFLED]), ("time", SHUFFLED % 6),
         rows=SHUFFLED), rows=HALVES if SHUFFLED[0] < 6 else HALVES[::-1], options={"trajectory_column": "cell"}),
    Case("trajectories 1 and 01", text(("cell", ["1"] * 6 + ["01"] * 6)), rows=HALVES, options={"trajectory_column": "cell"}),
    Case("numbers of subjects, shuffled", text(("subject", SHUFFLED // 6), ("time", SHUFFLED % 6), rows=SHUFFLED),
         rows=HALVES if SHUFFLED[0] < 6 else HALVES[::-1], warned="'subject' was taken to tell trajectories apart"),
    # labels of rows
    Case("R's write.table", text(("", LABELS), delimiter="\t").removeprefix("\t"), noted="labels of the rows", suffix=".txt"),
    Case("R's write.table, numbers", '"a" "b" "c"\n' + text(("", [f'"{k}"' for k in COUNTED]), delimiter=" ", header=False),
         noted="numbers the rows", suffix=".txt"),
    Case("pandas' index", text(("", range(N_STEPS))), noted="numbers the rows", dropped=("",)),
    Case("pandas' index twice", text(("", range(N_STEPS)), ("Unnamed: 0", range(N_STEPS))), dropped=("", "Unnamed: 0")),
    Case("pandas' index of two tables", text(("", TWICE)), rows=HALVES, noted="starts again"),
    Case("pandas' index with dates", text(("", shuffled(dates("%Y-%m-%d"))), rows=SHUFFLED), noted="sorted by"),
    Case("names of samples", text(("sample", LABELS)), noted="labels of the rows", dropped=("sample",)),
    Case("labels without a header", text(("", LABELS), header=False), noted="labels of the rows"),
    # dates
    Case("31/01/2020", text(("Date", dates("%d/%m/%Y"))), noted="day/month/year"),
    Case("01/31/2020", text(("date", dates("%m/%d/%Y"))), noted="month/day/year"),
    Case("ambiguous dates", text(("date", dates("%d/%m/%Y", "2020-02-01"))), noted="no row tells day from month"),
    Case("2020-01-31 00:00:00", text(("timestamp", dates("%Y-%m-%d %H:%M:%S")))),
    Case("with a time zone", text(("Time", dates("%Y-%m-%dT%H:%M:%SZ", freq="h")))),
    Case("31.01.20", text(("Datum", dates("%d.%m.%y")))),
    Case("Jan 2020", text(("month", dates("%b %Y", "2020-01-01", "MS")))),
    Case("20200131", text(("date", dates("%Y%m%d")))),
    Case("year, month, day", text(*[(n, dates(f)) for n, f in (("year", "%Y"), ("month", "%m"), ("day", "%d"))]),
         dropped=("year", "month", "day")),
    Case("date and time of the day", text(("Date", ["10/03/2004"] * N_STEPS),
         ("Time", [f"{h + 8:02d}.00.00" for h in range(12)])), dropped=("Date", "Time")),
    Case("hours and minutes past midnight", text(("time", [f"{(h + 18) % 24}:00" for h in range(N_STEPS)]))),
    Case("dates in a column of another name", text(("collected", shuffled(dates("%Y-%m-%d"))), rows=SHUFFLED), noted="sorted"),
    *(Case(f"{cells[0]} in {name!r}, shuffled", text((name, shuffled(cells)), rows=SHUFFLED), noted="sorted by", dropped=(name,))
      for name, cells in SPELLED.items()),
    *(Case(f"numbers in {name!r}, shuffled", text((name, SHUFFLED), rows=SHUFFLED), noted="sorted by", dropped=(name,))
      for name in ("unix_time", "Time Step", "time_idx", "velocity_pseudotime", "slingPseudotime_1", "step", "cycle")),
    Case("29-Dec past the new year", text(("Date", dates("%d-%b", "2020-12-28")))),
    Case("hours before and after noon", text(("time", dates("%I:%M %p", freq="h"))), dropped=("time",)),
    Case("year and quarter", text(("year", [1959 + k // 4 for k in range(12)]), ("quarter", [1.0 + k % 4 for k in range(12)])),
         dropped=("year", "quarter")),
    Case("year and month", text(("Year", [2019 + (k + 6) // 12 for k in range(12)]), ("Month", [(k + 6) % 12 + 1
         for k in range(12)])), dropped=("Year", "Month")),
    Case("numbers of samples", text(("Sample No.", COUNTED)), noted="numbers the rows", dropped=("Sample No.",)),
    # spreadsheets
    Case("semicolons, decimal commas, byte-order mark", text(("Datum", dates("%d.%m.%Y")), delimiter=";", values=comma,
         before="\ufeff", newline="\r\n"), noted="decimals are written with a comma"),
    Case("decimal commas, tabs", text(delimiter="\t", values=comma), noted="comma", suffix=".tsv"),
    Case("decimal commas, quoted", text(values=lambda v: f'"{comma(v)}"'), noted="comma"),
    Case("sep=;", text(delimiter=";", values=comma, before="sep=;\n"), noted="comma"),
    Case("trailing delimiters", text(end=","), noted="empty column"),
    Case("two trailing semicolons", text(("t", range(N_STEPS)), delimiter=";", values=comma, end=";;"), noted="empty columns"),
    Case("trailing delimiters but in the header", "a,b,c\n" + text(end=",").split("\n", 1)[1], noted="empty column"),
    Case("trailing delimiters, no header", text(end=",", header=False), noted="empty column"),
    Case("rows of nothing below", text(delimiter=";") + ";;\n;;\n"),
    Case("a row of nothing between", text(rows=range(6)) + ",,\n" + text(rows=range(6, 12), header=False), rows=HALVES),
    Case("blank lines between", text(rows=range(6)) + "\n \n" + text(rows=range(6, 12), header=False), rows=HALVES),
    Case("old Mac line ends", text(newline="\r")),
    Case("thousands", text(values=lambda v: f'"{v:,.3f}"')),
    Case("a title above", "Plate 5\n\n" + text(), noted="title"),
    Case("units below the header", f"{UNITS[0]}\n(h),nM,(nM),%\n{UNITS[1]}", noted="was taken for units"),
    Case("two rows of names", text().replace("a,b,c", "x,x,x\na,b,c"), noted="was taken for units"),
    Case("two levels of names", text(("", range(N_STEPS))).replace(",a,b,c", "k,x,x,x\nm,a,b,c"), noted="was taken for units"),
    Case("two levels of names and an index", text(("", range(N_STEPS))).replace(",a,b,c", "k,x,x,x\nm,a,b,c\ntime,,,"),
         noted="was taken for units", dropped=("time",)),
    Case("numbers of rows out of order", text(("index", [*COUNTED[::-1]])), warned="index of the rows is out of order"),
    Case("headers 0 0 1 1", turned([str(k // 2) for k in range(N_STEPS)]), rows=EVENS, warned="every time 2 times",
         options={"transpose": True}),
    Case("a header that is no time", turned([*(f"{h}h" for h in range(11)), "pvalue"]), warned="'pvalue' is none",
         options={"transpose": True}),
    Case("the header twice", text(rows=range(6)) + text(rows=range(6, 12)), rows=HALVES, noted="the header is there 2 times"),
    Case("thousands of Switzerland", text(values=lambda v: f"{v:,.3f}".replace(",", "'"))),
    Case("thousands of France", text(delimiter=";", values=lambda v: comma(round(v, 3)) if abs(v) < 1000 else
         f"{v:,.3f}".replace(",", "\u202f").replace(".", ","))),
    Case("thousands with a blank", text(values=lambda v: f'"{v:,.3f}"'.replace(",", " "))),
    Case("two byte-order marks", "\ufeff\ufeff" + text()),
    Case("UTF-16 without a mark", text(delimiter="\t").encode("utf-16-le"), suffix=".txt"),
    Case("gzip that is none", text().encode(), suffix=".csv.gz", warned="is not packed"),
    Case("gzip under another name", gzip.compress(text().encode())),
    Case("a row called mean", text(("", [*LABELS[:11], "mean"])), warned="rows called 'mean'"),
    # comments
    Case("a comment above", text(before="# made by a script\n")),
    Case("several comments and units", text(before="# made by, a script\n#\n# units, mV, mV\n")),
    Case("comments between", text(rows=range(6)) + "# pause\n" + text(rows=range(6, 12), header=False)),
    Case("a comment is the header", "#" + text()),
    Case("a typographic minus", text().replace("-", "\u2212")),
    Case("a percent sign", text(before="% made by a script\n"), options={"comment": "%"}),
    Case("vertical bars", text(delimiter="|")),
    Case("blanks of any width", "\n".join("   ".join(line.split(",")) for line in text().split("\n")), suffix=".dat"),
    Case("fixed width, indented", "\n".join("  " + "\t ".join(line.split(",")) for line in text().split("\n")), suffix=".txt"),
    Case("cells with blanks", text(delimiter=" , ")),
    Case("UTF-16", text(delimiter="\t").encode("utf-16"), suffix=".txt"),
    Case("Windows-1252", text().replace("c\n", "µ\n", 1).encode("cp1252"), warned="Windows-1252"),
    Case("gzip", gzip.compress(text(("time", SHUFFLED), rows=SHUFFLED).encode()), suffix=".csv.gz", noted="sorted"),
]  # fmt: skip

dated = pd.date_range("2020-01-25", periods=N_STEPS, name="when")
SUBJECTS = pd.concat({"p": frame(range(6)).reset_index(drop=True), "q": frame(range(6, 12)).reset_index(drop=True)})
MULTI = SUBJECTS.rename_axis(["subject", "time"])


def polars_frame(rows: Any, **front: Any) -> Any:
    pl = pytest.importorskip("polars")
    return pl.DataFrame({**front, **{name: CLEAN[rows, k] for k, name in enumerate(NAMES)}})


class Standin(SimpleNamespace):
    """An object of another library, by its attributes."""


def anndata(X: Any, obs: pd.DataFrame) -> Standin:
    return Standin(X=X, obs=obs, obs_names=obs.index, var_names=pd.Index(NAMES))


def data_array(values: Any, dims: tuple[str, ...], **coords: Any) -> Standin:
    held = {name: Standin(values=np.asarray(cells)) for name, cells in coords.items()}
    return Standin(values=np.asarray(values), dims=dims, coords=held)


class _Dataset(Standin):
    def __getitem__(self, name: str) -> Any:
        return self.data_vars[name]


def dataset(variables: dict[str, Standin], **coords: Any) -> _Dataset:
    held = {name: Standin(values=np.asarray(cells)) for name, cells in coords.items()}
    return _Dataset(data_vars=variables, coords=held, dims=dict.fromkeys(coords, N_STEPS))


class _Sparse(Standin):
    def toarray(self) -> Any:
        return self.dense


RECORDS = frame(SHUFFLED).assign(time=SHUFFLED)

OBJECTS = [
    Case("a frame", frame()),
    Case("a time column, shuffled", frame(SHUFFLED).assign(time=SHUFFLED), noted="sorted by 'time'", dropped=("time",)),
    Case("a column of dates, shuffled", frame(SHUFFLED).assign(seen=dated[SHUFFLED]), noted="by 'seen'", dropped=("seen",)),
    Case("a DatetimeIndex, shuffled", frame(SHUFFLED, index=dated[SHUFFLED]), noted="sorted by 'when'"),
    Case("a time zone", frame(SHUFFLED, index=dated[SHUFFLED].tz_localize("Europe/Paris")), noted="sorted"),
    Case("a PeriodIndex", frame(index=pd.period_range("2020-01", periods=N_STEPS, freq="M"))),
    Case("a TimedeltaIndex, shuffled", frame(SHUFFLED, index=pd.to_timedelta(SHUFFLED, unit="h")), noted="sorted"),
    Case("an index called time", frame(SHUFFLED, index=pd.Index(SHUFFLED, name="time")), noted="sorted"),
    Case("an index of dates as text", frame(SHUFFLED, index=[f"{d:%Y-%m-%d}" for d in dated[SHUFFLED]]), noted="sorted"),
    Case("an index of labels", frame(index=LABELS), noted="labels of the rows"),
    Case("an index that skips", frame(index=GAPPED), warned="leaves numbers out"),
    Case("an index out of order", frame(index=SHUFFLED), warned="out of order"),
    Case("concat of two frames", pd.concat([frame(range(6)), frame(range(6, 12))]), rows=HALVES, noted="starts again"),
    Case("concat of named frames", SUBJECTS, rows=HALVES),
    Case("subject and time", MULTI, rows=HALVES),
    Case("subject and time, shuffled", MULTI.iloc[SHUFFLED], rows=HALVES if SHUFFLED[0] < 6 else HALVES[::-1], noted="sorted"),
    Case("time and subject", MULTI.swaplevel().sort_index(), rows=HALVES),
    Case("a gap in dates", frame(index=pd.Timestamp("2020-01-01") + pd.to_timedelta(GAPPED, "D")), rows=HALVES, noted="1 gap"),
    Case("a trajectory column", frame().assign(cell=["p"] * 6 + ["q"] * 6), rows=HALVES, options={"trajectory": "cell"}),
    Case("a list in another order", [frame(range(6)), frame(range(6, 12))[["c", "a", "b"]]], rows=HALVES, noted="by name"),
    Case("a mapping of frames", {"p": frame(range(6)), "q": frame(range(6, 12))}, rows=HALVES),
    Case("a mapping of series", {name: CLEAN[:, k] for k, name in enumerate(NAMES)}),
    Case("numbers as text", frame().astype(str)),
    Case("columns in two levels", frame().set_axis(pd.MultiIndex.from_product([["x"], NAMES]), axis=1), noted=None),
    Case("AnnData", anndata(CLEAN[SHUFFLED], pd.DataFrame({"pseudotime": SHUFFLED / 11}, index=LABELS)), noted="sorted"),
    Case("AnnData, sparse, by options", anndata(_Sparse(dense=CLEAN[SHUFFLED]), pd.DataFrame(
        {"order": SHUFFLED, "batch": pd.Categorical(["p" if k < 6 else "q" for k in SHUFFLED])}, index=LABELS)),
        rows=HALVES if SHUFFLED[0] < 6 else HALVES[::-1], options={"time": "order", "trajectory": "batch"}, noted="made dense"),
    Case("AnnData without a time", anndata(CLEAN, pd.DataFrame(index=LABELS)), warned="order of the cells was kept"),
    Case("a DataArray", data_array(CLEAN[SHUFFLED].T, ("gene", "time"), gene=NAMES, time=dated[SHUFFLED]), noted="sorted"),
    Case("a DataArray of trajectories", data_array(CLEAN.reshape(2, 6, 3), ("run", "time", "series"), series=NAMES), rows=HALVES),
    Case("a DataArray of named subjects", data_array(CLEAN.reshape(2, 6, 3), ("subject", "time", "roi"), subject=["p", "q"]),
         rows=HALVES),
    Case("a list of AnnData", [anndata(CLEAN[SHUFFLED], pd.DataFrame({"pseudotime": SHUFFLED / 11}, index=LABELS))],
         noted="sorted"),
    Case("a mapping of AnnData by option", {"p": anndata(CLEAN[SHUFFLED], pd.DataFrame({"order": SHUFFLED}, index=LABELS))},
         options={"time": "order"}, noted="sorted"),
    Case("AnnData of two times", anndata(CLEAN[SHUFFLED], pd.DataFrame({"dpt_pseudotime": SHUFFLED / 11, "latent_time": 1.0},
         index=LABELS)), noted="'dpt_pseudotime' was taken before 'latent_time'"),
    Case("a mapping of Series with dates", {name: pd.Series(CLEAN[SHUFFLED, k], dated[SHUFFLED]) for k, name in enumerate(NAMES)},
         noted="sorted"),
    Case("a mapping of Series in other orders", {name: frame(index=dated)[name].iloc[np.roll(SHUFFLED, k)] for k, name in
         enumerate(NAMES)}),
    Case("records", RECORDS.to_dict("records"), noted="sorted by 'time'"),
    Case("a structured array", RECORDS.to_records(index=False), noted="sorted by 'time'"),
    Case("a mapping of arrays", {"p": CLEAN[:6], "q": CLEAN[6:]}, rows=HALVES),
    Case("tables of other steps", [frame(range(6)).assign(time=range(6)), frame(range(6, 12)).assign(time=np.arange(6) * 10)],
         rows=HALVES, warned="steps of 1 and another of 10"),
    Case("a Dataset of one dimension", dataset({name: data_array(CLEAN[:, k], ("index",)) for k, name in enumerate(NAMES)},
         index=range(N_STEPS))),
    Case("a Dataset", dataset({**{name: data_array(CLEAN[SHUFFLED, k], ("time",)) for k, name in enumerate(NAMES)},
         "depth": data_array(np.ones(4), ("layer",))}, time=SHUFFLED), noted="sorted", dropped=("depth",)),
]  # fmt: skip


def check(case: Case, read: Callable[[], SeriesTable]) -> None:
    if case.warned:
        with pytest.warns(DataWarning, match=case.warned):
            table = read()
    else:
        table = read()
    assert [len(t) for t in table.trajectories] == [len(rows) for rows in case.rows]
    for trajectory, rows in zip(table.trajectories, case.rows, strict=True):
        assert_array_equal(trajectory, CLEAN[rows])
    names = {"Windows-1252": ("a", "b", "µ"), **dict.fromkeys(TWO_LEVELS, ("x a", "x b", "x c"))}.get(case.name, NAMES)
    assert table.names == (names if table.named else ("x0", "x1", "x2"))
    reading = table.reading
    assert reading is not None
    assert reading.n_pieces == len(case.rows)
    if case.noted:
        assert any(case.noted in note for note in reading.notes), reading.notes
    if case.dropped:
        assert tuple(name for name, _ in reading.dropped) == case.dropped
    if not case.warned:
        assert not reading.warnings


@pytest.mark.parametrize("case", FILES, ids=str)
def test_files_read_as_the_clean_table(tmp_path: Path, case: Case) -> None:
    path = tmp_path / f"table{case.suffix}"
    path.write_bytes(case.made if isinstance(case.made, bytes) else case.made.encode())
    check(case, lambda: read_table(path, **case.options))


@pytest.mark.parametrize("case", OBJECTS, ids=str)
def test_objects_read_as_the_clean_table(case: Case) -> None:
    check(case, lambda: as_series_table(case.made, **case.options))


def in_workbook(path: Path) -> None:
    pytest.importorskip("openpyxl", reason="the extra io is not installed")
    table = frame(SHUFFLED)
    table.insert(0, "Date", dated[SHUFFLED])
    with pd.ExcelWriter(path) as book:
        table.to_excel(book, sheet_name="plate", index=False, startrow=2)
        pd.DataFrame({"x": [1]}).to_excel(book, sheet_name="notes")
        book.sheets["plate"]["A1"] = "Plate 5"


def in_turned_workbook(path: Path) -> None:
    pytest.importorskip("openpyxl", reason="the extra io is not installed")
    frame(TEXT_ORDER, index=[f"{HOURS[k]}h" for k in TEXT_ORDER]).T.to_excel(path, index_label="gene")


def in_parquet(path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra io is not installed")
    frame(SHUFFLED, index=dated[SHUFFLED]).to_parquet(path)


def in_npz(path: Path) -> None:
    np.savez(path, X=np.column_stack([SHUFFLED, CLEAN[SHUFFLED]]), names=np.array(["time", *NAMES]))


def in_h5ad(path: Path) -> None:
    """The parts of the format that are read, the matrix sparse."""
    h5py = pytest.importorskip("h5py", reason="the extra io is not installed")
    sparse = pytest.importorskip("scipy.sparse").csr_array(CLEAN[SHUFFLED])
    with h5py.File(path, "w") as file:
        matrix = file.create_group("X")
        matrix.attrs["encoding-type"], matrix.attrs["shape"] = "csr_matrix", sparse.shape
        for part in ("data", "indices", "indptr"):
            matrix[part] = getattr(sparse, part)
        obs, var = file.create_group("obs"), file.create_group("var")
        obs.attrs["_index"], var.attrs["_index"] = "_index", "gene"
        obs["_index"], var["gene"] = LABELS, list(NAMES)
        obs["pseudotime"] = SHUFFLED / 11
        batch = obs.create_group("batch")
        batch["codes"], batch["categories"] = (SHUFFLED >= 6).astype(np.int8), ["p", "q"]


def in_second_sheet(path: Path) -> None:
    pytest.importorskip("openpyxl", reason="the extra io is not installed")
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"about": ["see the paper", "12 steps"]}).to_excel(book, sheet_name="README", index=False)
        units = pd.DataFrame([["mV", "mV", "%"]], columns=list(NAMES))
        pd.concat([units, frame()]).to_excel(book, sheet_name="data", index=False)


def in_npz_with_time(path: Path) -> None:
    np.savez(path, X=CLEAN[SHUFFLED], time=SHUFFLED, names=np.array(NAMES))


def in_structured_npy(path: Path) -> None:
    np.save(path, RECORDS.to_records(index=False))


KEPT = [
    Case("a workbook with remarks first and units", in_second_sheet, suffix=".xlsx", noted="sheet 'data' was read"),
    Case("NPZ with the time apart", in_npz_with_time, suffix=".npz", noted="sorted by 'time'", dropped=("time",)),
    Case("a structured NPY", in_structured_npy, suffix=".npy", noted="sorted by 'time'", dropped=("time",)),
    Case("a workbook with a title and dates", in_workbook, suffix=".xlsx", noted="the others are 'notes'"),
    Case("a workbook, turned", in_turned_workbook, suffix=".xlsx", warned="order 0, 2, 4, 6", options={"transpose": True}),
    Case("Parquet with an index of dates", in_parquet, suffix=".parquet", noted="sorted by 'when'"),
    Case("NPZ with a time", in_npz, suffix=".npz", noted="sorted by 'time'", dropped=("time",)),
    Case("H5AD", in_h5ad, suffix=".h5ad", noted="made dense", dropped=("pseudotime",)),
    Case("H5AD by batch", in_h5ad, rows=HALVES if SHUFFLED[0] < 6 else HALVES[::-1], suffix=".h5ad",
         options={"time_column": "pseudotime", "trajectory_column": "batch"}),
]  # fmt: skip


@pytest.mark.parametrize("case", KEPT, ids=str)
def test_files_of_other_kinds_read_as_the_clean_table(tmp_path: Path, case: Case) -> None:
    case.made(tmp_path / f"table{case.suffix}")
    check(case, lambda: read_table(tmp_path / f"table{case.suffix}", **case.options))


def test_missing_values_stay_where_they_may(tmp_path: Path) -> None:
    marks = ["", "NA", "NaN", "nan", ".", "-999", "#N/A", "null", "n.d.", "--"]
    rows = text().split("\n")
    for k, mark in enumerate(marks, 1):
        cells = rows[k].split(",")
        rows[k] = ",".join([*cells[:2], mark])
    expected = CLEAN.copy()
    expected[: len(marks), 2] = np.nan
    (tmp_path / "t.csv").write_text("\n".join(rows))
    with pytest.raises(
        InputError, match=r"line 2: series 'c' has no value \(''\) \(10 such values in all\).*missing=\"drop\""
    ):
        read_table(tmp_path / "t.csv", missing_values=[-999])
    for missing in ("drop", "interpolate"):
        table = read_table(tmp_path / "t.csv", missing=missing, missing_values=[-999])
        assert_array_equal(table.trajectories[0], expected)
        assert table.reading is not None and table.reading.n_missing == len(marks)
        held = as_series_table(pd.DataFrame(expected, columns=list(NAMES)), missing=missing)
        assert_array_equal(held.trajectories[0], expected)
    with pytest.raises(InputError, match="series 'c' has no value"):
        as_series_table(pd.DataFrame(expected, columns=list(NAMES)))
    with pytest.raises(InputError, match=r"series 'x2' holds NaN at row 0 \(10 such"):
        as_series_table(expected)
    with pytest.raises(InputError, match="series without a single value: 'c'"):
        as_series_table(pd.DataFrame({"a": [1.0, 2], "b": [3.0, 1], "c": [np.nan, np.nan]}), missing="drop")
    with pytest.raises(InputError, match="infinite value"):
        as_series_table(frame().replace(CLEAN[0, 0], np.inf), missing="drop")
    with pytest.raises(InputError, match="missing is 'skip'"):
        read_table(tmp_path / "t.csv", missing="skip")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (frame().assign(cell=["p"] * 12), "column 'cell' holds labels such as 'p'.*trajectory='cell'"),
        (frame().assign(time=[*range(11), None]), "row 11: the time column 'time' is empty"),
        (frame(index=pd.Index(LABELS, name="gene")), r"column 'gene' holds labels.*X\.T"),
        ([frame(), frame().rename(columns={"c": "z"})], "trajectory 1 lacks 'c' and has 'z' besides"),
        (frame().iloc[:0], "X has no rows"),
        ([frame(), frame().iloc[:0]], "trajectory 1 has no rows"),
        ("table.csv", "'table.csv'; read a file by grngc_fast.datasets.read_table"),
        (list(frame().T.to_dict("series").values()), r"list of pandas Series.*pd\.concat"),
        (frame().set_axis([None, "b", "c"], axis=1), "X: column 1 has no name"),
        (frame().assign(d=[[1, 2]] * 12), r"column 'd' holds labels such as '\[1, 2\]'"),
        (frame().astype(object).replace(CLEAN[0, 0], "BDL"), r"'BDL'.*pass missing_values=\['BDL'\]"),
        (anndata(None, pd.DataFrame(index=LABELS)), "X has no matrix"),
        (
            anndata(CLEAN, pd.DataFrame({"pseudotime": [np.nan, *range(11)]})),
            "cell 0: .*'pseudotime' is empty; fill it in, or drop",
        ),
        (
            data_array(CLEAN.reshape(3, 4, 3), ("time", "lat", "lon")),
            r"are places: .*X\.stack\(series=\('lat', 'lon'\)\)",
        ),
        ([frame(), CLEAN], "mixes tables with names and arrays"),
        (data_array(CLEAN, ("p", "q")), "none of which is called time"),
        ({"a": np.arange(3.0), "b": np.arange(4.0)}, r"different lengths: \[3, 4\]"),
    ],
)
def test_objects_that_cannot_be_understood_are_refused(made: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_series_table(made)


def test_a_column_that_tells_nothing_but_is_called_time_is_left_out_aloud() -> None:
    for cells, message in [(["early"] * 6 + ["late"] * 6, "'early', which is no time"), ([3] * 12, "never changes")]:
        with pytest.warns(DataWarning, match=message):
            table = as_series_table(frame().assign(time=cells))
        assert_array_equal(table.trajectories[0], CLEAN)
        assert table.reading is not None and [name for name, _ in table.reading.dropped] == ["time"]


def test_what_a_mask_hides_is_missing() -> None:
    whole = np.ma.masked_greater(CLEAN.reshape(2, 6, 3), 100)
    with pytest.raises(InputError, match="masked array with values missing"):
        as_series_table(whole)
    table = as_series_table(whole, missing="drop")
    expected = np.where(CLEAN > 100, np.nan, CLEAN)
    assert_array_equal(np.concatenate(table.trajectories), expected)
    assert table.reading is not None and table.reading.n_missing == int(np.isnan(expected).sum()) > 0


def test_names_that_are_numbers_or_mixed_are_kept() -> None:
    assert as_series_table(frame().set_axis([7157, 672, 675], axis=1)).names == ("7157", "672", "675")
    assert as_series_table(frame().set_axis([1, "b", ("c", 2)], axis=1)).names == ("1", "b", "('c', 2)")
    assert not as_series_table(pd.DataFrame(CLEAN)).named


def test_labels_of_trajectories_that_may_be_series_are_doubted(tmp_path: Path) -> None:
    for name in ("subject_id", "State"):
        with pytest.warns(
            DataWarning, match=f"'{name}' was taken for a series, though its 2 numbers.*trajectory='{name}'"
        ):
            as_series_table(frame().assign(**{name: [1] * 6 + [2] * 6}))
    (tmp_path / "t.csv").write_text("country,2001,2002,2003\nA,1,2,3\nB,3,2,5\n")
    with pytest.raises(InputError, match="each row seems to be a series: pass transpose=True"):
        read_table(tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv", transpose=True).names == ("A", "B")


LONG = np.random.default_rng(3).normal(size=(60, 3))
for step in range(1, 60):
    LONG[step, 1] += 0.9 * LONG[step - 1, 0]
MIXED = np.random.default_rng(4).permutation(60)


@pytest.mark.parametrize(
    "made",
    [
        pd.DataFrame(LONG[MIXED], columns=list(NAMES)).assign(time=MIXED),
        pd.DataFrame(LONG[MIXED], columns=list(NAMES), index=pd.Timestamp("2020-01-01") + pd.to_timedelta(MIXED, "D")),
        {name: LONG[:, k] for k, name in enumerate(NAMES)},
        anndata(LONG[MIXED], pd.DataFrame({"pseudotime": MIXED / 60})),
    ],
    ids=["a time column", "a DatetimeIndex", "a mapping", "AnnData"],
)
def test_the_graph_is_that_of_the_clean_table(tmp_path: Path, made: Any) -> None:
    def graph(X: Any) -> Any:
        return GRNGC(max_steps=20, hidden=4, lags=1, model="mlp", random_state=0).fit(X)

    clean = graph(pd.DataFrame(LONG, columns=list(NAMES)))
    found = graph(made)
    assert_array_equal(found.graph_.scores, clean.graph_.scores)
    assert tuple(found.feature_names_in_) == NAMES
    assert_array_equal(found.predict(made), clean.predict(LONG))
    assert found.score(made) == clean.score(LONG)
    if isinstance(made, pd.DataFrame):
        path = tmp_path / "t.csv"
        made.to_csv(path, sep=";", decimal=",", index_label="when" if "time" not in made else "")
        assert_array_equal(graph(read_table(path)).graph_.scores, clean.graph_.scores)


def test_windows_do_not_cross_what_was_cut() -> None:
    """The graph of two halves given apart is that of a table with a gap between, and of two subjects."""
    parts = [pd.DataFrame(half, columns=list(NAMES)) for half in (LONG[:30], LONG[30:])]
    gap = pd.concat([parts[0].assign(time=np.arange(30)), parts[1].assign(time=np.arange(40, 70))])
    twice = pd.concat([parts[0].assign(time=np.arange(30)), parts[1].assign(time=np.arange(30))])
    scores = [
        GRNGC(max_steps=20, hidden=4, lags=2, model="mlp", random_state=0).fit(X).graph_.scores
        for X in (parts, gap, twice, pd.concat({"p": parts[0], "q": parts[1]}))
    ]
    for other in scores[1:]:
        assert_array_equal(other, scores[0])
    table = as_series_table(gap)
    assert table.origin == (0, 0)
    assert as_series_table(twice).origin is None
