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

from grngc_fast.errors import InputError
from grngc_fast.graph import CausalGraph, Edge

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
    assert repr(CausalGraph(np.zeros((2, 2)))) == "CausalGraph(2 series, lags not resolved, no edges)"
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
    with pytest.raises(InputError, match="another kind of file"):
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
        ({"scores": np.zeros((2, 3))}, r"scores has shape \(2, 3\); expected a square"),
        ({"scores": np.zeros((0, 0))}, "expected a square"),
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
