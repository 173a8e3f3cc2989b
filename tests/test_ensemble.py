"""Many small networks with a diagonal middle: the batched tiles against the definition, in value and every gradient."""

from __future__ import annotations

import pytest
import torch

from grngc_fast.kernels import matmul_l1
from grngc_fast.kernels.matmul_l1 import ensemble, reference, tiled

# Networks, rows, width, columns, windows: by rows, by pairs (64 windows and more), ragged and single.
SHAPES = [
    (3, 5, 7, 9, 4),
    (5, 4, 6, 3, 64),
    (2, 1, 1, 1, 1),
    (7, 20, 16, 20, 70),
    (4, 63, 33, 7, 63),
    (9, 10, 129, 12, 8),
]


def operands(shape, bias: bool, integers: bool = False) -> list[torch.Tensor]:
    n, m, k, q, windows = shape
    shapes = [(n, m, k), (n, k, q), (n, windows, k)] + ([(n, m, q)] if bias else [])
    make = (lambda s: torch.randint(-2, 3, s)) if integers else torch.randn
    return [make(s).double().requires_grad_() for s in shapes]


def compare(shape, given: list[torch.Tensor], mask: torch.Tensor | None, reduction: str = "none") -> None:
    a, b, scale, bias = (*given, None) if len(given) == 3 else given
    weights = torch.randn(shape[0], dtype=a.dtype) if reduction == "none" else torch.ones((), dtype=a.dtype)
    found = matmul_l1(a, b, scale, bias, mask, reduction=reduction, backend="tiled")
    truth = reference.matmul_l1(a, b, scale, bias, mask, reduction)
    torch.testing.assert_close(found, truth)
    ours, theirs = (torch.autograd.grad((v * weights).sum(), given) for v in (found, truth))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


@pytest.fixture
def _counted(monkeypatch):
    calls = []

    def spy(*arguments):
        calls.append(arguments)
        return computed(*arguments)

    computed = ensemble.l1
    monkeypatch.setattr(ensemble, "l1", spy)
    yield
    assert calls


@pytest.mark.usefixtures("_counted")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_value_and_gradients_are_those_of_the_definition(shape, bias, masked, reduction):
    mask = torch.rand(shape[1], shape[3]) < 0.6 if masked else None
    compare(shape, operands(shape, bias), mask, reduction)


@pytest.mark.usefixtures("_counted")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bias", [False, True])
def test_true_zeros_have_sign_zero(shape, bias):
    compare(shape, operands(shape, bias, integers=True), None)


@pytest.mark.usefixtures("_counted")
@pytest.mark.parametrize("wanted", [0, 1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES[:2])
def test_each_gradient_alone(shape, wanted):
    given = operands(shape, bias=True)
    truth = torch.autograd.grad(reference.matmul_l1(*given).sum(), given[wanted])[0]
    frozen = [x if i == wanted else x.detach() for i, x in enumerate(given)]
    found = torch.autograd.grad(matmul_l1(*frozen, backend="tiled").sum(), given[wanted])[0]
    torch.testing.assert_close(found, truth)


@pytest.mark.usefixtures("_counted")
@pytest.mark.parametrize("shape", SHAPES)
def test_weights_known_beforehand_scale_the_gradients(shape):
    given = [x.detach() for x in operands(shape, bias=True)]
    weights = torch.randn(shape[0], dtype=torch.float64)
    needs = tiled.Needs(True, True, True, True)
    values, plain = tiled.l1(*given, needs)
    weighted_values, weighted = tiled.l1(*given, needs, weights)
    torch.testing.assert_close(values, weighted_values)
    for name in ("a", "b", "scale", "bias"):
        torch.testing.assert_close(getattr(weighted, name), weights[:, None, None] * getattr(plain, name))


@pytest.mark.usefixtures("_counted")
def test_a_network_that_is_not_a_number_leaves_the_others_as_they_are():
    shape = (3, 5, 7, 9, 4)
    given = operands(shape, bias=False)
    truth = torch.autograd.grad(matmul_l1(*given, backend="tiled").sum(), given)
    spoiled = [x.detach().clone() for x in given]
    spoiled[0][1] = float("nan")
    spoiled = [x.requires_grad_() for x in spoiled]
    values = matmul_l1(*spoiled, backend="tiled")
    assert values.isnan().tolist() == [False, True, False]
    for found, expected in zip(torch.autograd.grad(values.sum(), spoiled), truth, strict=True):
        torch.testing.assert_close(found[[0, 2]], expected[[0, 2]])


def test_tiles_hold_as_many_networks_as_fit(monkeypatch):
    shape = (9, 10, 12, 12, 8)
    monkeypatch.setitem(tiled.TILE_BYTES, "cpu", 8 * 8 * 10 * 12 * tiled.BATCHED_SHARE * 2)
    steps = []
    computed = ensemble.l1
    monkeypatch.setattr(ensemble, "l1", lambda *given: steps.append(given[-1]) or computed(*given))
    compare(shape, operands(shape, bias=True), None)
    assert steps == [2]


def test_networks_too_large_for_a_tile_are_taken_one_by_one(monkeypatch):
    monkeypatch.setitem(tiled.TILE_BYTES, "cpu", 1024)
    monkeypatch.setattr(ensemble, "l1", None)
    compare((3, 20, 16, 20, 70), operands((3, 20, 16, 20, 70), bias=True), None)
