"""Autograd and `torch.library` wiring. Gradients are computed in the forward pass; the backward pass only scales them.

`MatmulL1` is the eager path: it keeps one copy of each gradient and scales it where it lies. `grngc_fast::matmul_l1` is the
same as a registered operator (schema, fake, autograd), which compilers trace through without a break.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from . import dispatch
from .results import Gradients, Needs

Operands = Sequence["Tensor | None"]


def fused(operands: Operands, needs: Sequence[bool], unit_weights: bool) -> bool:
    """The gradients can be had before the values' weights are known: those are all 1, or no wanted operand is shared."""
    n_batch = max(x.shape[0] for x in operands if x is not None)
    return unit_weights or all(
        x.shape[0] == n_batch for x, n in zip(operands, needs, strict=True) if n and x is not None
    )


def _in_order(grads: Gradients) -> tuple[Tensor | None, ...]:
    return grads.a, grads.b, grads.scale, grads.bias


class MatmulL1(torch.autograd.Function):
    """Values (B,) of flattened operands, each with a leading dimension of 1 (shared) or B."""

    @staticmethod
    def forward(
        ctx: Any,
        a: Tensor,
        b: Tensor,
        scale: Tensor | None,
        bias: Tensor | None,
        mask: Tensor | None,
        unit_weights: bool,
        backend: str,
        precision: str | None,
    ) -> Tensor:
        ctx.needs = Needs(*ctx.needs_input_grad[:4])
        ctx.how = backend, precision
        ready = fused((a, b, scale, bias), ctx.needs_input_grad[:4], unit_weights)
        values, grads = dispatch.l1(a, b, scale, bias, mask, ctx.needs if ready else Needs(), None, *ctx.how)
        ctx.grads = grads if ready else None
        ctx.save_for_backward(a, b, scale, bias, mask)
        return values.to(a.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        # Scaled where they lie, so that no gradient exists twice; a second backward pass computes them anew.
        grads, ctx.grads = ctx.grads, None
        dtype = grad.dtype
        if grads is None:
            a, b, scale, bias, mask = ctx.saved_tensors
            backend, precision = ctx.how
            _, grads = dispatch.l1(a, b, scale, bias, mask, ctx.needs, grad, backend, precision)
        else:
            for g in _in_order(grads):
                if g is not None:
                    g.mul_(grad[0] if g.shape[0] == 1 else grad.view(-1, 1, 1))
        return *(None if g is None else g.to(dtype) for g in _in_order(grads)), None, None, None, None


_ARGUMENTS = (
    "(Tensor a, Tensor b, Tensor? scale, Tensor? bias, Tensor? mask, Tensor? weights, "
    "bool[] needs, bool unit_weights, str backend, str? precision) -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
)


@torch.library.custom_op("grngc_fast::matmul_l1", mutates_args=(), schema=_ARGUMENTS)
def registered_l1(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    weights: Tensor | None,
    needs: Sequence[bool],
    unit_weights: bool,
    backend: str,
    precision: str | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Values and the gradients wanted in `needs`, empty where not; without gradients where they cannot be had yet."""
    ready = weights is not None or fused((a, b, scale, bias), needs, unit_weights)
    values, grads = dispatch.l1(
        a, b, scale, bias, mask, Needs(*needs) if ready else Needs(), weights, backend, precision
    )
    a_, b_, scale_, bias_ = (a.new_empty(0) if g is None else g.to(a.dtype).contiguous() for g in _in_order(grads))
    return values.to(a.dtype), a_, b_, scale_, bias_


@registered_l1.register_fake
def _(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    weights: Tensor | None,
    needs: Sequence[bool],
    unit_weights: bool,
    backend: str,
    precision: str | None,
) -> tuple[Tensor, ...]:
    operands = (a, b, scale, bias)
    ready = weights is not None or fused(operands, needs, unit_weights)
    n_batch = max(x.shape[0] for x in operands if x is not None)
    return a.new_empty(n_batch), *(
        a.new_empty(x.shape if ready and n and x is not None else 0) for x, n in zip(operands, needs, strict=True)
    )


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *operands, weights, needs, unit_weights, backend, precision = inputs
    del weights
    ctx.needs, ctx.how = needs, (backend, precision)
    ctx.ready = fused(operands[:4], needs, unit_weights)
    ctx.save_for_backward(*operands, *output[1:])


def _scale(ctx: Any, grad: Tensor, *unused: Tensor) -> tuple[Tensor | None, ...]:
    a, b, scale, bias, mask, *grads = ctx.saved_tensors
    if not ctx.ready:
        _, *grads = torch.ops.grngc_fast.matmul_l1(a, b, scale, bias, mask, grad, ctx.needs, False, *ctx.how)
    else:
        grads = [g * (grad[:1] if g.shape[0] <= 1 else grad).view(-1, 1, 1) if g.dim() == 3 else g for g in grads]
    return *(g if n else None for g, n in zip(grads, ctx.needs, strict=True)), *[None] * 6


registered_l1.register_autograd(_scale, setup_context=_keep)


def eager_abs_mean(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    signed: bool,
    backend: str,
    precision: str | None,
) -> tuple[Tensor, Tensor]:
    """Mean absolute product and, on request, mean signed product (empty otherwise)."""
    absolute, mean = dispatch.abs_mean(a, b, scale, bias, mask, signed, backend, precision)
    return absolute.to(a.dtype), a.new_empty(0) if mean is None else mean.to(a.dtype)


registered_abs_mean = torch.library.custom_op(
    "grngc_fast::matmul_abs_mean",
    eager_abs_mean,
    mutates_args=(),
    schema="(Tensor a, Tensor b, Tensor? scale, Tensor? bias, Tensor? mask, bool signed, str backend, str? precision) "
    "-> (Tensor, Tensor)",
)


@registered_abs_mean.register_fake
def _(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    signed: bool,
    backend: str,
    precision: str | None,
) -> tuple[Tensor, Tensor]:
    shape = (a.shape[-2], b.shape[-1])
    return a.new_empty(shape), a.new_empty(shape if signed else 0)
