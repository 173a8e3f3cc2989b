"""Scores of what no working set holds: below all others, in the order of evidence, beside untouched gradients."""

from __future__ import annotations

import numpy as np
import pytest

from grngc_fast import GRNGC, CausalGraph, evaluate
from grngc_fast.datasets import lorenz96

QUICK = {"model": "sets", "lam": 0.2, "model_options": {"set_size": 4, "n_splines": 0}, "random_state": 0}


@pytest.fixture(scope="module")
def chaos():
    return lorenz96(30, 200, 40.0, seed=0)


@pytest.fixture(scope="module", params=[1, 2], ids=["one lag", "two lags"])
def pair(request, chaos):
    """The same fit ranked as it is by default, and by gradients alone."""
    return [GRNGC(lags=request.param, **QUICK, ranking=how).fit(chaos.X) for how in ("auto", "gradients")]


def test_what_sets_hold_keeps_its_score_and_all_else_is_below(pair):
    ranked, plain = pair
    held = plain.scores_ > 0
    np.testing.assert_array_equal(ranked.scores_[held], plain.scores_[held])
    outside = ranked.scores_[~held]
    assert 0 < outside.min() < outside.max() < plain.scores_[held].min()
    np.testing.assert_array_equal(ranked.gradients_, plain.scores_)
    np.testing.assert_array_equal(ranked.lag_scores_.max(-1), ranked.scores_)


def test_the_metadata_say_what_was_done(pair):
    ranked, plain = pair
    said = ranked.graph_.metadata["ranking"]
    assert said["by"] == "gradients"
    assert said["outside"]["pairs"] == int((plain.lag_scores_ == 0).sum())
    assert 0 < said["outside"]["largest"] < 1
    assert "outside" not in plain.graph_.metadata["ranking"]


def test_it_ranks_better_than_ties(pair, chaos):
    ranked, plain = (evaluate(found.graph_, chaos.truth) for found in pair)
    assert ranked.auroc > plain.auroc + 0.005


def test_both_are_kept_in_a_file(pair, tmp_path):
    ranked, _ = pair
    ranked.graph_.save(tmp_path / "graph.npz")
    again = CausalGraph.load(tmp_path / "graph.npz")
    np.testing.assert_array_equal(again.scores, ranked.scores_)
    np.testing.assert_array_equal(again.gradients, ranked.gradients_)


def test_where_there_are_very_many_pairs_the_strongest_of_each_target(chaos, monkeypatch):
    monkeypatch.setattr("grngc_fast.ranking.outside.PAIRS", 0)
    monkeypatch.setattr("grngc_fast.ranking.outside.FEWEST", 3)
    found = GRNGC(**QUICK).fit(chaos.X)
    added = (found.scores_ > 0).sum(1) - (found.gradients_ > 0).sum(1)
    assert (added == 3).all()


def test_what_is_no_candidate_stays_0(chaos):
    found = GRNGC(**QUICK, regulators=list(range(10))).fit(chaos.X)
    assert found.scores_.shape == (30, 10)
    assert (found.scores_ > 0).all()
    allowed = np.add.outer(np.arange(30), np.arange(30)) % 4 == 0
    limited = GRNGC(**QUICK, candidates=allowed, own_past=False).fit(chaos.X)
    assert (limited.scores_[allowed] > 0).all() and (limited.scores_[~allowed] == 0).all()
