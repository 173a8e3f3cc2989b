"""The simulators' truths are the dependences of their dynamics, oriented [effect, cause(, lag)]."""

from __future__ import annotations

import importlib
import itertools
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from grngc_fast.datasets import FUNCTIONS, additive, gate, gene_network, lorenz96, product, var
from grngc_fast.datasets.families import draw_additive, draw_pairs
from grngc_fast.datasets.gene_network import draw_network, expression
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


def test_a_sample_of_lorenz_depends_more_on_a_mediated_series_than_on_its_weakest_cause() -> None:
    def a_sample_later(x: np.ndarray) -> np.ndarray:
        h = 0.1 / 16
        for _ in range(16):
            k1 = derivative(x, 40.0)
            k2 = derivative(x + h / 2 * k1, 40.0)
            k3 = derivative(x + h / 2 * k2, 40.0)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + derivative(x + h * k3, 40.0))
        return x

    states = np.asarray(lorenz96(12, 300, 40.0, noise=0.0, burn_in=100).X)
    assert_allclose(a_sample_later(states[0]), states[1], rtol=1e-9)
    step = 1e-5 * np.eye(12)
    found = [[(a_sample_later(x + e) - a_sample_later(x - e)) / 2e-5 for e in step] for x in states[::15]]
    # [state, cause, effect]
    slopes = np.abs(found).mean(0).T
    mediated, weakest = (np.mean([slopes[i, (i + k) % 12] for i in range(12)]) for k in (-3, 1))
    assert mediated > 1.2 * weakest


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


def correlations(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Absolute, of column i of the one with column i of the other."""
    x, y = x - x.mean(0), y - y.mean(0)
    return np.asarray(np.abs((x * y).sum(0)) / np.sqrt((x * x).sum(0) * (y * y).sum(0)))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_additive_least_squares_recover_the_coefficients_and_the_truth(function: str) -> None:
    P, K = 6, 2
    data = additive(P, 20_000, function, seed=3)
    parents, weights, phi, _ = draw_additive(P, K, 3)
    expected = np.hstack((np.diag(phi), np.zeros((P, P))))
    np.put_along_axis(expected[:, P:], parents, weights, axis=1)
    X = np.asarray(data.X)
    past = np.hstack((X, FUNCTIONS[function](X), np.ones((len(X), 1))))[:-1]
    fit, *_ = np.linalg.lstsq(past, X[1:], rcond=None)
    assert_allclose(fit[:-1].T, expected, atol=0.1)
    assert data.truth is not None
    assert_array_equal(data.truth, (np.abs(fit[P:-1].T) > 0.25) | np.eye(P, dtype=bool))
    assert not np.array_equal(data.truth, data.truth.T)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("n_series", "seed"), [(3, 0), (3, 1), (20, 0), (20, 1), (20, 2), (1001, 0)])
def test_additive_series_stay_bounded_and_every_parent_moves_them(function: str, n_series: int, seed: int) -> None:
    X = np.asarray(additive(n_series, 500, function, seed=seed).X)
    assert np.abs(X).max() < 25
    parents, weights, _, _ = draw_additive(n_series, 2, seed)
    shares = weights**2 * FUNCTIONS[function](X).var(axis=0)[parents] / X.var(axis=0)[:, None]
    # with the square, series that drive one another upwards rest where it is constant
    assert function == "square" or (shares.min() > 0.002 and np.median(shares) > 0.02)


def test_additive_has_the_parents_asked_for_and_any_function() -> None:
    data = additive(12, 40, np.cos, n_parents=5)
    assert data.name == "cos P=12 T=40"
    assert data.truth is not None
    assert_array_equal(data.truth.sum(axis=1), np.full(12, 6))
    assert_array_equal(data.truth.diagonal(), True)
    given, named = (np.asarray(additive(5, 40, f).X) for f in (lambda x: np.sin(2 * x), "sine"))
    assert_array_equal(given, named)


def test_wide_additive_systems_follow_the_same_formula() -> None:
    P = 1001
    parents, weights, phi, rng = draw_additive(P, 2, 5)
    X = np.asarray(additive(P, 5, "sawtooth", burn_in=0, seed=5).X)
    drive = (weights * FUNCTIONS["sawtooth"](X)[:-1, parents]).sum(axis=-1)
    assert_allclose(X[1:] - phi * X[:-1] - drive, rng.standard_normal((4, P)), atol=1e-12)


def terms_of(simulate: Any, X: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], list[tuple[int, int]]]:
    """The term of every pair of parents, a column each, and the pairs."""
    P = X.shape[1]
    if simulate is product:
        pairs = list(itertools.combinations(range(P), 2))
        return np.stack([np.tanh(X[:, j]) * np.tanh(X[:, k]) for j, k in pairs], axis=1), pairs
    pairs = list(itertools.permutations(range(P), 2))
    return np.stack([np.tanh(X[:, j]) * (X[:, k] > 0) for j, k in pairs], axis=1), pairs


@pytest.mark.parametrize("simulate", [product, gate])
def test_the_terms_of_pairs_recover_the_parents_and_their_strength(simulate: Any) -> None:
    P = 6
    data = simulate(P, 20_000, seed=1)
    X = np.asarray(data.X)
    terms, pairs = terms_of(simulate, X)
    fit, *_ = np.linalg.lstsq(np.hstack((terms, X))[:-1], X[1:], rcond=None)
    assert_allclose(fit[len(pairs) :], 0.4 * np.eye(P), atol=0.1)
    found, truth = np.abs(fit[: len(pairs)].T), np.eye(P, dtype=bool)
    strongest = found.argmax(axis=1)
    for effect, place in enumerate(strongest):
        truth[effect, list(pairs[place])] = True
    assert_array_equal(data.truth, truth)
    strengths = found[np.arange(P), strongest]
    assert_allclose(strengths, 1.5, atol=0.1)
    found[np.arange(P), strongest] = 0
    assert_array_equal(found < 0.2, True)


def parents_and_drive(simulate: Any, n_steps: int) -> tuple[np.ndarray[Any, Any], ...]:
    """The two parents of each series of five systems, and what it makes of them, with noise."""
    parts = []
    for seed in range(5):
        X = np.asarray(simulate(20, n_steps, seed=seed).X)
        first, second = draw_pairs(20, seed)[0].T
        parts.append((X[:-1, first], X[:-1, second], X[1:] - 0.4 * X[:-1]))
    return tuple(np.hstack(part) for part in zip(*parts, strict=True))


def test_no_parent_of_a_product_matters_alone() -> None:
    T = 4000
    first, second, driven = parents_and_drive(product, T)
    for alone in (first, second, np.abs(first), np.abs(second)):
        assert np.median(correlations(alone, driven)) < 2.5 / np.sqrt(T)
    assert correlations(np.tanh(first) * np.tanh(second), driven).min() > 0.5


def test_the_switch_of_a_gate_does_not_matter_alone_and_its_source_does() -> None:
    T = 4000
    source, switch, driven = parents_and_drive(gate, T)
    for alone in (switch, np.abs(switch), 1.0 * (switch > 0)):
        assert np.median(correlations(alone, driven)) < 2.5 / np.sqrt(T)
    assert correlations(source, driven).min() > 0.25
    assert correlations(np.tanh(source) * (switch > 0), driven).min() > 0.5


@pytest.fixture
def prototype(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The plain simulators that define the families, which are not part of the project."""
    folder = shared_data.parent / "yardstick"
    if not (folder / "families.py").is_file():
        pytest.skip("plain simulators not found: expected shared/yardstick/families.py beside the checkout")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module("families")


@pytest.mark.parametrize("n_series", [20, 100])
def test_additive_and_product_equal_the_plain_simulators_bit_for_bit(prototype: ModuleType, n_series: int) -> None:
    expected = {name: prototype.additive(n_series, 1000, 4, f) for name, f in prototype.FUNCTIONS.items()}
    found = {name: additive(n_series, 1000, name, seed=4) for name in expected}
    expected["product"], found["product"] = prototype.product(n_series, 1000, 4), product(n_series, 1000, seed=4)
    for name, (X, truth) in expected.items():
        assert_array_equal(found[name].X, X, err_msg=name)
        assert_array_equal(found[name].truth, truth, err_msg=name)


@pytest.mark.parametrize("simulate", [lorenz96, var, additive, product, gate])
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
    for simulate in (additive, product, gate):
        assert simulate(1001, 100).X.shape == (100, 1001)


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_series": 1}, "n_series is 1; expected a whole number of at least 2"),
        ({"n_series": 2}, "n_parents is 2; 2 series, none a parent of itself, have at most 1"),
        ({"n_parents": 0}, "n_parents is 0; expected a whole number of at least 1"),
        ({"n_steps": 1}, "n_steps is 1"),
        ({"burn_in": -1}, "burn_in is -1"),
        ({"seed": None}, "seed is None"),
        ({"function": "cosine"}, "function is 'cosine'; expected a function of an array or one of sine, square, step"),
        ({"function": None}, "function is None; expected a function"),
        (
            {"function": np.sum},
            r"function sum makes float64 of shape \(\) of a state of shape \(20,\); expected one real",
        ),
        ({"function": lambda x: x + 1j}, r"function <lambda> makes complex128 of shape \(20,\)"),
        ({"function": np.log}, "function log gives values that are not finite for series from 0 to 0; use one"),
        ({"function": lambda x: x**3}, "function <lambda> gives values that are not finite for series from -"),
    ],
)
def test_additive_refuses_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        additive(**options)


@pytest.mark.parametrize("simulate", [product, gate])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_series": 2}, "n_series is 2; expected a whole number of at least 3"),
        ({"n_steps": 1.5}, "n_steps is 1.5"),
        ({"burn_in": -1}, "burn_in is -1"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_products_and_gates_refuse_bad_options(simulate: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate(**options)


def test_a_gene_network_is_short_trajectories_and_a_truth_without_self_regulation() -> None:
    data = gene_network(n_series=12, n_steps=9, n_trajectories=4, seed=3)
    assert data.truth is not None
    assert len(data.trajectories) == 4 and data.trajectories[0].shape == (9, 12)
    assert not data.truth.diagonal().any()
    assert all(np.isfinite(x).all() for x in data.trajectories)


def test_gene_trajectories_begin_at_rest_and_part() -> None:
    parts = np.stack(gene_network(20, 21, 3, noise=0.0, seed=0).trajectories)
    assert_array_equal(parts[0, 0], parts[1, 0])
    assert np.abs(parts[0, 10] - parts[1, 10]).max() > 0.2
    assert (parts >= 0).all()


def test_hubs_make_out_degrees_uneven() -> None:
    rng = np.random.default_rng(0)
    uneven, even = (draw_network(200, 2.0, hubs, rng) for hubs in (True, False))
    assert abs(uneven.sum() - even.sum()) < 100
    ratios = [degrees.var() / degrees.mean() for degrees in (uneven.sum(0), even.sum(0))]
    assert ratios[0] > 4 > 2 > ratios[1]


def test_a_regulator_moves_its_target_and_nothing_else() -> None:
    truth = np.array([[False, False, False], [True, False, False], [False, False, False]])
    runs = expression(truth, 30, 40, np.random.default_rng(5))
    change, level = np.diff(runs[:, :, 1], axis=1).ravel(), runs[:, :-1, :]
    own = np.column_stack([level[:, :, 1].ravel(), np.ones(change.size)])
    left = change - own @ np.linalg.lstsq(own, change, rcond=None)[0]
    by = [abs(np.corrcoef(left, level[:, :, j].ravel())[0, 1]) for j in (0, 2)]
    assert by[0] > 3 * by[1]


@pytest.mark.parametrize(
    "options",
    [{"n_series": 2}, {"n_steps": 1}, {"n_trajectories": 0}, {"mean_regulators": 0}, {"noise": -1}, {"hubs": 1}],
)
def test_gene_networks_refuse_what_makes_none(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        gene_network(**options)
