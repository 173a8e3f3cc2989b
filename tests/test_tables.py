"""`read_table` reads what it says it reads, and refuses the rest with the series, the line and the fix."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from grngc_fast import GRNGC, row_blocks
from grngc_fast.datasets import read_table
from grngc_fast.errors import InputError

DATA = Path(__file__).parents[2] / "shared" / "data"
VALUES = np.array([[1.0, 2.5, -3.0], [4.0, 0.125, 6e-3], [7.0, 8.0, 9.0]])
NAMES = ("a", "b", "c")


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def lines(delimiter: str, header: bool = True) -> str:
    rows = [delimiter.join(str(v) for v in row) for row in VALUES.tolist()]
    return "\n".join([delimiter.join(NAMES), *rows] if header else rows) + "\n"


@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";", " ", "   "])
@pytest.mark.parametrize("header", [True, False])
def test_delimiter_and_header_are_recognised(tmp_path: Path, suffix: str, delimiter: str, header: bool) -> None:
    table = read_table(write(tmp_path, f"t.{suffix}", lines(delimiter, header)))
    assert_array_equal(table.trajectories[0], VALUES)
    assert table.names == (NAMES if header else ("x0", "x1", "x2"))
    assert table.named is header


def test_gzip_bom_carriage_returns_and_quotes_are_read_through(tmp_path: Path) -> None:
    text = '\ufeff"a","b, c","d"\r\n"1",2,3\r\n4,5,7\r\n'
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    table = read_table(path)
    assert table.names == ("a", "b, c", "d")
    assert_array_equal(table.trajectories[0], [[1, 2, 3], [4, 5, 7]])


def test_numpy_savetxt_headers_and_counted_headers_are_headers(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "s.csv", VALUES, delimiter=",", header="a,b,c")
    assert read_table(tmp_path / "s.csv").names == NAMES
    counted = read_table(write(tmp_path, "n.csv", "0,1,2\n" + lines(",", header=False)))
    assert counted.names == ("0", "1", "2")
    assert counted.n_steps == 3


def test_a_given_delimiter_is_used(tmp_path: Path) -> None:
    path = write(tmp_path, "t.txt", "a|b\n1|2\n3|4\n")
    assert read_table(path, delimiter="|").names == ("a", "b")


@pytest.mark.parametrize("time", ["time", "Time", "TIME", "t", "T"])
@pytest.mark.parametrize("stamps", [("0", "10"), ("2020-01-01", "2020-01-02")])
def test_a_time_column_is_dropped(tmp_path: Path, time: str, stamps: tuple[str, str]) -> None:
    table = read_table(write(tmp_path, "t.csv", f"{time},a,b\n{stamps[0]},1,2\n{stamps[1]},3,4\n"))
    assert table.names == ("a", "b")
    assert_array_equal(table.trajectories[0], [[1, 2], [3, 4]])


def test_a_gene_called_t_among_others_is_no_time_column(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, "t.csv", "SOX2,T\n1,2\n3,4\n")).names == ("SOX2", "T")


def test_blank_lines_set_trajectories_apart(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.tsv", "\nTime\ta\tb\n\n0\t1\t2\n1\t3\t4\n\n\n0\t5\t6\n\n"))
    assert [t.tolist() for t in table.trajectories] == [[[1, 2], [3, 4]], [[5, 6]]]


def test_a_trajectory_column_groups_rows_in_order(tmp_path: Path) -> None:
    text = "a,cell,t,b\n1,wt,0,2\n3,ko,0,4\n5,wt,1,6\n"
    table = read_table(write(tmp_path, "t.csv", text.replace(",t,", ",time,")), trajectory_column="cell")
    assert table.names == ("a", "b")
    assert [t.tolist() for t in table.trajectories] == [[[1, 2], [5, 6]], [[3, 4]]]


def test_trajectory_length_cuts_every_n_rows(tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", "a,b\n1,2\n3,4\n5,6\n7,8\n")
    assert [t.tolist() for t in read_table(path, trajectory_length=2).trajectories] == [
        [[1, 2], [3, 4]],
        [[5, 6], [7, 8]],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "gene,0,5,10\nA,1,3,2\nB,4,5,7\n",
        "gene,first,second,third\nA,1,3,2\nB,4,5,7\n",
        "first,second,third\nA,1,3,2\nB,4,5,7\n",
        "A,1,3,2\nB,4,5,7\n",
        "ORF,symbol,0,5,10\nA,x,1,3,2\nB,NA,4,5,7\n",
        "Hugo_Symbol\tEntrez_Gene_Id\ts1\ts2\ts3\nA\t144568\t1\t3\t2\nB\t\t4\t5\t7\n",
    ],
)
def test_genes_in_rows_are_transposed(tmp_path: Path, text: str) -> None:
    table = read_table(write(tmp_path, "t.csv", text), transpose=True)
    assert table.names == ("A", "B")
    assert_array_equal(table.trajectories[0].T, [[1, 3, 2], [4, 5, 7]])


def test_numeric_gene_identifiers_are_names(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.csv", "id,s1,s2\n7157,1,2\n672,4,3\n"), transpose=True)
    assert table.names == ("7157", "672")


def test_npy_takes_one_trajectory_or_many(tmp_path: Path) -> None:
    many = np.random.default_rng(0).standard_normal((3, 5, 2)).astype(np.float32)
    np.save(tmp_path / "one.npy", many[0])
    np.save(tmp_path / "many.npy", many)
    assert_array_equal(read_table(tmp_path / "one.npy").trajectories[0], many[0])
    assert_array_equal(read_table(tmp_path / "many.npy").trajectories, many)
    assert_array_equal(read_table(tmp_path / "many.npy", transpose=True).trajectories, many.swapaxes(1, 2))
    assert len(read_table(tmp_path / "one.npy", trajectory_length=1).trajectories) == 5


def test_npz_takes_x_or_a_sole_array_and_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X=VALUES, other=np.ones(3), names=np.array(NAMES))
    np.savez(tmp_path / "sole.npz", whatever=VALUES)
    assert read_table(tmp_path / "x.npz").names == NAMES
    assert_array_equal(read_table(tmp_path / "sole.npz").trajectories[0], VALUES)
    np.savez(tmp_path / "run.npz", X=np.array([[0, 1, 2], [0, 3, 4], [1, 5, 6.0]]), names=np.array(["run", "a", "b"]))
    assert [len(t) for t in read_table(tmp_path / "run.npz", trajectory_column="run").trajectories] == [2, 1]


def test_parquet_reads_as_csv_does(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="the extra io is not installed")
    pytest.importorskip("pyarrow", reason="the extra io is not installed")
    frame = pandas.DataFrame({"Time": [0, 1, 0], "run": ["p", "p", "q"], "a": [1, 3, 5], "b": [2.0, 4.0, 6.0]})
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet", trajectory_column="run")
    assert table.names == ("a", "b")
    assert [t.tolist() for t in table.trajectories] == [[[1, 2], [3, 4]], [[5, 6]]]
    with pytest.raises(InputError, match=r"'run' holds labels such as 'p'.*trajectory_column"):
        read_table(tmp_path / "t.parquet")
    genes = pandas.DataFrame({"gene": ["A", "B"], "s1": [1.0, 2.0], "s2": [3.0, 5.0]})
    genes.to_parquet(tmp_path / "g.parquet")
    genes.set_index("gene").to_parquet(tmp_path / "indexed.parquet")
    for name in ("g", "indexed"):
        turned = read_table(tmp_path / f"{name}.parquet", transpose=True)
        assert turned.names == ("A", "B")
        assert turned.trajectories[0].tolist() == [[1, 2], [3, 5]]
    with pytest.raises(InputError, match=r"not a readable parquet file"):
        read_table(write(tmp_path, "bad.parquet", "a,b\n1,2\n"))


def test_files_that_need_a_package_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package, suffix, extra in [
        ("pyarrow", "parquet", "io"),
        ("openpyxl", "xlsx", "io"),
        ("h5py", "h5ad", "io"),
    ]:
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(InputError, match=rf'pip install "grngc-fast\[{extra}\]"'):
            read_table(write(tmp_path, f"t.{suffix}", "PAR1"))


@pytest.mark.parametrize(("suffix", "engine", "package"), [("xls", "xlrd", "xlrd"), ("ods", "odf", "odfpy")])
def test_workbooks_of_other_kinds_name_their_package_and_a_way_without(
    suffix: str, engine: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, engine, None)
    with pytest.raises(InputError, match=rf"needs {engine}: pip install {package}, or save the sheet as XLSX or CSV$"):
        read_table(write(tmp_path, f"t.{suffix}", "PK"))


@pytest.mark.parametrize(
    ("below", "unit"),
    [("unit,,h,h,h,h", "h"), (",,[min],[min],[min],[min]", "min"), ("unit,,Days,Days,Days,Days", "days")],
)
def test_a_unit_below_the_times_of_series_in_rows_is_theirs(below: str, unit: str, tmp_path: Path) -> None:
    text = f"gene,what,0,2,4,6\n{below}\na,x,1,2,3,5\nb,y,3,2,1,7\nc,z,1,0,1,1\n"
    table = read_table(write(tmp_path, "t.csv", text), transpose=True)
    assert table.names == NAMES
    assert table.trajectories[0].T.tolist() == [[1, 2, 3, 5], [3, 2, 1, 7], [1, 0, 1, 1]]
    assert table.reading is not None and table.reading.time is not None
    assert (table.reading.time.step, table.reading.time.unit) == (2.0, unit)
    assert f"line 2 below the header, with {below!r}, was taken for units" in table.reading.notes


def test_other_text_below_the_times_is_named(tmp_path: Path) -> None:
    rows = "a,1,2,3,5\nb,3,2,1,7\nc,1,0,1,1\n"
    for below in ("strain,wt,wt,mut,mut", "unit,h,h,min,min"):
        with pytest.raises(InputError, match=r"line 2: series '(strain|unit)' has the text '(wt|h)' where a number is"):
            read_table(write(tmp_path, "t.csv", f"gene,0,2,4,6\n{below}\n{rows}"), transpose=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"is empty"),
        ("\n \n", r"is empty"),
        ("a,b\n", r"a header and no values"),
        ("<!DOCTYPE html><p>not found", r"HTML or XML"),
        ("a,b\x00\n1,2\n", r"binary data"),
        ("a,b\n1,2\n3,abc\n", r"line 3: series 'b' has the text 'abc'"),
        ("1,2\n3,abc\n", r"line 2: series column 2 has the text 'abc'"),
        ("1.5,oops,2.5\n3,4,5\n", r"line 1: series column 2 has the text 'oops'"),
        ("a;b\n1,5;2.5\n2,5;3\n", r"line 2: series 'a' has the text '1,5'.*decimals with a point"),
        ("a,b\n1,2\n\n3,\n", r"line 4: series 'b' has no value \(''\)"),
        ("a,b\n1,NA\n3,4\n", r"line 2: series 'b' has no value \('NA'\)"),
        ("a,b\n1,nan\n3,4\n", r"line 2: series 'b' has no value \('nan'\)"),
        ("a,b\n1,inf\n3,4\n", r"line 2: series 'b' has the infinite value"),
        ("a,b\n1,1_0\n3,4\n", r"line 2: series 'b' has the text '1_0'"),
        ("a,b\n1,2\n3,4,5\n", r"line 3: expected 2 cells, as many as the header has, but found 3"),
        ("1,2\n3\n", r"line 2: expected 2 cells, as many as the first row has, but found 1"),
        ("time,a,b\n0,1,2\n1,3\n", r"line 3: expected 3 cells, as many as the header has, but found 2"),
        ("a,b,a\n1,2,3\n4,5,6\n", r"duplicate series names: 'a'"),
        ("a,b,\n1,2,3\n3,4,\n", r"line 1: column 3 has no name"),
        ('a,b\n1,2\n3,"' + 200_000 * "x" + '"\n', r"line 3: series 'b' has the text '.x+[.]{3}' where a number"),
        (",a,b\n0.5,1,2\n0.25,3,4\n", r"line 1: column 1 has no name.*index=False"),
        ("date,a,b\n2020-01-01,1,2\nsoon,3,4\n", r"line 3: the time column 'date' holds 'soon', which is no time"),
        ("time,a,b\n0,1,2\n,3,4\n", r"line 3: the time column 'time' is empty"),
        ("a,cell,b\n1,p,2\n3,p,4\n", r"column 'cell' holds labels such as 'p'.*trajectory_column='cell'"),
        ("cell,a,b\np,1,2\np,3,4\n", r"column 'cell' holds labels such as 'p'.*trajectory_column='cell'"),
        ("name,0h,5h,10h\nA,1,2,4\nB,3,4,2\n", r"the columns are called by times.*transpose=True"),
        ("gene,s1,s2\nA,1,2\nB,3,4\n", r"column 'gene' holds labels such as 'A'.*transpose=True"),
        ("a,b\n1,\n3,\n", r"line 2: series 'b' has no value .*nor anywhere else"),
        ("a,b\n1,2\n1,3\n", r"constant series: 'a'"),
        ("a\n1\n2\n", r"1 series \('a'\)"),
        ("time\n1\n2\n", r"no column of numbers"),
    ],
)
def test_bad_text_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, "t.csv", text)
    with pytest.raises(InputError, match=message) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_bad_transposed_text_is_refused_with_its_place(tmp_path: Path) -> None:
    for text, message in [
        ("gene,s1,s2\nA,1,2\nB,3,bad\n", r"line 3: series 'B' has the text 'bad'"),
        ("gene,s1,s2\nA,1,2\nB,3\n", r"line 3: expected 3 cells"),
        ("gene,s1,s2\nA,1,2\n,3,4\n", r"line 3: the series has no name"),
        ("gene,s1,s2\nA,1,2\nA,3,4\n", r"duplicate series names: 'A'"),
        ("gene,s1,s2\n", r"no values|no column of numbers"),
    ]:
        with pytest.raises(InputError, match=message):
            read_table(write(tmp_path, "t.csv", text), transpose=True)


def test_foreign_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes(b"a,\x81\n1,2\n")
    (tmp_path / "excel.csv").write_bytes("a,b\n1,2\n".encode("utf-16")[:-1])
    (tmp_path / "book.csv").write_bytes(b"PK\x03\x04" + bytes(range(256)))
    (tmp_path / "data.csv").write_text('{"a": [1, 2]}')
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(lines(",").encode())[:-12])
    for name, message in [
        ("latin.csv", "not UTF-8"),
        ("excel.csv", "UTF-16"),
        ("book.csv", "a workbook or a zip archive under the name of a text file"),
        ("data.csv", "holds JSON"),
        ("cut.csv.gz", "not a complete gzip file"),
    ]:
        with pytest.raises(InputError, match=message):
            read_table(tmp_path / name)


def test_paths_that_are_no_table_are_refused(tmp_path: Path) -> None:
    for path, message in [
        (tmp_path / "none.csv", "does not exist"),
        (tmp_path, "is a directory"),
        (write(tmp_path, "t.xlsx", "PK"), r"not a readable workbook"),
        (write(tmp_path, "t.pkl", "PK"), r"suffix '\.pkl'.*\.csv"),
        (write(tmp_path, "t.npy.gz", "x"), r"suffix '\.gz'"),
        (write(tmp_path, "bare", "x"), r"suffix ''"),
    ]:
        with pytest.raises(InputError, match=message):
            read_table(path)


def test_options_that_do_not_fit_the_file_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", "a,run,b\n1,p,2\n3,,4\n5,q,6\n")
    bare = write(tmp_path, "bare.csv", "1,2\n3,4\n5,6\n")
    with pytest.raises(InputError, match=r"no column 'cell'.*its columns are 'a', 'run', 'b'"):
        read_table(path, trajectory_column="cell")
    with pytest.raises(InputError, match=r"line 3: 'run' is empty"):
        read_table(path, trajectory_column="run")
    with pytest.raises(InputError, match=r"has no column names.*add a header"):
        read_table(bare, trajectory_column="run")
    with pytest.raises(InputError, match=r"3 rows in a trajectory, which trajectory_length=2 does not divide"):
        read_table(bare, trajectory_length=2)
    with pytest.raises(InputError, match=r"trajectory_length is 0"):
        read_table(bare, trajectory_length=0)
    for delimiter in ("", "::", '"'):
        with pytest.raises(InputError, match=r"expected one character"):
            read_table(bare, delimiter=delimiter)
    with pytest.raises(InputError, match=r"both given"):
        read_table(bare, trajectory_length=3, trajectory_column="run")
    with pytest.raises(InputError, match=r"with transpose=True use trajectory_length"):
        read_table(bare, transpose=True, trajectory_column="run")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", [{}, {"trajectory_length": 10}, {"drop_constant": True}])
def test_an_npy_file_stays_a_memory_map(tmp_path: Path, dtype: type, options: dict[str, Any]) -> None:
    values = np.random.default_rng(0).standard_normal((40, 3)).astype(dtype)
    np.save(tmp_path / "table.npy", values)
    table = read_table(tmp_path / "table.npy", **options)
    for trajectory in table.trajectories:
        assert trajectory.dtype == dtype
        base: Any = trajectory
        while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
            base = base.base
        assert isinstance(base, np.memmap)
    np.testing.assert_array_equal(np.concatenate(table.trajectories), values)


def test_a_fit_does_not_depend_on_how_many_rows_are_read_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    np.save(tmp_path / "table.npy", values)
    whole = GRNGC(max_steps=5, hidden=4, random_state=0).fit(values)
    monkeypatch.setattr(row_blocks, "BLOCK_ELEMENTS", 20)
    found = GRNGC(max_steps=5, hidden=4, random_state=0).fit(np.load(tmp_path / "table.npy", mmap_mode="r"))
    np.testing.assert_allclose(found.scaler_.scale_, whole.scaler_.scale_, rtol=1e-12)
    np.testing.assert_allclose(found.scores_, whole.scores_, rtol=1e-4)
    values[33, 1], values[35, 0] = np.nan, np.inf
    with pytest.raises(InputError, match="series 'x1' holds NaN at row 33 \\(2 such values in all\\)"):
        GRNGC().fit(values)


def test_bad_numpy_files_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "good.npy", VALUES)
    good = (tmp_path / "good.npy").read_bytes()
    np.savez(tmp_path / "good.npz", X=VALUES)
    packed = (tmp_path / "good.npz").read_bytes()
    np.save(tmp_path / "objects.npy", np.array([[1, "x"], [2, None]], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "objects.npz", X=VALUES, names=np.array(["a", "b", None], dtype=object))
    np.savez(tmp_path / "two.npz", p=VALUES, q=VALUES)
    np.savez(tmp_path / "names.npz", X=VALUES, names=np.array(["a"]))
    np.save(tmp_path / "flat.npy", np.arange(5.0))
    np.save(tmp_path / "text.npy", np.array([["a", "b"]]))
    np.save(tmp_path / "nan.npy", np.array([[1, np.nan], [2, 3]]))
    for name, content in [("empty.npy", b""), ("cut.npy", good[:-5]), ("head.npy", good[:20]), ("csv.npy", b"a,b\n")]:
        (tmp_path / name).write_bytes(content)
    (tmp_path / "cut.npz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "bits.npz").write_bytes(packed.replace(VALUES.tobytes(), VALUES[::-1].tobytes()))
    for name, message in [
        ("objects.npy", "Python objects, which are never unpickled"),
        ("objects.npz", "Python objects, which are never unpickled"),
        ("two.npz", r"\['p', 'q'\]; name the one to read 'X'"),
        ("names.npz", "1 names for 3 series"),
        ("flat.npy", r"shape \(5,\); expected \(time steps, series\)"),
        ("text.npy", "values of type <U1"),
        ("nan.npy", "series 'x1' holds NaN at row 0"),
        ("empty.npy", "is empty"),
        ("cut.npy", "corrupt or cut short"),
        ("head.npy", "corrupt or cut short"),
        ("csv.npy", r"not an \.npy file"),
        ("cut.npz", r"not an \.npz file, or is cut short"),
        ("bits.npz", "corrupt or cut short"),
    ]:
        with pytest.raises(InputError, match=message):
            read_table(tmp_path / name)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(
        st.from_regex(r"[A-Za-z][A-Za-z0-9_ ,;.'-]{0,6}[A-Za-z0-9]", fullmatch=True),
        min_size=2,
        max_size=5,
        unique=True,
    ),
    n_steps=st.integers(2, 6),
    delimiter=st.sampled_from([",", "\t", ";"]),
    data=st.data(),
)
def test_text_tables_survive_a_round_trip(
    tmp_path: Path, names: list[str], n_steps: int, delimiter: str, data: st.DataObject
) -> None:
    names = [name + "_" for name in names]
    finite = st.floats(allow_nan=False, allow_infinity=False)
    rows = st.lists(finite, min_size=len(names), max_size=len(names))
    values = np.array(data.draw(st.lists(rows, min_size=n_steps, max_size=n_steps)))
    values[0], values[1] = 1.0, 2.0
    header = delimiter.join(f'"{name}"' for name in names)
    body = "\n".join(delimiter.join(repr(v) for v in row) for row in values.tolist())
    table = read_table(write(tmp_path, "t.csv", f"{header}\n{body}\n"))
    assert table.names == tuple(names)
    assert_array_equal(table.trajectories[0], values)


@pytest.mark.skipif(not DATA.is_dir(), reason="the collection of benchmark data is not beside this checkout")
def test_published_expression_tables_are_read() -> None:
    stress = read_table(DATA / "gene" / "ecoli_stress" / "cold_time_3_replice.tsv", trajectory_length=8)
    assert (stress.n_series, [len(t) for t in stress.trajectories]) == (1484, [8, 8, 8])
    with pytest.raises(InputError, match=r"constant series: 'YDR172W'"):
        read_table(DATA / "gene" / "yeast_cellcycle" / "derived_Scer_RNAseq_balaji_nodes_ORF.tsv.gz", transpose=True)
    with pytest.raises(InputError, match=r"duplicate series names: '61E3\.4'"):
        read_table(DATA / "gene" / "hela" / "Hela_CellCycle_RNAseq.tsv", transpose=True)


def test_constant_series_can_be_left_out(tmp_path):
    path = tmp_path / "genes.csv"
    path.write_text("a,off,b\n1,0,3\n2,0,5\n4,0,4\n")
    with pytest.raises(InputError, match=r"constant series: 'off'.*drop_constant=True"):
        read_table(path)
    table = read_table(path, drop_constant=True)
    assert table.names == ("a", "b")
    np.testing.assert_array_equal(table.trajectories[0], [[1, 3], [2, 5], [4, 4]])
    bare = tmp_path / "bare.npy"
    np.save(bare, table.trajectories[0][:, [0, 0, 1]] * [0.0, 1.0, 1.0])
    assert read_table(bare, drop_constant=True).names == ("x1", "x2")


def test_a_quoted_name_may_run_over_its_line(tmp_path):
    path = write(tmp_path, "t.csv", '"a\n(mV)",b\n1,2\n3,oops\n5,6\n7,8\n')
    with pytest.raises(InputError, match=r"line 4: series 'b' has the text 'oops'"):
        read_table(path)
    path.write_text(path.read_text().replace("oops", "4"))
    assert read_table(path).names == ("a\n(mV)", "b")


def test_an_error_of_a_sheet_is_a_missing_value_and_no_comment(tmp_path):
    path = write(tmp_path, "t.csv", "a,b\n1,2\n#N/A,3\n# a note\n4,5\n")
    table = read_table(path, missing="drop")
    np.testing.assert_array_equal(table.trajectories[0], [[1, 2], [np.nan, 3], [4, 5]])
    assert table.reading.notes == ("1 lines between the rows that begin with # or ! were left out",)
    with pytest.raises(InputError, match=r"line 3: series 'a' has no value \('#N/A'\)"):
        read_table(path)
