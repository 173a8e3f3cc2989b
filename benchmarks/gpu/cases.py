"""Regimes of the op and their operands; value and gradients of one call."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from grngc_fast.kernels import matmul_l1


@dataclass(frozen=True)
class Case:
    """A regime at one size: `batch` elements, `windows` of a diagonal middle (0: none), a bias or not."""

    regime: str
    m: int
    k: int
    q: int
    batch: int = 0
    windows: int = 0
    bias: bool = False
    # One that stands for its regime runs at every precision and against the compiled rival: compiling is most of the time.
    leads: bool = False

    @property
    def flop(self) -> float:
        return 6.0 * max(1, self.batch) * max(1, self.windows) * self.m * self.k * self.q

    @property
    def product_bytes(self) -> int:
        return 4 * max(1, self.batch) * max(1, self.windows) * self.m * max(self.q, self.k if self.windows else 0)


CASES = (
    Case("narrow", 32000, 64, 5000),
    Case("narrow", 32000, 128, 5000, leads=True),
    Case("narrow", 32000, 256, 5000),
    Case("wide", 256, 2048, 5000, leads=True),
    Case("wide", 2000, 1024, 5000),
    Case("middle", 1000, 128, 1000, windows=64, leads=True),
    Case("middle", 1000, 1024, 1000, windows=64),
    Case("middle and bias", 256, 128, 5000, windows=8, bias=True),
    Case("middle and bias", 256, 128, 20000, windows=1, bias=True),
    Case("batched", 500, 64, 500, batch=64),
    Case("batched", 100, 512, 100, batch=64),
    Case("small", 20, 128, 20, windows=64),
)
TINY = (
    Case("narrow", 70, 20, 50, leads=True),
    Case("middle", 20, 20, 20, windows=2),
    Case("middle and bias", 20, 20, 40, windows=2, bias=True),
    Case("batched", 20, 10, 20, batch=3),
)
# Relative L2 away from sign flips, as the documentation of precision promises.
TOLERANCE = {"highest": 2e-5, "high": 1e-3, "medium": 1e-2}
# A product of more bytes is not stored for comparison.
LARGEST_STORED = 24 * 2**30


def operands(case: Case, device: str, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    generator = torch.Generator(device).manual_seed(0)
    batch = (case.batch,) if case.batch else ()
    shapes = {"a": (*batch, case.m, case.k), "b": (*batch, case.k, case.q)}
    if case.windows:
        shapes["scale"] = (case.windows, case.k)
    if case.bias:
        shapes["bias"] = (case.m, case.q)
    return {
        name: torch.randn(shape, generator=generator, device=device, dtype=dtype).requires_grad_()
        for name, shape in shapes.items()
    }


def value_and_gradients(given: dict[str, Tensor], **options: object) -> list[Tensor]:
    value = matmul_l1(**given, reduction="sum", **options)  # type: ignore[arg-type]
    return [value.detach(), *torch.autograd.grad(value, list(given.values()))]
