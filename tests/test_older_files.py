"""Files that version 0.1.0 wrote, before the package had rooms: graphs still load, a kept run is still taken up."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from grngc_fast import GRNGC, CausalGraph, SparseCausalGraph, load_graph
from grngc_fast.training import Trainer
from grngc_fast.training.checkpoint import FILE

DATA = Path(__file__).parent / "data"


def test_a_graph_of_all_scores_loads():
    graph = load_graph(DATA / "graph-0.1.0.npz")
    assert isinstance(graph, CausalGraph)
    assert graph.lag_scores is not None and graph.lag_scores.shape == (3, 3, 2)
    assert [(e.source, e.target, e.lag, e.sign) for e in graph.edges(top_k=2)] == [
        ("x0", "x2", 2, 1),
        ("x0", "x1", 2, 1),
    ]
    assert graph.metadata["estimator"] == "GRNGC"


def test_a_graph_of_kept_edges_loads():
    kept, every = load_graph(DATA / "kept-graph-0.1.0.npz"), load_graph(DATA / "graph-0.1.0.npz")
    assert isinstance(kept, SparseCausalGraph)
    assert kept.edges() == every.edges(top_k=3)


def test_a_finished_run_is_taken_up_from_its_checkpoint(tmp_path, monkeypatch):
    shutil.copy(DATA / "checkpoint-0.1.0.pt", tmp_path / FILE)
    monkeypatch.delattr(Trainer, "step")
    X = np.random.default_rng(0).standard_normal((60, 3))
    X[1:, 1] += X[:-1, 0]
    options = {"model": "mlp", "lags": 2, "max_steps": 20, "hidden": 4, "random_state": 0, "device": "cpu"}
    found = GRNGC(**options, checkpoint=tmp_path).fit(X)
    np.testing.assert_allclose(found.scores_, load_graph(DATA / "graph-0.1.0.npz").scores, rtol=1e-5)
