"""The kernel of small networks' steps against autograd and the closed form in float64: interpreted, or compiled on a GPU.

Every launch writes into memory full of NaN, so that an entry left unwritten cannot pass.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from grngc_fast.kernels import triton_here
from grngc_fast.kernels.small_networks import Networks, TileTrainer, loss, train
from grngc_fast.kernels.small_networks.step import LEVELS
from tests.test_small_networks import at_levels, by_name

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
RATE = 0.02
# Relative L2 of a gradient.
TOLERANCE = 2e-6
# P, N, B, K, h, F and G.
SIZES = [
    (1, 1, 1, 1, 1, 0, 0),
    (3, 19, 9, 5, 3, 0, 0),
    (2, 30, 20, 17, 8, 3, 6),
    (2, 40, 16, 16, 16, 0, 20),
    (2, 11, 11, 3, 0, 2, 5),
    (1, 70, 64, 33, 16, 1, 4),
    pytest.param((1, 70, 64, 96, 40, 2, 32), marks=pytest.mark.slow),
]


@dataclass
class Problem:
    """Double precision, every parameter away from zero."""

    networks: Networks
    inputs: Tensor
    y: Tensor
    lam: Tensor
    windows: Tensor

    @classmethod
    def of(cls, size: tuple[int, ...], n_steps: int = 1) -> Problem:
        p, n, b, k, h, f, g = size
        drawn = Networks.drawn(p, k, h, torch.Generator().manual_seed(0), torch.device("cpu"), f, g)
        networks = Networks(*((t + 0.3 * torch.randn_like(t)).double() for t in drawn.tensors()))
        z = at_levels(1.7 * torch.randn(p, n, k + f, dtype=torch.float64), LEVELS)
        y, lam = torch.randn(p, n, dtype=torch.float64), torch.linspace(0.1, 0.5, p, dtype=torch.float64)
        return cls(networks, z, y, lam, torch.stack([torch.randperm(n)[:b] for _ in range(n_steps)]))

    def single(self) -> Problem:
        """A copy in single precision, where the kernel runs."""
        networks = Networks(*(t.float().clone().to(DEVICE) for t in self.networks.tensors()))
        return Problem(networks, *(t.float().to(DEVICE) for t in (self.inputs, self.y, self.lam)), self.windows)

    def trained(self, backend: str, **options) -> Networks:
        train(self.networks, self.inputs, self.y, self.windows, self.lam, RATE, backend=backend, **options)
        return self.networks


def gradients(given: Problem) -> Networks:
    """By the kernel: Adam's means after one step, over what it weighs a gradient with."""
    from grngc_fast.kernels.small_networks.gpu import launch

    packed, windows = launch.Packed.of(given.networks), given.windows.int().to(DEVICE)
    rates = launch.rates(RATE, len(windows)).to(DEVICE)
    launch.take(packed, given.networks, given.inputs, given.y, windows, given.lam, rates)
    return launch.unpacked(packed.means / (1 - 0.9), given.networks)


@pytest.mark.usefixtures("_kernels")
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_gradient_is_that_of_autograd(size):
    assert_gradients(size)


@pytest.mark.usefixtures("_kernels")
@pytest.mark.skipif(DEVICE != "cpu", reason="on a GPU every product is of terms already")
def test_products_of_tf32_terms_are_as_exact(monkeypatch):
    from grngc_fast.kernels.small_networks.gpu import launch

    monkeypatch.setattr(launch, "INTERPRETED", False)
    assert_gradients(SIZES[2])


def assert_gradients(size: tuple[int, ...]) -> None:
    given = Problem.of(size)
    parameters = {name: value.requires_grad_() for name, value in by_name(given.networks).items()}
    now = given.windows[0]
    total = loss(parameters, given.inputs[:, now], given.y[:, now], given.lam).sum()
    truth = torch.autograd.grad(total, list(parameters.values()), materialize_grads=True)
    found = gradients(given.single())
    for name, wanted in zip(parameters, truth, strict=True):
        assert (getattr(found, name).cpu() - wanted).norm() <= TOLERANCE * wanted.norm(), name


@pytest.mark.usefixtures("_kernels")
@pytest.mark.parametrize("size", SIZES[1:5], ids=str)
def test_steps_are_those_of_the_closed_form(size):
    given = Problem.of(size, n_steps=2)
    found, wanted = given.single().trained("triton"), given.trained("torch")
    for name, truth in by_name(wanted).items():
        # Adam divides by the size of a gradient, however small: what rounding is to the smallest is not small.
        assert (getattr(found, name).cpu() - truth).norm() <= 1e-5 * truth.norm(), name


@pytest.mark.usefixtures("_kernels")
def test_launches_go_on_where_the_one_before_stopped(monkeypatch):
    from grngc_fast.kernels.small_networks.gpu import launch

    given, calls = Problem.of((1, 20, 7, 5, 4, 1, 6), n_steps=3), []
    at_once = given.single().trained("triton")
    monkeypatch.setattr(launch, "STEPS", 2)
    in_turns = given.single().trained("triton", stepped=lambda: calls.append(1))
    assert len(calls) == 3
    for one, other in zip(at_once.tensors(), in_turns.tensors(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.usefixtures("_kernels")
def test_networks_do_not_know_one_another():
    given = Problem.of((3, 20, 7, 5, 4, 1, 6), n_steps=2).single()
    alone = replace(
        given,
        networks=Networks(*(t[1:2].clone() for t in given.networks.tensors())),
        inputs=given.inputs[1:2],
        y=given.y[1:2],
        lam=given.lam[1:2],
    )
    for one, all_ in zip(alone.trained("triton").tensors(), given.trained("triton").tensors(), strict=True):
        assert torch.equal(one, all_[1:2])


@pytest.mark.usefixtures("_kernels")
def test_inputs_that_are_padded_keep_no_weight():
    given = Problem.of((2, 20, 7, 5, 4, 0, 0), n_steps=3).single()
    given.inputs[..., 3:] = 0.0
    given.networks.skip[:, 3:] = 0.0
    given.networks.encoder[:, 3:] = 0.0
    found = given.trained("triton")
    assert not found.skip[:, 3:].any()
    assert not found.encoder[:, 3:].any()
    assert found.encoder[:, :3].all()


@pytest.mark.usefixtures("_kernels")
def test_a_slope_of_zero_has_no_sign():
    """No skip, splines or readout: every slope is 0, and the penalty has no gradient at any strength."""
    given = Problem.of((2, 20, 7, 5, 4, 0, 6)).single()
    for t in (given.networks.skip, given.networks.splines, given.networks.readout):
        t.zero_()
    with_, without = gradients(given), gradients(replace(given, lam=0 * given.lam))
    for one, other in zip(with_.tensors(), without.tensors(), strict=True):
        assert torch.equal(one, other)


def test_on_a_cpu_it_is_the_closed_form_step_by_step():
    given, calls = Problem.of((2, 20, 7, 5, 4, 1, 6), n_steps=3), []
    trainer = TileTrainer(Networks(*(t.clone() for t in given.networks.tensors())), 7, RATE, 3)
    for now in given.windows:
        trainer.step(given.inputs[:, now], given.y[:, now], given.lam)
    found = given.trained("auto", stepped=lambda: calls.append(1))
    assert len(calls) == 3
    for one, other in zip(found.tensors(), trainer.networks.tensors(), strict=True):
        assert torch.equal(one, other)


def test_a_backend_is_met_or_refused(monkeypatch):
    given = Problem.of((1, 5, 3, 2, 2, 0, 0))
    with pytest.raises(ValueError, match="backend='cuda' is unknown; use one of 'auto', 'triton', 'torch'"):
        given.trained("cuda")
    with pytest.raises(RuntimeError, match=r"kernel computes in float32, and y is torch\.float64"):
        given.trained("triton")
    single = given.single()
    cpu = replace(single, y=single.y.cpu())
    monkeypatch.setattr(triton_here, "interpreted", lambda: False)
    with pytest.raises(RuntimeError, match="y is on cpu, not on a GPU"):
        cpu.trained("triton")
    monkeypatch.setattr(triton_here, "installed", lambda: False)
    with pytest.raises(RuntimeError, match="the package triton is not installed"):
        cpu.trained("triton")
