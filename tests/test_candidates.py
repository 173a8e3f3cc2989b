"""Candidate pairs: networks that do not see other causes, in batches of padded groups, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import coo_array, csr_array

from grngc_fast import GRNGC, InputError, causal_scores, gradient_frobenius, gradient_l1
from grngc_fast.jacobian import check_factors
from grngc_fast.models import MLP, GroupedMLP
from grngc_fast.models.grouped import candidate_groups
from grngc_fast.series import candidate_edges

from . import reference
from .test_penalty import assert_same
from .test_regulators import drives, shaken

QUICK = {"max_steps": 40, "hidden": 8, "random_state": 0}
N_CAUSES = 13


# Causes in a set and targets that share it. Near sizes are padded, in causes or in targets, and some rows are not folded.
SETS = [(13, 1), (9, 2), (10, 2), (3, 9), (3, 10), (1, 3), (12, 1), (5, 1)]


def candidates(seed: int = 0) -> np.ndarray:
    """(29, 13)"""
    rng = np.random.default_rng(seed)
    rows = []
    for n_causes, n_targets in SETS:
        row = np.zeros(N_CAUSES, dtype=bool)
        row[rng.choice(N_CAUSES, n_causes, replace=False)] = True
        rows += [row] * n_targets
    return rng.permutation(np.array(rows))


def grouped(skip: bool, lags: int = 2, hidden: int = 6, seed: int = 0) -> tuple[GroupedMLP, torch.Tensor, np.ndarray]:
    allowed = candidates(seed)
    model = shaken(GroupedMLP(N_CAUSES, csr_array(allowed), lags, hidden, skip=skip))
    return model, torch.randn(5, lags, N_CAUSES, dtype=torch.float64), allowed


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("targets", [None, [28, 0, 5], [7], list(range(28, -1, -1))], ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_grouped_networks_equal_double_backward_in_float64(skip, targets, seed):
    model, x, _ = grouped(skip, seed=seed)
    rows = None if targets is None else torch.tensor(targets)
    truth = reference.value_and_gradients(reference.gradient_l1(model, x, rows), model)
    assert_same(reference.value_and_gradients(gradient_l1(model, x, targets=rows), model), truth, 1e-10)
    squares = reference.jacobian(model, x).square()
    value = (squares if rows is None else squares[:, rows]).sum() / len(x)
    truth = reference.value_and_gradients(value, model)
    assert_same(reference.value_and_gradients(gradient_frobenius(model, x, targets=rows), model), truth, 1e-10)


@pytest.mark.parametrize("skip", [False, True])
def test_scores_are_the_mean_absolute_jacobian(skip, monkeypatch):
    model, x, _ = grouped(skip)
    jacobian = reference.jacobian(model, x).flip(2).movedim(2, -1).detach()
    check_factors(model, x)
    for elements in (2**22, 1):
        monkeypatch.setattr("grngc_fast.jacobian.grouped.CHUNK_ELEMENTS", elements)
        torch.testing.assert_close(causal_scores(model, x, per_lag=True), jacobian.abs().mean(0))
        torch.testing.assert_close(causal_scores(model, x, per_lag=True, signed=True), jacobian.mean(0))
    torch.testing.assert_close(causal_scores(model, x, targets=[3, 1]), jacobian.abs().mean(0).amax(-1)[[3, 1]])


def test_a_series_that_is_no_candidate_is_not_there():
    model, x, allowed = grouped(skip=True)
    outside = ~torch.tensor(allowed)
    assert torch.equal(
        reference.jacobian(model, x).abs().sum((0, 2))[outside], torch.zeros(int(outside.sum())).double()
    )
    other = x + 100 * torch.randn_like(x) * outside[4]
    torch.testing.assert_close(model(other)[:, 4], model(x)[:, 4], rtol=0, atol=0)
    assert not torch.allclose(model(other), model(x))


def test_padding_has_no_gradient_in_forecast_nor_penalty_and_counts_for_nothing():
    model, x, _ = grouped(skip=True)
    padded = [bucket for bucket in model.buckets if not bucket.present.all()]
    assert padded
    before = model(x), gradient_l1(model, x), causal_scores(model, x)
    (model(x).square().mean() + gradient_l1(model, x)).backward()
    with torch.no_grad():
        for bucket in padded:
            absent = ~bucket.present
            for weight in (bucket.encoder, bucket.skip):
                assert not weight.grad.masked_select(absent).any()
                weight.masked_fill_(absent, 1e3)
    for value, again in zip((model(x), gradient_l1(model, x), causal_scores(model, x)), before, strict=True):
        torch.testing.assert_close(value, again, rtol=0, atol=0)


def test_each_group_is_the_perceptron_of_its_causes():
    model, x, allowed = grouped(skip=True)
    penalty = 0.0
    for group in candidate_groups(csr_array(allowed)):
        targets = torch.from_numpy(group.targets)
        bucket, g = model.buckets[int(model.bucket_of[targets[0]])], int(model.group_of[targets[0]])
        inside, rows = bucket.present[g, 0], model.row_of[targets]
        plain = MLP(len(group.causes), 2, (6,), skip=True, n_targets=len(targets)).double()
        with torch.no_grad():
            plain.weights[0].copy_(bucket.encoder[g][:, inside])
            plain.biases[0].copy_(bucket.encoder_bias[g, 0])
            plain.weights[1].copy_(bucket.readout[g, rows])
            plain.biases[1].copy_(bucket.readout_bias[g, 0, rows])
            plain.skip.copy_(bucket.skip[g, rows][:, inside])
        own = x[..., torch.tensor(group.causes)]
        torch.testing.assert_close(model(x)[:, targets], plain(own))
        penalty = penalty + gradient_l1(plain, own)
    torch.testing.assert_close(gradient_l1(model, x), penalty)


def test_work_and_parameters_grow_with_the_candidate_pairs():
    rng = np.random.default_rng(0)
    allowed = np.zeros((400, 300), dtype=bool)
    for row in allowed:
        row[rng.choice(300, rng.integers(3, 20), replace=False)] = True
    model = GroupedMLP(300, csr_array(allowed), 2, 16)
    encoders = sum(bucket.encoder.numel() for bucket in model.buckets)
    assert encoders <= 1.25 * 16 * 2 * allowed.sum()
    factors = model.jacobian_factors(torch.randn(3, 2, 300))
    assert factors.width <= 1.25 * 16 * allowed.mean()
    assert len(model.buckets) < 20
    one = model.jacobian_factors(torch.randn(3, 2, 300), torch.tensor([7, 9]))
    assert sum(block.right.shape[0] for block in one.blocks) == 2


def test_a_fit_with_candidates_finds_the_causes_among_them():
    frame = drives()
    prior = pd.DataFrame(False, index=["t0", "t1", "t2"], columns=["a", "b", "t0"])
    prior.loc["t0", ["a", "b"]] = prior.loc["t1", ["a", "b"]] = prior.loc["t2", ["b", "t0"]] = True
    options = {"lags": 2, "max_steps": 300, "random_state": 0, "targets": ["t0", "t1", "t2"]}
    found = GRNGC(**options, candidates=prior).fit(frame)
    assert found.graph_.names == ("t0", "t1", "t2")
    assert found.graph_.causes == ("a", "b", "t0")
    strongest = {(edge.source, edge.target, edge.lag, edge.sign) for edge in found.graph_.edges(top_k=2)}
    assert strongest == {("a", "t0", 1, 1), ("b", "t1", 2, -1)}
    assert not found.scores_[~prior.to_numpy()].any()
    assert (found.scores_[prior.to_numpy()] > 0).all()
    assert found.score(frame) > 0.5
    assert found.graph_.metadata["candidates"] == 6
    square = np.zeros((5, 5), dtype=bool)
    square[np.ix_([2, 3, 4], [0, 1, 2])] = prior
    options["max_steps"] = 10
    scores = GRNGC(**options, candidates=prior).fit(frame).scores_
    for given in (square, square.astype(float), csr_array(square), coo_array(square), torch.tensor(square)):
        np.testing.assert_array_equal(GRNGC(**options, candidates=given).fit(frame).scores_, scores)


def test_sampled_targets_train_a_grouped_network_too():
    frame = drives(80)
    prior = np.eye(5, dtype=bool) | (np.arange(5) < 2)
    found = GRNGC(**QUICK, candidates=prior, penalty_targets=2, penalty_windows=1, skip=True).fit(frame)
    assert found.scores_.shape == (5, 5)
    assert not found.scores_[~prior].any()


def test_one_set_for_all_is_the_case_of_regulators():
    frame = drives(80)
    prior = np.tile([True, True, False, False, False], (5, 1))
    by_set = GRNGC("kan", **QUICK, candidates=prior).fit(frame)
    np.testing.assert_array_equal(by_set.scores_, GRNGC("kan", **QUICK, regulators=["a", "b"]).fit(frame).scores_)


def test_regulators_targets_and_candidates_intersect():
    prior = np.array([[0, 1, 1], [1, 0, 0], [1, 1, 0]], dtype=bool)
    edges = candidate_edges(list("abc"), regulators=["c", "b"], targets=["c", "a"], candidates=prior)
    np.testing.assert_array_equal(edges.allowed.toarray(), [[False, True], [True, True]])
    np.testing.assert_array_equal(edges.own_past, [0, 1])
    assert edges.n_pairs == 3
    edges = candidate_edges(list("abc"), targets=["b"], candidates=prior)
    np.testing.assert_array_equal(edges.causes, [0])
    assert edges.allowed is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"candidates": np.eye(5) - np.diag([0, 0, 1, 0, 0])},
            "empty candidate set: 't0' has no candidate cause; give",
        ),
        (
            {"candidates": np.eye(5), "regulators": ["a"]},
            "'b', 't0', 't1', 't2' have no candidate cause among the regul",
        ),
        ({"candidates": np.ones((3, 5))}, r"candidates has shape \(3, 5\); the 5 series need a \(5, 5\)"),
        ({"candidates": 2 * np.eye(5)}, "candidates holds values other than True and False"),
        ({"candidates": np.full((5, 5), "yes")}, "candidates holds values other than"),
        ({"candidates": pd.DataFrame([[True]], index=["t0"], columns=["A"])}, "columns of candidates names 'A'.* 'a'?"),
        (
            {"candidates": np.eye(5), "model": "kan"},
            "need model='sets', or 'mlp' with one hidden layer .* got model='kan'",
        ),
        ({"candidates": np.eye(5), "hidden": [4, 4]}, r"one hidden layer .* got hidden=\[4, 4\]"),
        (
            {"candidates": np.eye(5), "model_options": {"residual": True}},
            "no model_options; got model_options={'residual'",
        ),
    ],
)
def test_candidates_that_cannot_be_used_are_named(options, message):
    with pytest.raises(InputError, match=message):
        GRNGC(**{**QUICK, **options}).fit(drives(40))


def test_own_modules_read_the_same_causes_for_all_targets():
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, 5))
    with pytest.raises(InputError, match="candidates that differ between targets need model='sets', or 'mlp'"):
        GRNGC(module, max_steps=5, candidates=np.eye(5)).fit(drives(40))
