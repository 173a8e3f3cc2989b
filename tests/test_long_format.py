"""Tables with a row for each value are recognised, and the line of pandas that the refusal gives makes them readable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grngc_fast import GRNGC, InputError
from grngc_fast.datasets import read_table
from grngc_fast.series import as_series_table

WIDE = pd.DataFrame(np.random.default_rng(0).standard_normal((12, 3)), columns=["a", "b", "c"]).assign(
    time=np.arange(12.0)
)
LONG = WIDE.melt("time", var_name="gene", value_name="value")
OF_TWO = pd.concat([LONG.assign(subject=subject) for subject in ("u", "v")])


def fix_of(refused: pytest.ExceptionInfo[InputError]) -> str:
    return str(refused.value).split("make each a column: ")[1]


@pytest.mark.parametrize(
    ("table", "suffix"),
    [
        (LONG, ".csv"),
        (LONG[["value", "gene", "time"]], ".tsv"),
        (LONG[["gene", "value", "time"]], ".txt"),
        (LONG.rename(columns={"gene": "site"}), ".csv"),
        (LONG.rename(columns={"time": "dose"}), ".csv"),
        (LONG.assign(gene=LONG["gene"].map({"a": 1, "b": 2, "c": 3})), ".csv"),
        (LONG.assign(sd=0.1, value=LONG["value"])[["time", "sd", "gene", "value"]], ".csv"),
        (LONG.drop(index=[5, 20]), ".csv"),
    ],
    ids=["melted", "value first", "time last", "other names", "no time", "numbers", "an error", "not full"],
)
def test_a_file_is_refused_with_the_line_that_makes_it_wide(
    table: pd.DataFrame, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"long{suffix}"
    table.to_csv(path, sep="," if suffix == ".csv" else "\t", index=False)
    with pytest.raises(
        InputError, match=r"is in long format, a row for each '(gene|site)' at each '(time|dose)'"
    ) as refused:
        read_table(path)
    eval(fix_of(refused), {"pandas": pd})
    missing, time = "interpolate" if len(table) < len(LONG) else "error", "dose" if "dose" in table else "time"
    read = read_table(tmp_path / "long_wide.csv", time_column=time, missing=missing)
    truth = table.pivot(index=time, columns="site" if "site" in table else "gene")
    np.testing.assert_allclose(np.concatenate(read.trajectories), truth["value"].to_numpy(), rtol=1e-12)


def test_trajectories_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    OF_TWO.to_csv("long.csv", index=False)
    for given in (None, "subject"):
        with pytest.raises(InputError, match=r"index=\['subject', 'time'\], columns='gene'") as refused:
            read_table("long.csv", trajectory_column=given)
    eval(fix_of(refused), {"pandas": pd})
    read = read_table("long_wide.csv", trajectory_column="subject")
    assert [len(part) for part in read.trajectories] == [12, 12] and read.names == ("a", "b", "c")


@pytest.mark.parametrize("table", [LONG, LONG.set_index("time")], ids=["column", "index"])
def test_a_frame_is_refused_alike(table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="X is in long format") as refused:
        GRNGC().fit(table)
    read = as_series_table(eval(fix_of(refused), {"X": table}))
    np.testing.assert_array_equal(read.trajectories[0], WIDE[["a", "b", "c"]])


@pytest.mark.parametrize(
    "table",
    [
        WIDE.rename(columns={"a": "gene"}).assign(gene=np.arange(12) % 3),
        WIDE.assign(time=np.repeat(np.arange(6.0), 2)).rename(columns={"a": "series", "b": "y"}),
        WIDE.assign(variable=np.tile([0, 1, 1], 4)),
    ],
    ids=["counts", "replicates", "a regime"],
)
@pytest.mark.filterwarnings("ignore::grngc_fast.errors.DataWarning")
def test_series_of_such_names_are_series(table: pd.DataFrame) -> None:
    assert as_series_table(table).n_series == len(table.columns) - 1


def test_labels_of_rows_are_no_series() -> None:
    with pytest.raises(InputError, match="X has 1 series"):
        as_series_table(pd.DataFrame({"time": [0.0, 1.0], "site": ["u", "v"], "x": [1.0, 2.0]}))


def test_labels_of_trajectories_are_named_as_such() -> None:
    with pytest.raises(InputError, match=r"'cell' holds labels such as 'u'.*trajectory='cell' if it tells"):
        as_series_table(pd.concat([WIDE[["time", "a", "b"]].assign(cell=cell) for cell in "uv"]))
