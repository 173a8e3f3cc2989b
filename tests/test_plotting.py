"""The figures: what they show, that they draw without a display or a warning, and what they refuse."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from grngc_fast import plotting
from grngc_fast.errors import InputError
from grngc_fast.graph import CausalGraph

pytest.importorskip("matplotlib")
from matplotlib.figure import Figure

from grngc_fast.graph.drawing import plot_graph_summary, plot_lags, plot_scores


def make(n_series: int, n_lags: int = 1, names: tuple[str, ...] = ()) -> CausalGraph:
    lag_scores = np.random.default_rng(0).random((n_series, n_series, n_lags))
    return CausalGraph(lag_scores.sum(axis=2) + 9 * np.eye(n_series), names, lag_scores)


def cells(figure: Figure) -> Any:
    """The masked array that the heat map shows."""
    return figure.axes[0].images[0].get_array()


HISTORY = SimpleNamespace(
    step=[0, 10, 20], forecast=[1.0, 0.5, 0.4], penalty=[3.0, 2.0, 1.0], validation=[np.nan, 0.6, np.nan]
)


@pytest.mark.parametrize("n_series", [1, 2, 7, 41, 503])
def test_every_figure_draws_at_every_size(n_series: int, tmp_path: Path) -> None:
    graph = make(n_series, n_lags=3)
    truth = np.eye(n_series, k=1, dtype=bool)
    for number, figure in enumerate(
        [plot_scores(graph, truth=truth, diagonal=False), plot_lags(graph), plot_graph_summary(graph, truth, HISTORY)]
    ):
        assert isinstance(figure, Figure)
        figure.savefig(tmp_path / f"{number}.png", dpi=60)


@pytest.mark.parametrize("shape", [(3, 8), (9, 2), (40, 1203)])
def test_rectangles_and_kept_edges_draw(shape: tuple[int, int], tmp_path: Path) -> None:
    scores = np.random.default_rng(0).random(shape)
    graph = CausalGraph(scores, causes=[f"x{j + 1}" for j in range(shape[1])])  # type: ignore[arg-type]
    truth = scores > 0.9
    for number, drawn in enumerate([graph, graph.kept(top_k=9)]):
        plot_graph_summary(drawn, truth, HISTORY).savefig(tmp_path / f"{number}.png", dpi=60)
    image = cells(plot_scores(graph, diagonal=False))
    block = -(-max(shape) // 500)
    assert image.shape == (-(-shape[0] // block), -(-shape[1] // block))
    if block == 1:
        assert np.ma.getmaskarray(image)[1, 0]
        np.testing.assert_array_equal(image[0], scores[0])
    sparse = np.nan_to_num(np.ma.filled(cells(plot_scores(graph.kept(top_k=9))), 0))
    assert np.count_nonzero(sparse) <= 9
    assert sparse.max() == graph.edges(top_k=1)[0].score


def test_rows_are_effects_and_columns_are_causes() -> None:
    graph = CausalGraph([[0, 1], [0, 0]], ("effect of b", "b"))  # type: ignore[arg-type]
    (ax,) = plot_scores(graph).axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("cause", "effect")
    assert [t.get_text() for t in ax.get_yticklabels()] == ["effect of b", "b"]
    assert ax.images[0].get_array()[0, 1] == 1  # type: ignore[index]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_a_strong_diagonal_does_not_set_the_colour_range() -> None:
    scores = np.array([[50.0, 0.5], [0.2, 50.0]])
    assert plot_scores(CausalGraph(scores)).axes[0].images[0].get_clim() == (0, 0.5)
    assert np.ma.getmaskarray(cells(plot_scores(CausalGraph(scores), diagonal=False))).tolist() == [
        [True, False],
        [False, True],
    ]


def test_names_are_shown_up_to_max_labels_and_as_they_are_written() -> None:
    graph = make(3, names=("_a", "$x^", "a very long name of a gene"))
    labels = [t.get_text() for t in plot_scores(graph).axes[0].get_xticklabels()]
    assert labels == ["_a", "$x^", "a very long name …"]
    assert "_a" not in [t.get_text() for t in plot_scores(graph, max_labels=2).axes[0].get_xticklabels()]


def test_names_that_matplotlib_would_interpret_reach_the_legend(tmp_path: Path) -> None:
    figure = plot_lags(make(2, n_lags=2, names=("_a", "$x^")))
    legend: Any = figure.axes[0].get_legend()
    texts = {t.get_text().strip() for t in legend.get_texts()}
    assert texts == {"_a -> $x^", "$x^ -> _a"}
    figure.savefig(tmp_path / "lags.png")


def test_lag_lines_are_the_profiles_of_the_strongest_edges() -> None:
    graph = make(5, n_lags=3)
    assert graph.lag_scores is not None
    lines = plot_lags(graph, top_k=4).axes[0].lines
    edges = graph.edges(top_k=4)
    assert len(lines) == 4
    for line, edge in zip(lines, edges, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
        cause, effect = graph.names.index(edge.source), graph.names.index(edge.target)
        np.testing.assert_array_equal(line.get_ydata(), graph.lag_scores[effect, cause])


def test_true_edges_share_one_outline() -> None:
    truth = np.zeros((4, 4), dtype=int)
    truth[1, 2] = truth[1, 3] = 1
    outline: Any = plot_scores(make(4), truth=truth).axes[0].collections[0]
    borders = {tuple(map(tuple, segment)) for segment in outline.get_segments()}
    assert len(borders) == 6
    assert ((1.5, 0.5), (1.5, 1.5)) in borders
    assert ((2.5, 0.5), (2.5, 1.5)) not in borders


def test_a_lone_edge_among_many_series_stays_visible() -> None:
    scores = np.zeros((1203, 1203), dtype=np.float32)
    scores[1202, 0] = 1
    image = cells(plot_scores(CausalGraph(scores)))
    assert image.shape == (401, 401)
    assert image[400, 0] == 1
    assert image.sum() == 1


@pytest.mark.parametrize(
    ("n_lags", "history", "panels"), [(1, None, 1), (3, None, 2), (1, HISTORY, 2), (3, HISTORY, 3)]
)
def test_the_summary_shows_what_there_is(n_lags: int, history: Any, panels: int) -> None:
    assert len(plot_graph_summary(make(4, n_lags), history=history).axes) == panels


def test_losses_that_were_not_measured_are_left_out() -> None:
    lines = {line.get_label(): line for line in plot_graph_summary(make(3), history=HISTORY).axes[1].lines}
    np.testing.assert_array_equal(lines["held-out loss"].get_xdata(), [10])
    none = SimpleNamespace(**{**vars(HISTORY), "validation": [np.nan] * 3})
    assert len(plot_graph_summary(make(3), history=none).axes[1].lines) == 2


def test_a_graph_without_edges_is_drawn(tmp_path: Path) -> None:
    empty = CausalGraph(np.zeros((3, 3)), lag_scores=np.zeros((3, 3, 2)))
    plot_graph_summary(empty, truth=np.zeros((3, 3))).savefig(tmp_path / "empty.png")


def test_given_axes_are_drawn_into_and_pyplot_is_left_alone() -> None:
    figure = Figure(figsize=(9, 4))
    left, right = figure.subplots(1, 2)
    graph = make(3, n_lags=2)
    assert plot_scores(graph, ax=left) is plot_lags(graph, ax=right) is figure


def test_plot_reaches_each_kind() -> None:
    graph = make(3, n_lags=2)
    assert len(graph.plot(truth=np.eye(3)).axes) == 1
    assert len(graph.plot("lags", top_k=2).axes[0].lines) == 2
    assert len(graph.plot("summary").axes) == 2


def test_refusals_name_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = make(3)
    with pytest.raises(InputError, match="unknown plot kind 'pie'; choose one of 'scores', 'lags', 'summary'"):
        graph.plot("pie")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"truth has shape \(2, 2\), the graph \(3, 3\); pass one of the same"):
        plot_scores(graph, truth=np.eye(2))
    with pytest.raises(InputError, match="the graph has no lag_scores"):
        plot_lags(CausalGraph(np.eye(3)))
    with pytest.raises(InputError, match="top_k is 0"):
        plot_lags(graph, top_k=0)
    with pytest.raises(InputError, match=r"history cannot be drawn .*penalty"):
        plot_graph_summary(graph, history=SimpleNamespace(step=[1], forecast=[1]))
    with pytest.raises(InputError, match="history has 3 steps and 2 values of penalty"):
        plot_graph_summary(graph, history=SimpleNamespace(**{**vars(HISTORY), "penalty": [1, 2]}))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "grngc-fast\[plot\]"'):
        plot_scores(graph)


def test_arrays_and_names_are_enough() -> None:
    """The leaf itself, without a graph: the diagonal is a series' influence on itself unless told otherwise."""
    scores = np.random.default_rng(0).random((9, 2))
    names = [f"y{i}" for i in range(9)]
    image = cells(plotting.plot_scores(scores, names, ["a", "b"], diagonal=False))
    np.testing.assert_array_equal(np.argwhere(np.ma.getmaskarray(image)), [[0, 0], [1, 1]])
    own = np.full(9, -1)
    assert not np.ma.getmaskarray(
        cells(plotting.plot_scores(scores, names, ["a", "b"], own_causes=own, diagonal=False))
    ).any()
