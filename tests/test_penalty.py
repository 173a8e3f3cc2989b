"""gradient_l1 and gradient_frobenius against double-backward autograd, in value and in every parameter's gradient."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
import torch.utils.checkpoint
from torch import Tensor, nn

from grngc_fast import causal_scores, gradient_frobenius, gradient_l1
from grngc_fast.jacobian import ACTIVATIONS, Sandwich
from grngc_fast.models import MLP

from . import reference

# (N, P, L, hidden): ragged, wide and narrow, one to four hidden layers
SHAPES = [
    (5, 7, 1, (11,)),
    (3, 9, 2, (130,)),
    (4, 33, 3, (3,)),
    (6, 5, 1, (9, 4)),
    (3, 13, 2, (4, 17, 6)),
    (2, 17, 1, (5, 30, 5, 8)),
]


def network(shape, activation: str, skip: bool, dtype: torch.dtype = torch.float64) -> tuple[MLP, Tensor]:
    n, p, lags, hidden = shape
    model = MLP(p, lags, hidden, activation, skip).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model, torch.randn(n, lags, p, dtype=dtype)


def assert_same(found: dict[str, Tensor], truth: dict[str, Tensor], tolerance: float) -> None:
    for name, t in truth.items():
        error = (found[name].double() - t).norm() / t.norm().clamp_min(1e-300)
        assert error < tolerance or t.norm() == found[name].norm() == 0, f"{name}: relative error {error:.1e}"


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_l1_equals_double_backward_in_float64(shape, activation, skip):
    model, x = network(shape, activation, skip)
    truth = reference.value_and_gradients(reference.gradient_l1(model, x), model)
    assert_same(reference.value_and_gradients(gradient_l1(model, x), model), truth, 1e-10)


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_l1_equals_double_backward_in_float32(shape, skip):
    model, x = network(shape, "silu", skip, torch.float32)
    exact = copy.deepcopy(model).double()
    truth = reference.value_and_gradients(reference.gradient_l1(exact, x.double()), exact)
    assert_same(reference.value_and_gradients(gradient_l1(model, x), model), truth, 1e-4)


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_frobenius_equals_double_backward_in_float64(shape, activation, skip):
    model, x = network(shape, activation, skip)
    truth = reference.value_and_gradients(reference.gradient_frobenius(model, x), model)
    assert_same(reference.value_and_gradients(gradient_frobenius(model, x), model), truth, 1e-10)


@pytest.mark.parametrize("hidden", [(6,), (6, 8)])
@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
def test_targets_select_outputs(hidden, skip):
    model, x = network((4, 9, 2, hidden), "tanh", skip)
    targets = torch.tensor([7, 0, 3])
    truth = reference.value_and_gradients(reference.gradient_l1(model, x, targets), model)
    assert_same(reference.value_and_gradients(gradient_l1(model, x, targets=targets), model), truth, 1e-10)
    parts = sum(gradient_l1(model, x, targets=[i]) for i in range(9))
    torch.testing.assert_close(parts, gradient_l1(model, x))


class Residual(nn.Module):
    """Two uses of the input, dropout, layer normalisation: no factors, so the general path."""

    def __init__(self, p: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(p, 12), nn.LayerNorm(12), nn.GELU(), nn.Dropout(0.3), nn.Linear(12, p))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, -1] + self.inner(x.mean(1))


class Recurrent(nn.Module):
    def __init__(self, p: int) -> None:
        super().__init__()
        self.cell, self.readout = nn.LSTM(p, 6, batch_first=True), nn.Linear(6, p)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.cell(x)[0][:, -1])


@pytest.mark.parametrize("build", [Residual, Recurrent])
@pytest.mark.parametrize("chunk_elements", [1, 2**24], ids=["one output a chunk", "all outputs"])
def test_any_module_equals_double_backward(build, chunk_elements, monkeypatch):
    monkeypatch.setattr("grngc_fast.jacobian.general.CHUNK_ELEMENTS", chunk_elements)
    model, x = build(7).double().eval(), torch.randn(5, 3, 7, dtype=torch.float64)
    for ours, theirs in ((gradient_l1, reference.gradient_l1), (gradient_frobenius, reference.gradient_frobenius)):
        truth = reference.value_and_gradients(theirs(model, x), model)
        assert_same(reference.value_and_gradients(ours(model, x), model), truth, 1e-10)


class Checkpointed(Recurrent):
    def forward(self, x: Tensor) -> Tensor:
        return torch.utils.checkpoint.checkpoint(super().forward, x, use_reentrant=False)


class Counting(Residual):
    """Changes a buffer in place on every call."""

    def __init__(self, p: int) -> None:
        super().__init__(p)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x)


class Cube(torch.autograd.Function):
    """No batching rule."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        return 3 * ctx.saved_tensors[0] ** 2 * grad


class Custom(nn.Module):
    def __init__(self, p: int) -> None:
        super().__init__()
        self.inner = nn.Linear(p, p)

    def forward(self, x: Tensor) -> Tensor:
        return Cube.apply(self.inner(x[:, -1]))


@pytest.mark.parametrize("build", [Recurrent, Checkpointed, Counting, Custom])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_modules_without_a_batching_rule_equal_the_loop_in_float32(build, mode):
    model, x = build(7), torch.randn(5, 3, 7)
    getattr(model, mode)()
    torch.manual_seed(1)
    truth = reference.value_and_gradients(reference.gradient_l1(model, x), model)
    torch.manual_seed(1)
    assert_same(reference.value_and_gradients(gradient_l1(model, x), model), truth, 1e-4)


def test_the_penalty_under_autocast_keeps_its_precision():
    model, x = MLP(9, hidden=(7, 6), skip=True), torch.randn(5, 1, 9)
    truth, squares = gradient_l1(model, x), gradient_frobenius(model, x)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(gradient_l1(model, x), truth)
        torch.testing.assert_close(gradient_frobenius(model, x), squares)
        inside = causal_scores(model, x)
    torch.testing.assert_close(inside, causal_scores(model, x))


@pytest.mark.parametrize("build", [lambda: MLP(4), lambda: Recurrent(4)])
def test_targets_of_any_integer_type_and_range(build):
    model, x = build(), torch.randn(3, 1, 4)
    truth = gradient_l1(model, x, targets=[2, 0])
    for dtype in (torch.uint8, torch.int32, torch.int64):
        torch.testing.assert_close(gradient_l1(model, x, targets=torch.tensor([2, 0], dtype=dtype)), truth)
    with pytest.raises(ValueError, match="targets"):
        gradient_l1(model, x, targets=[4])


def test_an_output_without_a_gradient_is_named():
    class Detached(nn.Linear):
        def forward(self, x):
            return super().forward(x).detach()

    class DetachedInput(nn.Linear):
        def forward(self, x):
            return super().forward(x.detach())

    for build in (Detached, DetachedInput):
        with pytest.raises(ValueError, match="does not depend on its input"):
            gradient_l1(build(4, 4), torch.randn(3, 4))
    with pytest.raises(ValueError, match="returned a tuple"):
        gradient_l1(nn.LSTM(4, 4, batch_first=True), torch.randn(3, 2, 4))


def test_any_module_with_an_extra_output_dimension():
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 3), nn.Tanh(), nn.Unflatten(1, (1, 3))).double()
    x = torch.randn(4, 2, 3, dtype=torch.float64)
    truth = reference.gradient_l1(lambda v: model(v).squeeze(1), x)
    torch.testing.assert_close(gradient_l1(model, x), truth.detach(), check_dtype=False)


def test_penalty_is_the_same_for_every_association():
    sizes, n = (6, 3, 11, 4, 9), 5
    weights = tuple(torch.randn(o, i, dtype=torch.float64) for o, i in itertools.pairwise(sizes))
    scales = tuple(torch.randn(n, h, dtype=torch.float64) for h in sizes[1:-1])
    truth = weights[0].expand(n, -1, -1)
    for scale, weight in zip(scales, weights[1:], strict=True):
        truth = (truth * scale[:, None]) @ weight
    factors = Sandwich(weights, scales).associate()
    torch.testing.assert_close(factors.jacobian(), truth)
    torch.testing.assert_close(factors.l1(), truth.abs().sum() / n)


def test_the_cheaper_end_takes_the_middle():
    def contraction(p: int, near_output: int, near_input: int) -> int:
        weights = tuple(torch.randn(o, i) for o, i in ((p, near_output), (near_output, near_input), (near_input, p)))
        return Sandwich(weights, (torch.ones(2, near_output), torch.ones(2, near_input))).associate().right.shape[-2]

    assert contraction(50, near_output=4, near_input=40) == 4
    assert contraction(50, near_output=40, near_input=4) == 4


@pytest.mark.parametrize(
    ("x", "targets", "message"),
    [
        (torch.zeros(0, 1, 5), None, "at least one window"),
        (torch.zeros(3, 2, 5), None, r"expected \(N, 1, 5\)"),
        (torch.zeros(3, 1, 5, dtype=torch.long), None, "floating-point"),
        (np.zeros((3, 1, 5)), None, "torch tensor of windows, got ndarray"),
        (torch.zeros(3, 1, 5), [], "non-empty list"),
        (torch.zeros(3, 1, 5), [0.5], "non-empty list"),
    ],
)
def test_bad_windows_and_targets_are_named(x, targets, message):
    with pytest.raises(ValueError, match=message):
        gradient_l1(MLP(5), x, targets=targets)


def test_models_without_a_gradient_per_window_are_refused():
    mixing = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    with pytest.raises(ValueError, match="mixes the windows"):
        gradient_l1(mixing, torch.randn(6, 4))
    assert gradient_l1(mixing.eval(), torch.randn(6, 4)) > 0
    with pytest.raises(ValueError, match=r"expected \(N, P\)"):
        gradient_l1(nn.Flatten(0), torch.randn(6, 4))


def test_unknown_activation_and_sizes_are_named():
    with pytest.raises(ValueError, match="activation='swish' is unknown; use one of 'tanh'"):
        MLP(4, activation="swish")
    with pytest.raises(ValueError, match="all positive"):
        MLP(4, hidden=(0,))
