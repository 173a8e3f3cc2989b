"""The op: the tiled path against the reference in float64, in value and in every gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from grngc_fast.kernels import matmul_abs_mean, matmul_l1
from grngc_fast.kernels.matmul_l1 import tiled

SIZES = [(1, 1, 1), (7, 3, 63), (63, 129, 7), (129, 1, 65), (2, 64, 300)]
# name: batch dimensions of a, b, bias (None: no bias) and the windows of scale (None: no scale)
LAYOUTS = {
    "plain": ((), (), None, None),
    "bias": ((), (), (), None),
    "scale": ((), (), None, 3),
    "scale and bias": ((), (), (), 3),
    "batch of a": ((3,), (), None, None),
    "batch of a, bias": ((3,), (), (), None),
    "batch of b": ((), (3,), None, None),
    "batch of b, bias": ((), (3,), (), None),
    "batch of both": ((3,), (3,), None, None),
    "batch of both, bias": ((3,), (3,), (3,), None),
    "batch of both, one bias": ((3,), (3,), (), None),
    "broadcast batch": ((2, 1), (1, 3), (3,), None),
    "ensemble with scale": ((2,), (2,), (), 3),
}


def operands(layout: str, size: tuple[int, int, int], dtype: torch.dtype = torch.float64) -> dict[str, Tensor | None]:
    batch_a, batch_b, batch_bias, windows = LAYOUTS[layout]
    m, k, q = size
    make = {
        "a": torch.randn(*batch_a, m, k, dtype=dtype),
        "b": torch.randn(*batch_b, k, q, dtype=dtype),
        "scale": None if windows is None else torch.randn(*batch_a, windows, k, dtype=dtype),
        "bias": None if batch_bias is None else torch.randn(*batch_bias, m, q, dtype=dtype),
    }
    return {name: None if x is None else x.requires_grad_() for name, x in make.items()}


def value_and_gradients(given: dict[str, Tensor | None], **options: str) -> list[Tensor]:
    value = matmul_l1(**given, **options)
    weights = (2.0 ** torch.arange(value.numel(), dtype=value.dtype)).view(value.shape)
    wanted = [x for x in given.values() if x is not None and x.requires_grad]
    return [value.detach(), *torch.autograd.grad((value * weights).sum(), wanted)]


@pytest.fixture(params=["one tile", "many tiles"])
def _tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "many tiles":
        monkeypatch.setitem(tiled.TILE_BYTES, "cpu", 8 * 200)
        monkeypatch.setattr(tiled, "TILE_COLUMNS", 17)


@pytest.mark.usefixtures("_tiles")
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_tiled_equals_reference_in_value_and_gradients(layout, size, reduction):
    given = operands(layout, size)
    found = value_and_gradients(given, reduction=reduction, backend="tiled")
    truth = value_and_gradients(given, reduction=reduction, backend="reference")
    for f, t in zip(found, truth, strict=True):
        torch.testing.assert_close(f, t, rtol=1e-11, atol=1e-11)


@pytest.mark.usefixtures("_tiles")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("wanted", ["a", "b", "scale", "bias"])
def test_each_gradient_alone(layout, wanted):
    given = operands(layout, (7, 3, 63))
    if given[wanted] is None:
        pytest.skip(f"the layout has no {wanted}")
    given = {name: None if x is None else x.detach().requires_grad_(name == wanted) for name, x in given.items()}
    found, truth = (value_and_gradients(given, backend=backend) for backend in ("tiled", "reference"))
    for f, t in zip(found, truth, strict=True):
        torch.testing.assert_close(f, t, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_small_integers_are_exact_and_zeros_have_sign_zero(layout, dtype):
    given = {
        name: None if x is None else x.detach().mul(1.2).round().requires_grad_()
        for name, x in operands(layout, (5, 2, 33), dtype).items()
    }
    found, truth = (value_and_gradients(given, backend=backend) for backend in ("tiled", "reference"))
    for f, t in zip(found, truth, strict=True):
        assert torch.equal(f, t)


def test_zero_product_has_zero_gradients():
    a = torch.zeros(4, 3, requires_grad=True)
    b = torch.randn(3, 9, requires_grad=True)
    matmul_l1(a, b).backward()
    assert torch.equal(a.grad, torch.zeros_like(a))
    assert torch.equal(b.grad, torch.zeros_like(b))


@settings(max_examples=25, deadline=None)
@given(m=st.integers(1, 400), k=st.integers(1, 90), q=st.integers(1, 700), n=st.integers(1, 9), seed=st.integers(0, 99))
def test_identity_of_value_and_gradients_at_any_size(m, k, q, n, seed):
    g = torch.Generator().manual_seed(seed)
    shapes = {"a": (m, k), "b": (k, q), "scale": (n, k), "bias": (m, q)}
    x = {name: torch.randn(shape, generator=g, dtype=torch.float64).requires_grad_() for name, shape in shapes.items()}
    value = matmul_l1(**x)
    grads = dict(zip(x, torch.autograd.grad(value, list(x.values())), strict=True))
    with_bias = (x["bias"] * grads["bias"]).sum()
    for name in ("a", "b", "scale"):
        torch.testing.assert_close((x[name] * grads[name]).sum() + with_bias, value, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_float32_is_as_close_to_float64_as_rounding_allows(layout):
    given = operands(layout, (63, 129, 65))
    single = {name: None if x is None else x.detach().float().requires_grad_() for name, x in given.items()}
    given = {name: None if x is None else x.detach().double().requires_grad_() for name, x in single.items()}
    for f, t in zip(value_and_gradients(single), value_and_gradients(given, backend="reference"), strict=True):
        assert (f - t).norm() <= 2e-5 * t.norm()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_computes_in_float32_and_keeps_its_dtype(dtype):
    a, b = torch.randn(70, 40).to(dtype).requires_grad_(), torch.randn(40, 90).to(dtype).requires_grad_()
    value = matmul_l1(a, b)
    value.backward()
    truth = (a.detach().float() @ b.detach().float()).abs().sum()
    assert value.dtype == a.grad.dtype == b.grad.dtype == dtype
    assert abs(value.item() / truth.item() - 1) < 2 ** (-8 if dtype == torch.bfloat16 else -10)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_a_second_backward_pass_gives_the_same_gradients(layout, reduction):
    given = operands(layout, (7, 3, 63))
    value = matmul_l1(**given, reduction=reduction)
    wanted = [x for x in given.values() if x is not None]
    weights = torch.linspace(-1.0, 2.0, value.numel(), dtype=value.dtype).view(value.shape)
    first = [g.clone() for g in torch.autograd.grad((value * weights).sum(), wanted, retain_graph=True)]
    second = torch.autograd.grad((value * weights).sum(), wanted)
    for f, s in zip(first, second, strict=True):
        torch.testing.assert_close(f, s)


def test_strided_and_transposed_operands():
    a, b = torch.randn(40, 9, dtype=torch.float64), torch.randn(50, 40, dtype=torch.float64)
    left, right = a.T[::2].requires_grad_(), b.T[:, ::3].requires_grad_()
    found, truth = (
        [*torch.autograd.grad(matmul_l1(left, right, backend=backend), (left, right))]
        for backend in ("tiled", "reference")
    )
    for f, t in zip(found, truth, strict=True):
        torch.testing.assert_close(f, t)


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4), (2, 3, 0)])
def test_empty_dimensions_sum_to_zero(shape):
    m, k, q = shape
    a, b = torch.randn(m, k, requires_grad=True), torch.randn(k, q, requires_grad=True)
    value = matmul_l1(a, b)
    value.backward()
    assert value.item() == 0
    assert a.grad.shape == a.shape
    assert b.grad.shape == b.shape


@pytest.mark.parametrize("poisoned", ["a", "b", "bias"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_non_finite_operands_propagate(poisoned, bad):
    x = {"a": torch.randn(5, 3), "b": torch.randn(3, 9), "bias": torch.randn(5, 9)}
    x[poisoned].view(-1)[2] = bad
    if poisoned != "bias":
        del x["bias"]
    assert not matmul_l1(**{name: v.requires_grad_() for name, v in x.items()}).isfinite()


@pytest.mark.parametrize("grad", [True, False])
def test_an_overflow_inside_the_product_is_not_hidden(grad):
    a = torch.tensor([[1e20, 1e20]], requires_grad=grad)
    b = torch.tensor([[1e20], [-1e20]]).expand(2, 3)
    assert not matmul_l1(a, b).isfinite()
    assert not matmul_l1(a, b, torch.ones(2, 2)).isfinite()


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4), (2, 3, 0)])
def test_scores_of_empty_dimensions_are_zero(shape):
    m, k, q = shape
    absolute, mean = matmul_abs_mean(torch.ones(m, k), torch.ones(k, q), signed=True)
    assert torch.equal(absolute, torch.zeros(m, q))
    assert torch.equal(mean, torch.zeros(m, q))


def test_a_second_derivative_is_refused():
    a, b = torch.randn(4, 3, requires_grad=True), torch.randn(3, 5)
    (grad,) = torch.autograd.grad(matmul_l1(a, b), a, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        grad.sum().backward()


@pytest.mark.usefixtures("_tiles")
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "layout", [name for name, (a, b, bias, _) in LAYOUTS.items() if max(len(a), len(b)) < 2 and bias in (None, ())]
)
def test_abs_mean_equals_reference(layout, size):
    if layout == "ensemble with scale":
        pytest.skip("one window dimension only")
    given = {name: None if x is None else x.detach() for name, x in operands(layout, size).items()}
    for f, t in zip(
        matmul_abs_mean(**given, signed=True), matmul_abs_mean(**given, signed=True, backend="reference"), strict=True
    ):
        torch.testing.assert_close(f, t, rtol=1e-11, atol=1e-11)


A, B = torch.randn(4, 3), torch.randn(3, 5)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((A, B.T), ValueError, "shapes do not fit"),
        ((A, B, torch.randn(2, 4)), ValueError, "shapes do not fit"),
        ((A, B, None, torch.randn(5, 4)), ValueError, "shapes do not fit"),
        ((A.expand(2, 4, 3), B.expand(3, 3, 5)), ValueError, "do not broadcast"),
        ((A[0], B), ValueError, "at least two dimensions"),
        ((A.double(), B), TypeError, "one dtype"),
        ((A.int(), B.int()), TypeError, "dtype torch.int32"),
        ((A.numpy(), B), TypeError, "expected a torch tensor"),
    ],
)
def test_bad_operands_are_named(arguments, error, message):
    for op in (matmul_l1, matmul_abs_mean):
        with pytest.raises(error, match=message):
            op(*arguments)


def test_unknown_options_are_named():
    with pytest.raises(ValueError, match="backend='cuda' is unknown; use one of 'auto'"):
        matmul_l1(A, B, backend="cuda")
    with pytest.raises(ValueError, match="reduction='mean' is unknown"):
        matmul_l1(A, B, reduction="mean")
    with pytest.raises(ValueError, match="no windows"):
        matmul_abs_mean(A.expand(0, 4, 3), B)
    with pytest.raises(ValueError, match="one window dimension"):
        matmul_abs_mean(A.expand(2, 4, 3), B, torch.ones(2, 3))
