"""Small networks side by side on a GPU: gradients of both paths against autograd in float64, then the time of a step by each."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from itertools import product

import torch
from torch import Tensor

from grngc_fast.kernels.small_networks import Networks, TileTrainer, loss, train
from grngc_fast.kernels.small_networks.step import BETAS

from .. import guard
from ..results import Row
from .clock import seconds

LAM, TOLERANCE = 0.2, 1e-3


def check_one(size: tuple[int, int, int, int, int], device: str) -> str:
    """The kernel's gradients, and the closed form's where there are no splines, which it rounds the inputs of."""
    p, b, k, h, g = size
    generator = torch.Generator().manual_seed(0)
    exact = [t.double() for t in Networks.drawn(p, k, h, generator, torch.device("cpu"), n_splines=g).tensors()]
    # Paths that start at zero would have every sign undecided.
    exact = [t + 0.3 * torch.randn(t.shape, generator=generator, dtype=torch.float64) for t in exact]
    z, y = (torch.randn(s, generator=generator, dtype=torch.float64) for s in ((p, b, k), (p, b)))
    parameters = {f.name: t.requires_grad_() for f, t in zip(fields(Networks), exact, strict=True)}
    truth = torch.autograd.grad(loss(parameters, z, y, LAM).sum(), exact, materialize_grads=True)
    name = f"small networks {p} x {b} x {k} x {h}, {g} splines"
    given = Networks(*(t.detach().float().to(device) for t in exact))
    inputs, wanted = z.float().to(device), y.float().to(device)
    guard.check(f"{name}, kernel", _by_kernel(given, inputs, wanted), truth, TOLERANCE)
    if g == 0:
        trainer = TileTrainer(given, b, 1e-2, 10)
        trainer.backward(inputs, wanted, LAM)
        guard.check(name, [t.cpu() for t in trainer.gradients.tensors()], truth, TOLERANCE)
    return name


def _by_kernel(given: Networks, inputs: Tensor, wanted: Tensor) -> list[Tensor]:
    """Adam's means after one step from nothing, over what it weighs a gradient with."""
    from grngc_fast.kernels.small_networks.gpu import launch

    packed, windows = launch.Packed.of(given), torch.arange(wanted.shape[1], device=wanted.device, dtype=torch.int32)
    rates = launch.rates(1e-2, 1).to(wanted.device)
    launch.take(packed, given, inputs, wanted, windows[None], torch.full_like(wanted[:, 0], LAM), rates)
    return [t.cpu() for t in launch.unpacked(packed.means / (1 - BETAS[0]), given).tensors()]


def steps(device: str, sizes: tuple[int, ...], n_steps: int = 50) -> list[Row]:
    """A step with Adam, in a run of them, of P networks of 16 inputs and 16 units on 64 windows.

    Rates count the five products of 2 P B K h flop alone.
    """
    rows = []
    n, b, k, h = 500, 64, 16, 16
    generator = torch.Generator().manual_seed(0)
    windows = torch.stack([torch.randperm(n, generator=generator)[:b] for _ in range(n_steps)]).to(device)
    for p, g in product(sizes, (0, 20)):
        networks = Networks.drawn(p, k, h, generator, torch.device(device), n_splines=g)
        z, y = torch.randn(p, n, k, device=device), torch.randn(p, n, device=device)
        taken = {}
        for backend in ("triton", "torch"):
            # Trained again and again: only the clock is looked at.
            call = partial(train, networks, z, y, windows, LAM, 1e-2, backend=backend)
            taken[backend] = seconds(call, device) / n_steps
        name = f"small networks, {g} splines"
        rows.append(Row(f"{name}, kernel", p, 1, h, b, "step", taken["triton"] * 1e3, "ms"))
        rows.append(Row(f"{name}, torch", p, 1, h, b, "step over the kernel's", taken["torch"] / taken["triton"], "1"))
        rate = p * 10.0 * b * k * h / taken["triton"] / 1e12
        rows.append(Row(f"{name}, kernel", p, 1, h, b, "rate of the products", rate, "TFLOP/s"))
    return rows
