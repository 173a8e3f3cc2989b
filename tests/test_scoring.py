"""The scores of a fit: which windows, where they go, and what the graph says of both."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from grngc_fast import GRNGC, CausalGraph, InputError, SparseCausalGraph
from grngc_fast.graph import file as graph_file
from grngc_fast.scoring import ScoreOptions
from grngc_fast.scoring import blocks as blocks_module
from grngc_fast.scoring import network as scoring

from .test_estimator import chain

QUICK: dict[str, Any] = {"max_steps": 20, "hidden": 8, "random_state": 0, "lags": 2}


@pytest.fixture
def blocks_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every effect is a block."""
    monkeypatch.setitem(blocks_module.score_blocks.__kwdefaults__, "block_bytes", 4 * blocks_module.BLOCK_COPIES * 6)


def test_all_windows_are_taken_and_said_to_be() -> None:
    found = GRNGC(**QUICK).fit(chain(60))
    assert isinstance(found.graph_, CausalGraph)
    assert found.graph_.standard_error is None
    assert found.graph_.metadata["score_windows"] == found.graph_.metadata["score_windows_total"] == 58
    assert "score_standard_error" not in found.graph_.metadata


def test_blocks_of_effects_give_the_scores_of_all_at_once(blocks_of_one: None) -> None:
    found = GRNGC(**QUICK).fit(chain(60))
    blocks_module.score_blocks.__kwdefaults__["block_bytes"] = 2**28
    whole = GRNGC(**QUICK).fit(chain(60))
    for name in ("scores_", "lag_scores_", "signed_scores_", "gradients_"):
        np.testing.assert_allclose(getattr(found, name), getattr(whole, name), rtol=1e-5, atol=1e-7)


def test_one_lag_is_kept_once() -> None:
    found = GRNGC(**{**QUICK, "lags": 1}).fit(chain(60))
    assert isinstance(found.graph_, CausalGraph)
    assert found.graph_.lag_scores is None
    assert found.lag_scores_.shape == (3, 3, 1)
    assert np.shares_memory(found.lag_scores_, found.scores_)


def test_a_sample_of_windows_states_its_error() -> None:
    data = chain(400)
    whole = GRNGC(**QUICK).fit(data)
    found = GRNGC(**QUICK, score_windows=80).fit(data)
    assert isinstance(found.graph_, CausalGraph)
    error, metadata = found.graph_.standard_error, found.graph_.metadata
    assert error is not None
    assert error.shape == (3, 3)
    assert (metadata["score_windows"], metadata["score_windows_total"]) == (80, 398)
    off = np.abs(found.gradients_ - whole.gradients_)
    assert off.max() > 0
    assert (off < 5 * error).all()
    assert 0 < metadata["score_standard_error"] < 0.2
    np.testing.assert_array_equal(GRNGC(**QUICK, score_windows=80).fit(data).scores_, found.scores_)


def test_more_windows_than_there_are_means_all() -> None:
    found = GRNGC(**QUICK, score_windows=9999).fit(chain(60))
    assert found.graph_.metadata["score_windows"] == 58
    np.testing.assert_array_equal(found.scores_, GRNGC(**QUICK).fit(chain(60)).scores_)


@pytest.mark.parametrize("model", ["mlp", "lstm"])
def test_windows_that_cost_too_much_are_sampled(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(scoring.EXACT_FLOPS, "cpu", 1.0)
    found = GRNGC(model=model, **QUICK).fit(chain(400))
    assert found.graph_.metadata["score_windows"] == scoring.FEWEST_WINDOWS
    assert found.graph_.metadata["score_standard_error"] > 0


def test_flops_of_a_window_are_those_of_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    # 2 E Q K = 2 * 3 * 6 * 8 flops for a window.
    monkeypatch.setitem(scoring.EXACT_FLOPS, "cpu", 100 * 2.0 * 3 * 6 * 8)
    assert GRNGC(**QUICK).fit(chain(400)).graph_.metadata["score_windows"] == 100


# ---- kept edges


def test_edges_per_target_are_those_of_all_scores(blocks_of_one: None) -> None:
    whole = GRNGC(**QUICK, ranking="gradients").fit(chain(60))
    found = GRNGC(**QUICK, edges_per_target=1).fit(chain(60))
    graph = found.graph_
    assert isinstance(graph, SparseCausalGraph)
    every = whole.graph_.edges(diagonal=True)
    best = {name: next(e for e in every if e.target == name != e.source) for name in ("x0", "x1", "x2")}
    assert {e.target: e[:3] for e in graph.edges()} == {name: e[:3] for name, e in best.items()}
    assert sorted(e.source for e in graph.edges(diagonal=True) if e.source == e.target) == ["x0", "x1", "x2"]
    assert graph.metadata["edges_per_target"] == 1
    assert graph.n_lags == 2
    for name in ("scores_", "lag_scores_", "signed_scores_", "gradients_"):
        with pytest.raises(AttributeError, match=rf"{name}: with edges_per_target=1 .* graph_\.to_scipy\(\)"):
            getattr(found, name)
    assert np.isfinite(found.predict(chain(20))).all()


# ---- files


def test_scores_streamed_to_files_are_those_in_memory(blocks_of_one: None, tmp_path: Path) -> None:
    path = tmp_path / "found.npy"
    whole = GRNGC(**QUICK, score_windows=20, ranking="gradients").fit(chain(60))
    found = GRNGC(**QUICK, score_windows=20, scores_file=path).fit(chain(60))
    graph, other = found.graph_, whole.graph_
    assert isinstance(graph, CausalGraph)
    assert isinstance(other, CausalGraph)
    assert {p.name for p in tmp_path.iterdir()} == {
        "found.npy",
        "found.lag_scores.npy",
        "found.signed_scores.npy",
        "found.standard_error.npy",
    }
    np.testing.assert_array_equal(np.load(path), whole.scores_)
    for name in ("scores", "lag_scores", "signed_scores", "standard_error"):
        np.testing.assert_array_equal(getattr(graph, name), getattr(other, name))
        assert isinstance(getattr(graph, name).base, np.memmap)
    assert graph.edges() == other.edges()


def test_a_full_disk_leaves_nothing_half_written(
    blocks_of_one: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "found.npy"
    path.write_text("older")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(graph_file.os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write '.*npy': No space left on device"):
        GRNGC(**QUICK, scores_file=path).fit(chain(60))
    assert [p.name for p in tmp_path.iterdir()] == ["found.npy"]
    assert path.read_text() == "older"


def test_a_disk_without_room_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = ScoreOptions(file=tmp_path / "found.npy")
    monkeypatch.setattr(scoring.shutil, "disk_usage", lambda folder: SimpleNamespace(free=4 * 20 * 10 * 6))
    chosen.check_space(20, 10, 3)
    with pytest.raises(InputError, match=r"all scores take up to 0\.00 GiB and .* has 0\.00 GiB free; make room"):
        chosen.check_space(20, 10, 4)
    monkeypatch.setattr(scoring.shutil, "disk_usage", lambda folder: SimpleNamespace(free=0))
    with pytest.raises(InputError, match="make room"):
        GRNGC(**QUICK, scores_file=tmp_path / "found.npy").fit(chain(60))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scores_file": "found.csv"}, "scores_file='found.csv'; name a file that ends in .npy"),
        ({"scores_file": "nowhere/found.npy"}, "no folder there that can be written to"),
        ({"scores_file": "found.npy", "edges_per_target": 3}, "scores_file and edges_per_target were both given"),
        ({"edges_per_target": 0}, "edges_per_target=0; expected None or a whole number"),
        ({"score_windows": 1.5}, "score_windows=1.5; expected None or a whole number"),
    ],
)
def test_options_that_cannot_be_used_are_named(
    options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        GRNGC(**{**QUICK, **options}).fit(chain(60))
