"""The registered operators: what a compiler, a profiler or an exporter is told of the op is what it does."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from grngc_fast.kernels import matmul_abs_mean, matmul_l1, triton_here
from tests.test_matmul_l1 import LAYOUTS, operands


def flat(layout: str, dtype: torch.dtype) -> tuple[Tensor | None, ...]:
    """Operands with one leading batch dimension, as the registered operator takes them."""
    return tuple(
        None if x is None else x.detach().to(dtype).reshape(-1, *x.shape[-2:]).requires_grad_()
        for x in operands(layout, (7, 3, 9)).values()
    )


@pytest.mark.parametrize(
    ("layout", "unit_weights"),
    [("plain", True), ("scale and bias", False), ("batch of a", False), ("batch of both, bias", True)],
)
def test_opcheck(layout, unit_weights):
    given = flat(layout, torch.float64)
    needs = [x is not None for x in given]
    arguments = (*given, None, None, needs, unit_weights, "tiled", "highest")
    torch.library.opcheck(torch.ops.grngc_fast.matmul_l1.default, arguments)
    mask = torch.rand(7, 9) < 0.5
    torch.library.opcheck(
        torch.ops.grngc_fast.matmul_l1.default, (*given, mask, None, needs, unit_weights, "tiled", "highest")
    )


@pytest.mark.parametrize("signed", [True, False])
def test_opcheck_of_the_scores(signed):
    a, b, scale, _ = (None if x is None else x.detach() for x in flat("scale", torch.float64))
    arguments = (a, b, None if scale is None else scale[0], None, None, signed, "tiled", "highest")
    torch.library.opcheck(torch.ops.grngc_fast.matmul_abs_mean.default, arguments)


COMPILED = [("none", layout) for layout in LAYOUTS] + [("sum", layout) for layout in ("plain", "broadcast batch")]


@pytest.mark.parametrize(("reduction", "layout"), COMPILED)
def test_compiles_without_a_graph_break_to_the_same_numbers(layout, reduction):
    given = operands(layout, (7, 3, 9))
    mask = torch.rand(7, 9) < 0.7

    def weighed(a, b, scale, bias):
        value = matmul_l1(a * 2.0, b, scale, bias, mask, reduction=reduction)
        weights = torch.arange(1.0, value.numel() + 1, dtype=value.dtype).view(value.shape)
        return (value * weights).sum()

    found = {}
    for name, function in (
        ("eager", weighed),
        ("compiled", torch.compile(weighed, fullgraph=True, backend="aot_eager")),
    ):
        torch.compiler.reset()
        value = function(*given.values())
        wanted = [x for x in given.values() if x is not None]
        found[name] = [value, *torch.autograd.grad(value, wanted)]
    for eager, compiled in zip(found["eager"], found["compiled"], strict=True):
        torch.testing.assert_close(compiled, eager)


def test_scores_compile_without_a_graph_break():
    a, b = torch.randn(4, 5, 3), torch.randn(3, 6)
    compiled = torch.compile(lambda: matmul_abs_mean(a, b, signed=True), fullgraph=True, backend="aot_eager")
    for found, truth in zip(compiled(), matmul_abs_mean(a, b, signed=True), strict=True):
        torch.testing.assert_close(found, truth)


def test_compiles_where_only_some_operands_want_gradients():
    a, b = torch.randn(5, 3, requires_grad=True), torch.randn(3, 6)
    compiled = torch.compile(lambda a, b: matmul_l1(a, b), fullgraph=True, backend="aot_eager")
    (found,) = torch.autograd.grad(compiled(a, b), a)
    (truth,) = torch.autograd.grad(matmul_l1(a, b), a)
    torch.testing.assert_close(found, truth)
    with torch.no_grad():
        torch.testing.assert_close(compiled(a, b), matmul_l1(a, b))


def test_autocast_neither_rounds_nor_refuses():
    a, b = torch.randn(5, 3), torch.randn(3, 6)
    truth = matmul_l1(a, b)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert matmul_l1(a, b) == truth
        mixed = matmul_l1(a.bfloat16(), b)
        compiled = torch.compile(lambda: matmul_l1(a.bfloat16(), b), fullgraph=True, backend="aot_eager")
        assert compiled() == mixed
    assert mixed.dtype == torch.float32
    assert mixed == matmul_l1(a.bfloat16().float(), b)
    with pytest.raises(TypeError, match="one dtype"):
        matmul_l1(a.bfloat16(), b)


def test_explicit_requests_are_met_or_refused(monkeypatch):
    from grngc_fast.kernels.matmul_l1 import dispatch

    a, b = torch.randn(5, 3), torch.randn(3, 6)
    monkeypatch.setattr(triton_here, "interpreted", lambda: False)
    with pytest.raises(RuntimeError, match="backend='triton' cannot run here: the operands are on cpu, not on a GPU"):
        matmul_l1(a, b, backend="triton")
    monkeypatch.setattr(triton_here, "installed", lambda: False)
    with pytest.raises(RuntimeError, match="the package triton is not installed"):
        matmul_abs_mean(a, b, backend="triton")
    assert dispatch.resolve_backend("auto", a, 1e15) == "tiled"


def test_precision_follows_torch_and_refuses_other_names(monkeypatch):
    from grngc_fast.kernels.matmul_l1 import dispatch

    asked = []
    monkeypatch.setattr(
        dispatch.tiled, "l1", lambda *given: asked.append(given[-1]) or (torch.zeros(1), dispatch.Gradients())
    )
    matmul_l1(torch.ones(2, 2), torch.ones(2, 2))
    matmul_l1(torch.ones(2, 2), torch.ones(2, 2), precision="medium")
    assert asked == [torch.get_float32_matmul_precision(), "medium"]
    with pytest.raises(ValueError, match="precision='tf32' is unknown; use one of 'highest', 'high', 'medium' or None"):
        matmul_l1(torch.ones(2, 2), torch.ones(2, 2), precision="tf32")


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (torch.ones(5, 6), TypeError, "mask is torch.float32 on cpu; expected a torch.bool"),
        (torch.ones(6, 5, dtype=torch.bool), ValueError, r"mask has shape \(6, 5\); expected \(M, Q\) = \(5, 6\)"),
        ([True], TypeError, "mask is list"),
    ],
)
def test_bad_masks_are_named(mask, error, message):
    with pytest.raises(error, match=message):
        matmul_l1(torch.ones(5, 3), torch.ones(3, 6), mask=mask)
