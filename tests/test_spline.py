"""Uniform B-splines and slope matrices against scipy, the recursion, finite differences, and the Triton kernels against both."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline
from torch import Tensor

from grngc_fast.kernels import triton_here
from grngc_fast.kernels.spline import (
    BASES,
    Basis,
    reference,
    spline_functions,
    spline_slopes,
    spline_values,
    spline_values_and_slopes,
)

ORDERS = (1, 2, 3, 4, 5)
# Cells of width 1/2, so that knots are exact.
GRID = {"grid": 4, "low": -1.0, "high": 1.0}


def by_scipy(x: np.ndarray, basis: Basis, derivative: int) -> np.ndarray:
    """(len(x), splines); 0 outside each spline's own knots."""
    knots = basis.low + basis.step * np.arange(-basis.order, basis.grid + basis.order + 1)
    found = []
    for g in range(basis.n_splines):
        spline = BSpline.basis_element(knots[g : g + basis.order + 2], extrapolate=False)
        spline = spline.derivative(derivative) if derivative else spline
        inside = (x >= knots[g]) & (x <= knots[g + basis.order + 1])
        found.append(np.where(inside, np.nan_to_num(spline(x)), 0.0))
    return np.stack(found, -1)


@pytest.mark.parametrize("derivative", [0, 1, 2])
@pytest.mark.parametrize("order", ORDERS)
def test_splines_and_two_derivatives_equal_scipy_inside_and_outside_the_grid(order, derivative):
    basis = Basis(grid=5, order=order, low=-0.7, high=1.9, base="none")
    reach = order * basis.step
    x = np.random.default_rng(0).uniform(-0.7 - 1.3 * reach, 1.9 + 1.3 * reach, 400)
    truth = by_scipy(x, basis, derivative) if derivative <= order else np.zeros((400, basis.n_splines))
    found = spline_functions(torch.from_numpy(x)[:, None], basis, derivative)[:, 0].numpy()
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-12 * max(1.0, np.abs(truth).max()))


@pytest.mark.parametrize("order", ORDERS)
def test_splines_equal_scipy_at_the_knots_as_far_as_they_are_continuous(order):
    basis = Basis(order=order, base="none", **GRID)
    x = np.arange(-2 * order - 1, 2 * order + 2) * basis.step
    for derivative in range(min(3, order)):
        found = spline_functions(torch.from_numpy(x)[:, None], basis, derivative)[:, 0].numpy()
        np.testing.assert_allclose(found, by_scipy(x, basis, derivative), rtol=0, atol=1e-12)


def test_where_a_slope_jumps_it_is_the_one_to_the_right():
    slopes = spline_functions(torch.tensor([[-1.0], [0.0], [1.0]]), Basis(order=1, base="none", **GRID), 1)[:, 0]
    expected = torch.zeros(3, 5)
    expected[0, :2] = expected[1, 2:4] = torch.tensor([-2.0, 2.0])
    expected[2, 4] = -2.0
    assert torch.equal(slopes, expected)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("order", ORDERS)
def test_the_closed_form_equals_the_recursion(order, base):
    basis = Basis(grid=3, order=order, low=-1.0, high=0.8, base=base)
    x = torch.linspace(-5.01, 5.03, 301, dtype=torch.float64).view(-1, 7)
    for derivative in range(min(2, order) + 1):
        truth = reference.functions(x, basis, derivative)
        torch.testing.assert_close(spline_functions(x, basis, derivative), truth, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("order", ORDERS)
def test_splines_add_up_to_one_inside_the_grid_and_vanish_beyond_their_support(order, dtype):
    basis = Basis(grid=5, order=order, low=-1.0, high=1.0, base="none")
    inside = torch.linspace(-1, 1, 201, dtype=dtype)[:, None]
    found = spline_functions(inside, basis)
    assert found.min() > -4 * torch.finfo(dtype).eps
    torch.testing.assert_close(found.sum(-1), torch.ones_like(inside))
    reach = 1 + order * basis.step + 1e-3
    beyond = torch.tensor([[-torch.inf, -1e30, -reach, reach, 1e30, torch.inf]], dtype=dtype)
    for derivative in range(3):
        assert not spline_functions(beyond, basis, derivative).any()


@pytest.mark.parametrize("base", ["identity", "silu"])
def test_beyond_the_splines_only_the_base_activation_is_left(base):
    basis = Basis(base=base)
    x, weights = torch.tensor([[-40.0, 3.0]]), torch.randn(4, 2, basis.n_functions)
    straight = weights[..., -1] @ reference.base_activation(x, base)[0]
    torch.testing.assert_close(spline_values(x, weights, basis)[0], straight)
    slope = weights[..., -1] * reference.base_activation(x, base, 1)
    torch.testing.assert_close(spline_slopes(x, weights, basis)[0], slope)


def layer(basis: Basis, size: tuple[int, int, int], dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    n, i, o = size
    x = 1.5 * torch.randn(n, i, dtype=dtype)
    return x.requires_grad_(), torch.randn(o, i, basis.n_functions, dtype=dtype).requires_grad_()


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("order", ORDERS)
def test_values_and_slopes_equal_the_definition(order, base):
    basis = Basis(order=order, base=base)
    x, weights = layer(basis, (5, 4, 3))
    values, slopes = spline_values_and_slopes(x, weights, basis)
    torch.testing.assert_close(values, reference.values(x, weights, basis))
    torch.testing.assert_close(slopes, reference.slopes(x, weights, basis))
    assert torch.equal(values, spline_values(x, weights, basis))
    assert torch.equal(slopes, spline_slopes(x, weights, basis))
    by_autograd = torch.stack([torch.autograd.grad(y.sum(), x, retain_graph=True)[0] for y in values.T], 1)
    torch.testing.assert_close(slopes, by_autograd)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("order", [2, 3, 5])
def test_gradients_equal_finite_differences(order, base):
    basis = Basis(order=order, base=base)
    x, weights = layer(basis, (2, 2, 1))
    assert torch.autograd.gradcheck(lambda x, w: spline_values_and_slopes(x, w, basis), (x, weights))
    assert torch.autograd.gradgradcheck(lambda x, w: spline_values(x, w, basis), (x, weights))


@pytest.mark.parametrize("backend", ["torch", "triton"])
def test_nan_makes_its_own_window_nan_and_no_other(backend):
    if backend == "triton":
        pytest.importorskip("triton")
    basis = Basis()
    x, weights = (t.detach().to(DEVICE) for t in layer(basis, (3, 4, 5), torch.float32))
    x[1, 2] = torch.nan
    slopes = spline_slopes(x.requires_grad_(), weights.requires_grad_(), basis, backend=backend)
    bad = torch.zeros(3, 5, 4, dtype=torch.bool, device=DEVICE)
    bad[1, :, 2] = True
    assert torch.equal(slopes.isnan(), bad)
    assert torch.equal(spline_values(x, weights, basis).isnan(), bad.any(-1))
    grad_x, grad_weights = torch.autograd.grad(slopes, (x, weights), torch.ones_like(slopes))
    assert torch.equal(grad_x.isnan(), x.isnan())
    assert grad_weights[:, 2].isnan().any(-1).all()


DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def slopes_and_gradients(
    x: Tensor, weights: Tensor, incoming: Tensor, basis: Basis, backend: str, wanted: str = "x weights"
) -> list[Tensor]:
    """Slopes, then the gradients wanted, in float64."""
    given = {name: t.detach().requires_grad_(name in wanted) for name, t in (("x", x), ("weights", weights))}
    slopes = spline_slopes(given["x"], given["weights"], basis, backend=backend)
    grads = torch.autograd.grad(slopes, [t for t in given.values() if t.requires_grad], incoming)
    return [t.detach().cpu().double() for t in (slopes, *grads)]


def assert_kernels_agree(basis: Basis, size: tuple[int, int, int], wanted: str = "x weights") -> None:
    x, weights = layer(basis, size, torch.float32)
    incoming = torch.randn(size[0], size[2], size[1])
    single = [t.to(DEVICE) for t in (x, weights, incoming)]
    found = slopes_and_gradients(*single, basis, "triton", wanted)
    truth = slopes_and_gradients(*(t.double() for t in (x, weights, incoming)), basis, "torch", wanted)
    for f, t in zip(found, truth, strict=True):
        assert f.shape == t.shape
        assert (f - t).norm() <= 3e-6 * t.norm()


@pytest.mark.usefixtures("_kernels")
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("order", ORDERS)
def test_kernels_equal_the_torch_path(order, base):
    assert_kernels_agree(Basis(grid=4, order=order, low=-1.0, high=1.3, base=base), (3, 5, 9))


@pytest.mark.usefixtures("_kernels")
@pytest.mark.parametrize("size", [(2, 3, 1), (1, 9, 129), (33, 2, 7), (3, 1, 260)], ids=str)
def test_kernels_at_ragged_sizes(size):
    assert_kernels_agree(Basis(base="silu"), size)


@pytest.mark.usefixtures("_kernels")
def test_kernels_with_more_functions_than_a_block_holds():
    assert_kernels_agree(Basis(grid=45, order=3), (6, 2, 5))


@pytest.mark.usefixtures("_kernels")
@pytest.mark.parametrize("wanted", ["x", "weights"])
def test_kernels_give_each_gradient_alone(wanted):
    assert_kernels_agree(Basis(), (4, 3, 6), wanted)


@pytest.mark.usefixtures("_kernels")
def test_kernels_read_any_layout_and_give_the_same_twice():
    basis = Basis()
    x, incoming = torch.randn(5, 6, device=DEVICE).T, torch.randn(3, 6, 5, device=DEVICE).movedim(0, 2).mT
    weights = torch.randn(basis.n_functions, 5, 3, device=DEVICE).permute(2, 1, 0)
    first, second = (slopes_and_gradients(x, weights, incoming, basis, "triton") for _ in range(2))
    truth = slopes_and_gradients(x.double().cpu(), weights.double().cpu(), incoming.double().cpu(), basis, "torch")
    for f, s, t in zip(first, second, truth, strict=True):
        assert torch.equal(f, s)
        assert (f - t).norm() <= 3e-6 * t.norm()


@pytest.mark.usefixtures("_kernels")
def test_no_windows_no_inputs_and_no_outputs_are_empty():
    basis = Basis()
    for n, i, o in ((0, 3, 2), (3, 0, 2), (3, 2, 0)):
        x, weights = torch.randn(n, i, device=DEVICE), torch.randn(o, i, basis.n_functions, device=DEVICE)
        slopes, *grads = slopes_and_gradients(x, weights, x.new_zeros(n, o, i), basis, "triton")
        assert slopes.shape == (n, o, i)
        assert not any(g.any() for g in grads)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": 0}, "grid=0 must be a positive number of cells"),
        ({"grid": 2.5}, r"grid=2\.5"),
        ({"order": 0}, "order=0 must be a whole number from 1 to 5"),
        ({"order": 6}, "order=6"),
        ({"low": 1.0}, r"grid_range=\(1\.0, 1\.0\) must be two finite numbers, the smaller first"),
        ({"high": float("nan")}, "grid_range"),
        ({"high": float("inf")}, "grid_range"),
        ({"base": "relu"}, "base='relu' is unknown; use one of 'identity', 'silu', 'none'"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Basis(**options)


def test_operands_that_do_not_fit_are_named():
    basis = Basis()
    x, weights = torch.randn(3, 4), torch.randn(2, 4, 9)
    with pytest.raises(ValueError, match=r"weights \(O, I, 9\); got \(3, 4\), \(2, 4, 8\)"):
        spline_slopes(x, weights[..., 1:], basis)
    with pytest.raises(TypeError, match=r"weights has dtype torch\.bfloat16; use float32 or float64"):
        spline_values(x, weights.bfloat16(), basis)
    with pytest.raises(TypeError, match=r"x is torch\.float64 on cpu, weights torch\.float32"):
        spline_values_and_slopes(x.double(), weights, basis)
    with pytest.raises(ValueError, match="expected float32 or float64"):
        spline_functions(torch.zeros(3), basis)
    with pytest.raises(TypeError, match="x is a list"):
        spline_values([[1.0]], weights, basis)


def test_a_backend_is_met_or_refused(monkeypatch):
    basis, x = Basis(), torch.randn(3, 4)
    weights = torch.randn(2, 4, 9)
    with pytest.raises(
        ValueError, match="backend='cuda' is unknown; use one of 'auto', 'triton', 'torch', 'reference'"
    ):
        spline_slopes(x, weights, basis, backend="cuda")
    with pytest.raises(RuntimeError, match=r"kernels compute in float32, and x is torch\.float64"):
        spline_slopes(x.double(), weights.double(), basis, backend="triton")
    truth = spline_slopes(x, weights, basis, backend="reference")
    torch.testing.assert_close(spline_slopes(x, weights, basis), truth)
    monkeypatch.setattr(triton_here, "interpreted", lambda: False)
    with pytest.raises(RuntimeError, match="x is on cpu, not on a GPU"):
        spline_slopes(x, weights, basis, backend="triton")
    monkeypatch.setattr(triton_here, "installed", lambda: False)
    with pytest.raises(RuntimeError, match="the package triton is not installed"):
        spline_slopes(x, weights, basis, backend="triton")
