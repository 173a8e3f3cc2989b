"""Small networks side by side: the closed form against autograd in float64, Adam against torch's."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from torch import Tensor

from grngc_fast.kernels.small_networks import Networks, TileTrainer, forecast_and_jacobian, loss
from grngc_fast.kernels.small_networks.levels import LEVEL_RANGE, Levels, basis_of
from grngc_fast.kernels.small_networks.networks import JUDGED_LEVELS
from grngc_fast.kernels.small_networks.step import LEVELS

LAM = 0.3


def networks(p: int, k: int, h: int, g: int = 0) -> Networks:
    """Double precision, every parameter away from zero."""
    drawn = Networks.drawn(p, k, h, torch.Generator().manual_seed(0), torch.device("cpu"), n_splines=g)
    return Networks(*(t.double() + 0.3 * torch.randn(t.shape, dtype=torch.float64) for t in drawn.tensors()))


def by_name(given: Networks) -> dict[str, Tensor]:
    return {field.name: getattr(given, field.name).clone() for field in fields(given)}


def windows(p: int, b: int, k: int) -> tuple[Tensor, Tensor]:
    """Inputs as training reads them, a slice of longer rows seen from the side, and targets; some beyond all splines."""
    return 2 * torch.randn(p, k, 3 * b, dtype=torch.float64)[:, :, b : 2 * b].mT, torch.randn(p, b, dtype=torch.float64)


def at_levels(z: Tensor, count: int) -> Tensor:
    """Inputs that stay where they are when they are rounded to levels, so that splines are those of the definition."""
    levels = Levels.of(basis_of(5), count, z.device, z.dtype)
    return torch.linspace(-LEVEL_RANGE, LEVEL_RANGE, count, dtype=z.dtype)[levels.index(z)]


# P, B, K, h and G.
SIZES = [
    (1, 1, 1, 1, 0),
    (7, 11, 5, 3, 0),
    (3, 2, 9, 4, 6),
    (5, 64, 24, 16, 0),
    (5, 64, 24, 16, 20),
    (4, 9, 3, 0, 5),
]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_gradient_is_that_of_autograd(size):
    p, b, k, h, g = size
    given, (z, y) = networks(p, k, h, g), windows(p, b, k)
    z = at_levels(z, LEVELS) if g else z
    parameters = {name: value.requires_grad_() for name, value in by_name(given).items()}
    truth = torch.autograd.grad(loss(parameters, z, y, LAM).sum(), list(parameters.values()), materialize_grads=True)
    trainer = TileTrainer(given, b, 1e-2, 10)
    trainer.backward(z, y, LAM)
    for name, wanted in zip(parameters, truth, strict=True):
        found = getattr(trainer.gradients, name)
        assert (found - wanted).norm() <= 1e-12 * wanted.norm(), name


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_forecast_and_jacobian_are_those_of_the_definition(size):
    p, b, k, h, g = size
    given, (z, _) = networks(p, k, h, g), windows(p, b, k)
    z = at_levels(z, JUDGED_LEVELS) if g else z
    wanted = forecast_and_jacobian(by_name(given), z)
    for found, truth in zip(given.forecast_and_jacobian(z), wanted, strict=True):
        torch.testing.assert_close(found, truth, rtol=1e-12, atol=1e-12)
    z = z.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(forecast_and_jacobian(by_name(given), z)[0].sum(), z)
    torch.testing.assert_close(wanted[1], slopes, rtol=1e-12, atol=1e-12)


def test_steps_are_those_of_adam_with_cosine_decay():
    given, (z, y) = networks(4, 5, 3), windows(4, 8, 5)
    parameters = {name: value.requires_grad_() for name, value in by_name(given).items()}
    optimiser = torch.optim.Adam(parameters.values(), lr=0.02, betas=(0.9, 0.99))
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 6)
    trainer = TileTrainer(given, 8, 0.02, 6)
    for _ in range(6):
        optimiser.zero_grad()
        loss(parameters, z, y, LAM).sum().backward()
        optimiser.step()
        decay.step()
        trainer.step(z, y, LAM)
    for name, wanted in parameters.items():
        torch.testing.assert_close(getattr(trainer.networks, name), wanted.detach(), rtol=1e-6, atol=1e-7)


def test_networks_do_not_know_one_another():
    """Each is trained as it is alone."""
    together, (z, y) = networks(3, 4, 2), windows(3, 6, 4)
    alone = Networks(*(t[1:2].clone() for t in together.tensors()))
    for given, rows in ((together, slice(None)), (alone, slice(1, 2))):
        trainer = TileTrainer(given, 6, 1e-2, 5)
        for _ in range(5):
            trainer.step(z[rows], y[rows], LAM)
    for one, all_ in zip(alone.tensors(), together.tensors(), strict=True):
        torch.testing.assert_close(one, all_[1:2], rtol=1e-10, atol=1e-12)


def test_inputs_that_are_always_zero_are_forgotten_without_a_trace():
    given, (z, _) = networks(3, 5, 2, 8), windows(3, 7, 5)
    which = torch.tensor([[1, 0, 0, 1, 0], [0, 0, 0, 0, 0], [0, 0, 1, 0, 0]], dtype=torch.bool)
    given.encoder.mul_(~which[..., None])
    z = at_levels(z, JUDGED_LEVELS).masked_fill(which[:, None], 0.0)
    before = forecast_and_jacobian(by_name(given), z)[0]
    given.forget_inputs(which)
    torch.testing.assert_close(forecast_and_jacobian(by_name(given), z)[0], before, rtol=1e-12, atol=1e-12)
    assert not given.splines[which].any()
    assert not given.skip[which].any()
    assert given.splines[~which].all()
