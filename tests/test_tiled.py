"""The tiled path below the op: masks, gradients from int8 slices and the rule that allows them, precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from grngc_fast.kernels.matmul_l1 import biased, int8, plain, tiled, windows

NAMES = ("a", "b", "scale", "bias")
# name: leading dimensions of a, b, bias (None: no bias) and the windows of scale (None: no scale)
LAYOUTS = {
    "plain": (1, 1, None, None),
    "bias": (1, 1, 1, None),
    "scale": (1, 1, None, 5),
    "scale and bias": (1, 1, 1, 5),
    "one window, bias": (1, 1, 1, 1),
    "own left sides": (4, 1, 1, None),
    "own right sides": (1, 4, 1, None),
    "both own": (4, 4, None, None),
    "both own, bias": (4, 4, 4, None),
}
Operands = tuple[Tensor, Tensor, Tensor | None, Tensor | None]


def operands(layout: str, m: int, k: int, q: int, dtype: torch.dtype = torch.float64) -> Operands:
    batch_a, batch_b, batch_bias, n = LAYOUTS[layout]
    return (
        torch.randn(batch_a, m, k, dtype=dtype),
        torch.randn(batch_b, k, q, dtype=dtype),
        None if n is None else torch.randn(1, n, k, dtype=dtype),
        None if batch_bias is None else torch.randn(batch_bias, m, q, dtype=dtype),
    )


def product(a: Tensor, b: Tensor, scale: Tensor | None, bias: Tensor | None) -> Tensor:
    """All products, (B, N, M, Q)."""
    left = a[:, None] if scale is None else a[:, None] * scale[:, :, None]
    p = left @ b[:, None]
    return p if bias is None else p + bias[:, None]


def truth(given: Operands, mask: Tensor | None = None, signs: Tensor | None = None) -> list[Tensor]:
    """Values and gradients in float64, from these signs (B, N, M, Q) where given."""
    exact = [None if x is None else x.double().requires_grad_() for x in given]
    p = product(*exact)
    p = p if mask is None else torch.where(mask, p, 0)
    values = (p.abs() if signs is None else p * signs).sum((1, 2, 3))
    wanted = [x for x in exact if x is not None]
    return [values.detach(), *torch.autograd.grad(values.sum(), wanted)]


def found(given: Operands, wanted: str = "all", **options: object) -> list[Tensor]:
    flags = [x is not None and wanted in ("all", name) for name, x in zip(NAMES, given, strict=True)]
    values, grads = tiled.l1(*given, tiled.Needs(*flags), **options)
    gradients = [g for g in (grads.a, grads.b, grads.scale, grads.bias) if g is not None]
    assert len(gradients) == sum(flags)
    return [values, *gradients]


def relative(x: Tensor, y: Tensor) -> float:
    return float((x.double() - y).norm() / y.norm())


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tiled.TILE_BYTES, "cpu", 8 * 200)
    monkeypatch.setattr(tiled, "TILE_COLUMNS", 17)
    monkeypatch.setattr(plain, "MOST_ENTRIES", 0)


@pytest.fixture
def always_int8(monkeypatch: pytest.MonkeyPatch) -> list[int8.Plan | None]:
    """int8 at every size; the list collects what the rule decided."""
    if not int8.available():
        pytest.skip("torch has no exact int8 product on this machine")
    plans: list[int8.Plan | None] = []
    plan = int8.plan

    def recorded(*given: object) -> int8.Plan | None:
        plans.append(plan(*given))
        return plans[-1]

    monkeypatch.setattr(int8, "worth", lambda *size: True)
    monkeypatch.setattr(int8, "plan", recorded)
    return plans


# A bias and few windows


@pytest.fixture
def few_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tiles of the path for few windows, and that at every size."""
    monkeypatch.setattr(biased, "TILE_BYTES", 8 * 200)
    monkeypatch.setattr(biased, "TILE_COLUMNS", 30)
    monkeypatch.setattr(biased, "LARGE_PRODUCT", 0)


@pytest.mark.parametrize("wanted", ["all", "a", "b", "bias", "none"])
@pytest.mark.parametrize("layout", ["plain", "own left sides", "own right sides"])
@pytest.mark.parametrize("size", [(1, 1, 1), (7, 3, 63), (40, 64, 50)], ids=str)
def test_a_small_product_in_one_piece_equals_the_definition(size, layout, wanted, monkeypatch):
    taken, real = [], plain.l1
    monkeypatch.setattr(plain, "l1", lambda *given: (taken.append(given), real(*given))[1])
    given = operands(layout, *size)
    if wanted == "bias" and given[3] is None:
        wanted = "all"
    value, *gradients = truth(tuple(None if x is None else x.clone() for x in given))
    names = [name for name, x in zip(NAMES, given, strict=True) if x is not None]
    kept = [g for name, g in zip(names, gradients, strict=True) if wanted in ("all", name)]
    for f, t in zip(found(given, wanted), [value, *kept], strict=True):
        torch.testing.assert_close(f, t, rtol=1e-11, atol=1e-11)
    monkeypatch.setattr(plain, "MOST_ENTRIES", 0)
    found(given, wanted)
    assert len(taken) == 1


WANTED = [(n, wanted) for n in (None, 1, 3) for wanted in ("all", *NAMES, "none") if (n, wanted) != (None, "scale")]


@pytest.mark.usefixtures("few_windows")
@pytest.mark.parametrize(("n_windows", "wanted"), WANTED)
@pytest.mark.parametrize("size", [(1, 1, 1), (7, 3, 63), (63, 20, 7), (40, 64, 50)], ids=str)
def test_rows_as_the_bias_lies_equal_the_definition(size, wanted, n_windows, monkeypatch):
    taken, real = [], biased.l1
    monkeypatch.setattr(biased, "l1", lambda *given: (taken.append(given), real(*given))[1])
    m, k, q = size
    scale = None if n_windows is None else torch.randn(1, n_windows, k).double()
    given = torch.randn(1, m, k).double(), torch.randn(1, k, q).double(), scale, torch.randn(1, m, q).double()
    value, *gradients = truth(tuple(None if x is None else x.clone() for x in given))
    names = [name for name, x in zip(NAMES, given, strict=True) if x is not None]
    kept = [g for name, g in zip(names, gradients, strict=True) if wanted in ("all", name)]
    for weights in (None, torch.tensor([-2.5], dtype=torch.float64)):
        for f, t in zip(found(given, wanted, weights=weights), [value, *kept], strict=True):
            factor = 1 if weights is None or t is value else float(weights)
            torch.testing.assert_close(f, t * factor, rtol=1e-11, atol=1e-11)
    assert len(taken) == 2


@pytest.mark.usefixtures("few_windows")
@pytest.mark.parametrize("n_windows", [None, 1, 3])
@pytest.mark.parametrize("size", [(7, 3, 63), (63, 20, 7), (40, 64, 50)], ids=str)
def test_in_float32_rows_of_small_integers_are_exact(size, n_windows):
    m, k, q = size
    shapes = (1, m, k), (1, k, q), None if n_windows is None else (1, n_windows, k), (1, m, q)
    given = tuple(None if s is None else torch.randint(-3, 4, s).float() for s in shapes)
    for f, t in zip(found(given), truth(tuple(None if x is None else x.clone() for x in given)), strict=True):
        assert torch.equal(f.double(), t)


def test_what_is_not_finite_in_a_row_of_the_bias_is_in_its_value():
    a, b, bias = torch.randn(1, 6, 3), torch.randn(1, 3, 9), torch.randn(1, 6, 9)
    bias[0, 2, 3] = float("nan")
    assert torch.isnan(found((a, b, None, bias))[0]).all()


# Masks


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("size", [(1, 1, 1), (7, 3, 63), (63, 20, 7), (40, 64, 50)], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
def test_mask_equals_a_masked_product(layout, size, density):
    given = operands(layout, *size)
    mask = torch.rand(size[0], size[2]) < density
    for f, t in zip(found(given, mask=mask), truth(given, mask), strict=True):
        torch.testing.assert_close(f, t, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_outside_the_mask_does_not_leak(layout, bad):
    given = operands(layout, 6, 3, 9)
    mask = torch.ones(6, 9, dtype=torch.bool)
    mask[2] = False
    clean = found(given, mask=mask)
    bias = given[3]
    if bias is None:
        pytest.skip("the layout has no bias")
    bias[:, 2] = bad
    for f, t in zip(found(given, mask=mask), clean, strict=True):
        assert torch.equal(f, t)


@pytest.mark.parametrize("layout", ["plain", "scale", "own left sides"])
def test_tiles_without_an_allowed_entry_are_never_multiplied(layout, monkeypatch):
    monkeypatch.setattr(tiled, "TILE_COLUMNS", 10)
    monkeypatch.setitem(tiled.TILE_BYTES, "cpu", 8 * 10 * 10)
    given = operands(layout, 20, 3, 50)
    mask = torch.zeros(20, 50, dtype=torch.bool)
    mask[13, 27] = True
    shapes, mm = [], torch.mm
    monkeypatch.setattr(windows.torch, "mm", lambda *x, **options: (shapes.append(x[0].shape), mm(*x, **options))[1])
    result = found(given, mask=mask)
    count = given[0].shape[0] if given[2] is None else given[2].shape[1]
    assert shapes == [(10, 3)] * count
    for f, t in zip(result, truth(given, mask), strict=True):
        torch.testing.assert_close(f, t, rtol=1e-11, atol=1e-11)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "both own, bias"])
@pytest.mark.parametrize("density", [0.02, 0.5])
def test_masked_scores(layout, density):
    a, b, scale, bias = operands(layout, 40, 6, 50)
    mask = torch.rand(40, 50) < density
    p = product(a, b, scale, bias).flatten(0, 1)
    given = (a, b, None if scale is None else scale[0], None if bias is None else bias[0])
    torch.testing.assert_close(tiled.abs_mean(*given, mask), torch.where(mask, p.abs().mean(0), 0))
    torch.testing.assert_close(tiled.signed_mean(*given, mask), torch.where(mask, p.mean(0), 0))


# int8

KINDS = {
    "gaussian": lambda *s: torch.randn(*s),
    "heavy tails": lambda *s: torch.randn(*s) ** 5,
    "sparse": lambda *s: torch.randn(*s) * (torch.rand(*s) < 0.05),
    "constant": lambda *s: torch.full(s, 0.3),
    "positive": lambda *s: torch.rand(*s),
    "rows of many sizes": lambda *s: torch.randn(*s) * 10 ** torch.randn(s[0], 1),
}


def of_kind(kind: str, m: int, k: int, q: int, n: int | None, bias: bool = False) -> Operands:
    make = KINDS[kind]
    a, b = make(m, k)[None], make(k, q)[None]
    a[:, 3], a[:, :, 1], b[:, 2], b[:, :, 5] = 0, 0, 0, 0
    return a, b, None if n is None else make(n, k)[None], torch.randn(1, m, q) if bias else None


def signs_of(given: Operands) -> Tensor:
    """The signs that float32 finds: the gradient of the bias, window by window."""
    a, b, scale, bias = given
    bias = torch.zeros(1, a.shape[1], b.shape[2]) if bias is None else bias
    rows = [None] if scale is None else [scale[:, i : i + 1] for i in range(scale.shape[1])]
    return torch.stack([tiled.l1(a, b, s, bias, tiled.Needs(bias=True))[1].bias[0] for s in rows])[None].double()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", ["plain", "scale", "scale and bias"])
def test_gradients_are_within_2e_5_whatever_the_rule_decides(always_int8, kind, layout):
    given = of_kind(kind, 150, 40, 330, 3 if "scale" in layout else None, "bias" in layout)
    exact = truth(given, signs=signs_of(given))
    for f, t in zip(found(given), exact, strict=True):
        assert relative(f, t) < 2e-5


def test_the_rule_takes_two_slices_for_gaussian_operands_and_float32_for_heavy_tails(always_int8):
    for kind in ("gaussian", "heavy tails"):
        found(of_kind(kind, 300, 40, 600, None))
    assert [None if p is None else p.slices for p in always_int8] == [2, None]


def test_medium_takes_one_slice_and_the_signs_of_a_bfloat16_product(always_int8):
    given = of_kind("gaussian", 300, 40, 600, None)
    a, b = (x.bfloat16().double() for x in given[:2])
    results = found(given, precision="medium")
    assert [p.slices for p in always_int8] == [1]
    exact, same_signs = truth(given), truth(given, signs=(a @ b).sign()[:, None])
    assert relative(results[0], exact[0]) < 1e-3
    for f, t, s in zip(results[1:], exact[1:], same_signs[1:], strict=True):
        assert relative(f, s) < 1e-2
        assert relative(f, t) < 4e-2


def test_a_result_that_fails_its_certificate_is_computed_in_float32(always_int8, monkeypatch):
    given = of_kind("gaussian", 300, 40, 600, None)
    monkeypatch.setattr(int8.Plan, "holds", lambda *x: False)
    results = found(given)
    monkeypatch.setattr(int8, "worth", lambda *size: False)
    monkeypatch.setattr(plain, "MOST_ENTRIES", 0)
    for f, t in zip(results, found(given), strict=True):
        assert torch.equal(f, t)


@pytest.mark.usefixtures("always_int8", "small_tiles")
@pytest.mark.parametrize("n", [None, 1, 3, 20])
def test_int8_tiles_of_any_size_and_small_integers_are_exact(n, monkeypatch):
    """A power of two as the step of every row: nothing is rounded."""
    monkeypatch.setitem(int8.LARGEST, 2, 2**14)
    a, b = torch.randint(-2, 3, (1, 37, 30)).float(), torch.randint(-2, 3, (1, 30, 61)).float()
    a[:, 0], b[:, :, 0] = 2, 2
    scale = None if n is None else torch.randint(-2, 3, (1, n, 30)).float()
    if scale is not None:
        scale[:, 0] = 2
    for mask in (None, torch.rand(37, 61) < 0.1):
        for f, t in zip(found((a, b, scale, None), mask=mask), truth((a, b, scale, None), mask), strict=True):
            assert torch.equal(f.double(), t)


@pytest.mark.usefixtures("always_int8")
@pytest.mark.parametrize("wanted", ["a", "b", "scale", "bias"])
@pytest.mark.parametrize("precision", ["highest", "medium"])
def test_each_gradient_alone(wanted, precision):
    given = of_kind("gaussian", 150, 40, 330, 9, bias=True)
    every = dict(zip(("value", *NAMES), found(given, precision=precision), strict=True))
    value, grad = found(given, wanted, precision=precision)
    assert relative(value, every["value"].double()) < 1e-6
    # The rule may allow one gradient what it does not allow all of them.
    assert relative(grad, every[wanted].double()) < (4e-5 if precision == "highest" else 2e-2)


@pytest.mark.parametrize("precision", ["highest", "medium"])
def test_more_rows_of_b_than_columns(always_int8, precision):
    given = of_kind("gaussian", 700, 60, 50, None)
    for f, t in zip(found(given, precision=precision), truth(given), strict=True):
        assert relative(f, t) < (1e-4 if precision == "highest" else 5e-2)
    assert relative(found(given, "b", precision=precision)[0], truth(given)[0]) < 1e-3


def test_errors_of_equal_windows_do_not_add_up(always_int8, monkeypatch):
    monkeypatch.setitem(tiled.TILE_BYTES, "cpu", 4 * 300 * 300)
    a, b, _, _ = of_kind("gaussian", 300, 300, 300, None)
    given = (a, b, torch.ones(1, 32, 300), None)
    exact = truth(given, signs=signs_of(given))
    results = found(given)
    assert always_int8[0] is not None
    for f, t in zip(results, exact, strict=True):
        assert relative(f, t) < 2e-5


@pytest.mark.usefixtures("always_int8")
@pytest.mark.parametrize("n", [None, 9])
@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_twice_the_same_result(n, precision):
    given = of_kind("gaussian", 150, 40, 330, n)
    for first, second in zip(found(given, precision=precision), found(given, precision=precision), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("poisoned", ["a", "b", "scale", "bias"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_propagates(always_int8, poisoned, bad):
    given = of_kind("gaussian", 30, 8, 50, 3, bias=True)
    given[NAMES.index(poisoned)].view(-1)[7] = bad
    value = found(given)[0]
    assert always_int8 == []
    assert not value.isfinite().any()


def test_tiny_operands_are_left_to_float32(always_int8):
    a, b, scale, bias = of_kind("gaussian", 300, 40, 600, None)
    given = (a * 1e-35, b * 1e10, scale, bias)
    for f, t in zip(found(given), truth(given, signs=signs_of(given)), strict=True):
        assert relative(f, t) < 2e-5
    assert always_int8 == [None]


def test_float64_and_weights_are_never_cut(always_int8):
    found(operands("plain", 30, 8, 50))
    found(operands("own left sides", 30, 8, 50, torch.float32), weights=torch.arange(4.0))
    assert always_int8 == []


def test_int8_where_it_was_measured_to_win():
    assert int8.worth(32000, 128, 5000, "highest")
    assert int8.worth(64000, 1024, 1000, "high")
    assert int8.worth(4000, 64, 300, "medium")
    assert not int8.worth(4000, 64, 300, "highest")
    assert not int8.worth(99900, 512, 100, "medium")
    assert not int8.worth(100, 128, 5000, "highest")
