"""Middles whose products are written out node by node: value and every gradient against double-backward autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from grngc_fast import gradient_l1
from grngc_fast.jacobian import middle, written_out
from grngc_fast.jacobian.normalisation import normalised_rows

from . import reference
from .test_discovery import assert_exact, batch

ACTIVATIONS = (nn.ReLU(), nn.LeakyReLU(0.1), nn.Tanh(), nn.Sigmoid(), nn.SiLU(), nn.GELU())


class Between(nn.Module):
    """An encoder of all lags, a middle of one's own, a readout."""

    def __init__(self, p: int, width: int, middle: nn.Module, lags: int = 2) -> None:
        super().__init__()
        self.encoder, self.middle, self.readout = nn.Linear(p * lags, width), middle, nn.Linear(width, p)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.middle(self.encoder(x.flatten(1))))


class Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, h: Tensor) -> Tensor:
        return h + self.inner(h)


class Gated(nn.Module):
    """Two paths multiplied, one of them taken off again, scaled by numbers of each unit and by one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.weights = nn.Parameter(torch.randn(width))

    def forward(self, h: Tensor) -> Tensor:
        return 0.5 * (torch.sigmoid(self.a(h)) * self.b(h) * self.weights - h)


class Computed(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, h: Tensor) -> Tensor:
        return self.function(h)


@pytest.fixture
def walks(monkeypatch):
    """Whether each middle asked for was written out."""
    taken = []

    def recorded(*given):
        result = written_out.times_middle(*given)
        taken.append(result is not None)
        return result

    monkeypatch.setattr(middle, "times_middle", recorded)
    return taken


def layers(width: int, activation: nn.Module, normalised: bool = True) -> nn.Module:
    parts = [nn.Linear(width, width), *([nn.LayerNorm(width)] if normalised else []), activation]
    return nn.Sequential(Residual(nn.Sequential(*parts)), nn.Linear(width, width), activation)


MIDDLES = {
    **{f"residual {type(a).__name__}": layers(6, a) for a in ACTIVATIONS},
    "no normalisation": layers(6, nn.SiLU(), normalised=False),
    "normalisation without a gain": nn.Sequential(
        nn.Linear(6, 6), nn.LayerNorm(6, elementwise_affine=False), nn.SiLU()
    ),
    "normalisation after the sum": nn.Sequential(Residual(nn.Linear(6, 6)), nn.LayerNorm(6), nn.Linear(6, 6)),
    "normalisation first": nn.Sequential(nn.LayerNorm(6), nn.Tanh(), nn.Linear(6, 6)),
    "gated": nn.Sequential(nn.Tanh(), Gated(6)),
    "linear": nn.Linear(6, 6),
}


@pytest.mark.parametrize("p", [1, 3, 9])
@pytest.mark.parametrize("name", MIDDLES)
def test_a_middle_written_out_is_that_of_autograd(name, p, walks):
    model = Between(p, 6, MIDDLES[name]).double()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    assert_exact(model, batch(p))
    assert walks
    assert all(walks)


OTHERS = {
    "softmax": nn.Sequential(nn.Linear(6, 6), nn.Softmax(-1)),
    "gelu of tanh": nn.Sequential(nn.Linear(6, 6), nn.GELU("tanh"), nn.Linear(6, 6)),
    "one number for all units": nn.Sequential(
        nn.Linear(6, 6), Computed(lambda h: h * torch.tanh(h.sum(1, keepdim=True)))
    ),
    "normalised in groups": nn.Sequential(
        nn.Linear(6, 6), Computed(lambda h: h.view(-1, 2, 3)), nn.LayerNorm(3), nn.Flatten()
    ),
    "a sum with a weight": Computed(lambda h: torch.add(h, torch.tanh(h.roll(1, 1)), alpha=0.5)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_middle_of_other_operations_is_differentiated(name, walks):
    model = Between(3, 6, OTHERS[name]).double()
    assert_exact(model, batch(3))
    assert walks
    assert not any(walks)


def test_a_bias_that_comes_to_be_weighted_after_the_first_use():
    weight = nn.Parameter(torch.randn(6, 6, dtype=torch.float64))
    share = [1.0]
    model = Between(3, 6, Computed(lambda h: torch.addmm(h, torch.tanh(h), weight, beta=share[0]))).double()
    for share[0] in (1.0, 0.25):
        assert_exact(model, batch(3))


def test_middles_of_several_types_are_differentiated(walks):
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.inner, self.readout = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3).double()
            self.register_buffer("weights", torch.randn(6, dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            return self.readout(torch.tanh(self.inner(torch.tanh(self.encoder(x.flatten(1))))) * self.weights)

    model, x = Wide(), batch(3).float()
    found = gradient_l1(model, x)
    torch.testing.assert_close(found, reference.gradient_l1(model, x).to(found), rtol=1e-5, atol=0)
    assert walks
    assert not any(walks)


def test_a_normalisation_with_a_gain_of_another_type_is_differentiated(walks):
    model = Between(3, 6, nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6), nn.Tanh())).bfloat16()
    model.middle[1].float()
    assert gradient_l1(model, batch(3).bfloat16()).isfinite()
    assert walks
    assert not any(walks)


def test_targets_frozen_parameters_and_no_gradients(walks):
    model, x = Between(4, 6, layers(6, nn.SiLU())).double(), batch(4)
    expected = reference.gradient_l1(model, x, torch.tensor([2, 0])).item()
    assert gradient_l1(model, x, targets=[2, 0]).item() == pytest.approx(expected, rel=1e-12)
    with torch.no_grad():
        assert gradient_l1(model, x, targets=[2, 0]).item() == pytest.approx(expected, rel=1e-12)
    for parameter in model.encoder.parameters():
        parameter.requires_grad_(False)
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    wanted = [model.get_parameter(name) for name in names]
    found, truth = (
        torch.autograd.grad(penalty(model, x), wanted, allow_unused=True, materialize_grads=True)
        for penalty in (gradient_l1, reference.gradient_l1)
    )
    for f, t in zip(found, truth, strict=True):
        torch.testing.assert_close(f, t, rtol=1e-10, atol=1e-12)
    assert all(walks)


@pytest.mark.parametrize("shared", [True, False], ids=["shared rows", "own rows"])
@pytest.mark.parametrize("parts", ["all", "no factor", "no gain"])
def test_rows_through_a_normalisation_have_these_gradients(parts, shared):
    n, r, width = 3, 2, 5
    rows = torch.randn(*(() if shared else (n,)), r, width, dtype=torch.float64, requires_grad=True)
    factor = None if parts == "no factor" else torch.randn(n, width, dtype=torch.float64, requires_grad=True)
    gain = None if parts == "no gain" else torch.randn(width, dtype=torch.float64, requires_grad=True)
    z = torch.randn(n, width, dtype=torch.float64, requires_grad=True)
    given = [x for x in (rows, factor, gain, z) if x is not None]

    def call(*given: Tensor) -> Tensor:
        left = list(given)
        own = [left.pop(0) if x is not None else None for x in (rows, factor, gain, z)]
        own_z = own[3]
        assert own_z is not None
        mean, variance = own_z.detach().mean(1, keepdim=True), own_z.detach().var(1, keepdim=True, unbiased=False)
        return normalised_rows(*own, mean, (variance + 1e-5).rsqrt())

    assert torch.autograd.gradcheck(call, given)
