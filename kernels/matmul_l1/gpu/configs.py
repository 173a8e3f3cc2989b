"""Launch configurations for each architecture, baked in: `baked.py` holds what `python -m profiling kernels --choose` found.

The rule of the choice: of a list of candidates, the largest and deepest first, the first that neither spills a register nor
exceeds shared memory. Larger tiles read the other side from L2 less often; a spill costs more than a smaller tile. The
narrow kernel has no such configuration for every combination of depth, terms and extras: where it has none, the wide one
runs. Nothing is tuned at run time unless asked: `tuning.tune` times candidates on the GPU at hand and puts what it found in
`overrides`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .baked import BAKED

# The widest contraction whose block of rows, with its gradient, fits on the chip.
NARROW = 256
INTERPRETER = "interpreter"
# Bytes a thread that a configuration may spill because it was measured to be faster all the same: 335 us against 417 at
# 32000 x 128 x 5000 on an H200, Triton 3.6.
MEASURED_SPILLS: dict[tuple[str, str], int] = {("sm_90", "rows 128 1 plain"): 32}


@dataclass(frozen=True)
class Config:
    """Block of rows x columns x depth (contraction, or for `gradients` the gradient's width), warps, pipeline stages."""

    rows: int
    columns: int
    depth: int
    warps: int
    stages: int


@dataclass(frozen=True)
class Key:
    """What a configuration is chosen by.

    kernel: rows, products (signs), biased (signs and their sum), scores or gradients;  depth: of `rows`, else 0;
    terms: 1 or 2;  scale: a diagonal middle;  entries: a bias or a mask.
    """

    kernel: str
    depth: int
    terms: int
    scale: bool = False
    entries: bool = False

    def __str__(self) -> str:
        extras = "+".join(name for name in ("scale", "entries") if getattr(self, name)) or "plain"
        return f"{self.kernel} {self.depth} {self.terms} {extras}"


overrides: dict[tuple[str, str], Config] = {}


def architecture(x: Tensor) -> str:
    """sm_100 for data-centre Blackwell, sm_90 for Hopper, sm_80 for every other NVIDIA GPU; gfx942 for AMD's."""
    if x.device.type != "cuda":
        return INTERPRETER
    if torch.version.hip:
        return "gfx942"
    return {9: "sm_90", 10: "sm_100"}.get(torch.cuda.get_device_capability(x.device)[0], "sm_80")


def choose(architecture: str, key: Key) -> Config | None:
    """The configuration, or None where none fits on the chip."""
    found = overrides.get((architecture, str(key)))
    if found is not None:
        return found
    if architecture == INTERPRETER:
        return Config(32, 16, key.depth or 16, 4, 1)
    baked = BAKED[architecture].get(str(key))
    return None if baked is None else Config(*baked)


def depth_of(width: int) -> int:
    """The narrow kernel's depth: the power of two that holds K."""
    return max(16, 1 << (width - 1).bit_length())
