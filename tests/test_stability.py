"""Fits of resampled windows: what is drawn, how often edges are found, how much scores spread."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from grngc_fast import GRNGC, InputError
from grngc_fast.series import Windows

QUICK: dict[str, Any] = {
    "max_steps": 150,
    "learning_rate": 1e-2,
    "hidden": 8,
    "random_state": 0,
    "device": "cpu",
    "model": "mlp",
}


def driven(n_steps: int = 200) -> np.ndarray:
    """Series 0 drives 1; 2 to 4 do nothing."""
    X = np.random.default_rng(0).standard_normal((n_steps, 5))
    X[1:, 1] += 2 * X[:-1, 0]
    return X


def test_what_is_there_is_always_found_and_what_is_not_is_not() -> None:
    X = driven()
    found = GRNGC(**QUICK).fit(X).stability(X, n_bootstraps=6, n_edges=3)
    assert found.n_fits == 6 and found.frequency[1, 0] == 1
    assert found.frequency.sum() == pytest.approx(3) and np.diag(found.frequency).sum() == 0
    # Two of nineteen pairs are found by chance beside.
    assert np.median(found.frequency) < 0.3
    assert [(e.source, e.target) for e in found.graph(frequency=1.0).edges()][:1] == [("x0", "x1")]
    assert found.score[1, 0] > 3 * found.standard_error[1, 0] > 0


def test_scores_spread_as_those_of_fits_of_other_seeds() -> None:
    X = driven()
    fit = GRNGC(**QUICK).fit(X)
    found = fit.stability(X, n_bootstraps=0, n_seeds=3)
    assert found.n_fits == 3 and found.n_edges == 5
    assert (found.standard_error > 0).all() and found.standard_error.max() < 0.3
    np.testing.assert_allclose(found.score[1, 0], fit.scores_[1, 0], rtol=0.2)
    again = fit.stability(X, n_bootstraps=0, n_seeds=3)
    np.testing.assert_array_equal(found.score, again.score)


@pytest.mark.parametrize("options", [{"edges_per_target": 2}, {"lags": 2, "regulators": [0, 2]}, {"model": "sets"}])
def test_options_keep_their_meaning(options: dict[str, Any]) -> None:
    X = driven(120)
    fit = GRNGC(**{**QUICK, **options}).fit(X)
    fit.significance(X)
    found = fit.stability(X, n_bootstraps=2)
    assert found.frequency.shape == fit.graph_.shape
    assert found.n_edges == fit.graph_.threshold("auto").n_edges > 0
    assert found.frequency[1, 0] == 1


def test_blocks_and_trajectories_are_drawn_whole() -> None:
    generator = torch.Generator().manual_seed(0)
    steps = np.arange(200.0)[:, None]
    windows = Windows.from_trajectories([steps], 2)
    drawn = windows.resampled(generator)
    assert len(drawn) == len(windows) and len(drawn.starts.unique()) < len(drawn)
    breaks = (drawn.starts[1:] != drawn.starts[:-1] + 1).nonzero().flatten() + 1
    # 2 * 198 ** (1 / 3), but for blocks that happen to follow one another.
    assert len(breaks) and (breaks % 12 == 0).all()
    many = Windows.from_trajectories([steps[:10]] * 6, 2)
    drawn = many.resampled(generator)
    assert len(drawn) == len(many) and drawn.trajectory.tolist() == many.trajectory.tolist()
    firsts = drawn.starts.view(6, 8)[:, 0]
    assert (firsts % 10 == 0).all() and len(firsts.unique()) < 6
    assert (drawn.starts.view(6, 8) == firsts[:, None] + torch.arange(8)).all()


def test_numbers_out_of_range_are_refused() -> None:
    X = driven(60)
    fit = GRNGC(**QUICK).fit(X)
    for options, message in (
        ({"n_bootstraps": -1}, "n_bootstraps=-1"),
        ({"n_seeds": 0}, "n_seeds=0"),
        ({"n_edges": 1.5}, "n_edges=1.5"),
        ({"n_bootstraps": 1}, "one fit tells nothing"),
    ):
        with pytest.raises(InputError, match=message):
            fit.stability(X, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected a share"):
        fit.stability(X, n_bootstraps=2).graph(frequency=0)
