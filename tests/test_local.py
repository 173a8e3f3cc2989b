"""A perceptron with hidden units of each target's own, against the textbook loop and as the perceptron that it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from grngc_fast import GRNGC, InputError, causal_scores, gradient_frobenius, gradient_l1
from grngc_fast.jacobian import ACTIVATIONS, check_factors
from grngc_fast.models import MLP, LocalMLP

from . import reference
from .test_penalty import assert_same
from .test_regulators import drives, shaken

# N windows, C causes, L lags, E effects, units for each
SHAPES = [(5, 7, 1, 7, 3), (3, 4, 3, 9, 1), (6, 13, 2, 2, 8), (1, 1, 2, 5, 4), (4, 3, 1, 1, 2)]


def local(shape, dtype: torch.dtype = torch.float64, **options) -> tuple[LocalMLP, Tensor]:
    n, causes, lags, effects, hidden = shape
    model = shaken(LocalMLP(causes, lags, hidden, n_targets=effects, **options)).to(dtype)
    return model, torch.randn(n, lags, causes, dtype=dtype)


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_local_units_equal_double_backward_in_float64(shape, skip):
    model, x = local(shape, skip=skip)
    assert (model.skip is not None) == skip
    assert check_factors(model, x) < 1e-12
    for ours, theirs in ((gradient_l1, reference.gradient_l1), (gradient_frobenius, reference.gradient_frobenius)):
        truth = reference.value_and_gradients(theirs(model, x), model)
        assert truth["encoder"].norm() > 0
        assert_same(reference.value_and_gradients(ours(model, x), model), truth, 1e-10)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_equals_double_backward(activation):
    model, x = local(SHAPES[1], activation=activation)
    truth = reference.value_and_gradients(reference.gradient_l1(model, x), model)
    assert_same(reference.value_and_gradients(gradient_l1(model, x), model), truth, 1e-10)


@pytest.mark.parametrize("backend", ["reference", "tiled"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_way_of_the_product_in_float32(shape, backend):
    model, x = local(shape, torch.float32)
    exact, wide = model.state_dict(), local(shape)[0]
    wide.load_state_dict(exact)
    truth = reference.value_and_gradients(reference.gradient_l1(wide, x.double()), wide)
    assert_same(reference.value_and_gradients(gradient_l1(model, x, backend=backend), model), truth, 1e-4)


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@pytest.mark.parametrize("targets", [[8], [4, 0, 7], list(range(8, -1, -1))], ids=str)
def test_some_targets_are_theirs_of_the_whole(targets, skip):
    model, x = local((3, 4, 3, 9, 5), skip=skip)
    rows = torch.tensor(targets)
    truth = reference.value_and_gradients(reference.gradient_l1(model, x, rows), model)
    found = reference.value_and_gradients(gradient_l1(model, x, targets=rows), model)
    assert_same(found, truth, 1e-10)
    others = [i for i in range(9) if i not in targets]
    assert (found["encoder"][others] == 0).all()


def test_scores_are_the_mean_absolute_jacobian():
    model, x = local(SHAPES[2])
    jacobian = reference.jacobian(model, x).flip(2).detach()
    torch.testing.assert_close(causal_scores(model, x, per_lag=True), jacobian.abs().mean(0).movedim(1, -1))
    torch.testing.assert_close(causal_scores(model, x), jacobian.abs().mean(0).amax(1))


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
def test_it_is_a_perceptron_with_a_block_diagonal_readout(skip):
    model, x = local((5, 4, 2, 6, 3), skip=skip)
    dense = MLP(4, 2, (18,), skip=skip, n_targets=6).double()
    with torch.no_grad():
        dense.weights[0].copy_(model.encoder.flatten(0, 1))
        dense.biases[0].copy_(model.encoder_bias.flatten())
        dense.weights[1].copy_(torch.block_diag(*model.readout))
        dense.biases[1].copy_(model.readout_bias)
        if skip:
            dense.skip.copy_(model.skip)
    torch.testing.assert_close(model(x), dense(x))
    torch.testing.assert_close(gradient_l1(model, x), gradient_l1(dense, x))


def test_the_width_counts_a_targets_own_units_alone():
    model, x = local((5, 7, 2, 30, 3), skip=False)
    assert model.jacobian_factors(x).width == 3


def test_the_same_generator_gives_the_same_weights():
    first, second, other = (LocalMLP(5, 2, 4, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    x = torch.randn(3, 2, 5)
    assert torch.equal(first(x), second(x))
    assert not torch.equal(first(x), other(x))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_series": 0}, "n_series=0, .* must be positive"),
        ({"n_series": 3, "hidden": 0}, "hidden=0 .* must be positive"),
        ({"n_series": 3, "n_lags": 0}, "n_lags=0, .* must be positive"),
        ({"n_series": 3, "n_targets": 0}, "n_targets=0 must be positive"),
        ({"n_series": 3, "activation": "swish"}, "activation='swish' is unknown; use one of 'tanh'"),
    ],
)
def test_options_that_cannot_be_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        LocalMLP(**arguments)


@pytest.mark.parametrize("shape", [(3, 2, 5), (3, 1, 4), (3, 8)], ids=str)
def test_windows_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(N, 2, 4\)"):
        LocalMLP(4, 2)(torch.zeros(shape))


def products(n_steps: int = 300, seed: int = 0) -> np.ndarray:
    """x2 is moved by the product of x0 and x1, by neither alone."""
    x = np.random.default_rng(seed).standard_normal((n_steps, 4))
    x[1:, 2] = 0.3 * x[1:, 2] + x[:-1, 0] * x[:-1, 1]
    return x


def test_the_estimator_finds_a_product_of_two_series():
    found = GRNGC("local", lam=0.1, random_state=0).fit(products())
    assert isinstance(found.model_, LocalMLP)
    strongest = {(edge.source, edge.target) for edge in found.graph_.edges(top_k=2)}
    assert strongest == {("x0", "x2"), ("x1", "x2")}
    linear = GRNGC("mlp", lam=0.1, hidden=1, skip=True, max_steps=1, random_state=0).fit(products())
    assert {(edge.source, edge.target) for edge in linear.graph_.edges(top_k=2)} != strongest


@pytest.mark.parametrize("skip", [None, False])
def test_the_estimator_takes_regulators_targets_and_lags(skip):
    options = {"lags": 2, "regulators": ["a", "b"], "targets": ["t0", "t1", "t2"], "hidden": 3, "max_steps": 30}
    found = GRNGC("local", skip=skip, random_state=0, **options).fit(drives(80))
    assert found.lag_scores_.shape == (3, 2, 2)
    assert found.model_.network.encoder.shape == (3, 3, 4)
    assert (found.model_.network.skip is None) == (skip is False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": [4, 4]}, r"hidden=\[4, 4\]: model='local' takes one number of units for each target"),
        ({"model_options": {"residual": True}}, "model_options has 'residual', which model='local' does not know"),
        ({"candidates": ~np.eye(5, dtype=bool)}, "candidates that differ between targets need model='mlp'.*'local'"),
    ],
)
def test_what_local_units_cannot_be_is_named(options, message):
    with pytest.raises(InputError, match=message):
        GRNGC("local", max_steps=2, random_state=0, **options).fit(drives(40))
