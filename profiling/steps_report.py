"""The steps of small networks in the compiler's report: the code of each number of units, with and without splines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Windows and inputs of the step whose floor is stated, networks that take it at once, and the GPU's float32 TFLOP/s.
WINDOWS, INPUTS, NETWORKS, RATE = 64, 16, 10_000, 67.0


@dataclass(frozen=True)
class StepsVariant:
    """splines: of each input; aligned: sizes are multiples of 16."""

    units: int
    splines: int
    aligned: bool

    def __str__(self) -> str:
        return f"steps of {self.units} units, {self.splines} splines{' aligned' * self.aligned}"


def variants(every: bool) -> list[StepsVariant]:
    """The usual number of units, and with `every` all that have code of their own."""
    return [
        StepsVariant(units, splines, aligned)
        for units in ((16, 32, 64) if every else (16, 64))
        for splines in (0, 20)
        for aligned in ((False, True) if units == 16 or every else (False,))
    ]


def source(variant: StepsVariant, backend: str) -> tuple[Any, dict[str, str], dict[str, Any], dict[Any, Any], Any]:
    """Kernel, signature, constants, attributes and blocks of a launch."""
    from grngc_fast.kernels.small_networks.gpu import launch, steps

    kernel: Any = steps.steps_kernel
    constants, blocks = launch.constants(variant.units, variant.splines, variant.aligned, backend == "cuda")
    types = {"low": "fp32", "inverse_step": "fp32", "windows": "*i32"}
    pointers = ("inputs", "wanted", "rates", "lam", "parameters", "means", "squares", "room")
    signature, attributes = {}, {}
    for index, name in enumerate(kernel.arg_names):
        found = types.get(name, "*fp32" if name in pointers else "i32")
        signature[name] = "constexpr" if name in constants else found
        # Allocations are aligned; a launch of some of the steps begins anywhere in their table of rates.
        usual = ("n_inputs", "n_free", "batch", "n_units") if variant.aligned else ()
        if name == "zero" or name in usual or (found.startswith("*") and name != "rates"):
            attributes[(index,)] = [["tt.divisibility", 16]]
    return kernel, signature, constants, attributes, blocks


def flop(variant: StepsVariant) -> float:
    """Of a step: five products, and 14 instructions for the gradient of each spline at each window."""
    units = 10.0 * WINDOWS * INPUTS * variant.units
    return NETWORKS * (units + 28.0 * WINDOWS * INPUTS * variant.splines)
