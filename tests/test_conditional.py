"""Inclusion given clear causes: against enumerated sets, where a target has more causes than two, and when it counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grngc_fast import GRNGC, evaluate
from grngc_fast.ranking import Moments, conditional, inclusion
from grngc_fast.ranking.rule import many

from .test_ranking import enumerated, windows_of

P = 8
CAUSES = [0, 1, 2, 3]
STRENGTHS = [0.5, 0.4, 0.3, 0.25]


def several(steps: int = 400, seed: int = 0) -> np.ndarray:
    """Series 5 has four causes, series 6 one, and each its own past."""
    rng = np.random.default_rng(seed)
    x = np.zeros((steps, P))
    for t in range(1, steps):
        x[t] = 0.3 * x[t - 1] + rng.standard_normal(P)
        x[t, 5] += x[t - 1, CAUSES] @ STRENGTHS
        x[t, 6] += 0.4 * x[t - 1, 4]
    return x


TRUTH = np.zeros((P, P), dtype=bool)
TRUTH[5, CAUSES] = TRUTH[6, 4] = True
ALLOWED = ~torch.eye(P, dtype=torch.bool)


@pytest.fixture(scope="module")
def moments() -> Moments:
    return Moments.of(windows_of(several()), torch.arange(P))


def test_a_third_cause_is_not_held_against_the_best_two(moments: Moments) -> None:
    plain, found = inclusion(moments, ALLOWED)[5], conditional(moments, ALLOWED)[5]
    assert plain[CAUSES].min() < -5
    assert found[CAUSES].min() > 5 and found[[4, 6, 7]].max() < -2


def test_each_is_weighed_given_the_others_that_are_clear(moments: Moments) -> None:
    windows, found = windows_of(several()), conditional(moments, ALLOWED).numpy()
    np.testing.assert_allclose(found[5, [4, 6, 7]], enumerated(windows, 5, CAUSES)[[4, 6, 7]], atol=2e-2)
    np.testing.assert_allclose(found[5, 3], enumerated(windows, 5, [0, 1, 2])[3], atol=2e-2)
    np.testing.assert_allclose(found[5, 0], enumerated(windows, 5, [1, 2, 3])[0], rtol=1e-3)
    np.testing.assert_allclose(found[6, 7], enumerated(windows, 6, [4])[7], atol=2e-2)


def test_where_nothing_is_clear_nothing_is_added() -> None:
    noise = Moments.of(windows_of(np.random.default_rng(2).standard_normal((300, P))), torch.arange(P))
    plain = inclusion(noise, ALLOWED)
    assert plain.max() < 0
    torch.testing.assert_close(conditional(noise, ALLOWED), plain)


def test_an_own_past_that_is_no_candidate_is_known_beside_clear_causes() -> None:
    windows = windows_of(several(), regulators=[0, 1, 2, 3])
    own = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7])
    found = conditional(Moments.of(windows, own, 4), torch.ones(P, 4, dtype=torch.bool))
    expected = conditional(Moments.of(windows_of(several()), torch.arange(P)), ALLOWED & (torch.arange(P) < 4))
    torch.testing.assert_close(found[4:], expected[4:, :4], rtol=1e-3, atol=1e-2)


def test_all_inputs_may_be_clear() -> None:
    rng = np.random.default_rng(0)
    x = np.zeros((400, 3))
    for t in range(1, 400):
        x[t] = 0.4 * x[t - 1].sum() / 3 + 0.5 * x[t - 1, [1, 2, 0]] + rng.standard_normal(3)
    found = conditional(Moments.of(windows_of(x, 2), torch.arange(3)), ~torch.eye(3, dtype=torch.bool).repeat(1, 2))
    assert not found.isnan().any() and (found[0, [0, 3]] == -torch.inf).all() and found[0, [1, 2]].isfinite().all()


def test_of_many_windows_and_not_too_many_inputs_it_counts_and_else_not() -> None:
    assert many(64, 250) and not many(65, 250) and not many(20, 249)
    x = several()
    fits = {steps: GRNGC(max_steps=20, random_state=0).fit(x[:steps]) for steps in (200, 400)}
    told = {steps: fit.graph_.metadata["ranking"] for steps, fit in fits.items()}
    assert "conditional" not in told[200]["members"]
    assert told[400]["members"] == {"gradients": 1.0, "conditional": 3.0}
    assert evaluate(fits[400].scores_, TRUTH).auprc == 1.0


def test_where_targets_are_missing_it_does_not_count() -> None:
    x = several()
    x[100:140, 5] = np.nan
    found = GRNGC(max_steps=20, random_state=0, missing="drop").fit(x)
    assert set(found.graph_.metadata["ranking"]["members"]) == {"gradients", "inclusion", "pairwise"}
