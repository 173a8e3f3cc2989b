"""Fits of resampled windows: what is drawn, how often edges are found, how much scores spread, and where that is kept."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from grngc_fast import GRNGC, CausalGraph, InputError, load_graph
from grngc_fast.cli import main
from grngc_fast.graph import Repeats
from grngc_fast.planning import FitOptions, refit
from grngc_fast.series import Windows, prepare
from grngc_fast.significance import Stability, stability
from grngc_fast.training.working_sets import JoinedData, SetData, SetOptions, find_sets, search_sets

QUICK: dict[str, Any] = {
    "max_steps": 100,
    "learning_rate": 1e-2,
    "hidden": 8,
    "random_state": 0,
    "device": "cpu",
    "model": "mlp",
}


def driven(n_steps: int = 120) -> np.ndarray:
    """Series 0 drives 1; 2 to 4 do nothing."""
    X = np.random.default_rng(0).standard_normal((n_steps, 5))
    X[1:, 1] += 2 * X[:-1, 0]
    return X


@pytest.fixture(scope="module")
def fit() -> GRNGC:
    return GRNGC(**QUICK).fit(driven())


@pytest.fixture(scope="module")
def found(fit: GRNGC) -> Stability:
    return fit.stability(driven(), n_bootstraps=6, n_edges=3)


def test_what_is_there_is_always_found_and_what_is_not_is_not(found: Stability) -> None:
    assert found.n_fits == 6 and found.n_edges == 3 and found.frequency[1, 0] == 1
    assert found.frequency.sum() == pytest.approx(3) and np.diag(found.frequency).sum() == 0
    # Two of nineteen pairs are found by chance beside.
    assert np.median(found.frequency) < 0.3
    assert [(e.source, e.target) for e in found.graph(frequency=1.0).edges()][:1] == [("x0", "x1")]
    assert found.score[1, 0] > 3 * found.standard_error[1, 0] > 0


def test_scores_spread_as_those_of_fits_of_other_seeds(fit: GRNGC) -> None:
    X = driven()
    found = fit.stability(X, n_bootstraps=0, n_seeds=2)
    assert found.n_fits == 2 and found.n_edges == 5
    assert (found.standard_error > 0).all() and found.standard_error.max() < 0.3
    np.testing.assert_allclose(found.score[1, 0], fit.scores_[1, 0], rtol=0.2)
    np.testing.assert_array_equal(found.score, fit.stability(X, n_bootstraps=0, n_seeds=2).score)


@pytest.mark.parametrize(
    "options",
    [
        {"edges_per_target": 2},
        {"lags": 2, "regulators": [0, 2]},
        {"candidates": ~np.eye(5, dtype=bool), "model": "sets"},
        {"missing": "drop"},
        {"trajectories": 6},
    ],
    ids=lambda options: ", ".join(options),
)
def test_options_keep_their_meaning(options: dict[str, Any], tmp_path: Path) -> None:
    """Of a fit that was taken up from its checkpoint."""
    given, X = dict(options), driven()
    parts = np.split(X, given.pop("trajectories", 1))
    if "missing" in given:
        X[40, 0] = X[80, 3] = np.nan
    for _ in range(2):
        fit = GRNGC(**{**QUICK, "max_steps": 60, **given}, checkpoint=tmp_path).fit(parts)
    found = fit.stability(parts, n_bootstraps=2)
    assert found.frequency.shape == fit.graph_.shape
    assert found.n_edges == len(fit.graph_.names) and found.frequency[1, 0] == 1
    assert fit.graph_.repeats is not None and found.whole is fit.graph_


def test_sets_of_several_draws_are_found_side_by_side_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    X = driven(200)
    X[1:, 3] += X[:-1, 4] ** 2
    parts = [prepare(rows, 1).windows for rows in (X[:100], X[100:])]
    # Two of five inputs, so that sets have to be found.
    options = SetOptions(set_size=2, units=4, rounds=3, first_steps=40, steps=60)
    joined = JoinedData.of_parts([SetData.of(windows, None) for windows in parts])
    assert torch.equal(joined.read(torch.tensor([1, 6]), torch.tensor([[0], [-1]])).flatten(1)[1], torch.zeros(99))
    together = search_sets(joined, 0.2, options, 0).split(5)
    for own, windows in zip(together, parts, strict=True):
        alone = find_sets(windows, 0.2, options, 0)
        for target, cause in ((1, 0), (3, 4)):
            assert cause in own.columns[target] and cause in alone.columns[target]
        strength = [float(of.strength[1][of.columns[1] == 0]) for of in (own, alone)]
        np.testing.assert_allclose(*strength, rtol=0.1)
        np.testing.assert_allclose(own.forecast(windows)[:, 1], alone.forecast(windows)[:, 1], atol=0.3)
    # Draws are trained so, and found as one after another.
    fit = GRNGC(**{**QUICK, "model": "sets", "max_steps": 2}).fit(X)
    frequency = []
    for at_once in (refit.SIDE_BY_SIDE, 1):
        monkeypatch.setattr(refit, "SIDE_BY_SIDE", at_once)
        frequency.append(fit.stability(X, n_bootstraps=3, n_edges=2).frequency)
    np.testing.assert_array_equal(*frequency)
    assert frequency[0][1, 0] == frequency[0][3, 4] == 1


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


def test_numbers_out_of_range_are_refused(fit: GRNGC, found: Stability) -> None:
    for options, message in (
        ({"n_bootstraps": -1}, "n_bootstraps=-1"),
        ({"n_seeds": 0}, "n_seeds=0"),
        ({"n_edges": 1.5}, "n_edges=1.5"),
        ({"n_bootstraps": 1}, "one fit tells nothing"),
    ):
        with pytest.raises(InputError, match=message):
            fit.stability(driven(), **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected a share"):
        found.graph(frequency=0)
    plan = fit._decided[0]
    with pytest.raises(InputError, match="frequencies of 5 effects by 5 causes need"):
        stability(plan, FitOptions(memory_limit=1000), prepare(driven(), 1), fit.graph_, 0)
    with pytest.raises(InputError, match="from 0 to 1"):
        Repeats([[2.0]], [[1.0]], [[0.1]])  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"score \(1, 2\)"):
        Repeats([[1.0]], [[1.0, 2.0]], [[0.1]])  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"repeats has shape \(1, 1\)"):
        CausalGraph(np.ones((2, 2))).with_repeats(Repeats([[1.0]], [[1.0]], [[0.1]]))  # type: ignore[arg-type]


def test_a_graph_keeps_and_exports_what_was_found(found: Stability, tmp_path: Path) -> None:
    for name, graph in (("dense.npz", found.whole), ("kept.npz", found.graph(1.0))):
        graph.save(tmp_path / name)
        read = load_graph(tmp_path / name).repeats
        assert read is not None and read.metadata == {"bootstraps": 6, "fits": 6, "edges": 3}
        np.testing.assert_array_equal(read.standard_error, found.standard_error)
    exported = found.whole.to_networkx(top_k=1)["x0"]["x1"]
    assert exported["frequency"] == 1 and exported["standard_error"] == found.standard_error[1, 0]


@pytest.mark.parametrize("kind", ["frequencies", "scores", "graph", "summary"])
def test_pictures_are_drawn(kind: Any, found: Stability, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure = found.plot(kind)
    figure.savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 5000
    if kind == "graph":
        widths = {patch.get_linewidth() for patch in figure.axes[0].patches}
        assert len(figure.axes[0].patches) == found.graph().n_edges and max(widths) == pytest.approx(3.0)
    if kind == "scores":
        drawn = np.concatenate([line.get_ydata() for line in figure.axes[0].lines if len(line.get_ydata())])
        assert max(drawn) >= found.score[1, 0]
    with pytest.raises(InputError, match="unknown plot kind"):
        found.plot("other")  # type: ignore[arg-type]


def test_the_command_writes_frequencies_and_says_what_could_not_be_tested(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savetxt(tmp_path / "data.csv", driven(35), delimiter=",", header="a,b,c,d,e", comments="")
    given = ["fit", str(tmp_path / "data.csv"), "--out", str(tmp_path / "out"), "--quiet", "--seed", "0", "--report"]
    options = ["--model", "mlp", "--hidden", "8", "--max-steps", "150", "--learning-rate", "0.01"]
    assert main([*given, *options, "--stability", "3", "--significance"]) == 0
    said = capsys.readouterr()
    with (tmp_path / "out" / "edges.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"frequency", "standard_error"} <= rows[0].keys() and "p_value" not in rows[0]
    assert (rows[0]["source"], rows[0]["target"], float(rows[0]["frequency"])) == ("a", "b", 1.0)
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["stability"] == {"bootstraps": 3, "fits": 3, "edges": 5}
    # A fit is not lost because its edges cannot be tested.
    refused = "significance needs 20 windows in each half of the data, but one has 16"
    assert record["significance"]["refused"].startswith(refused)
    assert f"no p-values: {refused}" in said.out and f"warning: no p-values: {refused}" in said.err
    assert "of 3 fits of resampled windows, 5 edges each: " in said.out
    assert (tmp_path / "out" / "stability.png").exists() and not (tmp_path / "out" / "significance.png").exists()
    html = (tmp_path / "out" / "report.html").read_text()
    assert "Edges found in fits of resampled windows" in html and "standard error</th>" in html and refused in html
    assert main([*given, *options, "--stability", "1", "--force"]) == 2
    assert "--stability 1; one draw tells nothing" in capsys.readouterr().err
