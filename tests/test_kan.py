"""KAN: forecasts against an independent one by scipy, penalty and scores against double-backward autograd."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline
from torch import Tensor

from grngc_fast import causal_scores, gradient_frobenius, gradient_l1
from grngc_fast.jacobian import Chain, ColumnFactors, Factors, has_factors, lag_major
from grngc_fast.models import KAN

from . import reference
from .test_penalty import assert_same

# (N, P, L, hidden): one to four layers, ragged, two lags
SHAPES = [(5, 7, 2, ()), (4, 9, 2, (3,)), (3, 5, 1, (12,)), (3, 6, 2, (9, 4)), (2, 7, 1, (3, 11, 5))]
BASES = ["identity", "silu", "none"]


def network(shape, dtype: torch.dtype = torch.float64, **options) -> tuple[KAN, Tensor]:
    """A network with no weight at its initial value, and windows that reach beyond its splines."""
    n, p, lags, hidden = shape
    model = KAN(p, lags, hidden, **{"grid": 4, "grid_range": (-1.0, 1.3), **options}).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model, 1.5 * torch.randn(n, lags, p, dtype=dtype)


def slow_forecast(model: KAN, x: Tensor, base: str) -> np.ndarray:
    """Edge by edge, each a spline of scipy's that has coefficients 0 beyond its own."""
    activation = {"identity": lambda v: v, "silu": lambda v: v / (1 + np.exp(-v)), "none": np.zeros_like}[base]
    h = inputs = x.flip(1).flatten(1).numpy()
    for layer in model.layers:
        basis, weights = layer.basis, {name: p.detach().numpy() for name, p in layer.named_parameters()}
        order, out = basis.order, np.zeros((len(h), len(layer.coef)))
        knots = basis.low + basis.step * np.arange(-2 * order, basis.grid + 2 * order + 1)
        for o, i in np.ndindex(*weights["spline_scale"].shape):
            spline = BSpline(knots, np.pad(weights["coef"][o, i], order), order, extrapolate=False)
            out[:, o] += weights["spline_scale"][o, i] * np.nan_to_num(spline(h[:, i]))
            out[:, o] += activation(h[:, i]) * (weights["w_base"][o, i] if base != "none" else 0)
        h = out
    return h if model.skip is None else h + inputs @ model.skip.detach().numpy().T


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("shape", [(3, 4, 2, ()), (3, 3, 1, (4,)), (2, 3, 2, (4, 2))], ids=str)
def test_forecast_equals_the_definition_edge_by_edge(shape, base):
    model, x = network(shape, base=base, skip=True)
    np.testing.assert_allclose(model(x).detach().numpy(), slow_forecast(model, x, base), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_l1_equals_double_backward_in_float64(shape, base, order, skip):
    model, x = network(shape, base=base, order=order, skip=skip)
    truth = reference.value_and_gradients(reference.gradient_l1(model, x), model)
    assert_same(reference.value_and_gradients(gradient_l1(model, x), model), truth, 1e-10)


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_l1_equals_double_backward_in_float32(shape, skip):
    model, x = network(shape, torch.float32, skip=skip)
    exact = copy.deepcopy(model).double()
    truth = reference.value_and_gradients(reference.gradient_l1(exact, x.double()), exact)
    assert_same(reference.value_and_gradients(gradient_l1(model, x), model), truth, 1e-4)


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_frobenius_equals_double_backward(shape, skip):
    model, x = network(shape, base="silu", skip=skip)
    truth = reference.value_and_gradients(reference.gradient_frobenius(model, x), model)
    assert_same(reference.value_and_gradients(gradient_frobenius(model, x), model), truth, 1e-10)


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_targets_select_outputs(shape, skip):
    model, x = network(shape, skip=skip)
    targets = torch.tensor([4, 0, 2])
    truth = reference.value_and_gradients(reference.gradient_l1(model, x, targets), model)
    assert_same(reference.value_and_gradients(gradient_l1(model, x, targets=targets), model), truth, 1e-10)
    with pytest.raises(ValueError, match="targets that the model does not have"):
        gradient_l1(model, x, targets=[shape[1]])


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_scores_and_jacobian_equal_the_reference_for_each_lag(shape, skip):
    model, x = network(shape, skip=skip)
    # (N, P, L, P), oldest step first -> (N, effect, cause, lag), most recent first
    truth = reference.jacobian(model, x).detach().flip(2).movedim(2, -1)
    found = lag_major(model.jacobian_factors(x).jacobian(), model.n_lags)
    torch.testing.assert_close(found, truth)
    torch.testing.assert_close(causal_scores(model, x, per_lag=True, batch_size=2), truth.abs().mean(0))
    torch.testing.assert_close(causal_scores(model, x, per_lag=True, signed=True), truth.mean(0))
    torch.testing.assert_close(causal_scores(model, x), truth.abs().mean(0).amax(-1))


def test_scores_of_a_single_layer_column_chunk_by_column_chunk(monkeypatch):
    model, x = network((5, 7, 2, ()))
    whole = causal_scores(model, x)
    monkeypatch.setattr("grngc_fast.jacobian.columns.CHUNK_ELEMENTS", 5 * 7 * 3)
    torch.testing.assert_close(causal_scores(model, x), whole)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_under_autocast_forecast_and_penalty_keep_their_precision(shape):
    model, x = network(shape, torch.float32, skip=True)
    truth = model(x), gradient_l1(model, x), causal_scores(model, x)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(x), gradient_l1(model, x), causal_scores(model, x)
    for f, t in zip(found, truth, strict=True):
        assert torch.equal(f, t)


def test_under_autocast_the_squared_gradient_of_a_single_layer_keeps_its_precision():
    model, x = network((5, 7, 2, ()), torch.float32)
    truth = gradient_frobenius(model, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(gradient_frobenius(model, x), truth)


def test_forecast_and_penalty_compile_without_a_graph_break():
    model, x = network((3, 5, 2, (4,)), torch.float32)

    def loss(x: Tensor) -> Tensor:
        return model(x).square().mean() + gradient_l1(model, x)

    torch.compiler.reset()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    truth = reference.value_and_gradients(loss(x), model)
    assert_same(reference.value_and_gradients(compiled(x), model), truth, 1e-5)


def test_factors_contract_over_the_narrowest_place():
    def contraction(*hidden: int) -> int:
        factors = KAN(50, hidden=hidden).jacobian_factors(torch.randn(2, 1, 50))
        assert isinstance(factors, Factors)
        assert factors.width == factors.right.shape[-2]
        return factors.width

    assert contraction(8) == 8
    assert contraction(4, 40) == 4
    assert contraction(40, 4) == 4
    assert contraction(40, 3, 20) == 3
    factors = KAN(50, hidden=()).jacobian_factors(torch.randn(2, 1, 50))
    assert isinstance(factors, ColumnFactors)
    assert (factors.width, factors.window_elements) == (9, 50 * 9)


def test_a_chain_is_its_product_however_it_is_associated():
    sizes, n = (6, 3, 11, 4, 9), 5
    matrices = tuple(torch.randn(n, o, i, dtype=torch.float64) for o, i in itertools.pairwise(sizes))
    bias = torch.randn(6, 9, dtype=torch.float64)
    truth = bias + torch.linalg.multi_dot([matrices[0][0], *(m[0] for m in matrices[1:])])
    torch.testing.assert_close(Chain(matrices, bias).associate().jacobian()[0], truth)


def test_sides_that_lie_transposed_give_the_same_penalty_and_gradients():
    left, right = torch.randn(3, 5, 4, dtype=torch.float64), torch.randn(3, 4, 7, dtype=torch.float64)
    bias = torch.randn(5, 7, dtype=torch.float64)

    def value_and_gradients(left: Tensor, right: Tensor) -> tuple[Tensor, ...]:
        given = left.requires_grad_(), right.requires_grad_(), bias.clone().requires_grad_()
        value = Factors(left, right, 3, bias=given[2]).l1()
        return value, *torch.autograd.grad(value, given)

    turned = value_and_gradients(left.mT.contiguous().mT, right.mT.contiguous().mT)
    for found, truth in zip(turned, value_and_gradients(left, right), strict=True):
        torch.testing.assert_close(found, truth)


def test_far_from_the_grid_a_layer_is_linear_in_its_base():
    model, x = network((3, 4, 1, ()))
    x = 100 * x.sign()
    torch.testing.assert_close(model.jacobian_factors(x).jacobian(), model.layers[0].w_base.expand(3, -1, -1))


def test_nan_in_a_window_reaches_its_forecast_and_the_penalty():
    model, x = network((3, 4, 1, (5,)))
    x[1, 0, 2] = torch.nan
    assert torch.equal(model(x).isnan().all(1), torch.tensor([False, True, False]))
    assert gradient_l1(model, x).isnan()


@pytest.mark.parametrize("base", BASES)
def test_initial_forecasts_are_of_the_size_of_the_input_at_any_depth(base):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(256, 1, 40, generator=generator)
    for hidden in ((), (64,), (64, 32)):
        deviation = KAN(40, hidden=hidden, base=base, generator=generator)(x).std()
        assert 0.1 < deviation < 2, (hidden, deviation)


def test_the_generator_decides_every_initial_weight():
    first, second = (KAN(5, 2, (4,), skip=True, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    torch.manual_seed(1)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not first.skip.any()
    assert has_factors(first)


def test_hidden_may_be_a_number_and_float32_windows_meet_float64_weights():
    model = KAN(4, hidden=6).double()
    x = torch.randn(3, 1, 4)
    assert model(x).dtype == torch.float64
    torch.testing.assert_close(gradient_l1(model, x), gradient_l1(model, x.double()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": (0,)}, r"hidden=\(0,\) must all be positive"),
        ({"n_lags": 0}, "n_lags=0"),
        ({"order": 7}, "order=7 must be a whole number from 1 to 5"),
        ({"grid": 0}, "grid=0"),
        ({"grid_range": (1.0, -1.0)}, "grid_range="),
        ({"grid_range": (1.0,)}, "grid_range="),
        ({"base": "gelu"}, "base='gelu' is unknown; use one of 'identity', 'silu', 'none'"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        KAN(4, **options)


def test_windows_of_another_shape_are_named():
    with pytest.raises(ValueError, match=r"x has shape \(3, 1, 4\); expected \(N, 2, 4\)"):
        gradient_l1(KAN(4, n_lags=2), torch.randn(3, 1, 4))
