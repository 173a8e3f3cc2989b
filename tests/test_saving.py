"""A graph saved under a name is what the name says, and options of the models are checked before anything is trained."""

from __future__ import annotations

import csv
import gzip
import re

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from grngc_fast import GRNGC, CausalGraph, InputError, SparseCausalGraph, load_graph
from grngc_fast.graph import UnitShares

NAMES = ("é, ß", 'say "no"', "tab\there")
SCORES = np.array([[0.9, 0.5, 0.0], [0.25, 0.8, 0.125], [0.0, 1e-9, 0.7]])


def dense() -> CausalGraph:
    shares = UnitShares.of_pairs([0, 1], [1, 0], [[0.25, 0.75, 0.0], [1.0, 0.0, 0.0]], (3, 3))
    return CausalGraph(SCORES, NAMES, signed_scores=SCORES * [[1], [-1], [1]], unit_shares=shares)


GRAPHS = {"all scores": dense, "kept edges": lambda: dense().kept(threshold=1e-6)}
EDGES = [(NAMES[1], NAMES[0], 0.5), (NAMES[0], NAMES[1], 0.25), (NAMES[2], NAMES[1], 0.125), (NAMES[1], NAMES[2], 1e-9)]


@pytest.fixture(params=GRAPHS)
def graph(request):
    return GRAPHS[request.param]()


def expected(graph) -> list[tuple[str, str, float]]:
    return EDGES if isinstance(graph, CausalGraph) else EDGES[:3]


@pytest.mark.parametrize(
    ("name", "opened", "delimiter"),
    [
        ("x.csv", open, ","),
        ("X.CSV", open, ","),
        ("x.tsv", open, "\t"),
        ("x.csv.gz", gzip.open, ","),
        ("a.b.tsv.GZ", gzip.open, "\t"),
    ],
)
def test_a_table_of_edges(graph, tmp_path, name, opened, delimiter):
    graph.save(tmp_path / name)
    with opened(tmp_path / name, "rt", encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text, delimiter=delimiter))
    assert [(row["source"], row["target"], float(row["score"])) for row in rows] == expected(graph)
    assert [int(row["sign"]) for row in rows][:3] == [1, -1, -1]
    assert [row["spline"] for row in rows][:3] == ["0.75", "0.0", ""]


def test_csv_is_that_of_to_csv_and_the_same_every_time(graph, tmp_path):
    graph.to_csv(tmp_path / "edges.csv")
    for name in ("x.csv", "x.csv.gz", "y.csv.gz"):
        graph.save(tmp_path / name)
    assert (tmp_path / "x.csv").read_bytes() == (tmp_path / "edges.csv").read_bytes()
    assert (tmp_path / "x.csv.gz").read_bytes() == (tmp_path / "y.csv.gz").read_bytes()


def test_parquet_is_that_of_to_pandas(graph, tmp_path):
    graph.save(tmp_path / "x.parquet")
    found = pd.read_parquet(tmp_path / "x.parquet")
    assert next(found.itertuples(index=False, name=None))[:5] == (*EDGES[0][:2], 1, 0.5, 1)
    pd.testing.assert_frame_equal(found, graph.to_pandas(), check_dtype=False)


def test_parquet_without_an_edge_has_its_columns(tmp_path):
    CausalGraph(np.zeros((2, 2))).save(tmp_path / "x.parquet")
    assert list(pd.read_parquet(tmp_path / "x.parquet").columns) == ["source", "target", "lag", "score", "sign"]


def test_graphml_is_that_of_to_networkx(graph, tmp_path):
    graph.save(tmp_path / "x.graphml")
    found = nx.read_graphml(tmp_path / "x.graphml")
    assert set(found) == set(NAMES)
    weights = [(source, target, data["weight"]) for source, target, data in found.edges(data=True)]
    assert sorted(weights) == sorted(expected(graph))


def test_graphml_refuses_a_name_that_xml_cannot_hold(tmp_path):
    path = tmp_path / "x.graphml"
    with pytest.raises(
        InputError, match=r"'b\\x01' holds the character '\\x01', .* rename the series or save the graph as .csv"
    ):
        CausalGraph(np.eye(2), ("a", "b\x01")).save(path)
    assert not any(tmp_path.iterdir())


def test_npz_alone_is_loaded_again(graph, tmp_path):
    graph.save(tmp_path / "x.NPZ")
    found = load_graph(tmp_path / "x.NPZ")
    assert type(found) is type(graph) and found.edges() == graph.edges()
    for name in ("x.csv", "x.tsv.gz", "x.graphml", "x.parquet"):
        graph.save(tmp_path / name)
        with pytest.raises(
            InputError, match=r"file of edges alone is not opened .*; save the graph as .npz to load it later"
        ):
            load_graph(tmp_path / name)
    with pytest.raises(InputError, match="No such file"):
        SparseCausalGraph.load(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("name", "what"), [("x.xlsx", "'.xlsx'"), ("x.gz", "'.gz'"), ("x", "no suffix"), (".csv", "no suffix")]
)
def test_a_suffix_that_is_not_known_is_refused_with_those_that_are(graph, tmp_path, name, what):
    edges = ".csv, .tsv, .csv.gz, .tsv.gz, .parquet, .graphml"
    every = f"use .npz for the whole graph, which load_graph opens again, or one of {edges} for its edges"
    with pytest.raises(InputError, match=re.escape(every)) as refused:
        graph.save(tmp_path / name)
    assert what in str(refused.value)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        ("kan", {"grid": 2.5}, "grid=2.5; it must be a whole number, 1 or more"),
        ("kan", {"grid": "5"}, "grid='5'; it must be a whole number"),
        ("kan", {"grid": True}, "grid=True; it must be a whole number"),
        ("kan", {"grid": 0}, "grid=0; it must be a whole number"),
        ("kan", {"order": 9}, "order=9; it must be a whole number from 1 to 5"),
        ("kan", {"grid_range": 3}, "grid_range=3; it must be two finite numbers, the smaller first"),
        ("kan", {"grid_range": [1, -1]}, "grid_range=[1, -1]; it must be two finite numbers"),
        ("kan", {"grid_range": [0, "1"]}, "grid_range=[0, '1']; it must be two finite numbers"),
        ("kan", {"grid_range": [0, float("nan")]}, "grid_range=[0, nan]; it must be two finite numbers"),
        ("kan", {"grid_range": [0, 1, 2]}, "grid_range=[0, 1, 2]; it must be two finite numbers"),
        ("kan", {"base": "sin"}, "base='sin'; it must be one of 'identity', 'silu', 'none'"),
        ("kan", {"base": ["silu"]}, "base=['silu']; it must be one of"),
        ("mlp", {"residual": 1}, "residual=1; it must be True or False"),
        ("mlp", {"layer_norm": "yes"}, "layer_norm='yes'; it must be True or False"),
        ("mlp", {"weight_norm": None}, "weight_norm=None; it must be True or False"),
        ("mlp", {"dropout": 1.0}, "dropout=1.0; it must be a share from 0 to below 1"),
        ("auto", {"dropout": "0.1"}, "dropout='0.1'; it must be a share"),
        ("auto", {"grid": 3}, "'grid', which model='mlp' does not know"),
        ("sets", {"set_size": -1}, "set_size=-1; it must be a whole number, 1 or more"),
        ("sets", {"n_splines": 3}, "n_splines=3; it must be a whole number, 4 or more, or 0 for none"),
        ("sets", {"n_splines": False}, "n_splines=False; it must be a whole number"),
        ("tcn", {"kernel_size": 1}, "kernel_size=1; it must be a whole number, 2 or more"),
        ("tcn", {"n_levels": 0}, "n_levels=0; it must be None or a whole number, 1 or more"),
        ("lstm", {"depth": 2}, "'depth', which model='lstm' does not know; it takes none"),
        ("mlp", {3: 1}, "3, which model='mlp' does not know; it takes 'residual'"),
    ],
)
def test_options_of_a_model_are_checked_before_the_table_is_read(model, given, message):
    with pytest.raises(InputError, match=re.escape("model_options has " + message)):
        GRNGC(model, model_options=given).fit("not a table")


def test_options_of_the_right_kind_are_taken_in_any_of_its_forms():
    X = np.random.default_rng(0).normal(size=(60, 3))
    options = {"grid": np.int64(3), "order": 2, "grid_range": np.array([-2.0, 2.0]), "base": "silu"}
    found = GRNGC("kan", hidden=2, max_steps=1, model_options=options, random_state=0).fit(X)
    assert found.model_.layers[0].basis.grid == 3
