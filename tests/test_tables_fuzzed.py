"""Tables that something happened to: the right numbers or an `InputError`; no other exception, no column lost unsaid."""

from __future__ import annotations

import contextlib
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from grngc_fast.datasets import read_table
from grngc_fast.errors import DataWarning, InputError
from grngc_fast.series import SeriesTable

FUZZED = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
FRONTS = ("none", "numbers", "labels", "time", "time shuffled", "dates shuffled", "labels without a header")


@dataclass(frozen=True)
class Saved:
    """A table and one way of writing it."""

    values: np.ndarray
    order: list[int]
    delimiter: str
    decimal: str
    front: str
    quoted: bool
    trailing: bool
    comment: bool
    blanks: int
    newline: str
    mark: str

    @property
    def names(self) -> list[str]:
        return [f"g{k}" for k in range(self.values.shape[1])]

    def cells(self) -> list[list[str]]:
        """The header and the rows, as cells."""
        shuffled = self.front.endswith("shuffled")
        fronts = {
            "numbers": ("", str),
            "labels": ("sample", "s{}".format),
            "labels without a header": (None, "s{}".format),
            "time": ("time", str),
            "time shuffled": ("Time", str),
            "dates shuffled": ("date", "2020-03-{:02d}".format),
        }
        name, form = fronts.get(self.front, (None, None))
        rows = []
        for k, row in enumerate(self.order if shuffled else range(len(self.values))):
            written = [repr(v).replace(".", self.decimal) for v in self.values[row].tolist()]
            rows.append(([form((row if shuffled else k) + 1)] if form else []) + written)
        return [([name] if name is not None else []) + self.names, *rows]

    def text(self, cells: list[list[str]]) -> str:
        def line(row: list[str]) -> str:
            quoted = [f'"{cell}"' for cell in row] if self.quoted else row
            return self.delimiter.join(quoted) + (self.delimiter if self.trailing else "")

        lines = (["# as it was saved"] if self.comment else []) + [line(row) for row in cells] + [""] * self.blanks
        return self.mark + self.newline.join(lines) + self.newline


@st.composite
def saved(draw: st.DrawFn) -> Saved:
    n_steps, n_series = draw(st.integers(4, 9)), draw(st.integers(2, 4))
    number = st.integers(-99_999, 99_999).map(lambda i: i / 100 + 0.001)
    flat = draw(st.lists(number, min_size=n_steps * n_series, max_size=n_steps * n_series, unique=True))
    delimiter = draw(st.sampled_from([",", ";", "\t", "|", "  "]))
    front = draw(st.sampled_from(FRONTS))
    blank = delimiter == "  "
    return Saved(
        values=np.round(np.array(flat).reshape(n_steps, n_series), 3),
        order=draw(st.permutations(range(n_steps))),
        delimiter=delimiter,
        decimal=draw(st.sampled_from([".", ","])) if delimiter != "," else ".",
        front="labels" if blank and front == "numbers" else front,
        quoted=draw(st.booleans()),
        trailing=draw(st.booleans()) and not blank,
        comment=draw(st.booleans()),
        blanks=draw(st.integers(0, 2)),
        newline=draw(st.sampled_from(["\n", "\r\n"])),
        mark=draw(st.sampled_from(["", "\ufeff"])),
    )


def read(folder: Path, text: str, **options: object) -> SeriesTable:
    path = folder / "t.csv"
    path.write_bytes(text.encode())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return read_table(path, **options)


@FUZZED
@given(table=saved())
def test_every_way_of_saving_reads_as_the_table(tmp_path: Path, table: Saved) -> None:
    found = read(tmp_path, table.text(table.cells()))
    assert found.names == tuple(table.names)
    assert_array_equal(np.concatenate(found.trajectories), table.values)
    assert len(found.trajectories) == 1


def change(table: Saved, cells: list[list[str]], data: st.DataObject) -> str:
    """The text of the table with something done to it."""
    row = data.draw(st.integers(0, len(cells) - 1))
    column = data.draw(st.integers(0, len(cells[row]) - 1))
    what = data.draw(
        st.sampled_from(["empty", "text", "mark", "shorter", "longer", "twice", "gone", "column", "swap", "character"])
    )
    if what == "empty":
        cells[row][column] = data.draw(st.sampled_from(["", " ", "NA", "nan", ".", "-999"]))
    elif what == "text":
        cells[row][column] = data.draw(
            st.sampled_from(["x", "1_0", "0x1A", "True", "12%", "inf", "1e400", "2020-01-01", "5h", "é"])
        )
    elif what == "mark":
        cells[row][column] += data.draw(st.sampled_from(['"', "#", "'", ",", ";", ".", "e5", " "]))
    elif what == "shorter":
        del cells[row][column]
    elif what == "longer":
        cells[row].insert(column, "7")
    elif what == "twice":
        cells.insert(row, list(cells[row]))
    elif what == "gone":
        del cells[row]
    elif what == "column":
        for k, line in enumerate(cells):
            line.insert(
                min(column, len(line)), "extra" if k == 0 else data.draw(st.sampled_from(["1", "2.5", "", "x", "0"]))
            )
    elif what == "swap":
        other = data.draw(st.integers(0, len(cells) - 1))
        cells[row], cells[other] = cells[other], cells[row]
    text = table.text(cells)
    if what == "character":
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(list('\n\t",;|#0a. \\'))) + text[at:]
    return text


@FUZZED
@given(table=saved(), missing=st.sampled_from(["error", "drop"]), transpose=st.booleans(), data=st.data())
def test_a_damaged_table_is_refused_or_its_columns_are_accounted_for(
    tmp_path: Path, table: Saved, missing: str, transpose: bool, data: st.DataObject
) -> None:
    text = change(table, table.cells(), data)
    try:
        found = read(tmp_path, text, missing=missing, transpose=transpose)
    except InputError as error:
        if str(tmp_path / "t.csv") not in str(error):
            pytest.fail(f"the file is not named: {error}")
        return
    assert found.reading is not None
    n_columns = found.n_series + len(found.reading.dropped)
    assert n_columns >= (found.reading.n_rows if transpose else found.reading.n_columns)
    written = {float(cell) for cell in re.findall(r"[-+]?\d+(?:\.\d+)?(?:e\d+)?", text.replace(table.decimal, "."))}
    values = np.concatenate(found.trajectories)
    assert np.isfinite(values).all() or missing == "drop"
    assert {*values[np.isfinite(values)].tolist()} <= written | {-v for v in written} | {0.0, 1.0}


@FUZZED
@given(text=st.text(alphabet='019.,;|\t\n\r "ab#-:/hE', max_size=80), transpose=st.booleans())
def test_any_text_is_read_or_refused(tmp_path: Path, text: str, transpose: bool) -> None:
    try:
        found = read(tmp_path, text, transpose=transpose, missing="drop")
    except InputError:
        return
    assert found.n_series >= 2


@FUZZED
@given(raw=st.binary(max_size=60), suffix=st.sampled_from(["csv", "csv.gz", "npy", "npz", "parquet", "xlsx", "h5ad"]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, raw: bytes, suffix: str) -> None:
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        with contextlib.suppress(InputError):
            assert read_table(path).n_series >= 2


@pytest.mark.parametrize("rows", [0, 1])
def test_tables_of_no_row_or_of_one(tmp_path: Path, rows: int) -> None:
    text = "time,a,b\n" + "0,1,2\n" * rows
    if rows:
        assert read(tmp_path, text).n_steps == 1
    else:
        with pytest.raises(InputError, match="no values"):
            read(tmp_path, text)
