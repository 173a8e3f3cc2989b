"""In which 16-bit format a problem is computed, and by which factors its operands are brought into its range."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from . import configs
from .layout import Problem
from .operands import add_largest

# The largest magnitude is brought to 2^13; a left side and its diagonal middle share that between them.
TOP, TOP_LEFT, TOP_SCALE = 13, 6, 6


@dataclass(frozen=True)
class Numbers:
    """16-bit format, how many terms, and the bits of the largest magnitudes of left, right and scale, an int32 each."""

    dtype: torch.dtype
    count: int
    amax: tuple[Tensor, Tensor, Tensor]
    upcast: bool

    @staticmethod
    def of(problem: Problem, precision: str) -> Numbers:
        x = problem.left
        # Sixteen bytes apart: one specialisation of the kernels for all three.
        buffer = torch.zeros((3, 4), dtype=torch.int32, device=x.device)
        amax = buffer[0], buffer[1], buffer[2]
        dtype = torch.bfloat16 if precision == "medium" else torch.float16
        if dtype == torch.float16:
            for found, side in zip(amax, (problem.left, problem.right, problem.scale), strict=True):
                if side is not None:
                    add_largest(side, found)
        return Numbers(dtype, 2 if precision == "highest" else 1, amax, x.device.type != "cuda")

    @property
    def transposed(self) -> Numbers:
        return replace(self, amax=(self.amax[1], self.amax[0], self.amax[2]))

    def config(self, kernel: str, problem: Problem, depth: int = 0) -> configs.Config | None:
        entries = kernel != "gradients" and not (problem.bias is None and problem.mask is None)
        key = configs.Key(kernel, depth, self.count, problem.scale is not None, entries)
        return configs.choose(configs.architecture(problem.left), key)
