"""Small networks side by side on a GPU: the closed form's gradients against autograd in float64, then the time of a step."""

from __future__ import annotations

from dataclasses import fields

import torch

from grngc_fast.kernels.small_networks import Networks, TileTrainer, loss

from .. import guard
from ..results import Row
from .clock import seconds

LAM, TOLERANCE = 0.2, 1e-3


def check_one(size: tuple[int, int, int, int], device: str) -> str:
    p, b, k, h = size
    generator = torch.Generator().manual_seed(0)
    exact = [t.double() for t in Networks.drawn(p, k, h, generator, torch.device("cpu")).tensors()]
    # Paths that start at zero would have every sign undecided.
    exact = [t + 0.3 * torch.randn(t.shape, generator=generator, dtype=torch.float64) for t in exact]
    z, y = (torch.randn(s, generator=generator, dtype=torch.float64) for s in ((p, b, k), (p, b)))
    parameters = {f.name: t.requires_grad_() for f, t in zip(fields(Networks), exact, strict=True)}
    truth = torch.autograd.grad(loss(parameters, z, y, LAM).sum(), exact)
    trainer = TileTrainer(Networks(*(t.detach().float().to(device) for t in exact)), b, 1e-2, 10)
    trainer.backward(z.float().to(device), y.float().to(device), LAM)
    name = f"small networks {p} x {b} x {k} x {h}"
    guard.check(name, [t.cpu() for t in trainer.gradients.tensors()], truth, TOLERANCE)
    return name


def steps(device: str, sizes: tuple[int, ...]) -> list[Row]:
    """One step with Adam of P networks of 24 inputs and 16 units on 64 windows: five products of 2 P B K h flop."""
    rows = []
    b, k, h = 64, 24, 16
    for p in sizes:
        networks = Networks.drawn(p, k, h, torch.Generator().manual_seed(0), torch.device(device))
        trainer = TileTrainer(networks, b, 1e-2, 10_000)
        z, y = torch.randn(p, k, b, device=device).mT, torch.randn(p, b, device=device)
        taken = seconds(lambda trainer=trainer, z=z, y=y: trainer.step(z, y, LAM), device)
        rows.append(Row("small networks", p, 1, h, b, "step", taken * 1e3, "ms"))
    return rows
