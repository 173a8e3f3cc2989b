"""`read_truth` returns [effect, cause] whatever the file's form, and refuses what could be misread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from grngc_fast.datasets import Dataset, read_names, read_truth
from grngc_fast.errors import InputError
from grngc_fast.series import as_series_table

NAMES = ["a", "b", "c"]
# a -> b and c -> a
TRUTH = np.array([[0, 0, 1], [1, 0, 0], [0, 0, 0]], dtype=bool)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "a\tb\nc\ta\n",
        "a,b\nc,a\n",
        "a b 1\nc a 1\nb c 0\n",
        "source,target\na,b\nc,a\n",
        "target,source\nb,a\na,c\n",
        '"effect";"cause";"weight"\n"b";"a";1\n"a";"c";1.0\n',
        "Regulator\tTarget\tSign\r\na\tb\t1\r\n\r\nc\ta\t1\r\n",
        "a,b\na,b\nc,a\n",
    ],
)
def test_edges_land_at_effect_then_cause(tmp_path: Path, text: str) -> None:
    assert_array_equal(read_truth(write(tmp_path, "t.txt", text), NAMES), TRUTH)


@pytest.mark.parametrize(
    "text",
    [
        "0,0,1\n1,0,0\n0,0,0\n",
        "a,b,c\n0,0,1\n1,0,0\n0,0,0\n",
        ",a,b,c\na,0,0,1\nb,1,0,0\nc,0,0,0\n",
        "a,b,c\na,0,0,1\nb,1,0,0\nc,0,0,0\n",
        "effect,c,b,a\nb,0,0,1\na,1,0,0\nc,0,0,0\n",
        "a,0,0,1\nb,1,0,0\nc,0,0,0\n",
    ],
)
def test_a_text_matrix_is_effects_by_causes_in_the_order_of_the_table(tmp_path: Path, text: str) -> None:
    assert_array_equal(read_truth(write(tmp_path, "t.csv", text), NAMES), TRUTH)


def test_two_series_do_not_confuse_a_matrix_with_edges(tmp_path: Path) -> None:
    expected = [[False, True], [False, False]]
    for text in ("a,b\n0,1\n0,0\n", ",a,b\na,0,1\nb,0,0\n", "b,a\n"):
        assert_array_equal(read_truth(write(tmp_path, "t.csv", text), ["a", "b"]), expected)


def test_arrays_are_taken_as_they_are(tmp_path: Path) -> None:
    lagged = np.stack([TRUTH, ~TRUTH], axis=-1)
    np.save(tmp_path / "t.npy", TRUTH.astype(float))
    np.savez(tmp_path / "lagged.npz", truth=lagged, X=np.zeros(3))
    turned = [2, 0, 1]
    np.savez(tmp_path / "named.npz", truth=TRUTH[np.ix_(turned, turned)], names=np.array(NAMES)[turned])
    assert_array_equal(read_truth(tmp_path / "t.npy", NAMES), TRUTH)
    assert_array_equal(read_truth(tmp_path / "lagged.npz", NAMES), lagged)
    assert_array_equal(read_truth(tmp_path / "named.npz", NAMES), TRUTH)
    assert read_truth(tmp_path / "t.npy", NAMES).dtype == np.bool_


def test_unknown_series_are_named_or_ignored_on_request(tmp_path: Path) -> None:
    path = write(tmp_path, "t.tsv", "a\tb\nc\ta\nz\ta\nb\ty\n")
    with pytest.raises(InputError, match=r"names 2 series .* 'z', 'y'.*ignore_unknown=True"):
        read_truth(path, NAMES)
    assert_array_equal(read_truth(path, NAMES, ignore_unknown=True), TRUTH)
    with pytest.raises(InputError, match=r"no edge between series of the table \(it names 'p', 'q'\)"):
        read_truth(write(tmp_path, "u.tsv", "p\tq\n"), NAMES, ignore_unknown=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,0.5\n", r"line 1: the weight is '0.5'"),
        ("a,b,1\nb,c,+\n", r"line 2: the weight is '\+'"),
        ("a,b,1\na,b,0\n", r"line 2: the edge a -> b is listed both as present and as absent"),
        ("a,b,1\nc\n", r"line 2: 1 cells"),
        ("a,b,0\nb,c\n", r"line 2: 2 cells where the lines before have 3"),
        ("0,1,1,0\n1,0,0,0\n", r"line 1: 4 cells; expected edges .* 3 x 3 matrix"),
        ("", r"is empty"),
        ("source,target\n", r"no edge between series"),
    ],
)
def test_bad_text_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_truth(write(tmp_path, "t.csv", text), NAMES)


def test_bad_arrays_and_paths_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "small.npy", TRUTH[:2, :2])
    np.save(tmp_path / "signed.npy", -TRUTH.astype(int))
    np.savez(tmp_path / "other.npz", truth=TRUTH, names=np.array(["x", "y", "z"]))
    np.savez(tmp_path / "two.npz", p=TRUTH, q=TRUTH)
    for path, message in [
        (tmp_path / "small.npy", r"shape \(2, 2\); the 3 series need \(3, 3\)"),
        (tmp_path / "signed.npy", r"values other than 0 and 1"),
        (tmp_path / "other.npz", r"truth of other series"),
        (tmp_path / "two.npz", r"name the one to read 'truth'"),
        (tmp_path / "none.npy", r"does not exist"),
        (tmp_path, r"is a directory"),
        (write(tmp_path, "t.mat", "x"), r"suffix '\.mat'"),
    ]:
        with pytest.raises(InputError, match=message):
            read_truth(path, NAMES)
    with pytest.raises(InputError, match="not distinct"):
        read_truth(write(tmp_path, "t.csv", "a,b\n"), ["a", "a"])


def test_a_dataset_refuses_a_truth_of_another_size_and_hands_out_x() -> None:
    X = np.random.default_rng(0).standard_normal((2, 6, 3))
    one, two = as_series_table(X[0]), as_series_table(X)
    assert_array_equal(np.asarray(Dataset(one, TRUTH, "one").X), X[0])
    assert isinstance(Dataset(two, None, "two").X, list)
    assert Dataset(two, None, "two").names == ("x0", "x1", "x2")
    assert "3 series, 12 steps in 2 trajectories, no truth" in repr(Dataset(two, None, "two"))
    with pytest.raises(InputError, match=r"truth of bad has shape \(2, 2\)"):
        Dataset(one, TRUTH[:2, :2], "bad")


def test_a_header_in_another_order_permutes_rows_and_columns_alike(tmp_path):
    # Written in the order c, a, b: row c has its only one under a, so a causes c.
    path = tmp_path / "truth.csv"
    path.write_text("c,a,b\n0,1,0\n0,0,0\n0,0,0\n")
    truth = read_truth(path, ["a", "b", "c"])
    assert truth[2, 0]
    assert truth.sum() == 1


def test_names_in_another_case_are_found_on_request(tmp_path: Path) -> None:
    path = write(tmp_path, "t.tsv", "A\tb\nC\ta\n")
    with pytest.raises(
        InputError, match=r"names 2 series .*'A', 'C' \(2 of 4 names were found\).*case.*ignore_case=True"
    ):
        read_truth(path, NAMES)
    assert_array_equal(read_truth(path, NAMES, ignore_case=True), TRUTH)
    with pytest.raises(
        InputError, match=r"names 3 series, 1 of the table and 2 that it does not have: 'B', 'old'.*'B' as 'b'"
    ):
        read_names("a,B,old", NAMES, "source")
    assert read_names("a,B,b,old", NAMES, "source", ignore_case=True, ignore_unknown=True) == ["a", "b"]
    with pytest.raises(InputError, match=r"'TP53' may be any of 'Tp53', 'tp53', which differ in case alone"):
        read_names("TP53", ["Tp53", "tp53", "x"], "source", ignore_case=True)
    assert read_names("tp53", ["Tp53", "tp53", "x"], "source", ignore_case=True) == ["tp53"]
