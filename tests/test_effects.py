"""Accumulated local effects: those of functions that are known, in the data's units, along every way to the gradients."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from grngc_fast import GRNGC, InputError
from grngc_fast.cli import main
from grngc_fast.cli.asked_effects import named_effects
from grngc_fast.datasets import additive
from grngc_fast.plotting import plot_edge_effects
from grngc_fast.scoring import EdgeEffect, edge_effects, effects
from grngc_fast.series import prepare
from tests.test_unit_shares import SYSTEMS

QUICK: dict[str, Any] = {"max_steps": 30, "hidden": 8, "random_state": 0, "device": "cpu"}
UNITS = np.array([3.0, 0.5, 20.0, 7.0])
MEANS = np.array([-4.0, 100.0, 0.0, 1e3])


class Known(nn.Module):
    """Target 0: sin(2 a) at lag 2 + b c at lag 1. Target 1: 3 d - a at lag 1. The rest 0. One parameter, which does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        a, b, c, d = x[:, -1].T
        first = torch.sin(2 * x[:, -2, 0]) + b * c
        return torch.stack([first, 3 * d - a, 0 * a, 0 * a], 1) + 0 * self.nothing


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    return MEANS + UNITS * np.random.default_rng(0).standard_normal((3000, 4))


@pytest.fixture(scope="module")
def known(data: np.ndarray) -> GRNGC:
    """A fit of which only the module is used, as it was given."""
    return GRNGC(Known(), lags=2, max_steps=1, random_state=0, device="cpu").fit(data)


def test_the_effect_of_a_sum_is_its_function_in_the_units_of_the_data(known: GRNGC, data: np.ndarray) -> None:
    (found,) = known.edge_effects(data, [("x0", "x0")])
    assert (found.source, found.target, found.lag, found.n_windows) == ("x0", "x0", 2, 2998)
    mean, scale = known.scaler_.mean_, known.scaler_.scale_
    assert found.x[0] == pytest.approx(data[:-2, 0].min(), rel=1e-6) and found.x[-1] == pytest.approx(
        data[:-2, 0].max(), rel=1e-6
    )
    truth = scale[0] * np.sin(2 * (found.x - mean[0]) / scale[0])
    truth -= (scale[0] * np.sin(2 * (data[:-2, 0] - mean[0]) / scale[0])).mean()
    # Between the tenth and the ninetieth percentile, where bins are narrow, and over all of the range.
    error, inner = np.abs(found.effect - truth) / scale[0], np.abs(found.x - mean[0]) < 1.3 * scale[0]
    assert error[inner].max() < 0.02
    assert error.max() < 0.2
    assert (found.high - found.low)[inner].max() < 0.1 * scale[0]


def test_a_linear_effect_is_exact_and_has_no_band(known: GRNGC, data: np.ndarray) -> None:
    effect = known.edge_effects(data, [("x3", "x1")])[0]
    ratio = known.scaler_.scale_[1] / known.scaler_.scale_[3]
    np.testing.assert_allclose(np.diff(effect.effect), 3 * ratio * np.diff(effect.x), rtol=1e-4)
    for side in (effect.low, effect.high):
        np.testing.assert_allclose(side, effect.effect, atol=1e-4)
    weights = np.interp(data[1:-1, 3], effect.x, effect.effect)
    assert abs(weights.mean()) < 1e-6


def test_of_a_product_the_mean_is_flat_and_the_band_is_wide(known: GRNGC, data: np.ndarray) -> None:
    (effect,) = known.edge_effects(data, [("x1", "x0")])
    scale = known.scaler_.scale_[0]
    # Of a standard normal x_2 60% lie within 0.84, which is the slope by x_1.
    inner = np.abs(effect.x - known.scaler_.mean_[1]) < 1.6 * known.scaler_.scale_[1]
    assert np.ptp(effect.effect[inner]) < 0.3 * scale
    width, size = (effect.high - effect.low)[inner], np.ptp(effect.x[inner]) / known.scaler_.scale_[1]
    np.testing.assert_allclose(width[0] + width[-1], 2 * 0.84 * size * scale, rtol=0.1)
    middle = np.abs(effect.x - np.median(data[1:-1, 1])).argmin()
    assert effect.low[middle] == effect.effect[middle] == effect.high[middle]


def test_every_lag_has_an_effect_of_its_own(known: GRNGC, data: np.ndarray) -> None:
    named = [("x0", "x0", 1), ("x0", "x0", 2), ("x3", "x1", 2), ("x3", "x1")]
    found = known.edge_effects(data, named)
    assert [effect.lag for effect in found] == [1, 2, 2, 1]
    assert [np.ptp(effect.effect) > 0 for effect in found] == [False, True, False, True]
    np.testing.assert_allclose(found[0].x[-1], data[1:-1, 0].max(), rtol=1e-6)


def test_bins_of_repeated_values_are_between_values_that_were_seen() -> None:
    values = np.repeat([0.0, 1.0, 2.0, 5.0], [600, 300, 80, 20])
    x, effect, low, high, counts = effects.accumulated(values, 2 * np.ones(1000))
    assert x.tolist() == [0, 1, 2, 5]
    assert counts.tolist() == [900, 80, 20]
    np.testing.assert_allclose(np.diff(effect), [2, 2, 6])
    np.testing.assert_allclose([low, high], [effect, effect])
    assert np.interp(values, x, effect).mean() == pytest.approx(0)


def test_few_windows_make_few_bins() -> None:
    values = np.random.default_rng(0).standard_normal(12)
    x, _, _, _, counts = effects.accumulated(values, values)
    assert len(x) == len(counts) + 1 and counts.sum() == 12 and counts.min() >= 3


@pytest.mark.parametrize("model", ["mlp", "sets", "kan", "lstm", "tcn"])
def test_slopes_are_those_of_the_model(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    X = additive(5, 160, "tanh", seed=0).X
    found = GRNGC(model, lags=2, max_steps=10, random_state=0, device="cpu").fit(X)
    x = prepare(X, 2).windows.inputs()
    targets = torch.tensor([3, 0])
    rows = effects.jacobian_rows(found.model_, x, targets)
    leaf = x.clone().requires_grad_()
    forecast = found.model_(leaf)
    for k, i in enumerate(targets.tolist()):
        (wanted,) = torch.autograd.grad(forecast[:, i].sum(), leaf, retain_graph=True)
        torch.testing.assert_close(rows[:, k], wanted.flip(1).transpose(1, 2), rtol=1e-3, atol=1e-5)
    # Some targets and windows at a time as all at once.
    whole = found.edge_effects(X, top_k=6)
    monkeypatch.setattr(effects, "CHUNK_ELEMENTS", 25)
    for one, other in zip(whole, found.edge_effects(X, top_k=6), strict=True):
        assert (one.source, one.target, one.lag) == (other.source, other.target, other.lag)
        np.testing.assert_allclose(one.effect, other.effect, rtol=1e-3, atol=1e-4)


def test_the_own_past_is_no_cause_and_regulators_keep_their_places() -> None:
    data = SYSTEMS["linear"]
    found = GRNGC(
        "mlp", **{**QUICK, "max_steps": 300}, skip=True, regulators=["x6", "x2"], targets=["x7", "x0", "x6"]
    ).fit(data.X)
    assert type(found.model_).__name__ == "OwnPast"
    (effect,) = found.edge_effects(data.X, [("x6", "x7")])
    signed = found.signed_scores_[0, 0] * found.scaler_.scale_[7] / found.scaler_.scale_[6]
    assert signed < -0.3
    assert (effect.effect[-1] - effect.effect[0]) / np.ptp(effect.x) == pytest.approx(signed, rel=0.2)
    assert effect.x[-1] == pytest.approx(data.X[:-1, 6].max())


def test_the_strongest_edges_come_in_the_order_of_the_graph() -> None:
    X = SYSTEMS["spline"].X
    found = GRNGC("sets", model_options={"n_splines": 8}, random_state=0, device="cpu", edges_per_target=3).fit(X)
    effect = found.edge_effects(X, top_k=5)
    edges = found.graph_.edges(top_k=5)
    assert [(e.source, e.target, e.lag) for e in effect] == [(e.source, e.target, e.lag) for e in edges]
    assert [e.unit_shares[1] > 0.6 for e in effect if e.unit_shares] == [True] * 5
    again = found.edge_effects(X, edges)
    np.testing.assert_array_equal(again[2].effect, effect[2].effect)
    # A sine of period pi goes up and down, where data are.
    inner = slice(6, -6)
    assert all((np.diff(e.effect[inner]) > 0).any() and (np.diff(e.effect[inner]) < 0).any() for e in effect[:2])


def test_a_pair_that_was_not_kept_has_the_lag_of_its_steepest_slopes(known: GRNGC, data: np.ndarray) -> None:
    prepared = prepare(data, 2)
    graph = known.graph_.kept(top_k=1)
    (effect,) = edge_effects(known.model_, prepared, graph, [("x0", "x0")], 1)
    assert effect.lag == 2


def test_several_trajectories_and_names_of_a_frame(data: np.ndarray) -> None:
    frames = [pd.DataFrame(part, columns=list("abcd")) for part in (data[:400], data[400:900])]
    found = GRNGC(**QUICK, lags=3).fit(frames)
    (effect,) = found.edge_effects(frames, [("c", "a", 3)])
    assert effect.n_windows == 900 - 6
    assert effect.x[-1] == pytest.approx(max(data[:397, 2].max(), data[400:897, 2].max()))
    with pytest.raises(InputError, match="differ in name or order"):
        found.edge_effects([frame[list("abdc")] for frame in frames])


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([("x0", "x9")], "edges names 'x9', which is no series of the table"),
        ([("X1", "x0")], r"did you mean 'x1'\?"),
        ([("x3", "x0")], "'x3' is no candidate cause of 'x0'"),
        ([("x2", "x1")], "'x2' is no candidate cause of 'x1'"),
        ([("x0", "x3")], "'x3' is not among the targets"),
        ([("x0", "x1", 3)], "lag 3 of 'x0' -> 'x1'; the fit has lags 1 to 2"),
        ([("x0", "x1", 0)], "lags 1 to 2"),
        (["x0"], r"edges holds 'x0'; pass \(source, target\)"),
        ([("x0",)], "pass"),
    ],
)
def test_unusable_edges_are_named(edges: Any, message: str, data: np.ndarray) -> None:
    candidates = np.ones((4, 4), dtype=bool)
    candidates[1, 2] = candidates[:, 3] = False
    found = GRNGC(**{**QUICK, "max_steps": 1}, lags=2, candidates=candidates, targets=[0, 1, 2]).fit(data[:60])
    with pytest.raises(InputError, match=message):
        found.edge_effects(data, edges)


def test_unusable_series_are_named(known: GRNGC, data: np.ndarray) -> None:
    with pytest.raises(InputError, match="X has 3 features, but GRNGC is expecting 4"):
        known.edge_effects(data[:, :3])
    still = data.copy()
    still[:, 3] = 5
    with pytest.raises(InputError, match="series 'x3' does not change in X"):
        known.edge_effects(still, [("x3", "x1")])
    assert "x3" not in {effect.source for effect in known.edge_effects(still)}
    assert "x3" in {effect.source for effect in known.edge_effects(data)}
    with pytest.raises(InputError, match="top_k is 0"):
        known.edge_effects(data, top_k=0)


def test_a_picture_has_a_panel_for_each_of_the_first_24_edges(known: GRNGC, data: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (one,) = known.edge_effects(data, [("x1", "x0")])
    for count, panels in ((0, 0), (1, 1), (5, 5), (7, 7), (30, 24)):
        figure = plot_edge_effects([one] * count)
        assert len(figure.axes) == panels
        if count in (0, 7):
            figure.savefig(tmp_path / "effects.png", dpi=50)
    (ax,) = plot_edge_effects([one]).axes
    assert ax.get_title() == "x1 -> x0 (lag 1)"
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), np.stack([one.x, one.effect], 1))
    bottom, top = ax.get_ylim()
    assert bottom < one.low[1:-1].min() and top > one.high[1:-1].max()
    shown = EdgeEffect("_$a$" * 9, "b", 2, one.x, one.effect, one.low, one.high, one.counts, (0.25, 0.5, 0.25))
    figure = plot_edge_effects([shown])
    figure.savefig(tmp_path / "effects.png", dpi=50)
    assert [text.get_text() for text in figure.axes[0].texts] == ["25% linear, 50% spline, 25% interaction"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    data = additive(4, 200, "tanh", seed=0)
    np.savetxt(tmp_path / "table.csv", data.X, delimiter=",", header="a,b,c,d", comments="")
    return tmp_path / "table.csv"


ARGUMENTS = ["--quiet", "--max-steps", "20", "--hidden", "8", "--seed", "1"]


@pytest.mark.parametrize(("asked", "count"), [(["3"], 3), (["a:b,d:c"], 2), ([], 12)])
def test_the_command_writes_effects_beside_the_other_files(
    asked: list[str], count: int, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["fit", str(table), "--effects", *asked, "--out", str(out), *ARGUMENTS]) == 0
    assert "effects.csv, effects.png" in capsys.readouterr().out
    assert (out / "effects.png").read_bytes().startswith(b"\x89PNG")
    with (out / "effects.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["source", "target", "lag", "x", "effect", "low", "high"]
    edges = list(dict.fromkeys((row["source"], row["target"]) for row in rows))
    assert len(edges) == count
    assert asked != ["a:b,d:c"] or edges == [("a", "b"), ("d", "c")]
    record = json.loads((out / "run.json").read_text())["effects"]
    assert [(edge["source"], edge["target"]) for edge in record] == edges
    assert {edge["windows"] for edge in record} == {199}
    x = [float(row["x"]) for row in rows if (row["source"], row["target"]) == edges[0]]
    assert x == sorted(x)


def test_the_command_writes_no_effects_unasked_and_none_over_others(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["fit", str(table), "--out", str(out), *ARGUMENTS]) == 0
    assert not list(out.glob("effects*"))
    assert json.loads((out / "run.json").read_text())["effects"] is None
    demo = tmp_path / "demo"
    demo.mkdir()
    (demo / "effects.csv").write_text("precious")
    command = ["demo", "--series", "5", "--steps", "100", "--out", str(demo), "--effects", "1", *ARGUMENTS]
    assert main(command) == 2
    assert (demo / "effects.csv").read_text() == "precious"
    assert main([*command, "--force"]) == 0
    assert (demo / "effects.csv").read_text().startswith("source,target,lag,x")


def test_the_command_refuses_edges_that_cannot_be_before_the_fit(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(GRNGC, "fit")
    start = ["fit", str(table), "--out", str(tmp_path / "out"), *ARGUMENTS]
    assert main([*start, "--effects", "a:q"]) == 2
    assert "--effects names 'q', which is no series of the table" in capsys.readouterr().err
    assert main([*start, "--effects", "a:b", "--regulators", "c,d"]) == 2
    assert "--effects: 'a' is no candidate cause of 'b'" in capsys.readouterr().err
    for text in ("0", "a", "a:", ":b", "table.csv"):
        with pytest.raises(SystemExit):
            main([*start, "--effects", text])
        assert f"{text!r} is not a number of edges, nor of the form CAUSE:EFFECT" in capsys.readouterr().err
    for text in ("a:b:c", "a:,b:c"):
        assert main([*start, "--effects", text]) == 2
        assert f"{text!r} is not a number of edges, nor of the form CAUSE:EFFECT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a:b", [("a", "b")]),
        (" a : b ,b:a", [("a", "b"), ("b", "a")]),
        ("chr1:100:chr2:7", [("chr1:100", "chr2:7")]),
        ("chr1:100:a, a:chr1:100", [("chr1:100", "a"), ("a", "chr1:100")]),
        ("2,4-D:a,b:2,4-D", [("2,4-D", "a"), ("b", "2,4-D")]),
        ("chr1:100:2,4-D,2,4-D:chr2:7,a:b", [("chr1:100", "2,4-D"), ("2,4-D", "chr2:7"), ("a", "b")]),
        ("a:q", [("a", "q")]),
    ],
)
def test_names_of_effects_may_hold_the_marks_between_them(text: str, pairs: list[tuple[str, str]]) -> None:
    assert named_effects(text, ("a", "b", "chr1:100", "chr2:7", "2,4-D")) == pairs


def test_names_that_can_be_told_apart_in_two_ways_are_refused() -> None:
    with pytest.raises(InputError, match=r"may be 'a' -> 'b:c' or 'a:b' -> 'c'; rename the series"):
        named_effects("a:b:c", ("a", "c", "a:b", "b:c"))
    for text in ("a:b:c", "a:,b:a", "a:b,"):
        with pytest.raises(InputError, match="is not a number of edges, nor of the form CAUSE:EFFECT,CAUSE:EFFECT"):
            named_effects(text, ("a", "b", "c"))


def test_the_command_writes_effects_of_such_names(tmp_path: Path) -> None:
    names = ["chr1:100", "2,4-D", "c", "d"]
    pd.DataFrame(additive(4, 60, "tanh", seed=0).X, columns=names).to_csv(tmp_path / "table.csv", index=False)
    command = ["fit", str(tmp_path / "table.csv"), "--effects", "chr1:100:2,4-D,c:d", "--out", str(tmp_path / "out")]
    assert main([*command, *ARGUMENTS]) == 0
    record = json.loads((tmp_path / "out" / "run.json").read_text())["effects"]
    assert [(edge["source"], edge["target"]) for edge in record] == [("chr1:100", "2,4-D"), ("c", "d")]


def test_without_matplotlib_the_command_writes_the_table_of_effects(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None if name == "matplotlib" else find(name, *a))
    assert main(["fit", str(table), "--out", str(tmp_path / "out"), "--effects", "2", *ARGUMENTS]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "edges.csv",
        "scores.npz",
        "run.json",
        "effects.csv",
    }
    assert "effects.png is left out: it needs matplotlib" in capsys.readouterr().out
