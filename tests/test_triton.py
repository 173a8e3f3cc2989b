"""The Triton kernels against float64: run line by line by the interpreter, or compiled where there is a GPU.

Every launch writes into memory full of NaN, so that an entry left unwritten cannot pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import pytest
import torch
from torch import Tensor

from grngc_fast.kernels import matmul_abs_mean, matmul_l1
from tests.test_matmul_l1 import LAYOUTS, operands

pytest.importorskip("triton")
gpu = pytest.importorskip("grngc_fast.kernels.matmul_l1.gpu")
from grngc_fast.kernels.matmul_l1.gpu import configs, launch, narrow, wide  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytestmark = [
    pytest.mark.skipif(DEVICE == "cpu" and not gpu.INTERPRETED, reason="needs a CUDA device or TRITON_INTERPRET=1"),
    pytest.mark.usefixtures("_poisoned"),
]
# Relative L2 of value and gradients at "highest".
TOLERANCE = 1e-6


@pytest.fixture(params=["narrow", "wide"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "wide":
        monkeypatch.setattr(configs, "NARROW", 0)
    return request.param


def single(given: dict[str, Tensor | None]) -> dict[str, Tensor | None]:
    return {k: None if x is None else x.detach().float().to(DEVICE).requires_grad_() for k, x in given.items()}


def double(given: dict[str, Tensor | None]) -> dict[str, Tensor | None]:
    return {k: None if x is None else x.detach().double().cpu().requires_grad_() for k, x in given.items()}


def value_and_gradients(given: dict[str, Tensor | None], **options) -> list[Tensor]:
    value = matmul_l1(**given, **options)
    weights = (2.0 ** torch.arange(value.numel(), dtype=value.dtype, device=value.device)).view(value.shape)
    wanted = [x for x in given.values() if x is not None and x.requires_grad]
    grads = torch.autograd.grad((value * weights).sum(), wanted) if wanted else ()
    return [x.detach().cpu().double() for x in (value, *grads)]


def assert_close(found: list[Tensor], truth: list[Tensor], tolerance: float) -> None:
    for f, t in zip(found, truth, strict=True):
        assert f.shape == t.shape
        assert (f - t).norm() <= tolerance * t.norm()


def mask_of(m: int, q: int, device: str = "cpu") -> Tensor:
    """A third allowed, whole blocks of rows and of columns not."""
    mask = torch.rand(m, q) < 0.4
    mask[: m // 2] = False
    mask[:, q // 2 :] = False
    return mask.to(device)


def either(usual: Iterable[tuple], every: Iterable[tuple]) -> list:
    """The usual cases, in which each value is there, and slowly all others."""
    usual = list(usual)
    return [*usual, *(pytest.param(*case, marks=pytest.mark.slow) for case in every if case not in usual)]


# Without bias and scale each batch element by itself and no mask, with one of them the sum of all and a mask.
USUAL = [("sum" if "bias" in name or "scale" in name else "none", name) for name in LAYOUTS]


@pytest.mark.parametrize(("reduction", "layout"), either(USUAL, product(("none", "sum"), LAYOUTS)))
def test_value_and_gradients(layout, reduction, kernel):
    given = single(operands(layout, (33, 20, 17)))
    mask = mask_of(33, 17, DEVICE) if reduction == "sum" else None
    found = value_and_gradients(given, mask=mask, reduction=reduction, backend="triton", precision="highest")
    truth = value_and_gradients(
        double(given), mask=None if mask is None else mask.cpu(), reduction=reduction, backend="reference"
    )
    assert_close(found, truth, TOLERANCE)


SIZES = [
    ((1, 1, 1), "scale"),
    ((7, 3, 63), "plain"),
    ((63, 129, 7), "plain"),
    ((65, 1, 65), "scale"),
    ((2, 17, 129), "scale"),
]
# Larger than a tile of any configuration, and several steps of depth: what a GPU wants to be shown.
LARGE = [(129, 1, 65), (2, 64, 300)]
EVERY_SIZE = product([*(size for size, _ in SIZES), *LARGE], ("plain", "scale"))


@pytest.mark.parametrize(("size", "layout"), either(SIZES, EVERY_SIZE), ids=str)
def test_ragged_sizes(size, layout, kernel):
    given = single(operands(layout, size))
    found = value_and_gradients(given, backend="triton", precision="highest")
    assert_close(found, value_and_gradients(double(given), backend="reference"), TOLERANCE)


@pytest.mark.parametrize("precision", ["high", "medium"])
@pytest.mark.parametrize("layout", ["plain", "scale and bias"])
def test_lower_precisions(precision, layout, kernel):
    """Operands on a grid whose products are exact and never within rounding of 0, so that no sign can flip."""
    given = {
        k: None if x is None else (x.detach() * 2).round() + 0.5 for k, x in operands(layout, (33, 20, 17)).items()
    }
    found = value_and_gradients(single(given), backend="triton", precision=precision)
    assert_close(found, value_and_gradients(double(given), backend="reference"), 1e-6)


@pytest.mark.parametrize(("precision", "tolerance"), [("highest", 1e-6), ("high", 3e-4), ("medium", 1e-2)])
def test_errors_of_the_precisions_away_from_sign_flips(precision, tolerance, kernel):
    # The interpreter cuts bfloat16 off where a GPU rounds: twice the error, and on one side.
    given = single(operands("plain", (65, 40, 70)))
    mask = (given["a"].detach().double() @ given["b"].detach().double()).abs() > 0.1
    found = value_and_gradients(given, mask=mask, backend="triton", precision=precision)
    truth = value_and_gradients(double(given), mask=mask.cpu(), backend="reference")
    assert_close(found, truth, tolerance)
    # Not better than its format allows: the precision asked for is the one that ran.
    rounding = {"highest": 0.0, "high": 1e-5, "medium": 1e-4}[precision]
    assert (found[1] - truth[1]).norm() >= rounding * truth[1].norm()


@pytest.mark.parametrize("layout", ["plain", "scale and bias", "batch of a, bias", "batch of both"])
@pytest.mark.parametrize("wanted", ["a", "b", "scale", "bias", "nothing"])
def test_each_gradient_alone(layout, wanted, kernel):
    given = single(operands(layout, (20, 5, 19)))
    if wanted != "nothing" and given[wanted] is None:
        pytest.skip(f"the layout has no {wanted}")
    given = {k: None if x is None else x.detach().requires_grad_(k == wanted) for k, x in given.items()}
    truth = {k: None if x is None else x.detach().double().cpu().requires_grad_(k == wanted) for k, x in given.items()}
    found = value_and_gradients(given, backend="triton", precision="highest")
    assert_close(found, value_and_gradients(truth, backend="reference"), TOLERANCE)


def test_small_integers_are_exact_and_zeros_have_sign_zero(kernel):
    given = {
        k: None if x is None else x.detach().mul(1.2).round()
        for k, x in operands("scale and bias", (33, 2, 18)).items()
    }
    found = value_and_gradients(single(given), backend="triton", precision="medium")
    for f, t in zip(found, value_and_gradients(double(given), backend="reference"), strict=True):
        assert torch.equal(f, t)


@pytest.mark.parametrize("power", [-60, 40])
def test_magnitudes_far_from_one(power, kernel):
    given = {k: None if x is None else x.detach() * 2.0**power for k, x in operands("plain", (20, 9, 33)).items()}
    found = value_and_gradients(single(given), backend="triton", precision="highest")
    assert_close(found, value_and_gradients(double(given), backend="reference"), TOLERANCE)


def test_rows_of_very_different_magnitude_keep_their_gradients(kernel):
    given = {k: x if x is None else x.detach() for k, x in operands("plain", (20, 9, 33)).items()}
    given["a"] *= torch.logspace(0, -6, 20, dtype=torch.float64)[:, None]
    found = value_and_gradients(single(given), backend="triton", precision="highest")[1]
    truth = value_and_gradients(double(given), backend="reference")[1]
    for f, t in zip(found, truth, strict=True):
        assert (f - t).norm() <= 1e-5 * t.norm()


@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["a", "b", "bias"])
def test_non_finite_operands_propagate(bad, name, kernel):
    given = {k: None if x is None else x.detach() for k, x in operands("bias", (20, 9, 33)).items()}
    given[name].view(-1)[3] = bad
    value, *grads = value_and_gradients(single(given), backend="triton", precision="highest")
    assert not value.isfinite()
    if bad != bad:
        assert grads[0].isnan().any()


def test_strides_and_half_precision_operands(kernel):
    a, b = torch.randn(40, 33), torch.randn(17, 40)
    left, right = a.T[::2].to(DEVICE).requires_grad_(), b.T[:, ::3].to(DEVICE).requires_grad_()
    given = {"a": left, "b": right}
    found = value_and_gradients(given, backend="triton", precision="highest")
    assert_close(found, value_and_gradients(double(given), backend="reference"), TOLERANCE)
    halves = {k: x.detach().bfloat16().requires_grad_() for k, x in given.items()}
    value, *grads = value_and_gradients(halves, backend="triton", precision="highest")
    truth = value_and_gradients(double(halves), backend="reference")
    assert abs(value / truth[0] - 1) < 2**-8
    assert_close(grads, truth[1:], 2**-8)


CHUNKED = [("plain", True), ("scale and bias", False), ("batch of both, bias", True), ("batch of a", False)]


@pytest.mark.parametrize(
    ("layout", "masked"), either(CHUNKED, product((layout for layout, _ in CHUNKED), (False, True)))
)
def test_chunks_of_windows_rows_and_terms_add_up(layout, masked, monkeypatch, kernel):
    for module, name in (
        (wide, "SIGN_BYTES"),
        (narrow, "TERM_BYTES"),
        (launch, "SCORE_BYTES"),
        (launch, "PARTIAL_BYTES"),
    ):
        monkeypatch.setattr(module, name, 700)
    given = single(operands(layout, (70, 5, 19)))
    mask = mask_of(70, 19, DEVICE) if masked else None
    found = value_and_gradients(given, mask=mask, reduction="sum", backend="triton", precision="highest")
    truth = value_and_gradients(
        double(given), mask=None if mask is None else mask.cpu(), reduction="sum", backend="reference"
    )
    assert_close(found, truth, TOLERANCE)


def test_the_same_twice(kernel):
    given = single(operands("scale and bias", (33, 20, 17)))
    first, second = (value_and_gradients(given, backend="triton", precision="high") for _ in range(2))
    assert all(torch.equal(f, s) for f, s in zip(first, second, strict=True))


SCORED = [("plain", True), ("bias", True), ("scale and bias", False), ("batch of a", False), ("batch of both", True)]


@pytest.mark.parametrize(("layout", "masked"), either(SCORED, product((layout for layout, _ in SCORED), (False, True))))
def test_scores(layout, masked, monkeypatch):
    given = {k: None if x is None else x.detach() for k, x in single(operands(layout, (33, 20, 17))).items()}
    mask = mask_of(33, 17, DEVICE) if masked else None
    truth = matmul_abs_mean(
        **{k: None if x is None else x.double().cpu() for k, x in given.items()},
        mask=None if mask is None else mask.cpu(),
        signed=True,
        backend="reference",
    )
    for limit in (launch.SCORE_BYTES, 5000):
        monkeypatch.setattr(launch, "SCORE_BYTES", limit)
        found = matmul_abs_mean(**given, mask=mask, signed=True, backend="triton", precision="highest")
        assert_close([x.cpu().double() for x in found], list(truth), TOLERANCE)
    alone = matmul_abs_mean(**given, mask=mask, backend="triton", precision="highest")
    assert torch.equal(alone, found[0])


def test_a_mask_skips_the_blocks_it_empties():
    problem = launch.layout.of(
        torch.ones(1, 40, 4), torch.ones(1, 4, 70), None, None, torch.ones(40, 70, dtype=torch.bool)
    )
    mask = torch.zeros(40, 70, dtype=torch.bool)
    mask[3, 20] = mask[3, 69] = mask[35, 0] = True
    problem = launch.layout.of(torch.ones(1, 40, 4), torch.ones(1, 4, 70), None, None, mask)
    order, counts = launch.layout.allowed_blocks(problem, 16, 16)
    assert counts.tolist() == [2, 0, 1]
    assert order[0, :2].tolist() == [1, 4]
    assert order[2, :1].tolist() == [0]


def test_float64_is_refused():
    a, b = torch.ones(3, 2, dtype=torch.float64), torch.ones(2, 3, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="cannot run here: its kernels compute in float32"):
        matmul_l1(a, b, backend="triton")
