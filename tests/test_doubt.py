"""Too few windows for any conclusion are told, with the numbers; enough are not doubted."""

from __future__ import annotations

import json
import logging
import math
import warnings

import numpy as np
import pytest
from scipy import stats

from grngc_fast import GRNGC, CausalGraph, lambda_path
from grngc_fast.cli import main
from grngc_fast.errors import DataWarning
from grngc_fast.planning.doubt import chance_correlation, doubt_of


def noise(n_steps: int, n_series: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n_steps, n_series))


def quick(**options) -> GRNGC:
    return GRNGC("mlp", hidden=2, max_steps=2, random_state=0, **options)


@pytest.mark.parametrize(("n_windows", "tail"), [(3, 0.2), (6, 0.05), (15, 1e-10), (200, 1e-6), (10_000, 0.5)])
def test_a_chance_correlation_is_the_quantile_of_pearsons_test(n_windows, tail):
    r = chance_correlation(n_windows, tail)
    assert stats.beta(n_windows / 2 - 1, n_windows / 2 - 1, loc=-1, scale=2).sf(r) == pytest.approx(tail / 2, rel=1e-6)


def test_a_chance_correlation_is_what_chance_makes():
    """Of 20 windows the largest of 400 independent correlations passes the 5 % line in about one table of twenty."""
    rng, line = np.random.default_rng(0), chance_correlation(20, 0.05 / 400)
    x = rng.normal(size=(600, 20, 400))
    y = rng.normal(size=(600, 20, 1))
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    r = np.abs((x * y).sum(1)) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    assert 0.03 < (r.max(1) > line).mean() < 0.08


@pytest.mark.parametrize("n_windows", [200, 3000])
def test_of_many_windows_it_is_the_rule_of_thumb(n_windows):
    thumb = math.sqrt(2 * math.log(10_000) / n_windows)
    assert chance_correlation(n_windows, 1 / 10_000) == pytest.approx(thumb, rel=0.15)


@pytest.mark.parametrize(
    ("n_windows", "n_pairs"),
    [(6, 6 * 6), (15, 20_000**2), (15, 20_000 * 1000), (8, 20 * 20), (3, 4), (2, 4), (1, 4), (12, 100 * 100)],
)
def test_too_few_windows_are_doubted(n_windows, n_pairs):
    doubt = doubt_of(n_windows, n_pairs)
    assert doubt is not None and doubt.by_chance <= doubt.needed
    assert 0.9 < doubt.needed <= 1
    assert doubt_of(doubt.enough, n_pairs) is None
    assert (
        chance_correlation(doubt.enough, 0.05 / n_pairs) <= 0.7 < chance_correlation(doubt.enough - 1, 0.05 / n_pairs)
    )
    assert f"{n_pairs:,} pairs" in str(doubt) and f"{doubt.enough} windows" in str(doubt)


@pytest.mark.parametrize(
    ("n_windows", "n_pairs"), [(200, 100 * 100), (50, 5 * 5), (299, 20_000**2), (20, 10 * 10), (30, 1000**2)]
)
def test_enough_windows_are_not(n_windows, n_pairs):
    assert doubt_of(n_windows, n_pairs) is None


def test_more_pairs_and_fewer_windows_ask_for_more():
    needed = [[chance_correlation(n, 0.05 / m) for m in (10, 1000, 10**6)] for n in (5, 10, 50, 500)]
    assert (np.diff(needed, axis=1) > 0).all() and (np.diff(needed, axis=0) < 0).all()


def test_a_fit_tells_its_doubt_and_keeps_it(tmp_path, caplog):
    with (
        caplog.at_level(logging.INFO, logger="grngc_fast"),
        pytest.warns(
            DataWarning, match=r"^6 windows are too few .* 36 pairs .* of 0.86, .* above 0.97 only; .* 18 windows"
        ) as told,
    ):
        found = quick().fit(noise(7, 6))
    assert len(told) == 1 and told[0].filename == __file__
    assert [record.message for record in caplog.records].count(str(told[0].message)) == 1
    found.graph_.save(tmp_path / "graph.npz")
    assert CausalGraph.load(tmp_path / "graph.npz").metadata["doubt"] == str(told[0].message)


def test_windows_of_short_trajectories_and_pairs_that_are_chosen_count():
    with pytest.warns(DataWarning, match="^6 windows are too few .* 36 pairs"):
        quick().fit([noise(3, 6) + np.arange(3)[:, None] * number for number in range(3)])
    with pytest.warns(DataWarning, match="^6 windows are too few .* 24 pairs"):
        quick(lags=2, regulators=[0, 1], candidates=np.ones((6, 6))).fit(noise(8, 6))
    found = quick(regulators=[0], targets=[1]).fit(noise(9, 6))
    assert found.graph_.metadata["doubt"] is None


def test_enough_windows_say_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert quick().fit(noise(51, 5)).graph_.metadata["doubt"] is None


def test_a_path_tells_it():
    with pytest.warns(DataWarning, match="^8 windows are too few .* 36 pairs"):
        path = lambda_path(noise(9, 6), [0.1], max_steps=2, hidden=2, validation_fraction=0.3, random_state=0)
    assert path.graph().metadata["doubt"].startswith("8 windows")


def test_the_command_tells_it_once_and_records_it(tmp_path, capsys):
    np.savetxt(tmp_path / "x.csv", noise(7, 6), delimiter=",", header="a,b,c,d,e,f", comments="")
    given = [
        "fit",
        str(tmp_path / "x.csv"),
        "--quiet",
        "--model",
        "mlp",
        "--hidden",
        "2",
        "--max-steps",
        "2",
        "--seed",
        "0",
    ]
    assert main([*given, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert printed.err.count("grngc-fast: warning: 6 windows are too few for any conclusion about 36 pairs") == 1
    assert "strongest edges (source -> target), in doubt: too few windows:" in printed.out
    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert record["doubt"].startswith("6 windows are too few") and record["doubt"] == record["settings"]["doubt"]
