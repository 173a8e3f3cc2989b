"""Some series are causes, some are effects: rectangular models, their scores, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from grngc_fast import GRNGC, InputError, causal_scores, gradient_frobenius, gradient_l1
from grngc_fast.jacobian import check_factors
from grngc_fast.models import KAN, LSTM, MLP, TCN, OwnPast
from grngc_fast.series import Windows, candidate_edges
from grngc_fast.yardsticks import lasso_scores, ridge_scores

from . import reference
from .test_penalty import assert_same

QUICK = {"max_steps": 40, "hidden": 8, "random_state": 0}
# C causes, E effects
RECTANGLES = [(5, 9), (9, 4), (3, 1), (1, 6)]
MODELS = {
    "mlp": lambda c, e: MLP(c, 2, (6,), n_targets=e),
    "mlp skip": lambda c, e: MLP(c, 2, (6, 4), skip=True, n_targets=e),
    "mlp residual": lambda c, e: MLP(c, 2, (6, 6), skip=True, residual=True, layer_norm=True, n_targets=e),
    "kan": lambda c, e: KAN(c, 2, (6,), skip=True, n_targets=e),
    "kan one layer": lambda c, e: KAN(c, 2, (), skip=True, n_targets=e),
    "lstm": lambda c, e: LSTM(c, 2, 6, n_layers=2, skip=True, n_targets=e),
    "tcn": lambda c, e: TCN(c, 2, 6, skip=True, n_targets=e),
}


def drives(n_steps: int = 400, seed: int = 0) -> pd.DataFrame:
    """Two regulators, a (lag 1, positive, of t0) and b (lag 2, negative, of t1); t2 is slow and owes all to itself."""
    noise = np.random.default_rng(seed).standard_normal((n_steps, 5))
    x = noise.copy()
    x[1:, 2] += 1.5 * x[:-1, 0]
    x[2:, 3] -= 1.5 * x[:-2, 1]
    for t in range(1, n_steps):
        x[t, 4] = 0.9 * x[t - 1, 4] + 0.3 * noise[t, 4]
    return pd.DataFrame(x, columns=["a", "b", "t0", "t1", "t2"])


def shaken(model: nn.Module) -> nn.Module:
    model = model.double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("shape", RECTANGLES, ids=str)
def test_rectangular_models_equal_double_backward_in_float64(kind, shape):
    n_causes, n_effects = shape
    model, x = shaken(MODELS[kind](n_causes, n_effects)), torch.randn(4, 2, n_causes, dtype=torch.float64)
    assert model(x).shape == (4, n_effects)
    check_factors(model, x)
    for ours, theirs in ((gradient_l1, reference.gradient_l1), (gradient_frobenius, reference.gradient_frobenius)):
        truth = reference.value_and_gradients(theirs(model, x), model)
        assert_same(reference.value_and_gradients(ours(model, x), model), truth, 1e-10)
    targets = torch.tensor([n_effects - 1])
    truth = reference.value_and_gradients(reference.gradient_l1(model, x, targets), model)
    assert_same(reference.value_and_gradients(gradient_l1(model, x, targets=targets), model), truth, 1e-10)
    mean = reference.jacobian(model, x).flip(2).abs().mean(0).movedim(1, -1).detach()
    torch.testing.assert_close(causal_scores(model, x, per_lag=True), mean)


def test_scores_are_of_the_targets_by_the_regulators():
    found = GRNGC(lags=2, max_steps=300, random_state=0, regulators=["b", "a"], targets=["t1", "t0"]).fit(drives())
    assert found.graph_.names == ("t1", "t0")
    assert found.graph_.causes == ("b", "a")
    assert found.scores_.shape == found.signed_scores_.shape == (2, 2)
    assert found.lag_scores_.shape == (2, 2, 2)
    strongest = {(edge.source, edge.target, edge.lag, edge.sign) for edge in found.graph_.edges(top_k=2)}
    assert strongest == {("a", "t0", 1, 1), ("b", "t1", 2, -1)}
    metadata = found.graph_.metadata
    assert (metadata["regulators"], metadata["targets"], metadata["candidates"]) == (2, 2, None)


def test_names_and_columns_mean_the_same():
    frame = drives(80)
    by_name = GRNGC(**QUICK, regulators=["a", "b"], targets=["t0", "t2"]).fit(frame)
    by_column = GRNGC(**QUICK, regulators=np.array([0, 1]), targets=[2, 4]).fit(frame.to_numpy())
    np.testing.assert_array_equal(by_name.scores_, by_column.scores_)
    assert by_column.graph_.names == ("x2", "x4")
    np.testing.assert_array_equal(by_name.candidates_.causes, [0, 1])


def test_all_series_named_are_all_series():
    frame = drives(80)
    plain, named = GRNGC(**QUICK).fit(frame), GRNGC(**QUICK, regulators=list(frame), targets=list(frame)).fit(frame)
    np.testing.assert_array_equal(plain.scores_, named.scores_)


def test_a_series_that_is_no_regulator_changes_nothing_but_its_own_past():
    frame = drives(80)
    other = frame.assign(t2=np.random.default_rng(5).standard_normal(80))
    options = {**QUICK, "regulators": ["a", "b"], "targets": ["t0", "t1"]}
    np.testing.assert_array_equal(GRNGC(**options).fit(frame).scores_, GRNGC(**options).fit(other).scores_)


def test_predict_and_score_are_of_the_targets():
    frame = drives() * [1.0, 1.0, 1.0, 50.0, 1.0] + [0.0, 0.0, 0.0, 300.0, 0.0]
    found = GRNGC(lags=2, max_steps=300, random_state=0, regulators=["a", "b"], targets=["t1", "t2"]).fit(frame)
    forecast, truth = found.predict(frame), frame[["t1", "t2"]].to_numpy()[2:]
    assert forecast.shape == (len(frame) - 2, 2)
    r2 = 1 - ((truth - forecast) ** 2).sum(0) / ((truth - truth.mean(0)) ** 2).sum(0)
    assert found.score(frame) == pytest.approx(r2.mean())
    assert r2.min() > 0.5


def test_own_past_takes_what_a_slow_series_owes_to_itself():
    frame = drives()
    options = {"max_steps": 300, "learning_rate": 0.01, "random_state": 0, "regulators": ["a", "b"]}
    options["targets"] = ["t0", "t1", "t2"]
    beside, without = GRNGC(**options).fit(frame), GRNGC(**options, own_past=False).fit(frame)
    assert beside.score(frame) - without.score(frame) > 0.15
    assert beside.scores_.shape == without.scores_.shape == (3, 2)
    assert beside.model_.weight[0, 2].item() == pytest.approx(0.9, abs=0.1)


def test_only_targets_that_are_no_causes_of_themselves_have_an_own_past():
    edges = candidate_edges(list("abcd"), regulators=["b", "c"], targets=["d", "c", "a"])
    np.testing.assert_array_equal(edges.own_past, [0, 2])
    np.testing.assert_array_equal(edges.inputs, [1, 2, 3, 0])
    assert candidate_edges(list("abcd")).own_past.size == 0
    assert candidate_edges(list("abcd"), regulators=["b"], own_past=False).own_past.size == 0


def test_own_past_is_neither_penalised_nor_scored():
    network = MLP(3, 2, (5,), n_targets=4).double()
    model, x = OwnPast(network, 3, torch.tensor([1, 3]), 2).double(), torch.randn(6, 2, 5, dtype=torch.float64)
    with torch.no_grad():
        model.weight.copy_(torch.randn(2, 2))
    expected = network(x[..., :3])
    expected[:, 1] += (x[..., 3] * model.weight[:, 0]).sum(1)
    expected[:, 3] += (x[..., 4] * model.weight[:, 1]).sum(1)
    torch.testing.assert_close(model(x), expected)
    torch.testing.assert_close(gradient_l1(model, x), gradient_l1(network, x[..., :3]), rtol=0, atol=0)
    torch.testing.assert_close(causal_scores(model, x), causal_scores(network, x[..., :3]), rtol=0, atol=0)


class Own(nn.Module):
    def __init__(self, n_causes: int, n_effects: int) -> None:
        super().__init__()
        self.encoder, self.readout = nn.Linear(2 * n_causes, 7), nn.Linear(7, n_effects)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.readout(torch.tanh(self.encoder(x.flatten(1))))


@pytest.mark.parametrize("own_past", [True, False])
def test_a_module_of_the_users_own_maps_regulators_to_targets(own_past):
    frame = drives(80)
    options = {"max_steps": 20, "random_state": 0, "own_past": own_past}
    found = GRNGC(Own(2, 3), lags=2, regulators=["a", "b"], targets=["t0", "t1", "t2"], **options).fit(frame)
    assert found.lag_scores_.shape == (3, 2, 2)
    assert found.predict(frame).shape == (78, 3)
    network = found.model_.network if own_past else found.model_
    x = Windows.from_trajectories([found.scaler_.transform(frame.to_numpy())], 2, input_columns=[0, 1]).inputs()
    mean = reference.jacobian(network, x).flip(2).abs().mean(0).movedim(1, -1)
    np.testing.assert_allclose(found.lag_scores_, mean.detach(), rtol=1e-4, atol=1e-6)
    with pytest.raises(InputError, match=r"returns shape \(2, 3\).*expected \(N, E\) = \(2, 2\)"):
        GRNGC(Own(2, 3), lags=2, regulators=["a", "b"], targets=["t0", "t1"], **options).fit(frame)


@pytest.mark.parametrize("model", ["mlp", "kan", "lstm", "tcn"])
def test_every_forecaster_takes_regulators(model):
    found = GRNGC(model, **QUICK, skip=True, regulators=["a", "b"]).fit(drives(60))
    assert found.scores_.shape == (5, 2)


@pytest.mark.parametrize(("yardstick", "shrinkage"), [(ridge_scores, 0.1), (lasso_scores, 0.3)])
def test_the_yardsticks_are_of_the_same_rectangle(yardstick, shrinkage):
    series = drives().to_numpy()
    windows = Windows.from_trajectories([series], 2, input_columns=[0, 1], target_columns=[2, 3])
    scores = yardstick(windows)
    assert scores.shape == (2, 2, 2)
    assert scores[0, 0, 0] == pytest.approx(1.5, abs=shrinkage)
    assert scores[1, 1, 1] == pytest.approx(1.5, abs=shrinkage)
    assert np.sort(scores.ravel())[-3] < 0.3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regulators": ["a", "T00"]}, "regulators names 'T00', which is no series of the table; did you mean 't0'"),
        ({"targets": ["zzz"]}, "targets names 'zzz', which is no series of the table; check the names"),
        ({"regulators": []}, "regulators is empty"),
        ({"targets": ["t0", "a", "t0"]}, "targets has 't0' more than once"),
        ({"regulators": [0, "a"]}, "regulators has 'a' more than once"),
        ({"regulators": [5]}, "regulators has the column 5, but the table has the columns 0 to 4"),
        ({"regulators": [-1]}, "the column -1"),
        ({"regulators": [True, False]}, "regulators has True; pass series names or column indices"),
        ({"regulators": "a"}, "regulators='a'; pass a list"),
        ({"targets": 3}, "targets=3; pass a list"),
        ({"own_past": "yes"}, "own_past='yes'; expected True or False"),
    ],
)
def test_series_that_cannot_be_chosen_are_named(options, message):
    with pytest.raises(InputError, match=message):
        GRNGC(**QUICK, **options).fit(drives(40))


def test_the_strongest_edges_alone_are_those_of_all_scores():
    frame = drives(80)
    options = {**QUICK, "regulators": ["a", "b", "t2"], "ranking": "gradients"}
    dense, kept = GRNGC(**options).fit(frame), GRNGC(**options, edges_per_target=1).fit(frame)
    strongest = [max(dense.graph_.edges(), key=lambda e: (e.target == name, e.score)) for name in frame]
    assert {(e.source, e.target) for e in kept.graph_.edges()} == {(e.source, e.target) for e in strongest}
    sampled = GRNGC(**options, score_windows=20).fit(frame)
    assert sampled.graph_.standard_error.shape == (5, 3)


def test_a_checkpoint_of_other_regulators_is_refused(tmp_path):
    frame = drives(80)
    first = GRNGC(**QUICK, regulators=["a", "b"], checkpoint=tmp_path).fit(frame)
    again = GRNGC(**QUICK, regulators=[0, 1], checkpoint=tmp_path).fit(frame)
    np.testing.assert_array_equal(again.scores_, first.scores_)
    with pytest.raises(InputError, match="regulators"):
        GRNGC(**QUICK, regulators=["a"], checkpoint=tmp_path).fit(frame)
