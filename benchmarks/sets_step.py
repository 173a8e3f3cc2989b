"""A step of a tile of small networks on one thread: the closed form beside autograd, without splines and with.

Autograd has the basis functions of the splines worked out before, as the closed form has its levels, and torch's fused Adam. All
are timed in turn, so that what else the machine does falls on each alike.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import fields

import torch
import torch.nn.functional as F
from torch import Tensor

from grngc_fast.kernels.small_networks import Networks, TileTrainer
from grngc_fast.kernels.small_networks.levels import LEVEL_RANGE, basis_of
from grngc_fast.kernels.small_networks.step import LEVELS
from grngc_fast.kernels.spline import spline_functions

from . import guard
from .results import Row

BATCH, UNITS, LAM, TOLERANCE = 64, 16, 0.2, 1e-3
SPLINES = (0, 10, 20)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--networks", type=int, default=125, help="of the tile (%(default)s)")
    parser.add_argument("--inputs", type=int, default=16, help="of each network (%(default)s)")


def run(args: argparse.Namespace) -> list[Row]:
    torch.set_num_threads(1)
    steps: dict[str, Callable[[], None]] = {}
    for n_splines in SPLINES:
        for name, step in pair(args.networks, args.inputs, n_splines).items():
            steps[f"{name}, {n_splines} splines"] = step
    taken = guard.in_turn(steps, 10 * args.repeats)
    base = statistics.median(taken[f"autograd, {SPLINES[0]} splines"])
    rows = []
    for name, seconds in taken.items():
        size = {"P": args.networks, "L": 1, "H": UNITS, "N": BATCH}
        median, *spread = guard.spread_of(seconds)
        p20, p80 = (value / args.networks * 1e6 for value in spread)
        value = median / args.networks * 1e6
        rows.append(Row(name, **size, metric="step of a network", value=value, unit="us", p20=p20, p80=p80))
        rows.append(Row(name, **size, metric="over autograd without splines", value=median / base, unit="1"))
    return rows


def pair(n_networks: int, n_inputs: int, n_splines: int) -> dict[str, Callable[[], None]]:
    """A step of each kind, after their gradients have been held against one another."""
    generator = torch.Generator().manual_seed(0)
    networks = Networks.drawn(n_networks, n_inputs, UNITS, generator, torch.device("cpu"), n_splines=n_splines)
    for tensor in networks.tensors():
        tensor.add_(0.3 * torch.randn(tensor.shape, generator=generator))
    own = TileTrainer(networks, BATCH, 1e-6, 10**9)
    z, y = (
        torch.randn(n_networks, BATCH, n_inputs, generator=generator),
        torch.randn(n_networks, BATCH, generator=generator),
    )
    levels = own.levels(z)
    if levels is not None:
        # Inputs that lie on levels, where both read the same functions.
        z = torch.linspace(-LEVEL_RANGE, LEVEL_RANGE, LEVELS)[levels % LEVELS]
        levels = own.levels(z)
    parameters = {f.name: t.clone().requires_grad_() for f, t in zip(fields(Networks), networks.tensors(), strict=True)}
    bases = _bases(z, n_splines)
    own.backward(z, y, LAM, levels)
    truth = torch.autograd.grad(_loss(parameters, z, y, bases), list(parameters.values()), materialize_grads=True)
    guard.check(f"{n_splines} splines", own.gradients.tensors(), truth, TOLERANCE)
    adam = torch.optim.Adam(list(parameters.values()), lr=1e-6, betas=(0.9, 0.99), fused=True)

    def by_autograd() -> None:
        loss = _loss(parameters, z, y, bases)
        adam.zero_grad()
        loss.backward()
        adam.step()

    return {"closed form": lambda: own.step(z, y, LAM, levels), "autograd": by_autograd}


def _bases(z: Tensor, n_splines: int) -> tuple[Tensor, Tensor] | None:
    if not n_splines:
        return None
    flat, basis = z.flatten(0, 1).double(), basis_of(n_splines)
    values, slopes = (spline_functions(flat, basis, d).unflatten(0, z.shape[:2]).float() for d in (0, 1))
    return values, slopes


def _loss(own: dict[str, Tensor], z: Tensor, y: Tensor, bases: tuple[Tensor, Tensor] | None) -> Tensor:
    """Summed over networks, in as few operations as autograd can do with."""
    pre = torch.baddbmm(own["encoder_bias"][:, None], z, own["encoder"])
    gate = torch.sigmoid(pre)
    act = pre * gate
    forecast = torch.bmm(act, own["readout"][..., None])[..., 0] + torch.bmm(z, own["skip"][..., None])[..., 0]
    weighted = own["encoder"] * own["readout"][:, None]
    jacobian = torch.baddbmm(own["skip"][:, None], gate + act * (1 - gate), weighted.mT)
    if bases is not None:
        forecast = forecast + torch.einsum("pbkg,pkg->pb", bases[0], own["splines"])
        jacobian = jacobian + torch.einsum("pbkg,pkg->pbk", bases[1], own["splines"])
    forecast = forecast + own["readout_bias"][:, None]
    return F.mse_loss(forecast, y, reduction="none").mean(1).sum() + LAM * jacobian.abs().sum(2).mean(1).sum()
