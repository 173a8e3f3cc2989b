"""A small perceptron's step, written out, is autograd's in value and every gradient; larger ones and others take autograd."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from grngc_fast import gradient_l1
from grngc_fast.distributed import World
from grngc_fast.models import KAN, MLP, mlp_penalty
from grngc_fast.models import mlp_gradients as module
from grngc_fast.models.curves import CURVES
from grngc_fast.series import Windows
from grngc_fast.training import Trainer, TrainingOptions
from tests import reference

N, L, C, E, H = 9, 2, 4, 3, 7


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(activation="silu", skip=True, **further):
    model = MLP(
        C, L, (H,), activation, skip, n_targets=E, generator=torch.Generator().manual_seed(1), **further
    ).double()
    for parameter in model.parameters():
        parameter.data.add_(0.3 * drawn(*parameter.shape, seed=2))
    return model


@pytest.mark.parametrize(
    ("activation", "skip", "targets", "n_windows"),
    list(itertools.product(CURVES, (False, True), (None, [2, 0]), (N, 5, 1))),
)
def test_value_and_gradients_are_those_of_autograd(activation, skip, targets, n_windows):
    model, x, y = network(activation, skip), drawn(N, L, C), drawn(N, E, seed=3)
    rows = None if targets is None else torch.tensor(targets)
    error, penalty = module.loss_gradients(model, x, y, n_windows, rows, 0.4)
    found = [parameter.grad for parameter in model.parameters()]
    expected_error = F.mse_loss(model(x), y)
    expected_penalty = reference.gradient_l1(model, x[:n_windows], rows) / (E if targets is None else len(targets))
    expected = torch.autograd.grad(expected_error + 0.4 * expected_penalty, list(model.parameters()))
    torch.testing.assert_close(error, expected_error.detach())
    torch.testing.assert_close(penalty, expected_penalty.detach())
    for own, right in zip(found, expected, strict=True):
        torch.testing.assert_close(own, right)


@pytest.mark.parametrize("plain", [0, 2**20], ids=["op", "plain"])
@pytest.mark.parametrize(
    ("activation", "skip", "targets"), list(itertools.product(CURVES, (False, True), (None, [2, 0, 2])))
)
def test_the_small_penalty_is_the_loops(activation, skip, targets, plain, monkeypatch):
    monkeypatch.setattr(mlp_penalty, "PLAIN_NUMBERS", plain)
    model, x = network(activation, skip), drawn(N, L, C)
    rows = None if targets is None else torch.tensor(targets)

    def of(penalty):
        value = penalty(model, x, rows)
        return [
            value,
            *torch.autograd.grad(3 * value, list(model.parameters()), allow_unused=True, materialize_grads=True),
        ]

    assert model.gradient_l1(x, rows, "auto", None) is not None
    found = of(lambda *given: gradient_l1(model, x, targets=rows))
    for own, right in zip(found, of(reference.gradient_l1), strict=True):
        torch.testing.assert_close(own, right)


def test_the_small_penalty_leaves_the_rest_to_the_factors():
    model, x = network(), drawn(N, L, C)

    class Other(MLP):
        pass

    other = Other(C, L, (H,), generator=torch.Generator().manual_seed(1)).double()
    assert other.gradient_l1(x, None, "auto", None) is None
    assert model.gradient_l1(x.float(), None, "auto", None) is None
    assert model.gradient_l1(x[:1].expand(2**20, -1, -1), None, "auto", None) is None
    assert network("gelu").gradient_l1(x, None, "auto", None) is None
    with torch.no_grad():
        assert model.gradient_l1(x, None, "auto", None) is None
    with pytest.raises(ValueError, match="targets that the model does not have"):
        gradient_l1(model, x, targets=[E])


def test_without_a_penalty_it_is_the_forecasts():
    model, x, y = network(), drawn(N, L, C), drawn(N, E, seed=3)
    error, penalty = module.loss_gradients(model, x, y, N, None, 0.0)
    assert penalty == 0
    expected = torch.autograd.grad(F.mse_loss(model(x), y), list(model.parameters()))
    for own, right in zip([p.grad for p in model.parameters()], expected, strict=True):
        torch.testing.assert_close(own, right)
    assert error > 0


@pytest.mark.parametrize(
    "model",
    [
        KAN(C, hidden=(3,)),
        MLP(C, L, (H, H)),
        MLP(C, L, (H,), "gelu"),
        MLP(C, L, (H,), dropout=0.1),
        MLP(C, L, (H,), layer_norm=True),
        MLP(C, L, (H,), weight_norm=True),
    ],
    ids=["kan", "deep", "gelu", "dropout", "layer norm", "weight norm"],
)
def test_other_networks_take_autograd(model):
    assert not module.written_out(model, 1, 1)


def test_large_penalties_and_frozen_parameters_take_autograd():
    model = network()
    assert module.written_out(model, N, E)
    assert not module.written_out(model, 10**6, 10**3)
    model.skip.requires_grad_(False)
    assert not module.written_out(model, N, E)


def test_a_training_is_the_same_either_way(monkeypatch):
    steps = drawn(60, C).numpy()

    def trained():
        model = MLP(C, L, (H,), skip=True, generator=torch.Generator().manual_seed(1))
        options = TrainingOptions(
            lam=0.05, max_steps=30, batch_size=16, learning_rate=1e-2, penalty_windows=6, penalty_targets=2
        )
        trainer = Trainer(
            model, Windows.from_trajectories([steps], L), options, torch.Generator().manual_seed(0), World()
        )
        while not trainer.finished:
            trainer.step()
        return trainer, model

    written, own = trained()
    assert written._small
    monkeypatch.setattr("grngc_fast.training.trainer.written_out", lambda *_: False)
    other, right = trained()
    assert not other._small
    for a, b in zip(own.parameters(), right.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)
    assert written.history.forecast == pytest.approx(other.history.forecast, rel=1e-4)
