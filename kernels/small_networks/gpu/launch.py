"""From networks to launches: parameters packed a row to a network, and the blocks that fit on the chip."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import triton
from torch import Tensor

from ...matmul_l1.gpu import INTERPRETED
from ...spline import Basis
from ..levels import ORDER, basis_of
from ..networks import Networks
from ..step import BETAS
from .steps import steps_kernel

# Steps of a launch: a few milliseconds, between which a caller can say how far it is.
STEPS = 50
# Inputs of a block, and splines at most. 10,000 networks of 16 units on an H200, us a step:
#
#   windows of a block: 16 173, 32 140, 64 157    two warps instead of one: 275, 199, 173
#   with 20 splines, of 16 windows: 4 731, 8 861, 16 871, 32 778    of 32 windows: 2 1145, 4 687, 8 779    of 64 windows: 4 700
#   with 20 splines, one warp: 751 (8 of 16 windows), 943 (4 of 32)
INPUTS, SPLINES = 16, 4
# Of a product.
LEAST_SIDE = 16
# As they lie in a row of parameters.
NAMES = ("encoder", "splines", "skip", "encoder_bias", "readout", "readout_bias")


@dataclass(frozen=True)
class Blocks:
    """Windows, units and splines to a block, warps to a program."""

    windows: int
    units: int
    splines: int
    warps: int

    @staticmethod
    def of(n_units: int, n_splines: int, aligned: bool) -> Blocks:
        """aligned: whether sizes are multiples of 16, which spares addresses registers."""
        units = max(LEAST_SIDE, triton.next_power_of_2(n_units))
        splines = min(SPLINES, triton.next_power_of_2(max(1, n_splines)))
        # Elsewhere 32 windows spill.
        windows = 2 * LEAST_SIDE if units == LEAST_SIDE and (n_splines or aligned) else LEAST_SIDE
        return Blocks(windows, units, splines, max(2 if n_splines else 1, units // LEAST_SIDE))


@dataclass(frozen=True)
class Packed:
    """Parameters (P, R) of networks, and Adam's means and squares of their gradients."""

    parameters: Tensor
    means: Tensor
    squares: Tensor

    @staticmethod
    def of(networks: Networks) -> Packed:
        given = (getattr(networks, name) for name in NAMES)
        parameters = torch.cat([t.reshape(len(t), math.prod(t.shape[1:])) for t in given], 1)
        return Packed(parameters, torch.zeros_like(parameters), torch.zeros_like(parameters))


def unpacked(rows: Tensor, like: Networks) -> Networks:
    """Networks of rows (P, R), of the shapes of others."""
    shapes = {name: getattr(like, name).shape for name in NAMES}
    parts = zip(shapes.items(), rows.split([math.prod(shape[1:]) for shape in shapes.values()], 1), strict=True)
    return Networks(**{name: part.reshape(shape).contiguous() for (name, shape), part in parts})


def rates(learning_rate: float, n_steps: int) -> Tensor:
    """(n_steps, 2): the falling rate over the bias of Adam's means, and one over the root of the bias of its squares."""
    step = torch.arange(n_steps, dtype=torch.float64)
    falling = learning_rate * (1 + (math.pi * step / n_steps).cos()) / 2
    first, second = (1 - beta ** (step + 1) for beta in BETAS)
    return torch.stack([falling / first, second.rsqrt()], 1).float()


def powers(derivative: int) -> tuple[float, ...]:
    """Of each live spline in turn, for cells of width 1."""
    unit = Basis(1, ORDER, 0.0, 1.0, "none")
    return tuple(c for spline in zip(*unit.polynomials(derivative), strict=True) for c in spline)


def train(
    networks: Networks,
    inputs: Tensor,
    y: Tensor,
    windows: Tensor,
    lam: Tensor,
    learning_rate: float,
    stepped: Callable[[], None],
    masked: bool = False,
) -> None:
    """As `training.train`, with lam (P,)."""
    packed, table = Packed.of(networks), rates(learning_rate, len(windows)).to(y.device)
    inputs, y, windows, lam = inputs.contiguous(), y.contiguous(), windows.int().contiguous(), lam.contiguous()
    for first in range(0, len(windows), STEPS):
        some = slice(first, first + STEPS)
        take(packed, networks, inputs, y, windows[some], lam, table[some], masked)
        for _ in windows[some]:
            stepped()
    for name, value in vars(unpacked(packed.parameters, networks)).items():
        setattr(networks, name, value)


def constants(
    n_units: int, n_splines: int, aligned: bool, split: bool, masked: bool = False
) -> tuple[dict[str, Any], Blocks]:
    """What a launch is compiled with. aligned: see `Blocks.of`. split: for NVIDIA's tensor cores; AMD's multiply in float32."""
    blocks = Blocks.of(n_units, n_splines, aligned)
    found = {
        "SPLIT": split,
        "HAS_SPLINES": n_splines > 0,
        "MASKED": masked,
        "VALUES": powers(0),
        "SLOPES": powers(1),
        "BLOCK_B": blocks.windows,
        "BLOCK_K": INPUTS,
        "BLOCK_H": blocks.units,
        "BLOCK_G": blocks.splines,
    }
    return found, blocks


def options(blocks: Blocks, backend: str) -> dict[str, Any]:
    """Of the compiler for "cuda" or "hip"."""
    found = {"num_warps": blocks.warps, "num_stages": 1, "enable_fp_fusion": True}
    # Left to itself it stops at 168 registers to have more programs side by side, and spills.
    return {**found, "maxnreg": 255} if backend == "cuda" else found


def take(
    packed: Packed,
    like: Networks,
    inputs: Tensor,
    y: Tensor,
    windows: Tensor,
    lam: Tensor,
    table: Tensor,
    masked: bool = False,
) -> None:
    """Steps of the packed parameters in one launch, on windows (n_steps, B) with rates (n_steps, 2)."""
    p, n_inputs, n_units = like.encoder.shape
    n_free, n_splines, batch = like.skip.shape[1] - n_inputs, like.splines.shape[2], windows.shape[1]
    aligned = all(size % 16 == 0 for size in (n_inputs, n_free, n_units, batch))
    values, blocks = constants(n_units, n_splines, aligned, not INTERPRETED and not torch.version.hip, masked)
    basis = basis_of(max(n_splines, ORDER + 1))
    room = y.new_empty(p, batch * (1 + n_inputs + 2 * n_units))
    with torch.cuda.device(y.device) if y.device.type == "cuda" else contextlib.nullcontext():
        steps_kernel[(p,)](
            inputs,
            y,
            y.shape[1],
            n_inputs,
            n_free,
            windows,
            batch,
            table,
            len(windows),
            lam,
            packed.parameters,
            packed.means,
            packed.squares,
            n_units,
            n_splines,
            float(basis.low),
            1 / basis.step,
            room,
            0,
            **values,
            **options(blocks, "hip" if torch.version.hip else "cuda"),
        )
