"""The simulators' truths are the dependences of their dynamics, oriented [effect, cause(, lag)]."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from grngc_fast.datasets import lorenz96, var
from grngc_fast.datasets.lorenz96 import derivative
from grngc_fast.datasets.var import companion_radius, draw
from grngc_fast.errors import InputError


@pytest.mark.parametrize("n_series", [4, 5, 11])
def test_lorenz_truth_is_the_pattern_of_the_jacobian(n_series: int) -> None:
    x = np.random.default_rng(1).standard_normal(n_series)
    step = 1e-6
    nudged = [(derivative(x + step * e, 8.0) - derivative(x - step * e, 8.0)) / (2 * step) for e in np.eye(n_series)]
    jacobian = np.stack(nudged, axis=1)
    truth = lorenz96(n_series, 10).truth
    assert truth is not None
    assert_array_equal(np.abs(jacobian) > 1e-4, truth)


def test_lorenz_derivative_is_the_published_formula() -> None:
    x = np.random.default_rng(2).standard_normal(7)
    expected = [(x[(i + 1) % 7] - x[i - 2]) * x[i - 1] - x[i] + 10 for i in range(7)]
    assert_allclose(derivative(x, 10.0), expected)


def test_lorenz_integration_is_of_fourth_order() -> None:
    options: dict[str, Any] = {"noise": 0.0, "burn_in": 0, "seed": 3}
    coarse, middle, fine = (np.asarray(lorenz96(6, 5, substeps=s, **options).X)[-1] for s in (8, 16, 256))
    ratio = np.linalg.norm(coarse - fine) / np.linalg.norm(middle - fine)
    assert 12 < ratio < 20


def test_lorenz_stays_on_its_attractor() -> None:
    settled = np.asarray(lorenz96(40, 400).X)
    assert settled.shape == (400, 40)
    assert settled.dtype == np.float64
    assert 1 < settled.mean() < 4
    assert 3 < settled.std() < 5.5


def test_lorenz_noise_is_on_the_observation_only() -> None:
    clean, noisy = (np.asarray(lorenz96(8, 300, noise=noise).X) for noise in (0.0, 0.5))
    assert_allclose((noisy - clean).std(), 0.5, rtol=0.05)


def test_var_least_squares_recover_effect_cause_and_lag() -> None:
    P, L = 5, 3
    data = var(P, 6000, L, sparsity=0.15, seed=4)
    coefficients, truth, _ = draw(P, L, 0.15, 0.9, 4)
    assert data.truth is not None
    assert_array_equal(data.truth, truth)
    assert_array_equal(coefficients != 0, truth)
    X = np.asarray(data.X)
    past = np.stack([X[L - lag : len(X) - lag] for lag in range(1, L + 1)], axis=-1)
    fit, *_ = np.linalg.lstsq(past.reshape(len(past), -1), X[L:], rcond=None)
    assert_allclose(fit.T.reshape(P, P, L), coefficients, atol=0.06)
    assert not np.array_equal(truth, truth.transpose(1, 0, 2))


@pytest.mark.parametrize(("n_series", "n_lags"), [(2, 1), (10, 3), (160, 2)])
@pytest.mark.parametrize("radius", [0.3, 0.95])
def test_var_has_the_spectral_radius_asked_for(n_series: int, n_lags: int, radius: float) -> None:
    coefficients, _, _ = draw(n_series, n_lags, 0.1, radius, 0)
    top = coefficients.transpose(0, 2, 1).reshape(n_series, -1)
    companion = np.vstack((top, np.eye(n_series * (n_lags - 1), n_series * n_lags)))
    assert_allclose(np.abs(np.linalg.eigvals(companion)).max(), radius, rtol=0.01)


def test_var_radius_of_a_diagonal_system_is_its_largest_root() -> None:
    coefficients = np.zeros((400, 400, 1))
    coefficients[np.arange(400), np.arange(400), 0] = np.linspace(-0.8, 0.5, 400)
    assert_allclose(companion_radius(coefficients), 0.8, rtol=0.01)


def test_var_truth_has_its_diagonal_and_its_density() -> None:
    truth = var(60, 10, 2, sparsity=0.2).truth
    assert truth is not None
    assert truth[np.arange(60), np.arange(60), 0].all()
    off = truth[~np.eye(60, dtype=bool)]
    assert_allclose(off.mean(), 0.2, atol=0.02)
    only_diagonal = var(4, 10, 2, sparsity=0.0).truth
    assert only_diagonal is not None
    assert_array_equal(only_diagonal, np.stack([np.eye(4), np.zeros((4, 4))], axis=-1))


@pytest.mark.parametrize("simulate", [lorenz96, var])
def test_one_seed_gives_one_answer(simulate: Any) -> None:
    first, again, other = simulate(6, 40, seed=1), simulate(6, 40, seed=1), simulate(6, 40, seed=2)
    assert_array_equal(first.X, again.X)
    assert not np.array_equal(first.X, other.X)
    assert first.names == tuple(f"x{i}" for i in range(6))


def test_thousands_of_series_are_simulated_at_once() -> None:
    assert np.asarray(lorenz96(1000, 100, burn_in=100).X).shape == (100, 1000)
    wide = np.asarray(var(1000, 100, 2, sparsity=0.02).X)
    assert wide.shape == (100, 1000)
    assert np.abs(wide).max() < 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_series": 3}, "n_series is 3; expected a whole number of at least 4"),
        ({"n_series": 10.0}, "n_series is 10.0"),
        ({"n_series": True}, "n_series is True"),
        ({"n_steps": 1}, "n_steps is 1"),
        ({"burn_in": -1}, "burn_in is -1"),
        ({"substeps": 0}, "substeps is 0"),
        ({"seed": None}, "seed is None"),
        ({"forcing": float("nan")}, "forcing is nan; expected a number that is finite"),
        ({"dt": 0}, "dt is 0; expected a number above 0"),
        ({"noise": -0.1}, "noise is -0.1; expected a number of at least 0"),
        ({"dt": 5.0, "substeps": 1}, "diverged with dt=5 and substeps=1; use more substeps or a smaller dt"),
    ],
)
def test_lorenz_refuses_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        lorenz96(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_series": 1}, "n_series is 1"),
        ({"n_lags": 0}, "n_lags is 0"),
        ({"n_steps": 0}, "n_steps is 0"),
        ({"burn_in": 1.5}, "burn_in is 1.5"),
        ({"sparsity": 1.0}, "sparsity is 1.0; expected a number of at least 0 and below 1"),
        ({"noise": 0.0}, "noise is 0.0; expected a number above 0"),
        ({"spectral_radius": 1.0}, "spectral_radius is 1.0; expected a number above 0 and below 1"),
        ({"spectral_radius": "0.9"}, "spectral_radius is '0.9'"),
    ],
)
def test_var_refuses_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        var(**options)
