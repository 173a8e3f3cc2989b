"""The spline kernels' part of the compiler's report: every kernel, order and base activation that decides its code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grngc_fast.kernels.spline import BASES, Basis

ORDERS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class SplineVariant:
    """kernel: "slopes", "grad_weights" or "grad_inputs"."""

    kernel: str
    order: int
    base: str

    @property
    def basis(self) -> Basis:
        return Basis(order=self.order, base=self.base)

    def __str__(self) -> str:
        return f"spline {self.kernel} order {self.order} {self.base}"


def variants(every: bool) -> list[SplineVariant]:
    """The authors' order with each base activation and the largest order; with `every` all orders."""
    orders = ORDERS if every else (3, 5)
    return [
        SplineVariant(kernel, order, base)
        for kernel in ("slopes", "grad_weights", "grad_inputs")
        for order in orders
        for base in (BASES if order == 3 or every else ("silu",))
    ]


def source(variant: SplineVariant, n_out: int = 128) -> tuple[Any, dict[str, str], dict[str, Any], dict[Any, Any], Any]:
    """Kernel, signature, constants, attributes and blocks of a launch with this many outputs."""
    from grngc_fast.kernels.spline.gpu import gradients, launch, slopes

    kernel: Any = {
        "slopes": slopes.slopes_kernel,
        "grad_weights": gradients.grad_weights_kernel,
        "grad_inputs": gradients.grad_inputs_kernel,
    }[variant.kernel]
    basis = variant.basis
    blocks = launch.Blocks.of(n_out, basis.n_functions)
    values = {
        "ORDER": basis.order,
        "POWERS": launch.powers(basis, 2 if variant.kernel == "grad_inputs" else 1),
        "COUNT": max(1, basis.order - 1),
        "HAS_BASE": basis.has_base,
        "SILU": basis.base == "silu",
        "BLOCK_R": blocks.rows,
        "BLOCK_G": blocks.functions,
        "BLOCK_O": blocks.outputs,
    }
    constants = {p.name: values[p.name] for p in kernel.params if p.is_constexpr}
    types = {**dict.fromkeys(("x", "weights", "incoming", "result"), "*fp32"), "low": "fp32", "inverse_step": "fp32"}
    signature, attributes = {}, {}
    for index, name in enumerate(kernel.arg_names):
        signature[name] = "constexpr" if name in constants else types.get(name, "i32")
        # Allocations are aligned, and so are usual numbers of outputs.
        if signature[name].startswith("*") or name == "n_out":
            attributes[(index,)] = [["tt.divisibility", 16]]
    return kernel, signature, constants, attributes, blocks


def bytes_moved(variant: SplineVariant, n_windows: int = 64, n_in: int = 5000, n_out: int = 128) -> float:
    """Of the reference layer: each slope (or its incoming gradient) once, and the weights once, in float32."""
    return 4.0 * (n_windows * n_in * n_out + n_in * n_out * variant.basis.n_functions)
