"""Edges ranked by several kinds of evidence: each kind against its definition, the rule when, and what a fit keeps of it."""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from torch import Tensor

from grngc_fast import GRNGC, evaluate
from grngc_fast.datasets import lorenz96
from grngc_fast.errors import InputError
from grngc_fast.graph import SparseCausalGraph, load_graph
from grngc_fast.planning import FitOptions
from grngc_fast.ranking import CausePrior, Moments, association, combined, evidence, inclusion, pairwise
from grngc_fast.ranking.causes import variance_by_chance
from grngc_fast.ranking.combination import CAUSE_WEIGHT, placed_evidence, rank_evidence
from grngc_fast.ranking.innovations import given_own_past
from grngc_fast.ranking.rule import few, gradients_alone, saturated
from grngc_fast.scoring import mean_gradients, unit_shares
from grngc_fast.series import Windows, prepare

OWN = torch.arange(6)
QUICK = {"max_steps": 20, "random_state": 0}


def chain(steps: int = 80, n_series: int = 6, seed: int = 0) -> np.ndarray:
    """Series 0 drives all others, and each its own next value."""
    rng = np.random.default_rng(seed)
    x = np.zeros((steps, n_series))
    for t in range(1, steps):
        x[t] = 0.5 * x[t - 1] + rng.standard_normal(n_series)
        x[t, 1:] += 0.8 * x[t - 1, 0]
    return x


def windows_of(x: np.ndarray, lags: int = 1, **options: Any) -> Windows:
    return prepare(x, lags, **options).windows


def residual(y: np.ndarray, past: np.ndarray) -> np.ndarray:
    past = np.column_stack([past, np.ones(len(past))])
    return y - past @ np.linalg.lstsq(past, y, rcond=None)[0]


# ---- evidence of pairs


@pytest.mark.parametrize("lags", [1, 2])
def test_pairwise_is_the_t_statistic_of_residuals_given_the_own_past(lags: int) -> None:
    windows = windows_of(chain(), lags)
    x, y = windows.columns().double().numpy(), windows.targets().double().numpy()
    found = pairwise(Moments.of(windows, OWN)).numpy()
    for effect, column in ((1, 0), (3, 6 * lags - 1), (0, 4)):
        past = x[:, [effect + 6 * lag for lag in range(lags)]]
        r = np.corrcoef(residual(y[:, effect], past), residual(x[:, column], past))[0, 1]
        expected = abs(r) * math.sqrt((len(y) - lags - 2) / (1 - r * r))
        assert found[effect, column] == pytest.approx(expected, rel=1e-3)
    assert (found[np.arange(6), np.arange(6)] == 0).all()


def test_a_slow_target_with_missing_values_is_judged_by_the_windows_that_know_it() -> None:
    rng = np.random.default_rng(4)
    x = lfilter([1], [1, -0.9], rng.standard_normal((80, 5)), axis=0)
    x[1 + rng.permutation(78)[:30], 2] = np.nan
    windows = prepare(x, 1, missing="interpolate", max_gap=20).windows
    moments = Moments.of(windows, torch.arange(5))
    columns, y = windows.columns().double().numpy(), windows.targets().double().numpy()[:, 2]
    there = ~np.isnan(y)
    columns, y = columns[there], y[there]
    others = [0, 1, 3, 4]
    r = [np.corrcoef(residual(y, columns[:, [2]]), residual(columns[:, q], columns[:, [2]]))[0, 1] for q in others]
    expected = np.abs(r) * np.sqrt((len(y) - 3) / (1 - np.square(r)))
    np.testing.assert_allclose(pairwise(moments)[2, others], expected, rtol=1e-2)
    np.testing.assert_allclose(inclusion(moments)[2], enumerated(windows, 2), atol=2e-2)


def test_a_target_that_reads_no_past_of_its_own_is_conditioned_on_nothing() -> None:
    windows = windows_of(chain())
    moments = Moments.of(windows, torch.full((6,), -1))
    r = association(moments)
    expected = r * ((len(windows) - 3) / (1 - r.square())).sqrt()
    torch.testing.assert_close(pairwise(moments), expected, rtol=1e-4, atol=1e-6)


def test_association_is_the_correlation_with_the_next_value() -> None:
    x = chain()
    found = association(Moments.of(windows_of(x), OWN)).numpy()
    np.testing.assert_allclose(found, np.abs(np.corrcoef(x[1:].T, x[:-1].T)[:6, 6:]), atol=1e-5)


def enumerated(windows: Windows, effect: int, known: Sequence[int] = ()) -> np.ndarray:
    """(Q,) log odds by least squares over all sets of at most two inputs beside the own past and others that are known."""
    x, y = windows.columns().double().numpy(), windows.targets().double().numpy()[:, effect]
    x, y = x[~np.isnan(y)], y[~np.isnan(y)]
    past, n = x[:, [effect, *known]], len(y)
    left, rest = residual(y, past), [j for j in range(x.shape[1]) if j not in (effect, *known)]
    weight = {}
    for size in (0, 1, 2):
        for some in itertools.combinations(rest, size):
            r2 = 1 - (residual(y, np.column_stack([past, x[:, some]])) ** 2).sum() / (left**2).sum()
            freedom = n - 2 - len(known)
            evidence = (freedom - size) / 2 * math.log1p(n) - freedom / 2 * math.log1p(n * (1 - r2))
            weight[some] = math.exp(evidence - size * math.log(len(rest)))
    odds = np.full(x.shape[1], -math.inf)
    for j in rest:
        inside = sum(w for some, w in weight.items() if j in some)
        odds[j] = math.log(inside / (sum(weight.values()) - inside))
    return odds


def test_inclusion_is_the_posterior_over_all_sets_of_two() -> None:
    windows = windows_of(chain(40))
    found = inclusion(Moments.of(windows, OWN)).numpy()
    for effect in (0, 2):
        np.testing.assert_allclose(found[effect], enumerated(windows, effect), atol=2e-2)


def test_the_order_of_inclusion_hardly_depends_on_the_shortlist(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = Moments.of(windows_of(chain(60, 6)), OWN)
    every = inclusion(moments)
    monkeypatch.setattr(evidence, "LEAST_SHORTLIST", 2)
    monkeypatch.setattr(evidence, "MOST_PAIRS", 1)
    monkeypatch.setattr(evidence, "BLOCK", 1)
    short = inclusion(moments)
    assert torch.equal(short.argmax(1)[1:], torch.zeros(5, dtype=torch.long))
    known = every.isfinite()
    assert torch.corrcoef(torch.stack([every[known], short[known]]))[0, 1] > 0.99


def test_only_what_is_allowed_is_included() -> None:
    moments = Moments.of(windows_of(chain()), OWN)
    allowed = torch.ones(6, 6, dtype=torch.bool)
    allowed[:, 0] = False
    found = inclusion(moments, allowed)
    assert (found[:, 0] == -math.inf).all() and found[1, 2].isfinite()
    # What the true cause explained away is all there is.
    assert found[1, 2:].max() > inclusion(moments)[1, 2:].max()


def test_a_missing_target_is_no_evidence() -> None:
    x = chain(120)
    holes = x.copy()
    holes[60::2, 3] = np.nan
    whole = Moments.of(windows_of(x[:60], regulators=[0, 1, 2], own_past=False), torch.tensor([0, 1, 2, -1, -1, -1]))
    some = Moments.of(
        windows_of(holes, regulators=[0, 1, 2], own_past=False, missing="drop"), torch.tensor([0, 1, 2, -1, -1, -1])
    )
    assert some.known.tolist() == [119, 119, 119, 89, 119, 119]
    torch.testing.assert_close(some.targets[3], whole.targets[3], atol=0.15, rtol=0)


# ---- what a cause's effects say


def test_as_many_effects_of_every_cause_say_nothing() -> None:
    prior = CausePrior.of(torch.tensor([2.0, 1.5, 2.5, 2.0, 1.0, 3.0]))
    assert not prior.used and (prior.log_odds == 0).all()


def test_effects_of_few_causes_are_shrunk_towards_the_mean() -> None:
    effects = torch.zeros(40)
    effects[:4] = 10
    prior = CausePrior.of(effects)
    shape = 1.0 / (float(effects.var()) - 1)
    assert prior.used and prior.excess > 5
    assert prior.log_odds[0].item() == pytest.approx(math.log((10 + shape) / (1 + shape)), rel=1e-5)
    assert prior.log_odds[-1] < 0


def test_a_cause_that_resembles_many_alike_effects_is_chance() -> None:
    effects = torch.zeros(40)
    effects[:4] = 10
    prior = CausePrior.of(effects, by_chance=float(effects.var()))
    assert not prior.used and (prior.log_odds == 0).all()


@pytest.mark.parametrize(("shared", "alike"), [(0.0, False), (3.0, True)])
def test_counts_of_chance_vary_as_much_as_they_are_said_to(shared: float, alike: bool) -> None:
    rng = np.random.default_rng(0)
    effects = rng.standard_normal((25, 200)) + shared * rng.standard_normal((25, 1))
    causes = rng.standard_normal((25, 4000))
    z = [torch.from_numpy((x - x.mean(0)) / x.std(0)) for x in (effects, causes)]
    found = ((z[0].T @ z[1] / 25).abs() > 0.4).double()
    counts = found.sum(0)
    told = variance_by_chance(found, z[0])
    assert 0.7 < told / float(counts.var()) < 1.5
    assert (told > 20 * float(counts.mean())) is alike


@pytest.mark.parametrize("lags", [1, 2])
def test_what_the_own_past_leaves(lags: int) -> None:
    windows = windows_of(chain(), lags)
    left = given_own_past(windows, torch.tensor([0, 1, 2, 3, 4, -1]))
    x, y = windows.columns().double().numpy(), windows.targets().double().numpy()
    expected = residual(y[:, 2], x[:, [2 + 6 * lag for lag in range(lags)]])
    np.testing.assert_allclose(left[:, 2], expected / expected.std(), atol=1e-4)
    np.testing.assert_allclose(left[:, 5], (y[:, 5] - y[:, 5].mean()) / y[:, 5].std(), atol=1e-5)


# ---- the combination


def test_evidence_of_a_rank_is_minus_log_of_the_share_as_high() -> None:
    np.testing.assert_allclose(np.exp(-rank_evidence(np.array([5.0, 1.0, 3.0]))), [1 / 4, 3 / 4, 2 / 4])
    tied = np.exp(-rank_evidence(np.array([0.0, 0.0, 7.0])))
    np.testing.assert_allclose(tied, [2.5 / 4, 2.5 / 4, 1 / 4])
    np.testing.assert_allclose(
        np.exp(-placed_evidence(np.array([9.0, 2.0]), np.array([1.0, 3.0, 5.0]))), [1 / 4, 3 / 4]
    )


def test_members_are_weighed_and_causes_favoured() -> None:
    first = np.array([[[0.0], [4.0]], [[1.0], [0.0]], [[2.0], [3.0]]])
    pairs = np.ones_like(first, dtype=bool)
    pairs[0, 0] = pairs[1, 1] = False
    odds = np.array([0.5, 0.0])
    found = combined([first, -first], [3.0, 1.0], odds, pairs)
    assert (found[~pairs] == 0).all()
    expected = 0.75 * -np.log(1 / 5) + 0.25 * -np.log(4 / 5)
    assert found[0, 1, 0] == pytest.approx(np.log1p(np.exp(expected)))
    alone = combined([first], [1.0], odds, pairs)
    assert alone[1, 0, 0] == pytest.approx(np.log1p(np.exp(-np.log(4 / 5) + CAUSE_WEIGHT * 0.5)))


# ---- a fit


@pytest.fixture(scope="module")
def regulated() -> GRNGC:
    return GRNGC(**QUICK).fit(chain())


def test_few_windows_are_ranked_by_more_than_gradients(regulated: GRNGC) -> None:
    told = regulated.graph_.metadata["ranking"]
    assert told["by"] == "combined"
    assert set(told["members"]) == {"gradients", "inclusion", "pairwise", "association"}
    truth = np.zeros((6, 6), dtype=bool)
    truth[1:, 0] = True
    assert evaluate(regulated.scores_, truth).auprc == 1.0
    assert (regulated.scores_ > 0).all()
    assert regulated.timings_["ranking"] > 0


def test_gradients_and_their_signs_are_kept(regulated: GRNGC) -> None:
    alone = GRNGC(**QUICK, ranking="gradients").fit(chain())
    assert alone.graph_.metadata["ranking"] == {"by": "gradients", "reason": "asked for"}
    assert alone.graph_.gradients is None
    np.testing.assert_array_equal(alone.gradients_, alone.scores_)
    np.testing.assert_array_equal(alone.scores_, regulated.gradients_)
    np.testing.assert_array_equal(alone.signed_scores_, regulated.signed_scores_)
    assert not np.array_equal(alone.scores_, regulated.scores_)


def test_a_series_own_influence_is_placed_by_its_gradient(regulated: GRNGC) -> None:
    gradients, scores = regulated.gradients_, regulated.scores_
    between = gradients[~np.eye(6, dtype=bool)]
    above = (between >= gradients[2, 2]).sum()
    assert scores[2, 2] == pytest.approx(np.log1p(31 / (above + 1)), rel=1e-5)


def test_the_same_fit_gives_the_same_ranking(regulated: GRNGC) -> None:
    np.testing.assert_array_equal(GRNGC(**QUICK).fit(chain()).scores_, regulated.scores_)


def test_a_graph_keeps_both_in_files_and_tables(regulated: GRNGC, tmp_path: Path) -> None:
    graph = regulated.graph_
    graph.save(tmp_path / "whole.npz")
    again = load_graph(tmp_path / "whole.npz")
    np.testing.assert_array_equal(again.gradients, regulated.gradients_)
    assert again.metadata["ranking"] == graph.metadata["ranking"]

    table = graph.to_pandas(top_k=3)
    row = table.iloc[0]
    place = graph.names.index(row.target), graph.causes.index(row.source)
    assert row.score == graph.scores[place] and row.gradient == graph.gradients[place]
    graph.to_csv(tmp_path / "edges.csv", top_k=3)
    assert (tmp_path / "edges.csv").read_text().startswith("source,target,lag,score,sign,gradient\n")

    kept = graph.kept(top_k=3)
    kept.save(tmp_path / "kept.npz")
    loaded = load_graph(tmp_path / "kept.npz")
    assert isinstance(loaded, SparseCausalGraph)
    assert loaded.to_pandas().gradient.tolist() == table.gradient.tolist()
    assert np.isnan(loaded.gradients_at(np.array([5]), np.array([4]))).all()
    with pytest.raises(InputError, match="gradient: expected 2 finite numbers"):
        SparseCausalGraph([0, 1], [1, 0], [0.5, 0.2], ("a", "b"), gradient=[0.1, -0.2])


def test_a_picture_says_what_its_colours_are(regulated: GRNGC) -> None:
    def labels(found: GRNGC) -> list[str]:
        return [ax.get_ylabel() for ax in found.graph_.plot().axes[0].child_axes]

    assert labels(regulated) == ["evidence (nats)"]
    assert labels(GRNGC(**QUICK, ranking="gradients").fit(chain())) == ["mean |gradient|"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"edges_per_target": 2}, "strongest edges only"),
        ({"model": "mlp"}, "the model was named"),
    ],
)
def test_what_cannot_be_combined_is_ranked_by_gradients(options: dict[str, Any], reason: str) -> None:
    told = GRNGC(**QUICK, **options).fit(chain()).graph_.metadata["ranking"]
    assert told["by"] == "gradients" and reason in told["reason"]


def test_scores_in_a_file_are_gradients(tmp_path: Path) -> None:
    found = GRNGC(**QUICK, scores_file=tmp_path / "all.npy").fit(chain())
    assert found.graph_.metadata["ranking"]["by"] == "gradients"
    np.testing.assert_array_equal(np.load(tmp_path / "all.npy"), found.scores_)


def test_a_network_that_explains_more_is_left_alone() -> None:
    found = GRNGC(random_state=0).fit(lorenz96(8, 250, 10.0, seed=0).X)
    assert found.graph_.metadata["model"] == "sets"
    assert found.graph_.metadata["ranking"]["reason"] == "the network explains what linear forecasters do not"


def test_a_named_model_is_combined_when_asked_for() -> None:
    found = GRNGC("mlp", ranking="combined", **QUICK).fit(chain(60))
    assert found.graph_.metadata["ranking"]["by"] == "combined"
    with pytest.raises(
        InputError, match="ranking='best' is unknown; use one of 'auto', 'combined', 'evidence', 'gradients'"
    ):
        GRNGC(ranking="best").fit(chain(60))


def test_the_odds_of_causes_alone_can_be_left_out(regulated: GRNGC) -> None:
    alone = GRNGC(**QUICK, ranking="evidence").fit(chain())
    told, with_causes = alone.graph_.metadata["ranking"], regulated.graph_.metadata["ranking"]
    assert with_causes["causes"]["used"]
    assert told == {**with_causes, "causes": {"used": False, "reason": "left out as asked for"}}
    np.testing.assert_array_equal(alone.gradients_, regulated.gradients_)
    between = ~np.eye(6, dtype=bool)
    odds = np.log(np.expm1(regulated.scores_.astype(float))) - np.log(np.expm1(alone.scores_.astype(float)))
    of_causes = np.array([odds[between[:, cause], cause] for cause in range(6)])
    assert np.ptp(of_causes, axis=1).max() < 1e-3
    assert of_causes[0].mean() > 0.5 > 0 > of_causes[1:].mean(1).max()


def test_regulators_beside_an_own_past() -> None:
    found = GRNGC(**QUICK, regulators=[0, 1], lags=2).fit(chain())
    assert found.graph_.metadata["ranking"]["by"] == "combined"
    assert found.scores_.shape == (6, 2) and found.lag_scores_.shape == (6, 2, 2)
    np.testing.assert_array_equal(found.lag_scores_.max(-1), found.scores_)
    assert (found.scores_[2:, 0] > found.scores_[2:, 1]).all()


def test_pairs_that_are_no_candidates_score_nothing() -> None:
    candidates = np.ones((6, 6), dtype=bool)
    candidates[3, :3] = False
    found = GRNGC(**QUICK, candidates=candidates).fit(chain())
    assert found.graph_.metadata["ranking"]["by"] == "combined"
    assert not found.graph_.metadata["ranking"]["causes"]["used"]
    assert (found.scores_[3, :3] == 0).all() and (found.scores_[candidates] > 0).all()


def test_trajectories_with_missing_values() -> None:
    parts = [chain(40, seed=seed) for seed in range(3)]
    parts[1][10:14, 2] = np.nan
    found = GRNGC(**QUICK, missing="drop").fit(parts)
    assert found.graph_.metadata["ranking"]["by"] == "combined" and np.isfinite(found.scores_).all()


def test_a_kept_fit_can_be_ranked_otherwise(tmp_path: Path) -> None:
    options = {**QUICK, "checkpoint": tmp_path / "kept"}
    first = GRNGC(**options).fit(chain())
    again = GRNGC(**options, ranking="gradients").fit(chain())
    np.testing.assert_array_equal(again.scores_, first.gradients_)


# ---- the rule


class _Sets:
    def __init__(self, to_beat: float, error: float) -> None:
        self.to_beat, self.error = to_beat, error


class _Plan:
    def __init__(self, model: str, to_beat: float = 0.0, error: float = 0.0) -> None:
        self.model = model
        self.evidence = type("Found", (), {"sets": _Sets(to_beat, error)})


@pytest.mark.parametrize(
    ("plan", "combines"),
    [(_Plan("mlp", 0.9, 0.5), True), (_Plan("sets", 0.541, 0.537), True), (_Plan("sets", 0.798, 0.769), False)],
)
def test_networks_that_win_by_little_do_not_decide(plan: Any, combines: bool) -> None:
    assert (gradients_alone(FitOptions(), plan, 300, 20) is None) is combines


def test_association_is_evidence_where_series_and_windows_are_few() -> None:
    assert few(20, 249) and not few(21, 249) and not few(20, 250)


def test_sizes_and_saturation_rule_it_out() -> None:
    plan: Any = _Plan("mlp")
    assert "4096" in str(gradients_alone(FitOptions(), plan, 300, 5000))
    assert "fewer than 10" in str(gradients_alone(FitOptions(), plan, 9, 5))
    assert "fewer than 21" in str(gradients_alone(FitOptions(lags=12), plan, 20, 60))
    assert gradients_alone(FitOptions(lags=12), plan, 21, 60) is None
    assert saturated(FitOptions(), 1.9, 600) and not saturated(FitOptions(), 1.4, 600)
    assert not saturated(FitOptions(), 1.9, 100) and not saturated(FitOptions(ranking="combined"), 1.9, 600)


def test_evidence_is_found_when_a_ranking_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module, found = importlib.import_module("grngc_fast.ranking.ranked"), list[str]()
    for name in ("inclusion", "pairwise", "association"):
        kind = getattr(evidence, name)
        monkeypatch.setattr(evidence, name, lambda *given, name=name, kind=kind: (found.append(name), kind(*given))[1])
    GRNGC(**QUICK).fit(chain())
    assert sorted(found) == ["association", "inclusion", "pairwise"]
    found.clear()
    monkeypatch.setattr(module, "saturated", lambda *_: True)
    monkeypatch.setattr(module, "variance_by_chance", lambda *_: pytest.fail("nothing is combined"))
    graph = GRNGC(**QUICK).fit(chain()).graph_
    assert graph.metadata["ranking"] == {"by": "gradients", "reason": "targets have more clear causes than two"}
    assert found == ["inclusion"]


def test_posterior_is_finite_when_nothing_is_left_to_explain() -> None:
    x: Tensor = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    x[1:, 1] = x[:-1, 0]
    found = inclusion(Moments.of(windows_of(x.numpy()), torch.arange(4)))
    assert found[1].argmax() == 0 and not found.isnan().any()


# ---- what is kept at the lags of the ranking


@pytest.mark.parametrize("model", ["mlp", "sets"])
def test_signs_and_unit_shares_are_of_the_lags_that_edges_are_ranked_at(model: str) -> None:
    x = chain()
    options: dict[str, Any] = {"model_options": {"set_size": 8}, "max_steps": 2} if model == "sets" else {}
    found = GRNGC(model, lags=3, ranking="combined", **{**QUICK, **options}).fit(x)
    windows = prepare(x, 3).windows
    gradients = mean_gradients(found.model_, windows.batches())
    lags = found.lag_scores_.argmax(-1)
    assert (lags != gradients.absolute.argmax(-1).numpy()).any()
    expected = np.take_along_axis(gradients.signed.numpy(), lags[:, :, None], -1)[:, :, 0]
    np.testing.assert_allclose(found.signed_scores_, expected, rtol=1e-4, atol=1e-6)
    shares = unit_shares(found.model_, windows, found.graph_)
    assert (shares is None) == (model == "mlp")
    if shares is not None:
        everywhere = np.indices((6, 6)).reshape(2, -1)
        np.testing.assert_array_equal(found.graph_.unit_shares.at(*everywhere), shares.at(*everywhere))
