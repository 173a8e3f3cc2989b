"""From a layer to launches. Weights and slopes have the outputs innermost in memory, whatever they come as."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, cast

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..basis import Basis
from .gradients import grad_inputs_kernel, grad_weights_kernel
from .slopes import slopes_kernel

WARPS = 4
# Numbers of a tile, 16 to a thread.
_TILE = 16 * 32 * WARPS
_LARGEST_BLOCK_O = 128
_LARGEST_BLOCK_G = 16


@dataclass(frozen=True)
class Blocks:
    """Rows or functions, and outputs, to a program."""

    rows: int
    functions: int
    outputs: int

    @staticmethod
    def of(n_out: int, n_functions: int) -> Blocks:
        outputs = min(_LARGEST_BLOCK_O, triton.next_power_of_2(n_out))
        return Blocks(
            _TILE // outputs, min(_LARGEST_BLOCK_G, max(2, triton.next_power_of_2(n_functions))), max(2, outputs)
        )


def powers(basis: Basis, derivative: int) -> tuple[float, ...]:
    """Of each live spline in turn, for cells of width 1: a compiled kernel depends on the order only."""
    unit = Basis(1, basis.order, 0.0, 1.0, "none")
    return tuple(c for spline in zip(*unit.polynomials(derivative), strict=True) for c in spline)


def slopes(x: Tensor, weights: Tensor, basis: Basis) -> Tensor:
    """(N, O, I) of x (N, I) and weights (O, I, G), float32; lies in memory as (N, I, O)."""
    found = _Slopes.apply(x.contiguous(), weights.permute(1, 2, 0).contiguous(), basis)
    return cast(Tensor, found).mT


class _Slopes(torch.autograd.Function):
    """(N, I, O) from x (N, I) and weights (I, G, O)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, basis: Basis) -> Tensor:
        ctx.save_for_backward(x, weights)
        ctx.basis = basis
        n_out = weights.shape[2]
        result = x.new_empty(*x.shape, n_out)
        if result.numel() == 0:
            return result
        blocks = Blocks.of(n_out, basis.n_functions)
        with _on_device(x):
            slopes_kernel[(triton.cdiv(x.numel(), blocks.rows), triton.cdiv(n_out, blocks.outputs))](
                x,
                x.numel(),
                x.shape[1],
                weights,
                *_layer(weights, basis),
                result,
                ORDER=basis.order,
                POWERS=powers(basis, 1),
                HAS_BASE=basis.has_base,
                SILU=basis.base == "silu",
                BLOCK_R=blocks.rows,
                BLOCK_O=blocks.outputs,
                num_warps=WARPS,
            )
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weights = ctx.saved_tensors
        incoming = incoming.contiguous()
        needs_x, needs_weights, _ = ctx.needs_input_grad
        with _on_device(x):
            return (
                _grad_inputs(x, weights, incoming, ctx.basis) if needs_x else None,
                _grad_weights(x, weights, incoming, ctx.basis) if needs_weights else None,
                None,
            )


def _grad_inputs(x: Tensor, weights: Tensor, incoming: Tensor, basis: Basis) -> Tensor:
    n_out = weights.shape[2]
    if incoming.numel() == 0:
        return torch.zeros_like(x)
    result = torch.empty_like(x)
    blocks = Blocks.of(n_out, basis.n_functions)
    grid_inputs = (triton.cdiv(x.numel(), blocks.rows),)
    grad_inputs_kernel[grid_inputs](
        x,
        x.numel(),
        x.shape[1],
        incoming,
        weights,
        *_layer(weights, basis),
        result,
        ORDER=basis.order,
        POWERS=powers(basis, 2),
        COUNT=max(1, basis.order - 1),
        SILU=basis.base == "silu",
        BLOCK_R=blocks.rows,
        BLOCK_O=blocks.outputs,
        num_warps=WARPS,
    )
    return result


def _grad_weights(x: Tensor, weights: Tensor, incoming: Tensor, basis: Basis) -> Tensor:
    if incoming.numel() == 0:
        return torch.zeros_like(weights)
    n_in, n_functions, n_out = weights.shape
    result = torch.empty_like(weights)
    blocks = Blocks.of(n_out, n_functions)
    g_blocks = triton.cdiv(n_functions, blocks.functions)
    grad_weights_kernel[(n_in * g_blocks, triton.cdiv(n_out, blocks.outputs))](
        x,
        x.shape[0],
        n_in,
        incoming,
        *_layer(weights, basis),
        result,
        g_blocks,
        ORDER=basis.order,
        POWERS=powers(basis, 1),
        HAS_BASE=basis.has_base,
        SILU=basis.base == "silu",
        BLOCK_G=blocks.functions,
        BLOCK_O=blocks.outputs,
        num_warps=WARPS,
    )
    return result


def _layer(weights: Tensor, basis: Basis) -> tuple[int, int, int, int, float, float]:
    return basis.n_functions, basis.n_splines, weights.shape[2], basis.grid, float(basis.low), 1 / basis.step


def _on_device(x: Tensor) -> contextlib.AbstractContextManager[object]:
    return torch.cuda.device(x.device) if x.device.type == "cuda" else contextlib.nullcontext()
