"""Evidence of the same step: innovations against their definition, the weight when, and a fit that has it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from grngc_fast import GRNGC, evaluate
from grngc_fast.datasets import gene_network, lorenz96
from grngc_fast.ranking import Moments, innovations, pairwise
from grngc_fast.ranking.innovations import Innovations
from grngc_fast.ranking.same_step import MOST_WEIGHT, SameStep, _weight
from grngc_fast.series import Windows, prepare

P = 8
# 0 drives 1, 1 drives 2 and so on, with two branches.
TRUTH = np.zeros((P, P), dtype=bool)
TRUTH[[1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 0, 4, 1, 6]] = True


def seen(every: int, steps: int = 200, shared: float = 0.0, seed: int = 0) -> np.ndarray:
    """A tree of series that act within one step, seen at every so many; noise shared by pairs of leaves if wanted."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(P)
    mixing[[3, 5, 2], [5, 7, 4]] = shared
    noise = rng.standard_normal((steps * every + 50, P)) @ mixing.T
    x = np.zeros_like(noise)
    for t in range(1, len(x)):
        x[t] = 0.6 * x[t - 1] + 0.4 * TRUTH @ x[t - 1] + noise[t]
    return x[50::every]


def windows_of(x: np.ndarray, lags: int = 1) -> Windows:
    return prepare(x, lags).windows


def same_step(x: np.ndarray, lags: int = 1) -> SameStep:
    windows = windows_of(x, lags)
    t = pairwise(Moments.of(windows, torch.arange(P)))
    pairs = np.repeat(~np.eye(P, dtype=bool)[:, :, None], lags, axis=2)
    return SameStep.of(windows, t.unflatten(1, (lags, P)).transpose(1, 2), pairs, torch.arange(P))


# ---- innovations


def test_innovations_are_residuals_of_a_ridge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(innovations, "STRENGTHS", torch.tensor([3.0], dtype=torch.float64))
    windows = windows_of(seen(1), 2)
    found = Innovations.of(windows)
    assert found is not None
    x, y = windows.columns().double().numpy(), windows.targets().double().numpy()
    x, y = (x - x.mean(0)) / x.std(0), (y - y.mean(0)) / y.std(0)
    rest = y - Ridge(3.0).fit(x, y).predict(x)
    np.testing.assert_allclose(found.values.numpy(), (rest - rest.mean(0)) / rest.std(0), atol=1e-6)


def test_correlations_of_noise_vary_as_those_of_so_many_windows() -> None:
    squares, counts = [], []
    for seed in range(20):
        found = Innovations.of(windows_of(np.random.default_rng(seed).standard_normal((40, 12)), 1))
        assert found is not None
        squares.append(found.correlations().square().sum().item() / (12 * 11))
        counts.append(1 / found.windows)
    assert np.mean(squares) == pytest.approx(np.mean(counts), rel=0.1)


def test_partial_correlations_are_given_all_others() -> None:
    found = Innovations.of(windows_of(seen(20, 4000)))
    assert found is not None
    z = found.values.numpy()
    others = z[:, [1, 2, 4, 5, 6, 7]]
    left = z[:, [0, 3]] - others @ np.linalg.lstsq(others, z[:, [0, 3]], rcond=None)[0]
    partial = found.partial()
    assert partial[0, 3].item() == pytest.approx(np.corrcoef(left.T)[0, 1], abs=2e-3)
    # What goes through another series only is not left: 0 and 2 by 1.
    assert abs(partial[2, 0]) < 0.5 * found.correlations()[2, 0].abs() and partial.diagonal().eq(0).all()


def test_only_windows_that_know_all_targets_have_innovations() -> None:
    x = seen(1)
    x[50:70, 3] = np.nan
    windows = prepare(x, 1, missing="drop").windows
    known = int((~windows.targets().isnan().any(1)).sum())
    found = Innovations.of(windows)
    assert found is not None and len(found.values) == known < len(windows)


def test_too_few_windows_and_too_many_series_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Innovations.of(windows_of(seen(1, 9))) is None
    monkeypatch.setattr(innovations, "MOST", P - 1)
    assert Innovations.of(windows_of(seen(1))) is None


# ---- the weight


def test_the_weight_is_of_what_the_same_step_has_more_than_lags() -> None:
    assert _weight(1.0, 1.0) == _weight(3.0, 3.0) == _weight(3.0, 2.0) == 0.0
    assert _weight(9.0, 1.0) == MOST_WEIGHT
    assert _weight(400.0, 1.5) > _weight(400.0, 3.0) > 0.1 and _weight(400.0, 12.0) == 0.0
    assert _weight(1e9, 2.0) == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_series_seen_at_each_of_their_steps_have_none(seed: int) -> None:
    assert same_step(seen(1, seed=seed)).weight == 0.0
    assert same_step(seen(1, seed=seed, shared=0.5)).weight == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_series_seen_seldom_are_told_by_it(seed: int) -> None:
    found = same_step(seen(20, seed=seed))
    assert found.weight > 0.5 and found.statistic > 5 > found.lagged
    skeleton = TRUTH | TRUTH.T
    assert found.evidence is not None
    np.testing.assert_allclose(found.evidence, found.evidence.T)
    assert evaluate(found.evidence, skeleton).auroc > 0.9


def test_with_more_lags_the_best_one_is_held_against_it() -> None:
    assert same_step(seen(1), 3).weight == 0.0
    assert same_step(seen(20), 3).weight > 0.5
    assert same_step(seen(1), 3).lagged > 3


def test_gene_networks_and_lorenz_96_have_none() -> None:
    for data in (gene_network(P, 21, 5, seed=3), lorenz96(P, 250, 10.0, seed=0)):
        assert same_step(np.concatenate(data.trajectories)).weight == 0.0


def test_causes_that_are_not_forecast_have_none() -> None:
    windows = windows_of(seen(20))
    t = pairwise(Moments.of(windows, torch.arange(P)))[:, :, None]
    effect_of = torch.arange(P)
    effect_of[3] = -1
    found = SameStep.of(windows, t, ~np.eye(P, dtype=bool)[:, :, None], effect_of)
    assert found.evidence is None and found.weight == 0.0


# ---- a fit


def test_a_fit_of_series_seen_seldom() -> None:
    x = seen(20, 120)
    found = GRNGC(max_steps=20, random_state=0, lags=2).fit(x)
    told = found.graph_.metadata["ranking"]
    share = told["same_step"]["weight"]
    assert share > 0.5
    members = told["members"]
    assert members["same_step"] / sum(members.values()) == pytest.approx(share, abs=1e-3)
    skeleton = TRUTH | TRUTH.T
    assert evaluate(found.scores_, skeleton).auroc > evaluate(found.gradients_, skeleton).auroc + 0.2
    assert found.lag_scores_.shape == (P, P, 2) and (found.scores_ > 0).all()
    assert not np.array_equal(found.scores_, found.scores_.T)


def test_regulators_seen_seldom() -> None:
    found = GRNGC(max_steps=20, random_state=0, regulators=[1, 0, 4]).fit(seen(20, 120))
    assert found.graph_.metadata["ranking"]["same_step"]["weight"] > 0.5
    scores = found.scores_[[1, 2, 4, 5, 7, 3], :]
    assert scores[0, 1] > scores[4, 1] and scores[1, 0] > scores[3, 0]


def test_a_fit_of_series_seen_at_each_of_their_steps_says_that_it_has_no_weight() -> None:
    told = GRNGC(max_steps=20, random_state=0).fit(seen(1, 120)).graph_.metadata["ranking"]
    assert told["by"] == "combined" and "same_step" not in told["members"]
    assert told["same_step"]["weight"] == 0.0 and told["same_step"]["lagged"] > 3
