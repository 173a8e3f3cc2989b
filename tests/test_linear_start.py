"""Networks that start as the best penalised linear forecaster, and learn from there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from grngc_fast import GRNGC, gradient_l1
from grngc_fast.models import KAN, MLP
from grngc_fast.planning.start import StartsLinear, start_linear
from grngc_fast.series import Windows
from grngc_fast.training import TrainingOptions, train
from grngc_fast.training.sparse_linear import sparse_linear

from . import reference
from .test_regulators import shaken

# C causes, L lags, E effects
C, L, E = 5, 2, 4
MODELS = {
    "one layer": lambda **more: MLP(C, L, (7,), skip=True, n_targets=E, **more),
    "deep": lambda **more: MLP(C, L, (7, 3, 6), "tanh", skip=True, n_targets=E, **more),
    "weight norm": lambda **more: MLP(C, L, (7, 6), skip=True, weight_norm=True, n_targets=E, **more),
    "residual": lambda **more: MLP(C, L, (6, 6), skip=True, residual=True, layer_norm=True, n_targets=E, **more),
    "all": lambda **more: MLP(
        C, L, (6, 6), skip=True, residual=True, layer_norm=True, weight_norm=True, dropout=0.2, n_targets=E, **more
    ),
}


def windows(n_steps: int = 120, dtype: torch.dtype = torch.float64) -> Windows:
    """C series that are causes; the effects are E of them, each moved by the one before it and by a cosine."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n_steps, C))
    for t in range(2, n_steps):
        x[t] += 0.5 * np.roll(x[t - 1], 1) + np.cos(2 * np.roll(x[t - 2], 2))
    return Windows.from_trajectories([x], L, dtype, target_columns=[0, 2, 3, 4])


def penalised(model: nn.Module, data: Windows, lam: float) -> Tensor:
    x = data.inputs()
    return (model(x) - data.targets()).square().mean() + lam / E * gradient_l1(model, x)


@pytest.mark.parametrize("kind", MODELS)
def test_a_network_starts_as_the_linear_forecaster(kind):
    model, data = shaken(MODELS[kind]()).eval(), windows()
    weight, intercept = torch.randn(E, L * C, dtype=torch.float64), torch.randn(E, dtype=torch.float64)
    assert isinstance(model, StartsLinear)
    model.start_linear(weight, intercept)
    x = data.inputs()
    torch.testing.assert_close(model(x), data.columns() @ weight.T + intercept)
    jacobian = reference.jacobian(model, x).flip(2).flatten(2)
    torch.testing.assert_close(jacobian, weight.expand_as(jacobian), rtol=0, atol=1e-14)
    torch.testing.assert_close(model.jacobian_factors(x).jacobian(), jacobian, rtol=0, atol=1e-14)
    torch.testing.assert_close(gradient_l1(model, x), weight.abs().sum())


@pytest.mark.parametrize("kind", MODELS)
def test_all_of_it_still_learns_after_a_step(kind):
    model, data, lam = MODELS[kind]().double(), windows(), 0.1
    start_linear(model, data, lam)
    model.eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    penalised(model, data, lam).backward()
    optimizer.step()
    optimizer.zero_grad()
    penalised(model, data, lam).backward()
    for name, parameter in model.named_parameters():
        assert parameter.isfinite().all() and parameter.grad.isfinite().all(), name
        assert parameter.grad.norm() > 0, f"{name} learns nothing"


@pytest.mark.parametrize("kind", MODELS)
def test_training_from_there_ends_below_the_best_linear_forecaster(kind):
    generator = torch.Generator().manual_seed(0)
    model, data, lam = MODELS[kind](generator=generator), windows(400, torch.float32), 0.02
    start_linear(model, data, lam)
    model.eval()
    linear = penalised(model, data, lam).item()
    train(model, data, TrainingOptions(lam, 150, 64, 1e-2, validation_fraction=0.0), generator)
    assert penalised(model, data, lam).item() < 0.99 * linear


def test_the_start_is_the_minimum_among_linear_forecasters():
    model, data, lam = MODELS["one layer"]().double(), windows(), 0.1
    start_linear(model, data, lam)
    start = penalised(model, data, lam)
    found = sparse_linear(data.columns(), data.targets(), lam)
    assert torch.equal(model.skip, found.weight) and torch.equal(model.biases[-1], found.intercept)
    assert 0 < found.weight.count_nonzero() < found.weight.numel()
    for scale in (1e-1, 1e-2):
        for _ in range(20):
            model.start_linear(found.weight + scale * torch.randn_like(found.weight), found.intercept)
            assert penalised(model, data, lam) > start


@pytest.mark.parametrize("model", [MLP(C, L)], ids=["mlp"])
def test_a_network_without_a_linear_path_says_so(model):
    with pytest.raises(ValueError, match="pass skip=True"):
        model.start_linear(torch.zeros(C, L * C), torch.zeros(C))


def test_models_that_cannot_start_linear_do_not_claim_to():
    assert not isinstance(KAN(C, L, skip=True), StartsLinear)


def standardised(found: GRNGC, X: np.ndarray) -> Windows:
    return Windows.from_trajectories([found.scaler_.transform(X)], found.lags)


STILL = {"lam": 0.1, "lags": 2, "skip": True, "max_steps": 1, "learning_rate": 1e-12, "random_state": 0}


@pytest.mark.filterwarnings("ignore:.*do not look stationary:grngc_fast.errors.DataWarning")
def test_held_out_windows_take_no_part_in_the_start():
    X = windows(200).steps.numpy().copy()
    # What is held out obeys another law.
    X[150:] = np.random.default_rng(1).standard_normal((50, C)).cumsum(0)
    found = GRNGC("mlp", **STILL, early_stopping=True, validation_fraction=0.25).fit(X)
    data = standardised(found, X)
    seen, held_out = data.split(0.25)
    assert len(held_out) == 50
    skip = found.model_.skip.detach()
    from_seen, from_all = (sparse_linear(w.columns(), w.targets(), 0.1).weight for w in (seen, data))
    torch.testing.assert_close(skip, from_seen, rtol=0, atol=1e-6)
    assert (skip - from_all).norm() > 0.1 * skip.norm()


def test_all_windows_take_part_without_early_stopping():
    X = windows(200).steps.numpy()
    found = GRNGC("mlp", **STILL).fit(X)
    data = standardised(found, X)
    expected = sparse_linear(data.columns(), data.targets(), 0.1)
    torch.testing.assert_close(found.model_.skip.detach(), expected.weight, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.scores_, expected.weight.abs().unflatten(1, (2, C)).amax(1), atol=1e-6)


@pytest.mark.parametrize("lags", [1, 3])
def test_trajectories_are_not_joined_for_the_start(lags):
    X = [windows(60).steps.numpy(), 3 * windows(90).steps.numpy()[30:]]
    found = GRNGC("mlp", **{**STILL, "lags": lags}).fit(X)
    data = Windows.from_trajectories([found.scaler_.transform(x) for x in X], lags)
    assert len(data) == 120 - 2 * lags
    expected = sparse_linear(data.columns(), data.targets(), 0.1).weight
    torch.testing.assert_close(found.model_.skip.detach(), expected, rtol=0, atol=1e-6)
