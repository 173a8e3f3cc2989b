"""`evaluate` ranks the pairs it says it ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grngc_fast.errors import InputError
from grngc_fast.evaluation import evaluate
from grngc_fast.graph import CausalGraph

TRUTH = np.array([[1, 0, 1], [1, 1, 0], [0, 0, 1]], dtype=bool)
SCORES = np.array([[9.0, 0.2, 0.8], [0.5, 9.0, 0.6], [0.1, 0.3, 9.0]])


def test_areas_are_those_worked_out_by_hand() -> None:
    result = evaluate(SCORES, TRUTH)
    # off the diagonal, best first: .8 edge, .6 none, .5 edge, .3, .2, .1 none
    assert result.auroc == pytest.approx(7 / 8)
    assert result.auprc == pytest.approx((1 + 2 / 3) / 2)
    assert (result.n_edges, result.n_pairs) == (2, 6)


def test_the_diagonal_counts_only_on_request() -> None:
    assert evaluate(SCORES, TRUTH, diagonal=True).n_pairs == 9
    assert evaluate(SCORES, TRUTH, diagonal=True).n_edges == 5
    worse = SCORES - 20 * np.eye(3)
    assert evaluate(worse, TRUTH) == evaluate(SCORES, TRUTH)
    assert evaluate(worse, TRUTH, diagonal=True).auroc < evaluate(SCORES, TRUTH, diagonal=True).auroc


def test_the_diagonal_is_left_out_at_every_lag() -> None:
    scores, truth = np.stack([SCORES, SCORES / 2], axis=-1), np.stack([TRUTH, TRUTH], axis=-1)
    result = evaluate(scores, truth)
    assert (result.n_edges, result.n_pairs) == (4, 12)
    assert evaluate(scores * (1 - np.eye(3))[:, :, None], truth) == result


def test_tensors_frames_lists_and_zero_one_truths_are_taken() -> None:
    expected = evaluate(SCORES, TRUTH)
    assert evaluate(torch.tensor(SCORES, requires_grad=True), torch.tensor(TRUTH)) == expected
    assert evaluate(torch.tensor(SCORES).bfloat16(), TRUTH.astype(float)) == expected
    assert evaluate(SCORES.tolist(), TRUTH.astype(int).tolist()) == expected
    pandas = pytest.importorskip("pandas", reason="the extra io is not installed")
    assert evaluate(pandas.DataFrame(SCORES), pandas.DataFrame(TRUTH)) == expected


def test_the_result_shows_itself() -> None:
    assert (
        repr(evaluate(SCORES, TRUTH)) == "Evaluation(auroc=0.8750, auprc=0.8333 (chance 0.3333), n_edges=2, n_pairs=6)"
    )


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), n_series=st.integers(3, 8))
def test_only_the_ranking_matters_and_reversal_mirrors_the_auroc(seed: int, n_series: int) -> None:
    rng = np.random.default_rng(seed)
    scores, truth = rng.random((n_series, n_series)), np.eye(n_series, k=1, dtype=bool)
    result = evaluate(scores, truth)
    assert evaluate(np.exp(3 * scores), truth) == result
    assert evaluate(-scores, truth).auroc == pytest.approx(1 - result.auroc)
    order = rng.permutation(n_series)
    assert evaluate(scores[np.ix_(order, order)], truth[np.ix_(order, order)]).auroc == pytest.approx(result.auroc)
    assert evaluate(truth, truth).auprc == 1


LAGGED = np.stack([TRUTH, TRUTH], axis=-1)


@pytest.mark.parametrize(
    ("scores", "truth", "message"),
    [
        (SCORES, LAGGED, r"pass truth\.any\(-1\)"),
        (LAGGED.astype(float), TRUTH, r"pass scores\.max\(-1\)"),
        (SCORES[:2, :2], TRUTH, r"scores have shape \(2, 2\) and the truth \(3, 3\)"),
        (LAGGED[..., :1], LAGGED, r"same series and lags"),
        (SCORES[:2], TRUTH, r"scores have shape \(2, 3\) and the truth \(3, 3\)"),
        (SCORES[:2], TRUTH[:2], r"2 effects by 3 causes do not tell .* pass the CausalGraph, or diagonal=True"),
        (SCORES[0], TRUTH, r"scores have shape \(3,\); expected \(E, C\)"),
        (CausalGraph(SCORES).kept(top_k=2), TRUTH[:2], r"the graph has the shape \(3, 3\) and the truth \(2, 3\)"),
        (SCORES, TRUTH[0], r"truth have shape \(3,\)"),
        (np.where(SCORES == 0.6, np.nan, SCORES), TRUTH, r"NaN or inf, first at effect 1, cause 2"),
        (np.where(SCORES == 0.6, np.inf, SCORES), TRUTH, r"NaN or inf"),
        ([["a", "b"], ["c", "d"]], TRUTH, r"scores are not an array of numbers"),
        ([[1.0], [1.0, 2.0]], TRUTH, r"scores are not an array of numbers"),
        (SCORES, TRUTH * 2, r"truth holds values other than 0 and 1"),
        (SCORES, np.eye(3), r"truth has no edge off the diagonal \(0 of 6\)"),
        (SCORES, np.ones((3, 3)), r"truth has every possible edge off the diagonal \(6 of 6\)"),
    ],
)
def test_what_cannot_be_judged_is_refused(scores: Any, truth: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(scores, truth)


def test_an_empty_truth_is_refused_with_the_diagonal_too() -> None:
    with pytest.raises(InputError, match=r"no edge \(0 of 9\)"):
        evaluate(SCORES, np.zeros((3, 3)), diagonal=True)


def test_a_graph_of_regulators_knows_which_pairs_are_one_series() -> None:
    graph = CausalGraph(SCORES[:, 1:], ("a", "b", "c"), causes=("b", "a"))
    result = evaluate(graph, TRUTH[:, 1:])
    # a by b, b by b and so on: left out are (b, column b) and (a, column a).
    kept = np.array([[1, 0], [0, 1], [1, 1]], dtype=bool)
    expected = evaluate(np.where(kept, SCORES[:, 1:], 0)[kept][None], TRUTH[:, 1:][kept][None], diagonal=True)
    assert result == expected
    assert result.n_pairs == 4


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), kept=st.integers(1, 30), diagonal=st.booleans())
def test_kept_edges_are_judged_as_scores_with_all_others_tied_at_the_end(seed: int, kept: int, diagonal: bool) -> None:
    rng = np.random.default_rng(seed)
    scores, truth = rng.integers(0, 9, (6, 6)).astype(float), rng.random((6, 6)) < 0.4
    truth[0, 1], truth[1, 0] = True, False
    graph = CausalGraph(scores).kept(top_k=kept, diagonal=diagonal)
    expected = evaluate(graph.to_scipy(diagonal=True).toarray(), truth, diagonal)
    found = evaluate(graph, truth, diagonal)
    assert (found.n_edges, found.n_pairs) == (expected.n_edges, expected.n_pairs)
    assert found.auroc == pytest.approx(expected.auroc)
    assert found.auprc == pytest.approx(expected.auprc)


def test_lags_of_a_graph_are_judged_where_the_truth_has_them() -> None:
    lagged = np.stack([SCORES, SCORES / 2], axis=-1)
    graph = CausalGraph(SCORES, lag_scores=lagged)
    assert evaluate(graph, LAGGED) == evaluate(lagged, LAGGED)
    assert evaluate(graph, TRUTH) == evaluate(SCORES, TRUTH)
