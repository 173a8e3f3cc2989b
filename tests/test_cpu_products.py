"""What the tiled path multiplies with on a CPU: pairs in place of windows, oneDNN, and torch's setting for float32."""

from __future__ import annotations

import warnings

import pytest
import torch

from grngc_fast.kernels import matmul_l1
from grngc_fast.kernels.matmul_l1 import grouped, onednn, precision, tiled
from grngc_fast.kernels.matmul_l1.results import Needs

from .test_tiled import NAMES, found, relative, truth

needs_onednn = pytest.mark.skipif(not onednn.available(torch.zeros(1)), reason="torch has no oneDNN for this processor")
# windows, M, K, Q: several groups of rows, one row each, one group, a last group that is smaller
SIZES = [(64, 9, 5, 7), (129, 7, 33, 63), (65, 1, 3, 30), (200, 63, 1, 2), (70, 5, 3, 71)]


def given(size: tuple[int, ...], bias: bool, dtype: torch.dtype) -> list[torch.Tensor | None]:
    n, m, k, q = size
    shapes = [(1, m, k), (1, k, q), (1, n, k), (1, m, q) if bias else None]
    return [None if s is None else torch.randn(s, dtype=dtype) for s in shapes]


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Several groups of rows and spans of windows; the list counts the calls."""
    calls: list[int] = []
    l1 = grouped.l1
    monkeypatch.setattr(grouped, "COLUMNS", 21)
    monkeypatch.setitem(tiled.TILE_BYTES, "cpu", 8 * 21 * 32)
    monkeypatch.setattr(grouped, "l1", lambda *x: (calls.append(1), l1(*x))[1])
    return calls


@pytest.mark.parametrize("masked", [False, True], ids=["", "mask"])
@pytest.mark.parametrize("bias", [False, True], ids=["", "bias"])
@pytest.mark.parametrize("wanted", ["all", *NAMES, "none"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pairs_in_place_of_windows_equal_the_definition(size, wanted, bias, masked, groups):
    operands = given(size, bias, torch.float64)
    mask = torch.rand(size[1], size[3]) < 0.6 if masked else None
    results = iter(found(operands, wanted, mask=mask))
    value, *grads = truth(operands, mask)
    torch.testing.assert_close(next(results), value, rtol=1e-12, atol=0)
    for name, t in zip((n for n, x in zip(NAMES, operands, strict=True) if x is not None), grads, strict=True):
        if wanted in ("all", name):
            torch.testing.assert_close(next(results), t, rtol=1e-11, atol=1e-11)
    assert groups == ([1] if size[0] >= max(64, size[1], size[3]) else [])


def test_groups_without_an_allowed_pair_cost_nothing(groups, monkeypatch):
    operands = given((200, 30, 4, 10), False, torch.float64)
    mask = torch.zeros(30, 10, dtype=torch.bool)
    mask[17, 3] = True
    products, linear = [], torch.nn.functional.linear
    monkeypatch.setattr(torch.nn.functional, "linear", lambda *x: (products.append(1), linear(*x))[1])
    results = found(operands, mask=mask)
    assert groups == [1]
    # Two rows to a group, six spans of the windows, three products each.
    assert len(products) == 18
    for f, t in zip(results, truth(operands, mask), strict=True):
        torch.testing.assert_close(f, t, rtol=1e-11, atol=1e-11)


@pytest.mark.usefixtures("groups")
def test_pairs_of_small_integers_are_exact_and_weighted_batches_keep_their_weights():
    a, b, scale = (torch.randint(-2, 3, s).float() for s in ((2, 7, 4), (1, 4, 5), (2, 64, 4)))
    weights = torch.tensor([2.0, -3.0], dtype=torch.float64)
    values, grads = tiled.l1(a, b, scale, None, Needs(a=True, b=True, scale=True), weights)
    exact = [x.double().requires_grad_() for x in (a, b, scale)]
    p = (exact[0][:, None] * exact[2][:, :, None]) @ exact[1][:, None]
    truth_values = p.abs().sum((1, 2, 3))
    assert torch.equal(values, truth_values)
    for g, t in zip(
        (grads.a, grads.b, grads.scale), torch.autograd.grad((truth_values * weights).sum(), exact), strict=True
    ):
        assert torch.equal(g.double(), t)


@pytest.mark.usefixtures("groups")
def test_pairs_carry_what_is_not_finite():
    for bad in (float("nan"), float("inf")):
        operands = given((64, 5, 3, 4), False, torch.float32)
        operands[2][0, 9, 1] = bad
        assert not torch.isfinite(found(operands)[0]).any()


# oneDNN


@needs_onednn
@pytest.mark.parametrize("clip", [False, True])
def test_linear_takes_operands_of_any_strides(clip):
    wide, tall = torch.randn(33, 200), torch.randn(120, 70)
    for x in (wide[:, :50], wide[:, 3:53].T.contiguous().T, wide[::2, 100:150]):
        for weight in (tall[:40, :50], tall.T[:50, :70].T[:, :50], tall[::3, 10:60], torch.randn(50, 31).T):
            exact = x.double() @ weight.double().T
            exact = exact.clamp(-1, 1) if clip else exact
            assert relative(onednn.linear(x, weight, clip), exact) < 1e-6


@needs_onednn
@pytest.mark.parametrize("size", [1e-35, 1e-30, 1e-6, 1.0, 1e15])
def test_clipped_tiles_are_signs_whatever_the_size_of_the_operands(size):
    left, b = size * torch.randn(40, 30), torch.randn(30, 50) / size**0.5
    left[3], b[:, 7] = 0, 0
    b[:, 11] *= 1e-12
    tiles = onednn.Tiles(b, 30 * float(left.abs().max()) * float(b.abs().max()))
    tiles.begin(left)
    exact = (left.double() @ b.double()).sign()
    # Beside a left side so small b would overflow before the product does.
    assert tiles.clipped == (size > 1e-20)
    p = tiles.columns(slice(0, 50))
    assert torch.equal((p if tiles.clipped else p.sign()).to(torch.int8).double(), exact)
    assert (exact == 0).sum() == 89


# torch's own setting


@pytest.fixture
def settings():
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.set_float32_matmul_precision("highest")
        torch.backends.fp32_precision = "none"
        torch.backends.mkldnn.matmul.fp32_precision = "none"
        torch.backends.cuda.matmul.fp32_precision = "none"


@pytest.mark.usefixtures("settings")
def test_the_default_precision_is_read_from_either_of_torchs_settings():
    assert precision.current("cpu") == "highest"
    torch.set_float32_matmul_precision("medium")
    assert precision.current("cpu") == "medium"
    torch.set_float32_matmul_precision("highest")
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    assert precision.current("cpu") == "medium"


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("legacy", [False, True])
def test_products_are_float32_whatever_torch_is_set_to_and_the_setting_stays(legacy, monkeypatch):
    a, b = torch.randn(70, 30), torch.randn(30, 50)
    exact = (a.double() @ b.double()).abs().sum()
    if legacy:
        torch.set_float32_matmul_precision("medium")
    else:
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    seen, l1 = [], tiled.l1
    monkeypatch.setattr(tiled, "l1", lambda *x: (seen.append(torch.backends.mkldnn.matmul.fp32_precision), l1(*x))[1])
    assert abs(matmul_l1(a, b, precision="highest") - exact) < 1e-6 * exact
    assert seen == ["ieee"]
    assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
    if legacy:
        assert torch.get_float32_matmul_precision() == "medium"
