"""p-values of edges: the statistic is the formula's, its chances are chances, what is found is there, options are kept."""

from __future__ import annotations

import csv
import json
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from grngc_fast import GRNGC, CausalGraph, InputError, SparseCausalGraph, load_graph
from grngc_fast.cli import main
from grngc_fast.datasets import additive
from grngc_fast.graph import PValues
from grngc_fast.planning import FitOptions
from grngc_fast.series import Windows, prepare
from grngc_fast.significance import edge_p_values, inputs, score_test
from grngc_fast.significance.chances import Scores, p_values
from grngc_fast.significance.condition import condition
from grngc_fast.significance.explained import Explained
from grngc_fast.significance.inputs import HalfInputs
from grngc_fast.significance.pursuit import pursued
from grngc_fast.significance.score_test import scores
from grngc_fast.significance.target import Target

QUICK: dict[str, Any] = {"max_steps": 20, "hidden": 8, "random_state": 0, "device": "cpu"}


def independent(n_series: int, n_steps: int, memory: float, seed: int) -> np.ndarray:
    """Autoregressions of order 1 that have nothing to do with one another."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_steps + 200, n_series))
    for t in range(1, len(X)):
        X[t] += memory * X[t - 1]
    return X[200:]


@pytest.mark.parametrize("n_lags", [1, 2])
def test_scores_are_those_of_regressions_without_the_cause_tested(n_lags: int) -> None:
    rng = np.random.default_rng(0)
    windows = Windows.from_trajectories([rng.standard_normal((90 + n_lags, 5))], n_lags)
    half = HalfInputs.of(windows, 5)
    y = torch.as_tensor(rng.standard_normal(90))
    past = half.standard.T[::5]
    known = condition(half, (1, 3), Target(y, past, half.ranks[:, 0]), range(9))
    partners = torch.stack([past[0], half.standard[:, 3]])
    assert known.reads.any(0).tolist() == [False, True, False, True, False] and known.reads[:, 1].sum() > 1
    y[[4, 50]] = torch.nan
    # Two targets at once, of which the second is never missing.
    targets = [Explained.by(known, of, partners, [1, 3]) for of in (y, y.nan_to_num())]
    found = scores(half, targets)
    for row, of in enumerate((y, y.nan_to_num())):
        there = ~of.isnan().numpy()
        for j in range(5):
            phi = known.functions[:, ~known.reads[:, j]].numpy()[there]
            base = half.base[:, j].numpy()
            F = np.concatenate([base, *(base[:n_lags] * p.numpy() for p in partners)]).T[there]
            hat = phi @ np.linalg.pinv(phi)
            e, W = of.numpy()[there] - hat @ of.numpy()[there], F - hat @ F
            # In units of the residual of all functions.
            every = known.functions.numpy()[there]
            rest = of.numpy()[there] - every @ np.linalg.pinv(every) @ of.numpy()[there]
            e /= np.sqrt(np.mean(rest**2))
            weights = e**2 / (1 - np.diag(hat))
            np.testing.assert_allclose(found.score[:, row, j], W.T @ e, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(
                found.covariance[:, :, row, j], (W * weights[:, None]).T @ W, rtol=1e-4, atol=1e-5
            )
            assert found.free[row, j] == there.sum() - phi.shape[1]


def test_a_feature_that_the_condition_spans_tells_nothing() -> None:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((101, 3))
    X[:, 2] = X[:, 1]
    half = HalfInputs.of(Windows.from_trajectories([X], 1), 3)
    y = torch.as_tensor(rng.standard_normal(100)) + half.standard[:, 1]
    partner = half.standard.T[:1]
    known = condition(half, (1,), Target(y, partner, half.ranks[:, 0]), range(4))
    found = scores(half, [Explained.by(known, y, partner, [1])])
    assert found.covariance[0, 0, 0, 2] == 0 and found.covariance[0, 0, 0, 1] > 0
    # All of its features are left but those that the condition holds.
    p = p_values(found, [1, 4, 1])[0]
    assert p[1] < 1e-4 and p[2] > 1e-2


def test_functions_are_pursued_as_from_residuals() -> None:
    rng = np.random.default_rng(3)
    given, functions = rng.standard_normal((80, 3)), rng.standard_normal((80, 9))
    functions[:, 4] = given @ [1.0, -2.0, 0.5]
    functions[:, 6], functions[:, 8] = functions[:, 2], 0.0
    y = 3 * functions[:, 2] + functions[:, 7] + 0.2 * rng.standard_normal(80)
    rows = np.concatenate([given, y[:, None], functions], 1).T
    order: list[int] = []
    for _ in range(9):
        known = np.concatenate([given, functions[:, order]], 1)
        left = np.concatenate([y[:, None], functions], 1)
        left = left - known @ np.linalg.lstsq(known, left, rcond=None)[0]
        size = np.linalg.norm(left, axis=0)
        along = np.where(size[1:] > 1e-6, np.abs(left[:, 0] @ left[:, 1:]) / np.maximum(size[1:], 1e-6), 0)
        if along.max() == 0:
            break
        order.append(int(along.argmax()))
    products = torch.as_tensor(rows @ rows.T)
    # What is spanned by given ones, what was taken already, and nothing at all are never taken; of equal ones either may be.
    assert len(order) == 6 and order[:2] == [2, 7]
    found = [2 if one == 6 else one for one in pursued(products, 3, 20)]
    assert found == order and len(pursued(products, 3, 2)) == 2


def test_of_normal_errors_the_chances_are_exact() -> None:
    rng = np.random.default_rng(0)
    n, m, draws = 40, 4, 20_000
    # s = W' e of orthonormal W, and the covariance of equal variance: e' e / N W' W.
    e = rng.standard_normal((draws, n))
    s = torch.as_tensor(e[:, :m])
    size = torch.as_tensor((e**2).mean(1))
    covariance = size[:, None, None] * torch.eye(m, dtype=torch.float64)
    found = Scores(s.T[:, None], covariance.permute(1, 2, 0)[:, :, None], torch.full((1, draws), float(n)).double())
    p = p_values(found, [m])[0].numpy()
    assert stats.kstest(p, "uniform").pvalue > 0.01
    several = p_values(found, [1, 3])[0].numpy()
    assert abs((several < 0.05).mean() - 0.05) < 0.01
    nothing = Scores(torch.zeros(2, 1, 1).double(), torch.zeros(2, 2, 1, 1).double(), torch.full((1, 1), 9.0).double())
    assert p_values(nothing, [1, 1]).tolist() == [[1.0]]


@pytest.mark.filterwarnings("ignore:.*do not look stationary")
@pytest.mark.parametrize("memory", [0.5, 0.95])
def test_where_nothing_causes_anything_p_values_are_chances(memory: float) -> None:
    found = []
    for seed in range(8):
        X = independent(10, 150, memory, seed)
        found.append(GRNGC(**QUICK, model="mlp").fit(X).significance(X))
    p = np.concatenate([of.p_values[~np.isnan(of.p_values)] for of in found])
    assert 0.03 < (p < 0.05).mean() < 0.07 and (p < 0.001).mean() < 0.004
    assert sum(of.graph(0.05).n_edges > 0 for of in found) <= 2


def test_edges_are_found_and_a_correlated_series_is_not() -> None:
    rng = np.random.default_rng(2)
    # 0 drives 1 by its square and 2 by itself: 1 and 2 move together. 3 and 4 drive 5 by their product.
    X = rng.standard_normal((600, 6))
    for t in range(1, len(X)):
        a = X[t - 1]
        X[t, 0] += 0.5 * a[0]
        X[t, 1] += 0.7 * (a[0] ** 2 - 1)
        X[t, 2] += 0.9 * a[0] + 0.3 * a[2]
        X[t, 5] += 0.9 * np.tanh(a[3]) * np.tanh(a[4])
    found = GRNGC(random_state=0, device="cpu", model="sets").fit(X).significance(X)
    edges = {(edge.source, edge.target) for edge in found.graph(q=0.01).edges()}
    assert edges == {("x0", "x1"), ("x0", "x2"), ("x3", "x5"), ("x4", "x5")}
    assert np.isnan(np.diag(found.p_values)).all() and found.metadata["windows"] == [299, 299]


def test_products_of_few_digits_give_the_same_p_values(monkeypatch: pytest.MonkeyPatch) -> None:
    def tested() -> np.ndarray:
        return GRNGC(**QUICK, model="mlp").fit(SERIES).significance(SERIES).p_values

    exact = tested()
    monkeypatch.setattr(inputs, "FEW_NUMBERS", 0)
    monkeypatch.setattr(score_test, "_coarse", lambda base: torch.bfloat16)
    off = ~np.eye(len(exact), dtype=bool)
    np.testing.assert_allclose(np.log(tested()[off]), np.log(exact[off]), rtol=0.01, atol=0.01)


def test_progress_is_shown_where_it_is_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    for verbose in (0, 1):
        found = GRNGC(**QUICK, model="mlp", verbose=verbose).fit(SERIES)
        found.significance(SERIES)
        found.stability(SERIES, n_bootstraps=2)
        shown = capfd.readouterr().err
        assert ("p-values: 100%" in shown) == ("resampled windows: 100%" in shown) == bool(verbose)


def test_orbits_of_one_period_tell_nothing_of_one_another() -> None:
    X = np.random.default_rng(0).random((700, 3))
    # Logistic maps of period 4, started apart, and noise.
    for t in range(1, len(X)):
        X[t, :2] = [3.96093, 3.96113] * X[t - 1, :2] * (1 - X[t - 1, :2])
    found = GRNGC(**QUICK, model="mlp").fit(X[400:]).significance(X[400:])
    assert found.p_values[[0, 1], [1, 0]].tolist() == [1.0, 1.0] and np.nanmin(found.p_values[2]) < 1


SERIES = additive(5, 120, "tanh", seed=0).X


@pytest.mark.parametrize(
    "options",
    [
        {"lags": 3},
        {"edges_per_target": 2},
        {"regulators": [0, 1, 2]},
        {"targets": [4, 1]},
        {"candidates": ~np.eye(5, dtype=bool)},
        {"candidates": ~np.eye(5, dtype=bool), "model": "sets"},
        {"regulators": [0, 3], "own_past": False},
        {"model": "kan"},
        {"difference": 1, "detrend": True},
        {"missing": "drop"},
        {"early_stopping": True},
        {"trajectories": 6},
        {"model": torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(5, 5)), "hidden": None},
    ],
    ids=lambda options: ", ".join(options),
)
def test_every_option_keeps_its_meaning(options: dict[str, Any], tmp_path: Path) -> None:
    """In a fit that was pickled as in one that was taken up from its checkpoint."""
    given, X = dict(options), SERIES.copy()
    parts = np.split(X, given.pop("trajectories", 1))
    if "missing" in given:
        X[50, 3] = X[100:103, 0] = np.nan
    found, again = (GRNGC(**{**QUICK, **given}, checkpoint=tmp_path).fit(parts) for _ in range(2))
    found = pickle.loads(pickle.dumps(found))
    tested = found.significance(parts)
    assert tested.p_values.shape == found.graph_.shape
    allowed = np.ones((5, 5), dtype=bool)
    np.fill_diagonal(allowed, False)
    allowed = allowed[np.ix_(found.candidates_.effects, found.candidates_.causes)]
    np.testing.assert_array_equal(~np.isnan(tested.p_values), allowed)
    np.testing.assert_array_equal(tested.p_values, again.significance(parts).p_values)


def test_no_trajectory_is_in_both_halves_and_too_few_windows_are_refused() -> None:
    parts = [SERIES[17 * r : 17 * (r + 1)] for r in range(7)]
    assert GRNGC(**QUICK).fit(parts).significance(parts).metadata["windows"] == [64, 48]
    fit = GRNGC(**QUICK).fit(SERIES)
    with pytest.raises(InputError, match="significance needs 20 windows in each half of the data, but one has 1"):
        fit.significance(SERIES[:30])
    with pytest.raises(InputError, match=r"p-values of 5 effects by 5 causes need 1\.17 KiB"):
        edge_p_values(fit._decided[0], FitOptions(memory_limit=1000), prepare(SERIES, 1), 0)
    with pytest.raises(InputError, match="4 features"):
        fit.significance(SERIES[:, :4])


def test_halves_share_no_step() -> None:
    rng = np.random.default_rng(0)
    for lengths in ([40], [31, 12], [9] * 6):
        windows = Windows.from_trajectories([rng.standard_normal((n, 2)) for n in lengths], 3)
        read = [{int(step) for start in half.starts for step in range(start, start + 4)} for half in windows.halves()]
        assert read[0] and read[1] and not read[0] & read[1]
        assert abs(len(windows.halves()[0]) - len(windows.halves()[1])) <= 3 * len(lengths)
    before = Windows.from_trajectories([np.ones((4, 1)), np.ones((3, 1))], 1).previous()
    assert before.tolist() == [-1, 0, 1, -1, 3]


def test_false_discovery_rates_are_of_the_pairs_tested(tmp_path: Path) -> None:
    p = np.array([[np.nan, 0.01, 0.04], [0.03, np.nan, 0.5], [0.9, 0.002, np.nan]])
    tested = PValues(p, {"method": "by hand"})
    order = np.sort(p[~np.isnan(p)])
    expected = [min(order[k:] * 6 / np.arange(k + 1, 7)) for k in range(6)]
    np.testing.assert_allclose(np.sort(tested.q[~np.isnan(p)]), expected)
    assert tested.n_tested == 6 and np.argwhere(tested.significant(0.05)).tolist() == [[0, 1], [2, 1]]
    scores = np.array([[0.9, 0.5, 0.4], [0.0, 0.8, 0.2], [0.1, 0.0, 0.7]])
    graph = CausalGraph(scores).with_p_values(tested)
    kept = graph.threshold("auto", q=0.05)
    assert [(e.source, e.target) for e in kept.edges()] == [("x1", "x0"), ("x1", "x2")]
    assert kept.threshold("auto", q=0.02).n_edges == 1 and graph.threshold(0.3).n_edges == 2
    for name, whole in (("dense.npz", graph), ("kept.npz", kept)):
        whole.save(tmp_path / name)
        read = load_graph(tmp_path / name)
        np.testing.assert_array_equal(read.p_values.q, tested.q)  # type: ignore[union-attr]
        assert read.p_values.metadata == {"method": "by hand"}  # type: ignore[union-attr]
    graph.to_csv(tmp_path / "edges.csv", top_k=1)
    assert (
        tmp_path / "edges.csv"
    ).read_text() == "source,target,lag,score,sign,p_value,q_value\nx1,x0,1,0.5,0,0.01,0.03\n"
    assert graph.to_networkx()["x1"]["x0"]["q_value"] == pytest.approx(0.03)


def test_that_nothing_is_significant_is_told(caplog: pytest.LogCaptureFixture) -> None:
    graph = CausalGraph(np.ones((2, 2))).with_p_values(PValues([[np.nan, 0.5], [0.2, np.nan]]))
    with caplog.at_level(logging.WARNING, "grngc_fast"):
        assert graph.threshold("auto").n_edges == 0
    assert (
        "no edge is significant at a false discovery rate of 0.05: the least p-value of 2 pairs is 0.2" in caplog.text
    )


def test_what_cannot_be_cut_is_refused() -> None:
    graph = CausalGraph(np.ones((2, 2)))
    with pytest.raises(InputError, match=r"call GRNGC.significance\(X\)"):
        graph.threshold("auto")
    with pytest.raises(InputError, match="threshold is 'half'"):
        graph.threshold("half")  # type: ignore[arg-type]
    tested = graph.with_p_values(PValues(np.full((2, 2), 0.5)))
    for rate in (0, 1, True, "0.05"):
        with pytest.raises(InputError, match="expected a false discovery rate"):
            tested.threshold("auto", q=rate)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"p_values has shape \(1, 2\)"):
        graph.with_p_values(PValues([[0.1, 0.2]]))
    with pytest.raises(InputError, match="expected an"):
        PValues([[1.5]])
    assert isinstance(graph.threshold(0.5), SparseCausalGraph)


def test_the_command_writes_p_values_and_their_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savetxt(tmp_path / "data.csv", SERIES, delimiter=",", header="a,b,c,d,e", comments="")
    options = ["--max-steps", "20", "--hidden", "8", "--seed", "0", "--quiet", "--top-k", "3"]
    out = tmp_path / "out"
    assert main(["fit", str(tmp_path / "data.csv"), "--out", str(out), "--significance", *options]) == 0
    with (out / "edges.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 and all(0 <= float(row["p_value"]) <= float(row["q_value"]) <= 1 for row in rows)
    record = json.loads((out / "run.json").read_text())["significance"]
    said = capsys.readouterr().out
    assert record["false_discovery_rate"] == 0.05 and record["method"] == "cross-fitted score tests"
    assert f"{record['edges']} edges are significant at a false discovery rate of 0.05" in said
    assert load_graph(out / "scores.npz").p_values.n_tested == 20  # type: ignore[union-attr]
    assert (out / "significance.png").exists()
    assert main(["fit", str(tmp_path / "data.csv"), "--out", str(out), "--significance", "2", "--force", *options]) == 2
    assert "--significance=2.0; expected a false discovery rate" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["scores", "p_values", "graph", "summary"])
def test_pictures_are_drawn(kind: Any, tmp_path: Path) -> None:
    from grngc_fast.significance import Significance

    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    p = rng.random((8, 8))
    p[0, 1], p[3, 2] = 1e-20, 1e-5
    found = Significance(CausalGraph(rng.random((8, 8))).with_p_values(PValues(p)))
    figure = found.plot(kind)
    figure.savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 5000
    if kind == "graph":
        assert len(figure.axes[0].patches) == found.graph().n_edges == 2
    with pytest.raises(InputError, match="unknown plot kind"):
        found.plot("other")  # type: ignore[arg-type]
