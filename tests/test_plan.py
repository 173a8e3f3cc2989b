"""Options left to the library: what is weighed on held-out windows, what comes of it, and what is never touched."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso

from grngc_fast import GRNGC, load_graph
from grngc_fast.datasets import lorenz96, var
from grngc_fast.distributed import World
from grngc_fast.models import MLP, LocalMLP
from grngc_fast.planning import FitOptions, plan
from grngc_fast.planning.evidence import FACTOR, MIN_WINDOWS, PATIENCE, Evidence, weigh
from grngc_fast.planning.plan import DEFAULT_LAM, LOCAL_WEIGHTS, Plan, decide
from grngc_fast.planning.refit import refitted_errors
from grngc_fast.series import Windows, candidate_edges
from grngc_fast.training import TrainingOptions
from grngc_fast.training.sparse_linear import lam_max


def windows(X: np.ndarray, lags: int = 1, **columns) -> Windows:
    return Windows.from_trajectories([(X - X.mean(0)) / X.std(0)], lags, **columns)


def planned(X: np.ndarray, *, seed: int = 0, **options) -> Plan:
    estimator = GRNGC(**options)
    chosen = (estimator.regulators, estimator.targets, estimator.candidates, estimator.own_past)
    edges = candidate_edges([f"x{i}" for i in range(X.shape[1])], *chosen)
    data = windows(X, estimator.lags, input_columns=edges.inputs, target_columns=edges.effects)
    settings = FitOptions(**estimator.get_params(deep=False))
    return decide(settings, edges, data, seed, World())


def linear(n_steps: int = 400, n_series: int = 10) -> np.ndarray:
    return var(n_series, n_steps, 1, seed=0).X


def chaotic() -> np.ndarray:
    return lorenz96(20, 500, 40.0, seed=0).X


@pytest.fixture
def nothing_weighed(monkeypatch):
    def refused(*_):
        pytest.fail("something was weighed")

    monkeypatch.setattr(plan, "weigh", refused)


@pytest.fixture
def _short_trials(monkeypatch):
    """Local units are tried in a third of the steps, which are enough for those of `chaotic`."""
    steps, *rest = plan.LOCAL
    monkeypatch.setattr(plan, "LOCAL", (steps // 3, *rest))


def test_a_linear_process_keeps_the_perceptron_and_starts_linear():
    found = planned(linear())
    assert (found.model, found.linear_start, found.skip) == ("mlp", True, True)
    assert not found.evidence.prefers_local
    assert len(found.evidence.local) == 2
    assert found.lam == found.evidence.lam


def test_chaos_of_local_products_takes_local_units():
    found = planned(chaotic())
    assert (found.model, found.linear_start, found.skip) == ("local", True, True)
    assert min(error for _, error in found.evidence.local) < found.evidence.to_beat
    assert found.lam in [lam for lam, _ in found.evidence.local]


def test_below_the_fewest_windows_nothing_is_weighed(nothing_weighed):
    # Windows are one fewer than steps; the number itself is for `weigh` to judge.
    found = planned(np.random.default_rng(0).standard_normal((30, 4)), model="kan")
    assert found.evidence is None


@pytest.mark.usefixtures("_short_trials")
@pytest.mark.parametrize("lags", [1, 4])
def test_the_fewest_windows_that_are_weighed(lags):
    few, enough = (planned(linear(MIN_WINDOWS + lags + more), lags=lags) for more in (-1, 0))
    assert few.evidence is None
    assert few.lam == DEFAULT_LAM == 0.1
    assert (few.model, few.skip, few.linear_start) == ("mlp", False, False)
    assert enough.evidence is not None
    assert enough.linear_start


def test_many_inputs_start_linear_without_being_weighed():
    found = planned(linear(60, 201))
    assert found.evidence is None
    assert (found.model, found.lam, found.skip, found.linear_start) == ("mlp", DEFAULT_LAM, True, True)
    assert not planned(linear(60, 200)).linear_start


NO_LINEAR_START = {
    "own module": {"model": torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(10, 10))},
    "kan": {"model": "kan", "skip": True},
    "candidates": {"candidates": ~np.eye(10, dtype=bool)},
    "own past": {"regulators": [0, 1, 2]},
    "no skip": {"skip": False},
    "no penalty": {"lam": 0},
    "local without skip": {"model": "local", "skip": False},
}


@pytest.mark.parametrize("kind", NO_LINEAR_START)
def test_what_cannot_start_linear_is_not_weighed(kind, nothing_weighed):
    options = NO_LINEAR_START[kind]
    found = planned(linear(), **options)
    assert not found.linear_start
    assert found.evidence is None
    assert found.lam == options.get("lam", DEFAULT_LAM)
    GRNGC(**{"max_steps": 1, "random_state": 0, **options}).fit(linear())


@pytest.mark.usefixtures("_short_trials")
def test_regulators_that_all_targets_have_may_start_linear():
    assert planned(linear(), regulators=[0, 1, 2], targets=[1, 2]).linear_start
    assert planned(linear(), regulators=[0, 1, 2], own_past=False).linear_start


@pytest.mark.usefixtures("_short_trials")
def test_local_units_are_tried_up_to_their_number_of_weights(monkeypatch):
    X = chaotic()
    monkeypatch.setattr(plan, "LOCAL_WEIGHTS", 6 * 20 * 20)
    found = planned(X)
    assert (found.model, found.hidden) == ("local", (6,))
    monkeypatch.setattr(plan, "LOCAL_WEIGHTS", 6 * 20 * 20 - 1)
    found = planned(X)
    assert found.model == "sets"
    assert found.evidence.local == ()
    assert len(found.evidence.sets) == 2


def test_too_many_series_for_local_units_are_never_given_them():
    n_series = math.isqrt(LOCAL_WEIGHTS // 6) + 1
    found = planned(np.random.default_rng(0).standard_normal((MIN_WINDOWS + 1, n_series)))
    assert found.model == "mlp"
    assert found.evidence.local == ()


@pytest.mark.parametrize(
    ("option", "value"),
    [("model", "mlp"), ("hidden", (5,)), ("skip", False), ("model_options", {"layer_norm": True})],
)
def test_a_network_that_was_asked_for_is_not_held_against_another(option, value):
    found = planned(chaotic(), **{option: value})
    assert found.model == "mlp"
    assert found.evidence is None or found.evidence.local == ()


@pytest.mark.usefixtures("_short_trials")
@pytest.mark.parametrize("X", [linear(), chaotic()], ids=["linear", "chaotic"])
def test_explicit_options_are_kept(X):
    given = {"lam": 0.07, "hidden": (5, 4), "skip": True, "max_steps": 17, "learning_rate": 0.003}
    found = planned(X, model="mlp", **given)
    assert {name: getattr(found, name) for name in given} == given
    assert found.evidence is None
    found = planned(X, lam=0.07, max_steps=17, learning_rate=0.003)
    assert (found.lam, found.max_steps, found.learning_rate) == (0.07, 17, 0.003)
    assert [lam for lam, _ in found.evidence.linear] == [0.07]
    assert [lam for lam, _ in found.evidence.local] == [0.07]
    assert planned(X, model="local", hidden=(3,), lam=0.07).hidden == (3,)


@pytest.mark.usefixtures("_short_trials")
def test_the_same_seed_plans_the_same():
    X = chaotic()
    first, again, other = (planned(X, seed=seed) for seed in (4, 4, 5))
    assert first == again
    assert first.evidence.local != other.evidence.local


@pytest.mark.usefixtures("_short_trials")
@pytest.mark.parametrize("X", [linear(), chaotic(), linear(60)], ids=["linear", "chaotic", "short"])
def test_the_plan_is_recorded_with_the_graph(X, tmp_path):
    found = GRNGC(max_steps=3, random_state=0).fit(X)
    seed = found.graph_.metadata["generator_seed"]
    expected = planned(X, seed=seed, max_steps=3).settings()
    recorded = {name: found.graph_.metadata[name] for name in expected}
    # The scaler's arithmetic is not to the last bit that of `windows`.
    evidence, like = recorded.pop("evidence"), expected.pop("evidence")
    assert recorded.pop("lam") == pytest.approx(expected.pop("lam"), rel=1e-4)
    assert recorded == expected
    assert (evidence is None) == (like is None) == (len(X) < MIN_WINDOWS)
    if evidence is not None:
        np.testing.assert_allclose(evidence["linear"], like["linear"], rtol=1e-3)
        np.testing.assert_allclose(evidence["local"], like["local"], rtol=0.1)
    assert isinstance(found.model_, LocalMLP if recorded["model"] == "local" else MLP)
    assert (found.model_.skip is not None) == recorded["skip"]
    assert json.loads(json.dumps(found.graph_.metadata)) is not None
    found.graph_.save(tmp_path / "graph.npz")
    assert load_graph(tmp_path / "graph.npz").metadata["linear_start"] == recorded["linear_start"]


def held_out_errors(data: Windows, lams: list[float]) -> list[float]:
    """By another library: nine tenths to fit, the last tenth to judge."""
    x, y = data.columns().double().numpy(), data.targets().double().numpy()
    cut = len(x) - round(0.1 * len(x))
    fits = [[Lasso(alpha=lam / 2, tol=1e-8).fit(x[:cut], target) for target in y[:cut].T] for lam in lams]
    return [
        float(np.mean([(f.predict(x[cut:]) - t) ** 2 for f, t in zip(fit, y[cut:].T, strict=True)])) for fit in fits
    ]


def test_errors_weighed_are_those_of_windows_held_out():
    data = windows(linear(500))
    found = weigh(data, None, None, TrainingOptions(0.0, 1, 64, 1e-3), torch.Generator().manual_seed(0))
    lams, errors = zip(*found.linear, strict=True)
    training = data.split(0.1)[0]
    assert lams[0] == pytest.approx(FACTOR * lam_max(training.columns(), training.targets()), rel=1e-5)
    np.testing.assert_allclose(np.diff(np.log(lams)), math.log(FACTOR), rtol=1e-6)
    np.testing.assert_allclose(errors, held_out_errors(data, list(lams)), rtol=1e-3)
    assert len(errors) - 1 - int(np.argmin(errors)) == PATIENCE
    assert found.lam == lams[int(np.argmin(errors))]


def test_targets_that_do_not_move_are_not_weighed():
    x = np.random.default_rng(0).standard_normal((400, 200)).astype(np.float32)
    options, still = TrainingOptions(0.0, 1, 64, 1e-3), torch.arange(60, 200)
    x[:360, still] = 0
    data = Windows.from_trajectories([x], 1)
    assert weigh(data, None, None, options, torch.Generator().manual_seed(0)) is not None
    assert weigh(data.of_targets(still), None, None, options, torch.Generator().manual_seed(0)) is None
    x[:360, :60] = 0
    data = Windows.from_trajectories([x], 1)
    assert weigh(data, None, None, options, torch.Generator().manual_seed(0)) is None


def test_the_smallest_error_decides_and_a_tie_is_no_reason_for_local_units():
    linear_errors = ((0.4, 0.9), (0.2, 0.7), (0.1, 0.8))
    assert Evidence(linear_errors).lam == 0.2
    worse, equal, better = (Evidence(linear_errors, ((0.2, 0.8), (0.4, e)), 0.5) for e in (0.6, 0.5, 0.4))
    assert [e.prefers_local for e in (worse, equal, better)] == [False, False, True]
    assert [e.lam for e in (worse, equal, better)] == [0.2, 0.2, 0.4]


def test_refitted_local_units_win_by_the_margin_and_only_where_they_lost_before():
    linear_errors, local = ((0.4, 0.9), (0.2, 0.7)), ((0.2, 0.8), (0.4, 0.75))
    lost = Evidence(linear_errors, local, 0.7, 0.01)
    assert not lost.prefers_local
    assert not replace(lost, refitted=(0.65, 0.7, 0.06)).prefers_local
    won = replace(lost, refitted=(0.65, 0.7, 0.04))
    assert won.prefers_local
    assert won.lam == 0.4


def test_of_one_target_the_margin_is_taken_over_windows():
    def build(n_targets: int) -> LocalMLP:
        return LocalMLP(80, 1, 2, n_targets=n_targets, generator=torch.Generator().manual_seed(0))

    data = windows(var(80, 300, 1, seed=0).X).of_targets(torch.tensor([3]))
    options = TrainingOptions(0.0, 5, 64, 1e-3, validation_fraction=0.0)
    found = weigh(data, 0.1, build, options, torch.Generator().manual_seed(0))
    assert 0 < found.margin < math.inf
    assert found.refitted is None or 0 < found.refitted[2] < math.inf


def test_a_selection_is_worth_what_its_causes_forecast():
    """x_0 and x_1 move the first target by their product, which no linear forecaster sees, x_2 and x_3 the second."""
    x = np.random.default_rng(0).standard_normal((600, 8)).astype(np.float32)
    x[1:, 6] = x[:-1, 0] * x[:-1, 1] + 0.1 * x[1:, 6]
    x[1:, 7] = x[:-1, 2] + x[:-1, 3] + 0.1 * x[1:, 7]
    training, held_out = windows(x).of_targets(torch.tensor([6, 7])).split(0.1)

    def errors(*selected: list[int]) -> list[float]:
        scores = torch.zeros(2, 8)
        for target, causes in enumerate(selected):
            scores[target, causes] = 1 + torch.arange(len(causes)) / 10
        generator = torch.Generator().manual_seed(0)
        return refitted_errors(scores, training, held_out, generator).mean(0).tolist()

    product, total = errors([0, 1, 4, 5], [2, 3, 4, 5])
    assert product < 0.3
    assert total < 0.1
    product, total = errors([0, 2, 3, 5], [0, 1, 2, 5])
    assert product > 0.6
    assert 0.4 < total < 0.7


def test_a_penalised_network_that_found_the_causes_is_preferred_for_them():
    """Lorenz-96 with F = 40: shrunk, local units forecast hardly better than the linear forecaster; refitted they do."""
    data = windows(lorenz96(100, 500, 40.0, seed=0).X)
    options = TrainingOptions(0.0, 600, 64, 5e-3, validation_fraction=0.0)

    def build(n_targets: int) -> LocalMLP:
        return LocalMLP(100, 1, 8, n_targets=n_targets, generator=torch.Generator().manual_seed(0))

    found = weigh(data, 0.2, build, options, torch.Generator().manual_seed(0))
    assert found.local[0][1] > found.to_beat
    assert found.refitted is not None
    assert found.prefers_local


def test_local_units_are_held_against_the_linear_forecaster_of_the_same_targets():
    data = windows(var(80, 300, 1, seed=0).X)
    options = TrainingOptions(0.0, 5, 64, 1e-3, validation_fraction=0.0)
    found = weigh(data, 0.1, lambda n: LocalMLP(80, 1, 2, n_targets=n), options, torch.Generator().manual_seed(3))
    some = torch.randperm(80, generator=torch.Generator().manual_seed(3))[:64]
    assert found.to_beat == pytest.approx(held_out_errors(data.of_targets(some), [0.1])[0], rel=1e-3)
    assert found.to_beat != pytest.approx(found.linear[0][1], rel=1e-4)
    # Five small steps from there are hardly anywhere else.
    assert found.local[0][1] == pytest.approx(found.to_beat, rel=0.05)
