"""The perceptron's options: residual paths, layer normalisation, dropout, weight normalisation, together and alone."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch

from grngc_fast import causal_scores, gradient_frobenius, gradient_l1
from grngc_fast.models import MLP

from . import reference
from .test_penalty import assert_same

# (N, P, L, hidden): a width below and above P, one to four hidden layers
SHAPES = [(5, 7, 1, (11,)), (4, 13, 2, (6, 6)), (3, 9, 1, (12, 12, 12)), (6, 17, 3, (5, 5, 5, 5))]
OPTIONS = [
    dict(zip(("residual", "layer_norm", "weight_norm", "skip"), chosen, strict=True))
    for chosen in itertools.product([False, True], repeat=4)
]


def network(shape, dtype=torch.float64, **options) -> tuple[MLP, torch.Tensor]:
    n, p, lags, hidden = shape
    model = MLP(p, lags, hidden, **options).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model, torch.randn(n, lags, p, dtype=dtype)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(k for k, v in o.items() if v) or "plain")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_option_equals_double_backward_in_float64(shape, options):
    model, x = network(shape, **options)
    for ours, theirs in ((gradient_l1, reference.gradient_l1), (gradient_frobenius, reference.gradient_frobenius)):
        truth = reference.value_and_gradients(theirs(model, x), model)
        assert_same(reference.value_and_gradients(ours(model, x), model), truth, 1e-10)
    targets = torch.tensor([6, 2])
    truth = reference.value_and_gradients(reference.gradient_l1(model, x, targets), model)
    assert_same(reference.value_and_gradients(gradient_l1(model, x, targets=targets), model), truth, 1e-10)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_option_together_in_float32(shape):
    model, x = network(shape, torch.float32, residual=True, layer_norm=True, weight_norm=True, skip=True)
    exact = copy.deepcopy(model).double()
    truth = reference.value_and_gradients(reference.gradient_l1(exact, x.double()), exact)
    assert_same(reference.value_and_gradients(gradient_l1(model, x), model), truth, 1e-4)


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_scores_are_the_mean_absolute_jacobian(activation):
    model, x = network(SHAPES[3], activation=activation, residual=True, layer_norm=True)
    jacobian = reference.jacobian(model, x).flip(2)
    torch.testing.assert_close(causal_scores(model, x, per_lag=True), jacobian.abs().mean(0).movedim(1, -1).detach())


def test_dropout_leaves_out_units_of_the_forecast_and_none_of_the_penalty():
    model, x = network((50, 7, 1, (64, 64)), dropout=0.5)
    plain = MLP(7, 1, (64, 64)).double()
    plain.load_state_dict(model.state_dict())
    assert not torch.equal(model(x), model(x))
    torch.testing.assert_close(gradient_l1(model, x), gradient_l1(plain, x), rtol=0, atol=0)
    torch.testing.assert_close(model.eval()(x), plain(x), rtol=0, atol=0)


def test_dropout_keeps_the_mean_of_a_layer():
    model = MLP(3, 1, (20000,), "relu", dropout=0.3)
    x = torch.randn(4, 1, 3)
    noisy, exact = model(x), model.eval()(x)
    # The readout sums 20000 units with weights of variance 1 / 20000.
    assert 0.05 < (noisy - exact).std() < 2
    assert torch.stack([model.train()(x) for _ in range(200)]).mean(0).sub(exact).abs().max() < 0.4


def test_weight_normalisation_starts_at_the_same_function_and_separates_length_from_direction():
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    plain, normed = (
        MLP(5, 2, (8, 8), generator=generators[0]),
        MLP(5, 2, (8, 8), weight_norm=True, generator=generators[1]),
    )
    x = torch.randn(6, 2, 5)
    torch.testing.assert_close(normed(x), plain(x))
    with torch.no_grad():
        for weight in normed.weights:
            weight.mul_(torch.rand(len(weight), 1) + 0.5)
    torch.testing.assert_close(normed(x), plain(x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": (4, 5), "residual": True}, r"one width; got hidden=\(4, 5\)"),
        ({"dropout": 1.0}, "dropout=1.0; expected a probability"),
        ({"dropout": -0.1}, "dropout=-0.1; expected a probability"),
    ],
)
def test_options_that_cannot_be_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        MLP(4, **options)
