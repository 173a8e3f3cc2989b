"""Series that drift: they are recognised, those that do not are left in peace, and differences and detrending cure them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import detrend

from grngc_fast import GRNGC, InputError, evaluate, lambda_path
from grngc_fast.datasets import FUNCTIONS, additive, gate, lorenz96, product, read_dream4, var
from grngc_fast.errors import DataWarning
from grngc_fast.series import SeriesTable, prepare
from grngc_fast.series.stationarity import drifting
from grngc_fast.series.treatment import Treatment, detrended

QUICK = {"model": "mlp", "max_steps": 100, "hidden": 8, "lam": 0.1, "random_state": 0}


def autoregressions(phi: float, n_steps: int, n_series: int, rng: np.random.Generator) -> np.ndarray:
    x = rng.standard_normal((n_steps + 100, n_series))
    for t in range(1, len(x)):
        x[t] += phi * x[t - 1]
    return x[100:]


def walks(n_steps: int, n_series: int, seed: int = 0) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).standard_normal((n_steps, n_series)), axis=0)


def found(*trajectories: np.ndarray):
    n_series = trajectories[0].shape[1]
    table = SeriesTable(tuple(trajectories), tuple(f"x{i}" for i in range(n_series)))
    return drifting(table, np.arange(n_series))


def test_slow_stationary_series_raise_fewer_than_two_alarms_in_a_hundred_tables():
    rng = np.random.default_rng(0)
    alarms = sum(found(autoregressions(0.9, 200, 10, rng)).either.any() for _ in range(200))
    assert alarms <= 4


def test_random_walks_are_recognised():
    assert found(walks(200, 40)).walks.mean() > 0.6
    assert found(walks(500, 40)).walks.mean() > 0.85
    assert found(*(walks(60, 40, seed) for seed in range(10))).walks.mean() > 0.4


def test_a_single_walk_among_others_is_the_one_recognised():
    x = autoregressions(0.5, 500, 10, np.random.default_rng(0))
    x[:, 3] = walks(500, 1, seed=1)[:, 0]
    assert np.flatnonzero(found(x).walks).tolist() == [3]


@pytest.mark.parametrize("explained", [0.7, 0.95])
def test_straight_lines_are_recognised_as_such(explained):
    noise = autoregressions(0.5, 300, 10, np.random.default_rng(0))
    line = np.arange(300.0)[:, None]
    line *= noise.std() / line.std() * np.sqrt(explained / (1 - explained))
    assert found(noise + line).lines.all()
    assert not found(noise).either.any()


def test_gaps_do_not_hide_what_drifts():
    x = np.hstack([walks(500, 10), autoregressions(0.5, 500, 10, np.random.default_rng(0))])
    x[np.random.default_rng(1).random(x.shape) < 0.02] = np.nan
    either = found(x).walks
    assert either[:10].mean() >= 0.7
    assert not either[10:].any()


def test_the_simulators_are_stationary():
    systems = [lorenz96(20, 200, forcing, seed=1) for forcing in (5.0, 8.0, 10.0, 40.0)]
    systems += [var(20, 200, seed=1), product(20, 200, seed=1), gate(20, 200, seed=1)]
    systems += [additive(20, 200, name, seed=1) for name in FUNCTIONS]
    for data in systems:
        assert not found(np.asarray(data.X)).either.any()


def test_public_benchmarks_are_stationary(shared_data):
    for size, network in ((10, 1), (10, 2), (100, 1)):
        assert not found(*read_dream4(shared_data / "dream4", size, network).trajectories).either.any()


def test_short_and_constant_series_tell_nothing():
    assert not found(walks(30, 5)).either.any()
    x = walks(300, 3)
    x[:, 1] = 2.0
    assert not found(x).either[1]


def test_many_series_are_sampled():
    x = np.random.default_rng(0).standard_normal((60, 2500))
    assert len(found(x).columns) == 1000


# What is said


def test_a_fit_warns_and_names_the_cure():
    x = walks(300, 6)
    with pytest.warns(
        DataWarning, match=r"\d of 6 series do not look stationary \(\d like random walks\): 'x\d'.*difference=1"
    ):
        GRNGC(**QUICK).fit(x)
    with pytest.warns(DataWarning, match="series do not look stationary"):
        lambda_path(x, [0.1], max_steps=5, hidden=4)
    GRNGC(**QUICK, difference=1).fit(x)
    lines = np.random.default_rng(0).standard_normal((300, 3)) + np.arange(300.0)[:, None]
    with pytest.warns(DataWarning, match=r"3 of 3 .*3 along straight lines.*detrend=True"):
        prepare(lines, 1)
    prepare(lines, 1, detrend=True)
    prepare(lines, 1, difference=1)


def test_only_series_that_are_read_or_forecast_are_looked_at():
    x = np.hstack([autoregressions(0.5, 300, 3, np.random.default_rng(0)), walks(300, 1)])
    prepare(x, 1, regulators=[0, 1], targets=[2, 1])


# Differences and detrending


def test_differences_are_those_of_the_table():
    x = walks(120, 4)
    by_option, by_hand = GRNGC(**QUICK, difference=1).fit(x), GRNGC(**QUICK).fit(np.diff(x, axis=0))
    np.testing.assert_array_equal(by_option.scores_, by_hand.scores_)
    forecast = by_option.predict(x)
    np.testing.assert_array_equal(forecast, by_hand.predict(np.diff(x, axis=0)))
    assert forecast.shape == (118, 4)
    assert by_option.score(x) == by_hand.score(np.diff(x, axis=0))
    assert by_option.graph_.metadata["difference"] == 1


def test_no_difference_crosses_a_trajectory_or_a_gap():
    x = walks(60, 3)
    x[20, 1] = np.nan
    table = SeriesTable((x[:30], x[30:]), ("a", "b", "c"), origin=(0, 0))
    treated = Treatment("drop", difference=1)(table, 1).table
    assert [len(t) for t in treated.trajectories] == [29, 29]
    assert np.flatnonzero(np.isnan(treated.trajectories[0][:, 1])).tolist() == [19, 20]
    # Of 28 windows each: in three of them a difference of step 20 is read.
    assert len(prepare(table, 1, missing="drop", difference=1).windows) == 56 - 2
    filled = Treatment("interpolate", difference=1)(table, 1)
    assert np.flatnonzero(filled.filled[0][:, 1]).tolist() == [19, 20]


def test_lines_are_taken_off_each_trajectory():
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal((80, 3)) + 0.3 * np.arange(80)[:, None], rng.standard_normal((50, 3))]
    for own, wanted in zip(detrended(parts), parts, strict=True):
        np.testing.assert_allclose(own, detrend(wanted, axis=0), atol=1e-10)
    by_option = GRNGC(**QUICK, detrend=True).fit(parts)
    by_hand = GRNGC(**QUICK).fit([detrend(part, axis=0) for part in parts])
    np.testing.assert_allclose(by_option.scores_, by_hand.scores_, atol=1e-5)
    np.testing.assert_allclose(
        by_option.predict(parts)[1], by_hand.predict([detrend(p, axis=0) for p in parts])[1], atol=1e-5
    )


def test_pieces_of_a_trajectory_have_one_slope():
    rng = np.random.default_rng(0)
    line = 0.5 * np.arange(100)[:, None] + np.zeros((1, 2))
    pieces = [line[:10] + 3, line[60:] - 7]
    for piece in detrended(pieces, origin=(0, 0)):
        np.testing.assert_allclose(piece, 0, atol=1e-12)
    noisy = [piece + rng.standard_normal(piece.shape) for piece in pieces]
    slopes = [np.polyfit(np.arange(len(p)), q - p, 1)[0] for p, q in zip(detrended(noisy, (0, 0)), noisy, strict=True)]
    np.testing.assert_allclose(slopes[0], slopes[1], atol=1e-10)


def test_lines_are_fitted_to_what_is_known():
    x = 2.0 * np.arange(50)[:, None] + np.random.default_rng(0).standard_normal((50, 2))
    x[10:15, 0] = np.nan
    known = ~np.isnan(x[:, 0])
    slope, level = np.polyfit(np.flatnonzero(known), x[known, 0], 1)
    (found_,) = detrended([x])
    np.testing.assert_allclose(found_[known, 0], x[known, 0] - slope * np.flatnonzero(known) - level, atol=1e-9)
    assert np.isnan(found_[10:15, 0]).all()


def test_straight_lines_leave_nothing():
    x = np.random.default_rng(0).standard_normal((100, 3))
    x[:, 1] = 0.1 * np.arange(100)
    for options in ({"difference": 1}, {"detrend": True}):
        with pytest.raises(InputError, match=r"'x1'.*"):
            prepare(x, 1, **options)


def test_too_short_for_differences():
    with pytest.raises(InputError, match=r"X has 3 time steps .*difference=1 with lags=2 needs at least 4"):
        GRNGC(**QUICK, lags=2, difference=1).fit(walks(3, 2))


def test_differences_find_what_walks_hide():
    data = var(10, 600, n_lags=1, seed=0)
    x = np.cumsum(data.X, axis=0)
    truth = data.truth.any(-1) if data.truth.ndim == 3 else data.truth
    with pytest.warns(DataWarning, match="difference=1"):
        before = evaluate(GRNGC(model="mlp", random_state=0).fit(x).scores_, truth)
    after = evaluate(GRNGC(model="mlp", difference=1, random_state=0).fit(x).scores_, truth)
    assert after.auprc > 0.95
    assert before.auprc < after.auprc - 0.2
