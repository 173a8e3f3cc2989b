"""The LSTM against nn.LSTM in value, and its penalty and scores against double-backward autograd."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from grngc_fast import causal_scores, gradient_frobenius, gradient_l1
from grngc_fast.models import LSTM

from . import reference
from .test_penalty import assert_same

# (N, P, H): ragged, more series than units and fewer
SIZES = [(3, 9, 4), (4, 3, 7), (1, 5, 5)]
LAYERS_AND_LAGS = [(layers, lags) for layers in (1, 2) for lags in (1, 2, 5, 8)] + [(3, 3)]


def network(
    size: tuple[int, int, int], layers: int, lags: int, skip: bool = False, dtype: torch.dtype = torch.float64
) -> tuple[LSTM, Tensor]:
    n, p, hidden = size
    model = LSTM(p, lags, hidden, layers, skip).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model, torch.randn(n, lags, p, dtype=dtype)


def as_nn_modules(model: LSTM) -> tuple[nn.LSTM, nn.Linear]:
    readout = nn.Linear(model.hidden, model.n_series, dtype=model.readout.weight.dtype)
    readout.load_state_dict(model.readout.state_dict())
    return model.to_nn_lstm(), readout


@pytest.mark.parametrize(("layers", "lags"), LAYERS_AND_LAGS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_forward_equals_nn_lstm(size, layers, lags):
    model, x = network(size, layers, lags)
    cell, readout = as_nn_modules(model)
    torch.testing.assert_close(model(x), readout(cell(x)[0][:, -1]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_weights_survive_the_way_to_nn_lstm_and_back_bit_for_bit(layers):
    model, x = network((2, 5, 6), layers, 3)
    cell, readout = as_nn_modules(model)
    back = LSTM(5, 3, 6, layers).double()
    back.load_nn_lstm(cell, readout)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, back.get_parameter(name)), name
    for name, parameter in cell.named_parameters():
        assert torch.equal(parameter, back.to_nn_lstm().get_parameter(name)), name
    assert torch.equal(model(x), back(x))


def test_loading_without_biases_sets_them_to_zero_and_without_a_readout_keeps_it():
    model, x = network((2, 4, 6), 2, 3)
    cell, readout = nn.LSTM(4, 6, 2, bias=False, batch_first=True).double(), nn.Linear(6, 4, bias=False).double()
    kept = copy.deepcopy(model.readout)
    model.load_nn_lstm(cell)
    torch.testing.assert_close(model(x), kept(cell(x)[0][:, -1]))
    model.load_nn_lstm(cell, readout)
    torch.testing.assert_close(model(x), readout(cell(x)[0][:, -1]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bidirectional": True}, "bidirectional=True"),
        ({"proj_size": 3}, "proj_size=3"),
        ({"dropout": 0.5}, "dropout=0.5"),
        ({"hidden_size": 7}, r"= \(4, 7, 2\); expected \(4, 6, 2\)"),
        ({"input_size": 5}, r"= \(5, 6, 2\); expected \(4, 6, 2\)"),
        ({"num_layers": 1}, r"= \(4, 6, 1\); expected \(4, 6, 2\)"),
    ],
)
def test_modules_that_do_not_fit_are_refused_and_change_nothing(options, message):
    model = LSTM(4, 2, 6, n_layers=2)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=message):
        model.load_nn_lstm(nn.LSTM(**{"input_size": 4, "hidden_size": 6, "num_layers": 2, **options}))
    with pytest.raises(ValueError, match=r"readout has weight \(5, 6\); expected \(4, 6\)"):
        model.load_nn_lstm(nn.LSTM(4, 6, 2), nn.Linear(6, 5))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@pytest.mark.parametrize("targets", [None, [1], [2, 0]], ids=str)
@pytest.mark.parametrize(("layers", "lags"), LAYERS_AND_LAGS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_l1_equals_double_backward_in_float64(size, layers, lags, targets, skip):
    model, x = network(size, layers, lags, skip)
    rows = None if targets is None else torch.tensor(targets)
    truth = reference.value_and_gradients(reference.gradient_l1(model, x, rows), model)
    assert_same(reference.value_and_gradients(gradient_l1(model, x, targets=targets), model), truth, 1e-10)


def test_the_sizes_above_reach_both_ways_to_the_factors():
    ways = {
        (layers, LSTM(p, lags, hidden, layers)._own_rows_are_cheaper(rows))
        for _, p, hidden in SIZES
        for layers, lags in LAYERS_AND_LAGS
        for rows in (1, 2, p)
    }
    assert ways == {(layers, way) for layers in (1, 2, 3) for way in (False, True)}


@pytest.mark.parametrize("elements", [1, 2**8, 2**30], ids=["a window", "some windows", "all windows"])
@pytest.mark.parametrize("layers", [1, 2])
def test_blocks_of_windows_change_nothing(layers, elements, monkeypatch):
    model, x = network((7, 5, 4), layers, 3, skip=True)
    truth = reference.value_and_gradients(reference.gradient_l1(model, x), model)
    monkeypatch.setattr("grngc_fast.models.lstm_adjoint.BLOCK_ELEMENTS", elements)
    assert_same(reference.value_and_gradients(gradient_l1(model, x), model), truth, 1e-10)


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@pytest.mark.parametrize(("layers", "lags"), LAYERS_AND_LAGS)
def test_l1_equals_double_backward_in_float32(layers, lags, skip):
    model, x = network((6, 19, 11), layers, lags, skip, torch.float32)
    exact = copy.deepcopy(model).double()
    truth = reference.value_and_gradients(reference.gradient_l1(exact, x.double()), exact)
    assert_same(reference.value_and_gradients(gradient_l1(model, x), model), truth, 1e-4)


@pytest.mark.parametrize(("layers", "lags"), [(1, 1), (1, 3), (2, 2)])
def test_frobenius_equals_double_backward_in_float64(layers, lags):
    model, x = network((3, 6, 5), layers, lags, skip=True)
    truth = reference.value_and_gradients(reference.gradient_frobenius(model, x), model)
    assert_same(reference.value_and_gradients(gradient_frobenius(model, x), model), truth, 1e-10)


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@pytest.mark.parametrize(("layers", "lags"), LAYERS_AND_LAGS)
def test_scores_per_lag_are_the_mean_absolute_jacobian_most_recent_lag_first(layers, lags, skip):
    model, x = network((5, 6, 4), layers, lags, skip)
    rows = reference.jacobian(model, x).detach()
    # (N, effect, L oldest first, cause) -> (effect, cause, lag)
    truth = rows.flip(2).permute(0, 1, 3, 2)
    torch.testing.assert_close(causal_scores(model, x, per_lag=True), truth.abs().mean(0))
    torch.testing.assert_close(causal_scores(model, x, per_lag=True, signed=True), truth.mean(0))


def test_a_series_read_at_one_lag_scores_at_that_lag_alone():
    model = LSTM(3, 4, 5, skip=True)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    with torch.no_grad():
        model.skip[0, 2 * 3 + 1] = 2.0
    x = torch.randn(6, 4, 3)
    scores = causal_scores(model, x, per_lag=True)
    assert scores[0, 1, 2] == 2 and scores.sum() == 2
    torch.testing.assert_close(model(x)[:, 0], 2 * x[:, -3, 1])


def test_a_frozen_part_has_no_gradient_and_the_rest_keeps_theirs():
    model, x = network((3, 5, 4), 2, 3)
    gradient_l1(model, x).backward()
    truth = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad()
    model.weight_hh[0].requires_grad_(False)
    gradient_l1(model, x).backward()
    assert model.weight_hh[0].grad is None
    for name, parameter in model.named_parameters():
        if name != "weight_hh.0" and truth[name] is not None:
            torch.testing.assert_close(parameter.grad, truth[name])


def test_a_generator_makes_the_weights_and_nothing_else_draws():
    state = torch.get_rng_state()
    first, second = (LSTM(4, 3, 5, 2, True, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    first.to_nn_lstm()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_wrong_shapes_and_sizes_are_named():
    model = LSTM(4, 3, 5)
    for call in (model, model.jacobian_factors):
        with pytest.raises(ValueError, match=r"x has shape \(2, 1, 4\); expected \(N, 3, 4\)"):
            call(torch.zeros(2, 1, 4))
    with pytest.raises(ValueError, match="n_layers=0 must all be positive"):
        LSTM(4, n_layers=0)
    with pytest.raises(ValueError, match="targets"):
        gradient_l1(model, torch.zeros(2, 3, 4), targets=[4])
