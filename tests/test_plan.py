"""Options left to the library: what is weighed on held-out windows, what comes of it, and what is never touched."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso

from grngc_fast import GRNGC, load_graph
from grngc_fast.datasets import additive, lorenz96, product, var
from grngc_fast.distributed import World
from grngc_fast.models import MLP, SetMLP
from grngc_fast.planning import FitOptions, plan, set_evidence
from grngc_fast.planning.evidence import FACTOR, MIN_SET_WINDOWS, MIN_WINDOWS, PATIENCE, Evidence, weigh
from grngc_fast.planning.plan import DEFAULT_LAM, Plan, decide
from grngc_fast.planning.set_evidence import (
    AGREEMENT,
    BEYOND_DOUBT,
    CLEARLY,
    COARSE_SPLINES,
    SPLINED_AGREEMENT,
    SPLINES,
    SetEvidence,
)
from grngc_fast.series import Windows, candidate_edges
from grngc_fast.training.sparse_linear import lam_max
from grngc_fast.training.working_sets import SetOptions


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


@pytest.fixture(scope="module")
def chaotic_plan() -> Plan:
    return planned(chaotic())


@pytest.fixture
def nothing_weighed(monkeypatch):
    def refused(*_):
        pytest.fail("something was weighed")

    monkeypatch.setattr(plan, "weigh", refused)


def test_a_linear_process_keeps_the_perceptron_and_starts_linear():
    found = planned(linear())
    assert (found.model, found.linear_start, found.skip, found.set_size) == ("mlp", True, True, None)
    assert not found.evidence.prefers_sets
    assert len(found.evidence.sets.plain) >= 3
    assert len(found.evidence.sets.splined) >= 3
    assert found.lam == found.evidence.lam


def test_chaos_of_local_products_takes_working_sets(chaotic_plan):
    found = chaotic_plan
    assert (found.model, found.linear_start, found.skip) == ("sets", False, True)
    sets = found.evidence.sets
    assert 8 <= found.set_size == sets.set_size < 20
    assert found.n_splines == sets.n_splines == 0
    assert min(error for _, error in sets.plain) < min(sets.to_beat, *(error for _, error in sets.splined))
    assert found.lam in [lam for lam, _ in sets.plain]


@pytest.mark.parametrize("wave", ["sine", "wave"])
def test_what_no_correlation_shows_takes_splines(wave):
    found = planned(additive(20, 600, wave, seed=3).X)
    assert found.model == "sets"
    assert found.n_splines in ((SPLINES,) if wave == "wave" else (SPLINES, COARSE_SPLINES))
    assert found.evidence.sets.clarity > CLEARLY
    given = {"model": "sets", "model_options": {"n_splines": 0}, "lam": 0.1}
    assert planned(additive(20, 600, wave, seed=3).X, **given).n_splines == 0


def test_below_the_fewest_windows_nothing_is_weighed(nothing_weighed):
    # Windows are one fewer than steps; the number itself is for `weigh` to judge.
    found = planned(np.random.default_rng(0).standard_normal((30, 4)), model="kan")
    assert found.evidence is None


@pytest.mark.parametrize("lags", [1, 4])
def test_the_fewest_windows_that_are_weighed(lags):
    few, enough = (planned(linear(MIN_WINDOWS + lags + more, 4), lags=lags) for more in (-1, 0))
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
}


@pytest.mark.parametrize("kind", NO_LINEAR_START)
def test_what_cannot_start_linear_is_not_weighed(kind, nothing_weighed):
    options = NO_LINEAR_START[kind]
    found = planned(linear(), **options)
    assert not found.linear_start
    assert found.evidence is None
    assert found.lam == options.get("lam", DEFAULT_LAM)
    GRNGC(**{"max_steps": 1, "random_state": 0, **options}).fit(linear())


def test_regulators_that_all_targets_have_may_start_linear():
    assert planned(linear(), regulators=[0, 1, 2], targets=[1, 2]).linear_start
    assert planned(linear(), regulators=[0, 1, 2], own_past=False).linear_start


@pytest.mark.parametrize(("more", "model"), [(-1, "mlp"), (0, "sets")])
def test_few_windows_are_enough_for_sets_that_win_clearly(more, model):
    X = lorenz96(20, MIN_SET_WINDOWS + 1 + more, 10.0, seed=0).X
    found = planned(X)
    assert found.model == model
    assert (found.evidence is not None) == (model == "sets")
    few = planned(linear(MIN_SET_WINDOWS + 1))
    assert (few.model, few.evidence, few.lam) == ("mlp", None, DEFAULT_LAM)


def test_silu_is_what_sets_have():
    found = GRNGC(activation="silu", random_state=0, device="cpu").fit(lorenz96(8, 200, 10.0, seed=0).X)
    assert found.graph_.metadata["model"] == "sets"


def test_with_enough_targets_a_strength_is_tried_only_where_the_one_before_leaves_doubt(monkeypatch):
    """Products of pairs need units: splines are far behind at their first strength."""
    data, options = windows(product(12, 300, seed=1).X), SetOptions(first_steps=200, steps=100)

    def tried(**changes):
        for name, value in changes.items():
            monkeypatch.setattr(set_evidence, name, value)
        found = weigh(data, None, torch.Generator().manual_seed(0), 0, options).sets
        assert found.n_splines == 0
        return len(found.plain), len(found.splined)

    plain, splined = tried()
    assert plain >= 3
    assert splined >= 3
    assert tried(ONE_BY_ONE=12, BEHIND=1.0) == (plain, 1)
    assert tried(WORSE=-9.0) == (2, 1)


def test_too_few_held_out_windows_choose_no_sets():
    """The last of five trajectories is held out, and has a single window."""
    X = np.random.default_rng(0).standard_normal((402, 5))
    parts = [*np.split(X[:400], 4), X[400:]]
    data = Windows.from_trajectories(parts, 1)
    found = weigh(data, None, torch.Generator().manual_seed(0), 0, SetOptions())
    assert found.sets is None


def test_sets_have_room_for_the_causes_that_stand_out(chaotic_plan):
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((600, 40)), np.zeros((40, 40))
    for row in weight:
        row[rng.choice(40, 12, replace=False)] = rng.choice([-0.4, 0.4], 12)
    for t in range(1, len(x)):
        x[t] += weight @ np.tanh(x[t - 1])
    assert planned(x, model="sets", model_options={"n_splines": 0}).set_size >= 24 > chaotic_plan.set_size
    assert planned(x, model="sets", model_options={"n_splines": 0, "set_size": 5}, lam=0.1).set_size == 5


@pytest.mark.parametrize(
    ("option", "value"),
    [("model", "mlp"), ("hidden", (5,)), ("skip", False), ("model_options", {"layer_norm": True})],
)
def test_a_network_that_was_asked_for_is_not_held_against_another(option, value):
    found = planned(chaotic(), **{option: value})
    assert found.model == "mlp"
    assert found.evidence is None or found.evidence.sets is None


@pytest.mark.parametrize("X", [linear(), chaotic()], ids=["linear", "chaotic"])
def test_explicit_options_are_kept(X):
    given = {"lam": 0.07, "hidden": (5, 4), "skip": True, "max_steps": 17, "learning_rate": 0.003}
    found = planned(X, model="mlp", **given)
    assert {name: getattr(found, name) for name in given} == given
    assert found.evidence is None
    found = planned(X, lam=0.07, max_steps=17, learning_rate=0.003)
    assert (found.lam, found.max_steps, found.learning_rate) == (0.07, 17, 0.003)
    assert [lam for lam, _ in found.evidence.linear] == [0.07]
    assert [lam for lam, _ in found.evidence.sets.plain] == [0.07]
    assert [lam for lam, _ in found.evidence.sets.splined] == [0.07]
    assert planned(X, model="sets", hidden=(3,), lam=0.07).hidden == (3,)


def test_the_same_seed_plans_the_same():
    X = lorenz96(6, 200, 40.0, seed=0).X
    first, again, other = (planned(X, seed=seed) for seed in (4, 4, 5))
    assert first == again
    assert first.evidence.sets != other.evidence.sets


@pytest.mark.parametrize(
    ("X", "model"),
    [(linear(300, 4), MLP), (lorenz96(8, 260, 10.0, seed=0).X, SetMLP), (linear(60), MLP)],
    ids=["linear", "chaotic", "short"],
)
def test_the_plan_is_recorded_with_the_graph(X, model, tmp_path):
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
        for kind in ("plain", "splined"):
            np.testing.assert_allclose(evidence["sets"][kind], like["sets"][kind], rtol=0.1)
    assert isinstance(found.model_, model) and recorded["model"] == ("sets" if model is SetMLP else "mlp")
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
    found = weigh(data, None, torch.Generator().manual_seed(0))
    lams, errors = zip(*found.linear, strict=True)
    training = data.split(0.1)[0]
    assert lams[0] == pytest.approx(FACTOR * lam_max(training.columns(), training.targets()), rel=1e-5)
    np.testing.assert_allclose(np.diff(np.log(lams)), math.log(FACTOR), rtol=1e-6)
    np.testing.assert_allclose(errors, held_out_errors(data, list(lams)), rtol=1e-3)
    assert len(errors) - 1 - int(np.argmin(errors)) == PATIENCE
    assert found.lam == lams[int(np.argmin(errors))]


def test_targets_that_do_not_move_are_not_weighed():
    x = np.random.default_rng(0).standard_normal((400, 200)).astype(np.float32)
    still = torch.arange(60, 200)
    x[:360, still] = 0
    data = Windows.from_trajectories([x], 1)
    assert weigh(data, None, torch.Generator().manual_seed(0)) is not None
    assert weigh(data.of_targets(still), None, torch.Generator().manual_seed(0)) is None
    x[:360, :60] = 0
    data = Windows.from_trajectories([x], 1)
    assert weigh(data, None, torch.Generator().manual_seed(0)) is None


def sets(error: float, splined: bool = False, **changes) -> SetEvidence:
    """That forecast with this error, where linear forecasters have .5."""
    tried = ((0.2, error), (0.4, error))
    kinds = ((), tried, ()) if splined else (tried, (), ())
    n_splines = SPLINES if splined else 0
    given = {
        "error": error,
        "clarity": 9.0,
        "to_beat": 0.5,
        "margin": 0.01,
        "set_size": 8,
        "agreement": 0.0,
        "lam": 0.4,
    }
    return SetEvidence(*kinds, n_splines=n_splines, **{**given, **changes})


def test_the_smallest_error_decides_and_a_tie_is_no_reason_for_sets():
    linear_errors = ((0.4, 0.9), (0.2, 0.7), (0.1, 0.8))
    assert Evidence(linear_errors).lam == 0.2
    worse, equal, better = (Evidence(linear_errors, sets(e)) for e in (0.6, 0.5, 0.4))
    assert [e.prefers_sets for e in (worse, equal, better)] == [False, False, True]
    assert [e.lam for e in (worse, equal, better)] == [0.2, 0.2, 0.4]


def test_sets_win_by_the_margin_and_by_much_or_in_agreement():
    assert sets(0.48, agreement=AGREEMENT).wins
    assert not sets(0.48, agreement=AGREEMENT, margin=0.03).wins
    assert not sets(0.48, agreement=AGREEMENT - 0.01).wins
    assert sets(0.42).wins
    assert not sets(0.42, margin=0.09).wins


def test_with_grid_they_win_where_what_they_add_is_clear_and_agrees():
    clear = {"splined": True, "margin": 0.03, "agreement": SPLINED_AGREEMENT, "clarity": CLEARLY}
    assert sets(0.48, **clear).wins
    assert not sets(0.48, **{**clear, "splined": False}).wins
    assert not sets(0.48, **{**clear, "clarity": CLEARLY - 0.1}).wins
    assert not sets(0.48, **{**clear, "agreement": SPLINED_AGREEMENT - 0.01}).wins


def test_beyond_doubt_they_need_not_agree():
    clear = {"splined": True, "margin": 0.03, "agreement": SPLINED_AGREEMENT - 0.2, "clarity": BEYOND_DOUBT}
    assert sets(0.48, **clear).wins
    assert not sets(0.48, **{**clear, "clarity": BEYOND_DOUBT - 0.1}).wins
    assert not sets(0.48, **{**clear, "splined": False}).wins


def test_of_one_target_the_margin_is_taken_over_windows():
    data = windows(chaotic()).of_targets(torch.tensor([3]))
    found = weigh(data, 0.1, torch.Generator().manual_seed(0), 0, SetOptions())
    assert 0 < found.sets.margin < math.inf


def test_sets_are_held_against_the_linear_forecaster_of_the_same_targets():
    data = windows(var(80, 520, 1, seed=0).X)
    found = weigh(data, 0.1, torch.Generator().manual_seed(3), 0, SetOptions(first_steps=5, steps=5))
    some = torch.randperm(80, generator=torch.Generator().manual_seed(3))[:64]
    assert found.sets.to_beat == pytest.approx(held_out_errors(data.of_targets(some), [0.1])[0], rel=1e-3)
    assert found.sets.to_beat != pytest.approx(found.linear[0][1], rel=1e-4)


def test_of_strengths_as_good_as_equal_the_strongest_is_taken(chaotic_plan):
    found = chaotic_plan.evidence
    tried = {0: found.sets.plain, SPLINES: found.sets.splined}.get(found.sets.n_splines, found.sets.coarse)
    least = min(tried, key=lambda pair: pair[1])
    assert found.sets.lam in [lam for lam, _ in tried if lam >= least[0]]
    assert found.lam == found.sets.lam
