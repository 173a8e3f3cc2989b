"""How much of an edge is linear, spline and interaction: what the shares are, what they find, where the graph takes them."""

from __future__ import annotations

import csv
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from grngc_fast import GRNGC, CausalGraph, InputError, SparseCausalGraph, load_graph
from grngc_fast.datasets import additive, product, var
from grngc_fast.graph import UnitShares
from grngc_fast.kernels.small_networks.levels import basis_of
from grngc_fast.kernels.spline import own_values
from grngc_fast.models import SetMLP
from grngc_fast.scoring.unit_shares import unit_shares
from grngc_fast.series import Windows


def network(n_series: int, n_lags: int, n_splines: int, set_size: int) -> SetMLP:
    """With sets of any order, the second target's smaller than the others'."""
    model = SetMLP(n_series, n_lags, 5, set_size=set_size, n_splines=n_splines).requires_grad_(False)
    model.columns.copy_(torch.stack([torch.randperm(n_series * n_lags)[:set_size] for _ in range(n_series)]))
    model.columns[1, -1] = -1
    for weight in (model.skip, model.encoder_bias, *([] if model.splines is None else [model.splines])):
        weight.normal_()
    return model


def slopes(model: SetMLP, z: torch.Tensor, i: int, kind: str) -> torch.Tensor:
    """d part of forecast i / d the inputs z (N, K) of its set, by autograd."""
    z = z.detach().requires_grad_()
    parts = {
        "linear": z @ model.skip[i],
        "interaction": torch.nn.functional.silu(z @ model.encoder[i].T + model.encoder_bias[i]) @ model.readout[i],
    }
    if model.splines is not None:
        parts["spline"] = own_values(z[None], model.splines[i : i + 1], basis_of(model.splines.shape[2]))[0].sum(1)
    return torch.autograd.grad(parts[kind].sum(), z)[0] if kind in parts else torch.zeros_like(z)


@pytest.mark.parametrize("n_splines", [0, 6])
@pytest.mark.parametrize("n_windows", [40, 300])
def test_shares_are_the_parts_of_the_gradient_and_sum_to_one(
    n_splines: int, n_windows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    P, L, K = 7, 2, 4
    scoring = importlib.import_module("grngc_fast.scoring.unit_shares")
    monkeypatch.setattr(scoring, "CHUNK_ELEMENTS", 3 * scoring.INPUT_NUMBERS * min(n_windows, 256) * K)
    model, windows = network(P, L, n_splines, K), Windows.from_trajectories([torch.randn(n_windows + L, P).numpy()], L)
    lag_scores = np.random.default_rng(0).random((P, P, L))
    found = unit_shares(model, windows, CausalGraph(lag_scores.max(-1), lag_scores=lag_scores))
    assert found is not None
    every = windows.inputs()
    x = every[np.linspace(0, len(every) - 1, min(len(every), 256)).round()].flip(1).flatten(1)
    x = torch.cat([x, torch.zeros(len(x), 1)], 1)  # the last is what -1 reads
    n_found = 0
    for i in range(P):
        for k, column in enumerate(model.columns[i].tolist()):
            lag, cause = divmod(column, P)
            (shares,) = found.at([i], [cause]).tolist()
            if column < 0 or lag != lag_scores[i, cause].argmax():
                continue
            parts = {
                kind: slopes(model, x[:, model.columns[i]], i, kind)[:, k]
                for kind in ("linear", "spline", "interaction")
            }
            varying = [(part - part.mean()).abs().mean() for part in (parts["spline"], parts["interaction"])]
            wanted = torch.stack([sum(part.mean() for part in parts.values()).abs(), *varying])
            np.testing.assert_allclose(shares, wanted / wanted.sum(), rtol=1e-3, atol=1e-5)
            n_found += 1
    assert 0 < n_found == found.linear.nnz
    np.testing.assert_allclose(found.linear.data + found.spline.data + found.interaction.data, 1, rtol=1e-6)
    assert (found.spline.data > 0).all() == bool(n_splines)


SYSTEMS = {
    "spline": additive(8, 800, "sine", n_parents=1, seed=0),
    "linear": var(8, 800, 1, seed=0),
    "interaction": product(8, 1000, seed=0),
}


@pytest.mark.parametrize("kind", SYSTEMS)
def test_a_sine_is_a_spline_a_weight_is_linear_a_product_is_an_interaction(kind: str) -> None:
    found = GRNGC("sets", model_options={"n_splines": 8}, random_state=0, device="cpu").fit(SYSTEMS[kind].X)
    strongest = found.graph_.to_pandas(top_k=5)
    assert (strongest[kind] > 0.6).all()
    assert strongest[kind].mean() > 0.7


def test_shares_are_of_a_network_of_sets_alone_also_beside_the_own_past() -> None:
    X = SYSTEMS["spline"].X
    quick: dict[str, Any] = {"max_steps": 2, "random_state": 0, "device": "cpu", "lags": 2}
    assert GRNGC("mlp", **quick).fit(X).graph_.unit_shares is None
    found = GRNGC("sets", **quick, regulators=["x0", "x1", "x5"], edges_per_target=2).fit(X)
    graph = found.graph_
    assert isinstance(graph, SparseCausalGraph) and type(found.model_).__name__ == "OwnPast"
    assert graph.unit_shares is not None and graph.unit_shares.linear.nnz == graph.n_edges
    np.testing.assert_array_equal(graph.unit_shares.linear.tocoo().row, np.sort(graph.effect))


@pytest.fixture
def graph() -> CausalGraph:
    """Of the edges c -> a, a -> b and b -> b, the first two have shares; of b -> b they are not known."""
    scores = np.array([[0, 0, 0.9], [0.5, 0.7, 0], [0, 0, 0]])
    shares = UnitShares.of_pairs([1, 0], [0, 2], [[0.25, 0.75, 0], [0.5, 0.125, 0.375]], (3, 3))
    return CausalGraph(scores, ("a", "b", "c"), unit_shares=shares)


def same(one: UnitShares | None, two: UnitShares | None) -> None:
    assert one is not None and two is not None
    for kind in ("linear", "spline", "interaction"):
        first, second = getattr(one, kind), getattr(two, kind)
        assert first.dtype == np.float32 and isinstance(first, csr_array)
        np.testing.assert_array_equal(first.toarray(), second.toarray())
        np.testing.assert_array_equal(first.indices, second.indices)
        np.testing.assert_array_equal(first.indptr, second.indptr)


def test_graphs_keep_their_shares_in_their_files(graph: CausalGraph, tmp_path: Path) -> None:
    kept = graph.kept(top_k=1, diagonal=True)
    same(kept.unit_shares, UnitShares.of_pairs([0], [2], [[0.5, 0.125, 0.375]], (3, 3)))
    for number, whole in enumerate((graph, kept)):
        whole.save(tmp_path / f"{number}.npz")
        loaded = load_graph(tmp_path / f"{number}.npz")
        same(loaded.unit_shares, whole.unit_shares)
        assert loaded.to_pandas(diagonal=True).equals(whole.to_pandas(diagonal=True))


def test_a_file_without_shares_is_in_the_first_format_and_with_them_in_the_second(
    graph: CausalGraph, tmp_path: Path
) -> None:
    graph.save(tmp_path / "with.npz")
    CausalGraph(graph.scores, graph.names).save(tmp_path / "without.npz")
    formats = [int(np.load(tmp_path / f"{name}.npz")["grngc_fast_graph"]) for name in ("with", "without")]
    assert formats == [2, 1]
    assert load_graph(tmp_path / "without.npz").unit_shares is None


def test_a_file_with_damaged_shares_is_refused(graph: CausalGraph, tmp_path: Path) -> None:
    graph.save(tmp_path / "graph.npz")
    arrays = dict(np.load(tmp_path / "graph.npz"))
    for name, value in (
        ("unit_shares_indices", [7, 0]),
        ("unit_shares_values", np.ones((3, 2))),
        ("unit_shares_indptr", None),
    ):
        damaged = {key: array for key, array in arrays.items() if key != name}
        np.savez(tmp_path / "damaged.npz", **damaged, **({} if value is None else {name: np.array(value)}))
        with pytest.raises(InputError):
            load_graph(tmp_path / "damaged.npz")


def test_exports_have_three_columns_more_only_where_shares_are_there(graph: CausalGraph, tmp_path: Path) -> None:
    graph.to_csv(tmp_path / "with.csv", diagonal=True)
    CausalGraph(graph.scores, graph.names).to_csv(tmp_path / "without.csv")
    with (tmp_path / "with.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["source", "target", "lag", "score", "sign", "linear", "spline", "interaction"]
    assert rows[1] == ["c", "a", "1", "0.9", "0", "0.5", "0.125", "0.375"]
    assert rows[2][:2] == ["b", "b"] and rows[2][5:] == ["", "", ""]
    assert (tmp_path / "without.csv").read_text().splitlines()[0] == "source,target,lag,score,sign"
    frame = graph.to_pandas(diagonal=True)
    assert frame["spline"].tolist()[::2] == [0.125, 0.75] and frame["spline"].isna().tolist() == [False, True, False]
    drawn = graph.to_networkx()
    assert drawn["a"]["b"] == {
        "score": 0.5,
        "lag": 1,
        "sign": 0,
        "weight": 0.5,
        "linear": 0.25,
        "spline": 0.75,
        "interaction": 0,
    }
    assert len(graph.edges()[0]) == 5


def test_shares_are_given_to_a_graph_without_its_arrays_being_copied(graph: CausalGraph) -> None:
    bare = CausalGraph(graph.scores, graph.names)
    assert graph.unit_shares is not None
    given = bare.with_unit_shares(graph.unit_shares)
    assert bare.unit_shares is None and given.unit_shares is graph.unit_shares
    assert np.shares_memory(given.scores, bare.scores)
    with pytest.raises(ValueError, match="read-only"):
        graph.unit_shares.linear.data[0] = 1


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ([[0.5, 0.5, 0.5]], "sum to 1"),
        ([[1.5, -0.5, 0.0]], "not negative"),
        ([[np.nan, 0.5, 0.5]], "not negative"),
    ],
)
def test_unusable_shares_are_refused(shares: list[list[float]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        UnitShares.of_pairs([0], [1], shares, (2, 2))


def test_shares_of_other_edges_or_another_shape_are_refused(graph: CausalGraph) -> None:
    one, other = (csr_array(([1.0], ([0], [k])), shape=(2, 2)) for k in (0, 1))
    with pytest.raises(InputError, match="not of the same edges"):
        UnitShares(one, other, one)
    with pytest.raises(InputError, match=r"unit_shares has shape \(3, 3\); expected \(2, 2\)"):
        CausalGraph(np.eye(2), unit_shares=graph.unit_shares)
    with pytest.raises(InputError, match="pass a UnitShares"):
        CausalGraph(np.eye(2), unit_shares=np.eye(2))  # type: ignore[arg-type]
