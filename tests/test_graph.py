"""CausalGraph: orientation, selection, exports, the file on disk, and what it refuses."""

from __future__ import annotations

import builtins
import csv
import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from grngc_fast import row_blocks
from grngc_fast.errors import InputError
from grngc_fast.graph import CausalGraph, Edge, SparseCausalGraph, load_graph

SCORES = np.array([[0.9, 0.5, 0.0], [0.0, 0.8, 0.1], [0.3, 0.0, 0.7]])
LAG_SCORES = np.stack([SCORES * 0.25, SCORES * 0.75], axis=2)
SIGNED = np.array([[0.9, -0.4, 0.0], [0.0, 0.8, 0.1], [0.0, 0.0, 0.7]])


@pytest.fixture
def graph() -> CausalGraph:
    return CausalGraph(SCORES, ("a", "b", "c"), LAG_SCORES, SIGNED, {"lam": 0.1, "lags": 2})


# ---- orientation and edges


def test_an_edge_runs_from_the_cause_in_the_column_to_the_effect_in_the_row(graph: CausalGraph) -> None:
    assert graph.edges(top_k=1) == [Edge(source="b", target="a", lag=2, score=0.5, sign=-1)]


def test_without_a_selection_every_scored_edge_is_listed_strongest_first(graph: CausalGraph) -> None:
    assert [(e.source, e.target, e.sign) for e in graph.edges()] == [("b", "a", -1), ("a", "c", 0), ("c", "b", 1)]
    assert graph.edges(diagonal=True)[0] == Edge("a", "a", 2, 0.9, 1)


def test_unknown_lag_is_one_and_unknown_sign_is_zero() -> None:
    assert CausalGraph(SCORES).edges(top_k=1) == [Edge("x1", "x0", 1, 0.5, 0)]


def test_threshold_is_strict_and_density_counts_possible_edges(graph: CausalGraph) -> None:
    assert [e.score for e in graph.edges(threshold=0.3)] == [0.5]
    assert [e.score for e in graph.edges(density=1 / 3)] == [0.5, 0.3]
    assert [e.score for e in graph.edges(density=1 / 3, diagonal=True)] == [0.9, 0.8, 0.7]
    assert len(graph.edges(density=1e-6)) == 1


def test_a_zero_score_is_never_an_edge(graph: CausalGraph) -> None:
    assert len(graph.edges(top_k=100)) == len(graph.edges(density=1.0)) == len(graph.edges(threshold=0)) == 3
    assert CausalGraph(np.zeros((3, 3))).edges(top_k=2) == []


@settings(deadline=None)
@given(
    scores=st.integers(1, 7).flatmap(lambda p: hnp.arrays(np.float64, (p, p), elements=st.sampled_from([0, 1, 2, 3]))),
    top_k=st.integers(1, 60),
    diagonal=st.booleans(),
)
def test_top_k_equals_brute_force_with_ties(scores: np.ndarray, top_k: int, diagonal: bool) -> None:
    graph = CausalGraph(scores)
    every = [(-scores[i, j], i, j) for i, j in np.ndindex(scores.shape) if scores[i, j] > 0 and (diagonal or i != j)]
    expected = [(f"x{j}", f"x{i}", -s) for s, i, j in sorted(every)[:top_k]]
    assert [(e.source, e.target, e.score) for e in graph.edges(top_k=top_k, diagonal=diagonal)] == expected
    assert graph.adjacency(top_k=top_k, diagonal=diagonal).sum() == len(expected)


def test_repr_names_the_five_strongest_edges(graph: CausalGraph) -> None:
    assert repr(graph) == (
        "CausalGraph(3 series, 2 lags; strongest edges:\n"
        "  b -> a (lag 2, -0.5)\n  a -> c (lag 2, 0.3)\n  c -> b (lag 2, +0.1))"
    )
    assert repr(CausalGraph(np.zeros((2, 2)))) == "CausalGraph(2 series, no edges)"
    assert repr(CausalGraph(np.ones((9, 9)))).count("->") == 5


def test_the_arrays_are_read_only_copies() -> None:
    scores = SCORES.copy()
    graph = CausalGraph(scores)
    scores[0, 1] = 7
    assert graph.scores[0, 1] == 0.5
    with pytest.raises(ValueError, match="read-only"):
        graph.scores[0, 0] = 1


def test_float32_and_torch_scores_keep_their_precision() -> None:
    torch = pytest.importorskip("torch")
    assert CausalGraph(torch.tensor(SCORES, dtype=torch.float32, requires_grad=True)).scores.dtype == np.float32
    assert CausalGraph([[0, 1], [1, 0]]).scores.dtype == np.float64  # type: ignore[arg-type]


def test_arrays_that_nobody_can_write_to_are_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "scores.npy", SCORES.astype(np.float32))
    mapped = np.load(tmp_path / "scores.npy", mmap_mode="r")
    assert np.shares_memory(CausalGraph(mapped).scores, mapped)
    view = SCORES[:]
    view.setflags(write=False)
    assert not np.shares_memory(CausalGraph(view).scores, SCORES)


# ---- effects and causes that are not the same series

WIDE = np.array([[0.9, 0.5, 0.0, 0.2], [0.4, 0.8, 0.1, 0.0]])


@pytest.fixture
def wide() -> CausalGraph:
    """Effects a, b of the causes b, x, a, y."""
    return CausalGraph(WIDE, ("a", "b"), signed_scores=-WIDE, causes=("b", "x", "a", "y"), standard_error=WIDE / 10)


def test_the_diagonal_is_where_the_names_agree(wide: CausalGraph) -> None:
    assert (wide.shape, wide.series, wide.n_series) == ((2, 4), ("a", "b", "x", "y"), 4)
    assert wide.own_causes.tolist() == [2, 0]
    assert [e[:2] for e in wide.edges()] == [("b", "a"), ("x", "b"), ("x", "a"), ("y", "a"), ("a", "b")]
    assert [e[:2] for e in wide.edges(top_k=5, diagonal=True)][-1] == ("y", "a")
    assert len(wide.edges(density=0.5)) == 3
    assert len(wide.edges(density=0.5, diagonal=True)) == 4
    assert ("b", "b") in [e[:2] for e in wide.edges(diagonal=True)]
    assert repr(wide).startswith("CausalGraph(2 effects of 4 causes; strongest edges:\n  b -> a (-0.9)")


def test_exports_of_a_rectangle(wide: CausalGraph, tmp_path: Path) -> None:
    nx = pytest.importorskip("networkx")
    expected = np.array([[1, 1, 0, 0], [0, 1, 0, 0]], dtype=bool)
    np.testing.assert_array_equal(wide.adjacency(top_k=3), expected)
    np.testing.assert_array_equal(wide.to_scipy(top_k=3).toarray(), WIDE * expected)
    assert list(wide.to_networkx().nodes) == ["a", "b", "x", "y"]
    assert nx.has_path(wide.to_networkx(), "y", "b")
    wide.to_csv(tmp_path / "edges.csv", top_k=1)
    assert (tmp_path / "edges.csv").read_text() == "source,target,lag,score,sign\nb,a,1,0.9,-1\n"


@pytest.mark.parametrize("causes", [("b", "x", "a", "y"), ("w", "x", "y", "z")])
def test_a_rectangle_is_saved_with_its_causes(causes: tuple[str, ...], tmp_path: Path) -> None:
    graph = CausalGraph(WIDE, ("a", "b"), causes=causes, standard_error=WIDE / 10, metadata={"lam": 1})
    graph.save(tmp_path / "graph.npz")
    loaded = load_graph(tmp_path / "graph.npz")
    assert isinstance(loaded, CausalGraph)
    assert (loaded.names, loaded.causes, loaded.metadata) == (graph.names, causes, {"lam": 1})
    assert loaded.standard_error is not None
    np.testing.assert_array_equal(loaded.standard_error, WIDE / 10)


def test_a_file_of_the_first_format_is_read_and_square_graphs_still_use_it(graph: CausalGraph, tmp_path: Path) -> None:
    arrays = {"scores": SCORES, "names": np.array(["a", "b", "c"]), "metadata": np.array("{}")}
    np.savez(tmp_path / "old.npz", grngc_fast_graph=np.array(1), **arrays)  # type: ignore[arg-type]
    assert CausalGraph.load(tmp_path / "old.npz").edges() == CausalGraph(SCORES, ("a", "b", "c")).edges()
    graph.save(tmp_path / "new.npz")
    with np.load(tmp_path / "new.npz") as new:
        assert int(new["grngc_fast_graph"]) == 1


def test_selection_does_not_depend_on_how_many_rows_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 5, (13, 9)).astype(np.float32)
    graph = CausalGraph(scores, causes=[f"x{j + 3}" for j in range(9)])  # type: ignore[arg-type]
    selections: list[dict[str, Any]] = [{"top_k": k} for k in (1, 7, 40, 200)]
    selections += [{"threshold": 2.0}, {}, {"density": 0.3, "diagonal": True}]
    whole = [graph.edges(**selection) for selection in selections]
    for elements in (1, 9, 30):
        monkeypatch.setattr(row_blocks, "BLOCK_ELEMENTS", elements)
        assert [graph.edges(**selection) for selection in selections] == whole


# ---- graphs of kept edges


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), kept=st.integers(1, 40), diagonal=st.booleans())
def test_selections_from_kept_edges_equal_those_from_all_scores(seed: int, kept: int, diagonal: bool) -> None:
    rng = np.random.default_rng(seed)
    lags = rng.integers(0, 4, (5, 6, 2)).astype(np.float32)
    causes = ("x3", "x1", "p", "q", "r", "s")
    dense = CausalGraph(lags.max(-1), (), lags, rng.integers(-1, 2, (5, 6)), {"lam": 1}, causes)
    sparse = dense.kept(top_k=kept, diagonal=True)
    assert sparse.edges(diagonal=True) == dense.edges(top_k=kept, diagonal=True)
    expected = [e for e in dense.edges(top_k=kept, diagonal=True) if diagonal or e.source != e.target]
    assert sparse.edges(top_k=3, diagonal=diagonal) == expected[:3]
    assert sparse.edges(threshold=2, diagonal=diagonal) == [e for e in expected if e.score > 2]
    assert (sparse.n_lags, sparse.causes, sparse.metadata, sparse.n_edges) == (2, causes, {"lam": 1}, len(sparse.score))


def test_kept_edges_are_exported_saved_and_drawn_alike(graph: CausalGraph, tmp_path: Path) -> None:
    kept = graph.kept(top_k=2)
    np.testing.assert_array_equal(kept.adjacency(), graph.adjacency(top_k=2))
    np.testing.assert_array_equal(kept.to_scipy().toarray(), graph.to_scipy(top_k=2).toarray())
    np.testing.assert_array_equal(kept.score_rows(slice(0, 2)), graph.to_scipy(top_k=2).toarray()[:2])
    assert repr(kept) == (
        "SparseCausalGraph(3 series, 2 lags, 2 edges kept; strongest edges:\n  b -> a (lag 2, -0.5)\n  a -> c (lag 2, 0.3))"
    )
    kept.save(tmp_path / "kept.npz")
    for loaded in (SparseCausalGraph.load(tmp_path / "kept.npz"), load_graph(tmp_path / "kept.npz")):
        assert loaded.edges() == kept.edges()
        assert (loaded.names, loaded.n_lags, loaded.metadata) == (kept.names, 2, kept.metadata)
    with pytest.raises(InputError, match=r"holds the strongest edges only; open it with SparseCausalGraph\.load"):
        CausalGraph.load(tmp_path / "kept.npz")
    graph.save(tmp_path / "all.npz")
    with pytest.raises(InputError, match=r"holds all scores; open it with CausalGraph\.load"):
        SparseCausalGraph.load(tmp_path / "all.npz")


def test_a_graph_that_keeps_nothing_has_no_edges() -> None:
    empty = CausalGraph(np.zeros((3, 3))).kept()
    assert empty.edges() == []
    assert empty.to_scipy().nnz == 0
    assert repr(empty) == "SparseCausalGraph(3 series, 0 edges kept, no edges)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"effect": [0, 2]}, "effect holds 0 to 2; expected 0 to 1"),
        ({"cause": [0.5, 1.0]}, "cause has shape .* whole numbers"),
        ({"lag": [0, 1]}, "lag holds 0 to 1; expected 1 to 1"),
        ({"sign": [1]}, r"sign has shape \(1,\); expected 2"),
        ({"score": [0.0, 1.0]}, "score holds values that are not positive"),
        ({"score": [[0.5]]}, r"score has shape \(1, 1\)"),
        ({"effect": [0, 0], "cause": [1, 1]}, "given more than once"),
        ({"names": ("a", "a")}, "'a' is given more than once"),
    ],
)
def test_unusable_edges_are_named(arguments: dict[str, Any], message: str) -> None:
    whole: dict[str, Any] = {"effect": [0, 1], "cause": [1, 0], "score": [0.5, 0.2], "names": ("a", "b")}
    with pytest.raises(InputError, match=message):
        SparseCausalGraph(**{**whole, **arguments})


# ---- exports agree with edges


def test_adjacency_and_scipy_are_effect_by_cause(graph: CausalGraph) -> None:
    expected = np.array([[0, 1, 0], [0, 0, 0], [1, 0, 0]], dtype=bool)
    np.testing.assert_array_equal(graph.adjacency(top_k=2), expected)
    np.testing.assert_array_equal(graph.to_scipy(top_k=2).toarray(), SCORES * expected)
    assert graph.to_scipy(top_k=2).format == "csr"


def test_networkx_runs_from_cause_to_effect_with_every_series_a_node() -> None:
    nx = pytest.importorskip("networkx")
    graph = CausalGraph(SCORES, ("a", "b", "c"), LAG_SCORES, SIGNED).to_networkx(top_k=1)
    assert isinstance(graph, nx.DiGraph)
    assert list(graph.nodes) == ["a", "b", "c"]
    assert list(graph.edges(data=True)) == [("b", "a", {"score": 0.5, "lag": 2, "sign": -1, "weight": 0.5})]


def test_pandas_and_csv_hold_the_edges(graph: CausalGraph, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    frame = graph.to_pandas(threshold=0.2)
    assert list(frame.columns) == ["source", "target", "lag", "score", "sign"]
    assert [Edge(*row) for row in frame.itertuples(index=False)] == graph.edges(threshold=0.2)
    graph.to_csv(tmp_path / "edges.csv", threshold=0.2)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "edges.csv"), frame, check_dtype=False)


def test_csv_quotes_names_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    CausalGraph([[0, 1], [0, 0]], ('gene "é", 1', "b\nc")).to_csv(tmp_path / "e.csv")  # type: ignore[arg-type]
    with open(tmp_path / "e.csv", newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1] == ["b\nc", 'gene "é", 1', "1", "1.0", "0"]
    assert [p.name for p in tmp_path.iterdir()] == ["e.csv"]


@pytest.mark.parametrize(
    ("method", "package", "extra"), [("to_pandas", "pandas", "io"), ("to_networkx", "networkx", "plot")]
)
def test_a_missing_extra_is_named(
    graph: CausalGraph, monkeypatch: pytest.MonkeyPatch, method: str, package: str, extra: str
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == package:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=rf'pip install "grngc-fast\[{extra}\]"'):
        getattr(graph, method)()


# ---- the file

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(string.ascii_letters, max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), n_series=st.integers(1, 5), dtype=st.sampled_from([np.float32, np.float64]))
def test_save_and_load_give_the_same_graph(tmp_path: Path, data: st.DataObject, n_series: int, dtype: type) -> None:
    def array(shape: tuple[int, ...], low: float) -> st.SearchStrategy[Any]:
        return hnp.arrays(dtype, shape, elements=st.floats(low, 1e6, width=32))

    square = (n_series, n_series)
    graph = CausalGraph(
        data.draw(array(square, 0)),
        tuple(data.draw(st.lists(names, min_size=n_series, max_size=n_series, unique=True))),
        data.draw(st.none() | array((*square, 2), 0)),
        data.draw(st.none() | array(square, -1e6)),
        data.draw(st.dictionaries(st.text(max_size=5), json_values, max_size=3)),
    )
    graph.save(tmp_path / "graph.npz")
    loaded = CausalGraph.load(tmp_path / "graph.npz")
    for field in ("scores", "lag_scores", "signed_scores"):
        before, after = getattr(graph, field), getattr(loaded, field)
        assert (before is None) == (after is None)
        if before is not None:
            assert before.dtype == after.dtype
            np.testing.assert_array_equal(before, after)
    assert loaded.names == graph.names
    assert loaded.metadata == graph.metadata


def test_metadata_in_memory_is_what_the_file_keeps() -> None:
    graph = CausalGraph(SCORES, metadata={"lam": np.float32(0.5), "layers": (1, np.int64(2)), 3: np.arange(2)})  # type: ignore[dict-item]
    assert graph.metadata == {"lam": 0.5, "layers": [1, 2], "3": [0, 1]}


def test_a_failed_save_keeps_the_older_file(
    graph: CausalGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "graph.npz"
    graph.save(path)

    def fails(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", fails)
        with pytest.raises(InputError, match=r"cannot write .*No space left on device; choose a file in a writable"):
            graph.save(path)
    assert CausalGraph.load(path).names == graph.names
    assert [p.name for p in tmp_path.iterdir()] == ["graph.npz"]


def test_saving_into_a_missing_folder_is_refused(graph: CausalGraph, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*No such file or directory; choose a file"):
        graph.save(tmp_path / "nowhere" / "graph.npz")


@pytest.mark.parametrize("kept", [0, 1, 4, 100, 0.5, -1])
def test_a_truncated_file_is_refused(graph: CausalGraph, tmp_path: Path, kept: float) -> None:
    path = tmp_path / "graph.npz"
    graph.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(InputError, match=r"is not a whole saved CausalGraph .*save the graph again"):
        CausalGraph.load(path)


def test_a_file_with_flipped_bytes_is_refused(graph: CausalGraph, tmp_path: Path) -> None:
    path = tmp_path / "graph.npz"
    graph.save(path)
    damaged = bytearray(path.read_bytes())
    at = damaged.index(SCORES.tobytes())
    damaged[at] ^= 255
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="damaged"):
        CausalGraph.load(path)


def test_missing_foreign_and_newer_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the graph file .*No such file or directory; check the path"):
        CausalGraph.load(tmp_path / "none.npz")
    with pytest.raises(InputError, match="cannot read the graph file"):
        CausalGraph.load(tmp_path)
    (tmp_path / "text.csv").write_text("source,target\n")
    with pytest.raises(InputError, match="file of edges alone is not opened as a graph again"):
        CausalGraph.load(tmp_path / "text.csv")
    np.save(tmp_path / "array.npy", SCORES)
    np.savez(tmp_path / "other.npz", scores=SCORES)
    for name in ("array.npy", "other.npz"):
        with pytest.raises(InputError, match=r"is not a saved CausalGraph; pass a file written by CausalGraph.save"):
            CausalGraph.load(tmp_path / name)
    np.savez(tmp_path / "newer.npz", grngc_fast_graph=np.array(99))
    with pytest.raises(InputError, match=r"has graph format 99.*upgrade"):
        CausalGraph.load(tmp_path / "newer.npz")


def test_a_file_without_its_scores_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "bare.npz", grngc_fast_graph=np.array(1), metadata=np.array(json.dumps({})))
    with pytest.raises(InputError, match="is not a whole saved CausalGraph"):
        CausalGraph.load(tmp_path / "bare.npz")


# ---- refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scores": np.zeros((2, 3))}, "2 effects by 3 causes are not the same series .* pass the names of the causes"),
        ({"scores": np.zeros(3)}, r"scores has shape \(3,\); expected an \(E, C\) array"),
        ({"scores": np.zeros((0, 0))}, r"expected an \(E, C\) array"),
        ({"scores": [["a", "b"], ["c", "d"]]}, "scores is not an array of real numbers"),
        ({"scores": [[1, 2], [3]]}, "scores is not an array of real numbers"),
        ({"scores": [[0, np.nan], [0, 0]]}, "scores holds nan for effect 'x0', cause 'x1'; a fit that diverged"),
        (
            {"scores": [[0, 0], [-1, 0]]},
            "scores holds -1 for effect 'x1', cause 'x0'; .*pass signed ones as signed_scores",
        ),
        ({"names": ("a", "b")}, "2 names were given for 3 series"),
        ({"names": "abc"}, "names is the single text 'abc'"),
        ({"names": ("a", "b", "a")}, "the series name 'a' is given more than once"),
        ({"names": ("a", "b", "c\0")}, "NUL"),
        ({"lag_scores": np.zeros((3, 3))}, r"lag_scores has shape \(3, 3\); expected \(3, 3, L\)"),
        ({"lag_scores": np.zeros((3, 3, 0))}, "lag_scores has shape"),
        ({"lag_scores": np.full((3, 3, 1), np.inf)}, "lag_scores holds inf"),
        ({"signed_scores": np.zeros((2, 2))}, r"signed_scores has shape \(2, 2\); expected \(3, 3\)"),
        ({"causes": ("a", "b")}, "2 causes were given for 3 series; pass one name per column"),
        ({"standard_error": -SCORES}, "standard_error holds -0.9"),
        ({"signed_scores": np.full((3, 3), np.nan)}, "signed_scores holds nan"),
        ({"metadata": {"model": object()}}, "metadata cannot be kept as JSON .*use text, numbers"),
        ({"metadata": [1]}, "metadata is a list; pass a dict"),
    ],
)
def test_unusable_parts_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CausalGraph(**{"scores": SCORES, **arguments})


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"top_k": 1, "density": 0.5}, "top_k and density were given together"),
        ({"threshold": -0.1}, "threshold is -0.1; .*pass a finite number >= 0"),
        ({"threshold": np.nan}, "threshold is nan"),
        ({"top_k": 0}, "top_k is 0; pass a whole number of edges, 1 or more"),
        ({"top_k": 2.5}, "top_k is 2.5"),
        ({"top_k": True}, "top_k is True"),
        ({"density": 0}, "density is 0; pass a fraction"),
        ({"density": 1.5}, "density is 1.5"),
    ],
)
@pytest.mark.parametrize("method", ["edges", "adjacency", "to_scipy"])
def test_unusable_selections_are_named(
    graph: CausalGraph, method: str, selection: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        getattr(graph, method)(**selection)
