"""Penalty and scores in pieces: the same numbers, and a peak of memory that the number of series does not move."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from grngc_fast import causal_scores, gradient_frobenius, gradient_l1
from grngc_fast.jacobian import FactorPieces, explain, general, jacobian_pieces
from grngc_fast.kernels.matmul_l1 import tiled
from grngc_fast.models import MLP

from . import reference, torch_models
from .test_penalty import assert_same


class Everywhere(nn.Module):
    """No linear layer at either end: the general path."""

    def __init__(self, p: int, width: int = 5) -> None:
        super().__init__()
        self.left, self.right = nn.Parameter(torch.randn(p, width)), nn.Parameter(torch.randn(width, p))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x[:, -1].sin() @ self.left @ self.right)


class Separate(nn.Module):
    """A network for each effect: a piece depends on some of the parameters only."""

    def __init__(self, p: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Sequential(nn.Linear(p, 3), nn.Tanh(), nn.Linear(3, 1)) for _ in range(p))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([part(x[:, -1]) for part in self.parts], 1)


BUILDS = {
    "general": Everywhere,
    "separate": Separate,
    "sequential": lambda p: torch_models.sequential(p, dropout=0),
    "deep": torch_models.deep,
    "residual": lambda p: torch_models.ResidualNetwork(p, dropout=0),
    "attention": torch_models.Attention,
    "recurrent": torch_models.Recurrent,
    "last step added": torch_models.LastStepAdded,
    "own factors": lambda p: MLP(p, 2, (7, 4)),
    "own factors, shared": lambda p: MLP(p, 2, (7,)),
}
# Numbers to a piece: one window or output at a time, a few, all.
BUDGETS = [1, 2000, 2**30]


def results(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    found = {}
    for penalty in (gradient_l1, gradient_frobenius):
        values = reference.value_and_gradients(penalty(model, x), model)
        found.update({f"{penalty.__name__} {name}": value for name, value in values.items()})
    some = reference.value_and_gradients(gradient_l1(model, x, targets=[5, 2, 0]), model)
    found.update({f"some {name}": value for name, value in some.items()})
    for signed in (False, True):
        found[f"scores {signed}"] = causal_scores(model, x, per_lag=True, signed=signed)
    return found


@pytest.mark.parametrize("name", BUILDS)
def test_pieces_add_up_to_the_whole(name, monkeypatch):
    model, x = BUILDS[name](11).double(), torch.randn(7, 2, 11, dtype=torch.float64)
    whole = reference.value_and_gradients(gradient_l1(model, x), model)
    counts = set()
    for budget in BUDGETS:
        monkeypatch.setattr(general, "CHUNK_ELEMENTS", budget)
        counts.add(len(jacobian_pieces(model, x)))
        found = results(model, x)
        if budget == BUDGETS[0]:
            expected = found
        assert_same(found, expected, 1e-12)
        assert_same({key.removeprefix("gradient_l1 "): value for key, value in found.items()}, whole, 1e-12)
    always_whole = name in ("sequential", "last step added", "own factors, shared")
    assert counts == {1} if always_whole else {1} < counts


@pytest.mark.parametrize("name", ["general", "deep", "own factors"])
def test_the_first_penalty_in_pieces_equals_the_loop(name, monkeypatch):
    monkeypatch.setattr(general, "CHUNK_ELEMENTS", 300)
    model, x = BUILDS[name](11).double(), torch.randn(7, 2, 11, dtype=torch.float64)
    expected = reference.value_and_gradients(reference.gradient_l1(model, x), model)
    assert_same(reference.value_and_gradients(gradient_l1(model, x), model), expected, 1e-10)


def test_gradients_of_pieces_scale_with_the_loss_and_may_be_asked_for_twice(monkeypatch):
    monkeypatch.setattr(general, "CHUNK_ELEMENTS", 300)
    model, x = Everywhere(11).double(), torch.randn(7, 2, 11, dtype=torch.float64)
    value = gradient_l1(model, x)
    once = torch.autograd.grad(value, list(model.parameters()), retain_graph=True)
    again = torch.autograd.grad(3 * value, list(model.parameters()))
    for a, b in zip(once, again, strict=True):
        torch.testing.assert_close(3 * a, b)


def test_without_grad_mode_or_parameters_there_is_no_graph(monkeypatch):
    x = torch.randn(7, 2, 11)
    for budget in (300, 2**30):
        monkeypatch.setattr(general, "CHUNK_ELEMENTS", budget)
        for name in ("general", "deep", "own factors"):
            model = BUILDS[name](11)
            value = gradient_l1(model, x).detach()
            with torch.no_grad():
                assert not gradient_l1(model, x).requires_grad
            frozen = gradient_l1(model.requires_grad_(False), x)
            assert not frozen.requires_grad
            torch.testing.assert_close(frozen, value)


def test_dropout_in_pieces_depends_on_the_seed_alone(monkeypatch):
    monkeypatch.setattr(general, "CHUNK_ELEMENTS", 400)
    model, x = torch_models.ResidualNetwork(11, dropout=0.5), torch.randn(7, 2, 11)
    assert "pieces" in explain(model, x)
    torch.manual_seed(1)
    first = gradient_l1(model, x)
    torch.manual_seed(1)
    second = gradient_l1(model, x)
    torch.testing.assert_close(first, second)
    assert not torch.isclose(second, gradient_l1(model, x), rtol=1e-4)


def test_factors_without_a_stated_size_are_taken_whole(monkeypatch):
    class Sizeless:
        def __init__(self, factors) -> None:
            self.l1, self.n_windows = factors.l1, factors.n_windows

    class Offering(MLP):
        def jacobian_factors(self, x, targets=None):
            return Sizeless(super().jacobian_factors(x, targets))

    monkeypatch.setattr(general, "CHUNK_ELEMENTS", 300)
    model, x = Offering(11, 2, (7, 4)), torch.randn(7, 2, 11)
    assert len(FactorPieces(model, x, None)) == 1
    assert len(FactorPieces(MLP(11, 2, (7, 4)), x, None)) > 1
    assert gradient_l1(model, x) > 0


def peak(model: nn.Module, x: Tensor) -> int:
    """Bytes allocated at once by a penalty step beyond those before it."""
    gradient_l1(model, x).backward()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        gradient_l1(model, x).backward()
    level = highest = 0
    memory = [e for e in recorded.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(memory, key=lambda e: e.start_ns()):
        level += event.nbytes()
        highest = max(highest, level)
    return highest


@pytest.mark.parametrize(
    "build", [Everywhere, torch_models.deep, torch_models.Recurrent, lambda p: MLP(p, 2, (7, 30, 4))]
)
def test_peak_memory_does_not_grow_with_the_jacobian(build, monkeypatch):
    budget = 2**13
    monkeypatch.setattr(general, "CHUNK_ELEMENTS", budget)
    monkeypatch.setitem(tiled.TILE_BYTES, "cpu", 4 * budget)
    peaks = {p: peak(build(p), torch.randn(16, 2, p)) for p in (32, 96)}
    jacobian = 4 * 16 * 96 * 192
    assert peaks[96] < 8 * 4 * budget < jacobian / 4, peaks
    assert peaks[96] < peaks[32] + 4 * 4 * budget, peaks


def test_peak_memory_in_one_piece_does(monkeypatch):
    """What the bound above is held against."""
    monkeypatch.setattr(general, "CHUNK_ELEMENTS", 2**40)
    assert peak(Everywhere(96), torch.randn(16, 2, 96)) > 4 * 16 * 96 * 192
