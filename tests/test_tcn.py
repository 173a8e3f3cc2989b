"""The TCN: what each step sees, and its penalty and scores by the adjoint of its last step."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from grngc_fast import causal_scores, gradient_frobenius, gradient_l1
from grngc_fast.jacobian import ACTIVATIONS, check_factors
from grngc_fast.models import TCN

from . import reference
from .test_penalty import assert_same

# (N, P, L, H, kernel_size): ragged; lags that fill the receptive field and lags that do not
SHAPES = [(5, 7, 1, 4, 2), (3, 9, 2, 6, 2), (4, 3, 5, 8, 2), (2, 4, 8, 5, 2), (3, 5, 4, 3, 3), (2, 3, 9, 4, 3)]


def network(shape, activation: str = "silu", skip: bool = False, **options) -> tuple[TCN, Tensor]:
    n, p, lags, hidden, kernel_size = shape
    model = TCN(p, lags, hidden, kernel_size, activation=activation, skip=skip, **options).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model, torch.randn(n, lags, p, dtype=torch.float64)


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_l1_equals_double_backward_in_float64(shape, skip):
    model, x = network(shape, skip=skip)
    for targets in (None, torch.tensor([2, 0])):
        truth = reference.value_and_gradients(reference.gradient_l1(model, x, targets), model)
        assert_same(reference.value_and_gradients(gradient_l1(model, x, targets=targets), model), truth, 1e-10)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_equals_double_backward(activation):
    model, x = network((3, 4, 4, 5, 2), activation)
    for ours, theirs in ((gradient_l1, reference.gradient_l1), (gradient_frobenius, reference.gradient_frobenius)):
        truth = reference.value_and_gradients(theirs(model, x), model)
        assert_same(reference.value_and_gradients(ours(model, x), model), truth, 1e-10)


def test_l1_equals_double_backward_in_float32():
    exact, x = network((6, 11, 6, 9, 2), skip=True)
    model = copy.deepcopy(exact).float()
    truth = reference.value_and_gradients(reference.gradient_l1(exact, x), exact)
    assert_same(reference.value_and_gradients(gradient_l1(model, x.float()), model), truth, 1e-4)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_scores_per_lag_are_the_mean_absolute_jacobian_most_recent_lag_first(shape):
    model, x = network(shape, skip=True)
    truth = reference.jacobian(model, x).detach().flip(2).permute(0, 1, 3, 2).abs().mean(0)
    torch.testing.assert_close(causal_scores(model, x, per_lag=True), truth)


def test_factors_hold_where_the_lags_go_beyond_what_is_seen():
    model, x = network((2, 3, 6, 4, 2), n_levels=1)
    truth = reference.value_and_gradients(reference.gradient_l1(model, x), model)
    assert_same(reference.value_and_gradients(gradient_l1(model, x), model), truth, 1e-10)
    assert check_factors(model, x) < 1e-10


@pytest.mark.parametrize("lags", range(1, 10))
@pytest.mark.parametrize("kernel_size", [2, 3, 5])
def test_the_default_levels_see_all_lags_and_one_fewer_would_not(lags, kernel_size):
    model, x = network((2, 3, lags, 4, kernel_size))
    seen = reference.jacobian(model, x).detach().abs().amax((0, 1, 3))
    assert (seen > 0).all()
    assert model.receptive_field >= lags
    levels = len(model.convolutions)
    assert levels == 1 or TCN(3, lags, 4, kernel_size, levels - 1).receptive_field < lags


@pytest.mark.parametrize("kernel_size", [2, 3])
def test_fewer_levels_see_the_most_recent_lags_alone(kernel_size):
    model, x = network((2, 3, 6, 4, kernel_size), n_levels=1)
    seen = reference.jacobian(model, x).detach().abs().amax((0, 1, 3))
    assert (seen[-kernel_size:] > 0).all() and (seen[:-kernel_size] == 0).all()


def top(model: TCN, x: Tensor, before: int) -> Tensor:
    """The top level at every step, (N, T, H)."""
    *_, level = model._levels(x, before)
    return level.h.mT


def test_no_level_sees_later_steps():
    model, x = network((2, 3, 6, 4, 2))
    before = model.receptive_field - 1
    every_step = top(model, x, before)
    assert every_step.shape == (2, 6, 4)
    for t in range(6):
        changed = x.clone()
        changed[:, t] += 1
        same = (top(model, changed, before) == every_step).all(-1).all(0)
        assert same[:t].all() and not same[t:].any(), f"step {t}"
    torch.testing.assert_close(model.readout(every_step[:, -1]), model(x))


def test_a_generator_makes_the_weights_and_nothing_else_draws():
    state = torch.get_rng_state()
    first, second = (TCN(4, 3, 5, skip=True, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_wrong_shapes_and_options_are_named():
    with pytest.raises(ValueError, match=r"x has shape \(2, 1, 4\); expected \(N, 3, 4\)"):
        TCN(4, 3)(torch.zeros(2, 1, 4))
    with pytest.raises(ValueError, match="activation='swish' is unknown; use one of 'tanh'"):
        TCN(4, activation="swish")
    with pytest.raises(ValueError, match=r"hidden=0 .* must all be positive"):
        TCN(4, hidden=0)
    with pytest.raises(ValueError, match="n_levels=0 must all be positive"):
        TCN(4, n_levels=0)
    with pytest.raises(ValueError, match="kernel_size=1 sees no earlier step"):
        TCN(4, kernel_size=1)
