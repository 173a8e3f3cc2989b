"""`inspect` says what a file was understood as, what fit would refuse and the command that fits it; it writes nothing."""

from __future__ import annotations

import json
import re
import shlex

import numpy as np
import pytest

from grngc_fast.cli import main
from grngc_fast.planning.duration import rough_seconds, shown_seconds
from grngc_fast.series import as_series_table
from grngc_fast.series.summary import SHOWN, summarise


def table(path, X, names, header="") -> str:
    np.savetxt(path, X, delimiter=",", header=",".join(names), comments=header, fmt="%.9g")
    return str(path)


def series(n_steps=60, n_series=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n_steps, n_series))


@pytest.fixture
def inspect(capsys, tmp_path):
    def run(*words: str) -> dict[str, list[str]]:
        before = sorted(p.name for p in tmp_path.iterdir())
        assert main(["inspect", *words]) == 0
        assert sorted(p.name for p in tmp_path.iterdir()) == before
        lines = capsys.readouterr().out.splitlines()
        told: dict[str, list[str]] = {"": lines}
        for line in lines:
            if match := re.match(r"  ([a-z ]{1,12}?) {2,}(.*)|(fit would refuse|to fit it.*?): ?(.*)", line):
                told.setdefault(match[1] or match[3], []).append(match[2] or match[4] or "")
        told["command"] = [lines[-1].strip()] if lines[-1].startswith("  grngc-fast fit ") else []
        return told

    return run


def test_sizes_windows_memory_time_and_the_command(tmp_path, inspect):
    file = table(tmp_path / "my data.csv", series(), "abcd")
    told = inspect(file, "--lags", "2", "--targets", "a,b")
    assert told["series"] == ["4, 'a', 'b', 'c', 'd'"] and told["steps"] == ["60"]
    assert told["windows"][0].startswith(
        "58 of 2 lags, 7.25 for each of 8 inputs of 2 targets; of 16 pairs a correlation above 0.38"
    )
    assert re.match(r"about \d+ MiB of the .* that may be used", told["needs"][0])
    assert told["takes"][0].startswith("roughly 2 s on two CPU cores")
    assert shlex.split(told["command"][0]) == [
        *("grngc-fast", "fit", file, "--lags", "2", "--targets", "a,b", "--out", "my data-graph"),
    ]
    assert "fit would refuse" not in told and "doubt" not in told


def test_the_command_fits_what_was_refused_and_its_record_begins_with_the_summary(tmp_path, inspect, capsys):
    X = series()
    X[:, 2] = 7
    file = table(tmp_path / "x.csv", X, "abcd")
    told = inspect(file, "--model", "mlp", "--max-steps", "2", "--hidden", "2", "--quiet", "--seed", "0")
    assert "constant series: 'c'" in told["fit would refuse"][0]
    assert told["fit would refuse"][0].endswith("--drop-constant lets it be read")
    assert told["constant"] == ["'c'; they can neither cause nor be caused"]
    words = shlex.split(told["command"][0])
    assert words[words.index("--drop-constant") :] == ["--drop-constant", "--out", "x-graph"]
    assert main([*words[1:-1], str(tmp_path / "x-graph")]) == 0
    record = json.loads((tmp_path / "x-graph" / "run.json").read_text(encoding="utf-8"))
    assert next(iter(record)) == "table"
    assert record["table"]["n_series"] == 3 and record["table"]["n_steps"] == 60
    assert record["table"]["reading"]["n_columns"] == 4


def test_what_no_option_mends_is_told_and_ends_well(tmp_path, inspect, capsys):
    told = inspect(table(tmp_path / "twice.csv", series(n_series=2), "aa"))
    assert "duplicate series names: 'a'; rename the columns" in told["fit would refuse"][0] and not told["command"]
    file = table(tmp_path / "x.csv", series(), "abcd")
    told = inspect(file, "--regulators", "a,nobody")
    assert "'nobody'" in told["fit would refuse"][0] and "--ignore-unknown" in told["fit would refuse"][0]
    assert told["series"] and "to fit it, once that is mended" in told and told["command"]
    told = inspect(file, "--lags", "60")
    assert "lags=60 needs at least 61" in told["fit would refuse"][0] and told["scale"]
    told = inspect(file, "--model", "kan", "--model-option", "grid=1.5")
    assert "grid=1.5; it must be a whole number" in told["fit would refuse"][0]
    told = inspect(file, "--memory-limit", "1MB")
    assert "raise memory_limit" in told["fit would refuse"][0]
    assert main(["inspect", str(tmp_path / "nowhere.csv")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_the_time_axis_gaps_and_what_was_left_out(tmp_path, inspect):
    time = np.array([*range(20), *range(30, 50)])
    order = np.random.default_rng(0).permutation(40)
    file = table(tmp_path / "x.csv", np.column_stack([time, series(40)])[order], ["time", *"abcd"])
    told = inspect(file)
    assert told["time axis"] == ["'time', numbers, every 1; order sorted"] and told["left out"][0].startswith(
        "'time': "
    )
    assert told["steps"][0].startswith("40 in 2 pieces of 20 that windows do not cross") and told["note"]
    assert told["windows"][0].startswith("38 of 1 lag")


def test_few_windows_are_doubted(tmp_path, inspect):
    told = inspect(table(tmp_path / "x.csv", series(7, 6), "abcdef"))
    assert told["doubt"][0].startswith("6 windows are too few for any conclusion about 36 pairs")


def test_what_is_odd_about_values(tmp_path, inspect):
    X = np.random.default_rng(0).poisson(6, size=(60, 6)).astype(float)
    X[:, 1], X[:, 4], X[8] = X[:, 0], np.arange(60) * 100, X[7]
    X[9] = X[7]
    told = inspect(table(tmp_path / "x.csv", X, "abcdef"))
    assert told["duplicates"] == ["'b' = 'a'; an edge of one may as well be of the other"]
    assert told["repeated"][0].startswith("2 steps equal the one before")
    assert "('e')" in told["scale"][0] and "the values are counts: log(1 + x)" in told["scale"][1]
    assert not any("rises" in text for text in told.get("look at", []))
    X[8:10, 4] = 800, 900
    assert "series 'e' rises at every step" in inspect(table(tmp_path / "x.csv", X, "abcdef"))["look at"][0]


def test_values_that_stand_for_missing_ones_are_doubted(tmp_path, inspect):
    X = series()
    X[[3, 20], 1] = -999
    X[7, 2] = 9.96921e36
    told = inspect(table(tmp_path / "x.csv", X, "abcd"))
    assert "series 'b' and 1 more series holds -999" in told["look at"][0]
    assert told["look at"][0].endswith("pass --missing-value='-999'")
    X[7, 2] = 1e300
    assert "holds -999" in inspect(table(tmp_path / "huge.csv", X, "abcd"))["look at"][0]
    X[7, 2] = 9.96921e36
    told = inspect(table(tmp_path / "x.csv", X, "abcd"), "--missing-value=-999", "--missing", "drop")
    assert "series 'c' holds 9.96921e+36" in told["look at"][0]
    assert not any(
        "-99" in text for text in inspect(table(tmp_path / "x.csv", series() * 500 - 99, "abcd")).get("look at", [])
    )


def test_a_table_that_lies_the_wrong_way_is_told(tmp_path, inspect):
    told = inspect(table(tmp_path / "x.csv", series(30), "abcd"), "--transpose")
    assert any("named by a number" in text and text.endswith("--transpose") for text in told["look at"])


def test_a_model_that_was_not_measured_has_no_time(tmp_path, inspect):
    told = inspect(table(tmp_path / "x.csv", series(), "abcd"), "--model", "lstm")
    assert told["takes"][0].startswith("not known of model='lstm'")


@pytest.mark.parametrize(("n_series", "measured"), [(20, 1.9), (100, 4.5), (1000, 12), (5000, 63)])
def test_rough_seconds_are_near_what_was_measured(n_series, measured):
    assert 0.6 < rough_seconds("auto", n_series, n_series, 1000) / measured < 1.6


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.4, "2 s"), (80, "80 s"), (100, "2 min"), (3000, "50 min"), (7300, "2 h"), (80_000, "22 h")]
)
def test_seconds_are_shown_as_rough_as_they_are(seconds, text):
    assert shown_seconds(seconds) == text


def test_a_summary_equals_the_plain_count(monkeypatch):
    """Of two trajectories with gaps, also when series are looked at two at a time."""
    X = np.random.default_rng(0).lognormal(0, 3, size=(50, 5))
    X[:, 3] = 0.0
    X[10, 1] = X[20, 1] = np.nan
    X[:, 4] = X[:, 1]
    parts = as_series_table(np.ones((2, 2)) * [[1], [2]])
    from dataclasses import replace

    whole = replace(parts, trajectories=(X[:30], X[30:]), names=tuple("abcde"))
    for elements in (2**24, 100):
        monkeypatch.setattr("grngc_fast.series.summary.BLOCK_ELEMENTS", elements)
        found = summarise(whole)
        assert (found.n_series, found.n_steps, found.n_trajectories, found.shortest, found.longest) == (
            5,
            50,
            2,
            20,
            30,
        )
        assert found.n_missing == 4 and dict(found.with_missing) == {"b": 2, "e": 2}
        assert found.constant == ("d",) and found.duplicated == (("e", "b"),)
        spread = {name: np.nanstd(X[:, "abcde".index(name)]) for name in "abce"}
        least, most = min(spread, key=spread.get), max(spread, key=spread.get)
        assert found.smallest_spread == (least, pytest.approx(spread[least]))
        assert found.largest_spread == (most, pytest.approx(spread[most]))
        assert found.zeros == pytest.approx(50 / 246, abs=1e-4)
        assert found.wide and not found.counts and found.log_advised
        assert json.loads(json.dumps(found.settings()))["n_constant"] == 1


def test_spreads_of_large_values_are_not_lost_in_rounding():
    X = 1e9 + series()
    found = summarise(as_series_table(X))
    assert found.largest_spread[1] == pytest.approx(X.std(0).max(), rel=1e-6)


def test_a_summary_stays_short():
    X = np.repeat(np.arange(50.0)[:, None], 100, axis=1)
    found = summarise(as_series_table(X))
    assert found.n_rising == 100 and len(found.rising) == SHOWN and found.n_duplicated == 99
    assert found.suspicions[-1] == "80 more series rise at every step"


def test_gaps_are_counted_and_the_command_reads_past_them(tmp_path, inspect):
    X = series()
    X[[5, 6, 30], 1] = np.nan
    told = inspect(table(tmp_path / "x.csv", X, "abcd"))
    assert told["missing"] == ["3 values, 0.013 of all; most in 'b' 3"]
    assert "series 'b' has no value" in told["fit would refuse"][0]
    assert told["fit would refuse"][0].endswith("--missing drop lets it be read")
    # Each gap is an input of the window that follows it, and takes it away.
    assert told["windows"][0].startswith("56 of 1 lag")
    assert "3 of 59 windows" in " ".join(told["note"])
    assert "--missing drop" in told["command"][0]
