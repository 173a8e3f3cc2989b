"""The public op: checks, the choice of backend, and autograd wiring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from . import reference, tiled

Backend = Literal["auto", "tiled", "reference"]
BACKENDS: tuple[str, ...] = ("auto", "tiled", "reference")
_FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def matmul_l1(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    reduction: Literal["none", "sum"] = "none",
    backend: str = "auto",
) -> Tensor:
    """Sum of `|a @ b + bias|` over the last two dimensions, without storing the product.

    With `scale` every row n of it is a window, whose product is `(a * scale_n) @ b + bias`; the sum runs over the windows
    too. Differentiable once in all four operands: with S = sign(product) and sign(0) = 0, da = S b^T, db = a^T S and
    dbias = S, computed in the forward pass where the weights of the batch elements cannot matter, else in the backward.

    Parameters
    ----------
    a : (..., M, K)
    b : (..., K, Q); batch dimensions broadcast. An operand without them is shared, never copied; one that broadcasts
        along some of several is expanded to all.
    scale : (..., N, K), the diagonal middle of a one-hidden-layer network.
    bias : (..., M, Q), a linear path added to every window's product.
    reduction : "none" gives one value per batch element, "sum" their sum, a scalar.
    backend : "tiled" (cache-sized tiles), "reference" (the definition, stores the product) or "auto".

    Autocast does not reach into the op: it computes in the dtype of its operands.

    Returns
    -------
    Tensor of the broadcast batch shape, a scalar for `reduction="sum"`. Dtype of the operands; float16 and bfloat16 are
    computed in float32.

    Raises
    ------
    ValueError : shapes that do not fit, an unknown backend or reduction. TypeError : not a floating dtype, mixed dtypes.

    Example
    -------
    >>> a, b = torch.tensor([[1.0, -2.0]]), torch.tensor([[3.0], [4.0]])
    >>> matmul_l1(a, b)
    tensor(5.)
    """
    _check(a, b, scale, bias, backend)
    if reduction not in ("none", "sum"):
        raise ValueError(f"reduction={reduction!r} is unknown; use 'none' or 'sum'")
    if backend == "reference":
        return reference.matmul_l1(a, b, scale, bias, reduction)
    operands = (a, b, scale, bias)
    batch = torch.broadcast_shapes(*(x.shape[:-2] for x in operands if x is not None))
    if any(x.numel() == 0 for x in operands if x is not None):
        return reference.matmul_l1(a, b, scale, bias, reduction)
    flat = [None if x is None else _flatten(x, batch) for x in operands]
    with torch.autocast(a.device.type, enabled=False):
        values = cast(Tensor, _MatmulL1.apply(*flat, reduction == "sum"))  # type: ignore[no-untyped-call]
    return values.sum() if reduction == "sum" else values.reshape(batch)


def matmul_abs_mean(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    signed: bool = False,
    backend: str = "auto",
) -> Tensor | tuple[Tensor, Tensor]:
    """Mean over windows of `|a_n @ b_n + bias|`, entry by entry: the causal scores. Not differentiable.

    Parameters
    ----------
    a : (M, K) or (N, M, K)
    b : (K, Q) or (N, K, Q); a side without a window dimension is shared by all windows.
    scale : (N, K), with a and b shared: window n's product is `(a * scale_n) @ b`.
    bias : (M, Q), added to every window's product.
    signed : also return the mean of the signed product.
    backend : as in `matmul_l1`.

    Returns
    -------
    (M, Q), or a pair of them with `signed=True`: mean absolute, mean signed.

    Raises
    ------
    ValueError, TypeError : as `matmul_l1`; also for no windows at all.
    """
    _check(a, b, scale, bias, backend)
    if a.dim() > 3 or b.dim() > 3 or (scale is not None and (scale.dim() > 2 or a.dim() > 2 or b.dim() > 2)):
        raise ValueError(
            f"matmul_abs_mean takes one window dimension, in a and b or in scale: got a {tuple(a.shape)}, b {tuple(b.shape)}"
            + ("" if scale is None else f", scale {tuple(scale.shape)}")
        )
    if bias is not None and bias.dim() > 2:
        raise ValueError(f"bias is shared by all windows and has two dimensions (M, Q); got {tuple(bias.shape)}")
    if 0 in (*a.shape[:-2], *b.shape[:-2], *(() if scale is None else scale.shape[:1])):
        raise ValueError("a mean over no windows is undefined: the window dimension is 0")
    with torch.no_grad(), torch.autocast(a.device.type, enabled=False):
        if backend == "reference" or 0 in (*a.shape, *b.shape):
            absolute, mean = reference.matmul_abs_mean(a, b, scale, bias)
            return (absolute, mean) if signed else absolute
        dtype = a.dtype
        a3, b3, scale, bias = (None if x is None else _compute(x) for x in (a, b, scale, bias))
        assert a3 is not None
        assert b3 is not None
        a3, b3 = a3.reshape(-1, *a3.shape[-2:]), b3.reshape(-1, *b3.shape[-2:])
        result = tiled.abs_mean(a3, b3, scale, bias).to(dtype)
        return (result, tiled.signed_mean(a3, b3, scale, bias).to(dtype)) if signed else result


class _MatmulL1(torch.autograd.Function):
    """Values (B,) of flattened operands, each with a leading dimension of 1 (shared) or B."""

    @staticmethod
    def forward(
        ctx: Any, a: Tensor, b: Tensor, scale: Tensor | None, bias: Tensor | None, unit_weights: bool
    ) -> Tensor:
        needs = tiled.Needs(*ctx.needs_input_grad[:4])
        operands = (a, b, scale, bias)
        n_batch = max(x.shape[0] for x in operands if x is not None)
        wanted = [x for x, n in zip(operands, ctx.needs_input_grad, strict=False) if n and x is not None]
        # The gradient of a shared operand mixes batch elements, whose weights are known only in the backward pass.
        fused = unit_weights or all(x.shape[0] == n_batch for x in wanted)
        values, grads = tiled.l1(*_four(operands), needs if fused else tiled.Needs())
        ctx.needs, ctx.dtype, ctx.grads = needs, a.dtype, grads if fused else None
        ctx.save_for_backward(*operands)
        return values.to(a.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        # Scaled where they lie, so that no gradient exists twice; a second backward pass computes them anew.
        grads, ctx.grads = ctx.grads, None
        if grads is None:
            _, grads = tiled.l1(*_four(ctx.saved_tensors), ctx.needs, _compute(grad))
            grad = grad.new_ones(1)
        found = (grads.a, grads.b, grads.scale, grads.bias)
        for g in found:
            if g is not None:
                g.mul_(grad[0] if g.shape[0] == 1 else grad.view(-1, 1, 1))
        return *(None if g is None else g.to(ctx.dtype) for g in found), None


def _four(operands: Sequence[Tensor | None]) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Operands in the dtype they are computed in."""
    a, b, scale, bias = (None if x is None else _compute(x) for x in operands)
    assert a is not None and b is not None
    return a, b, scale, bias


def _compute(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _flatten(x: Tensor, batch: torch.Size) -> Tensor:
    """(..., I, J) -> (1 | B, I, J)."""
    if x.shape[:-2].numel() == 1:
        return x.reshape(1, *x.shape[-2:])
    return x.expand(*batch, *x.shape[-2:]).reshape(-1, *x.shape[-2:])


def _check(a: Tensor, b: Tensor, scale: Tensor | None, bias: Tensor | None, backend: str) -> None:
    if backend not in BACKENDS:
        raise ValueError(f"backend={backend!r} is unknown; use one of {', '.join(map(repr, BACKENDS))}")
    given = {k: x for k, x in {"a": a, "b": b, "scale": scale, "bias": bias}.items() if x is not None}
    for name, x in given.items():
        if not isinstance(x, Tensor):
            raise TypeError(f"{name} is a {type(x).__name__}; expected a torch tensor")
        if x.dtype not in _FLOATS:
            raise TypeError(f"{name} has dtype {x.dtype}; use one of {', '.join(map(str, _FLOATS))}")
        if x.dim() < 2:
            raise ValueError(f"{name} has shape {tuple(x.shape)}; at least two dimensions are needed")
    if len({x.dtype for x in given.values()}) > 1 or len({x.device for x in given.values()}) > 1:
        found = ", ".join(f"{k}: {x.dtype} on {x.device}" for k, x in given.items())
        raise TypeError(f"the operands need one dtype and one device; got {found}")
    shapes = ", ".join(f"{k} {tuple(x.shape)}" for k, x in given.items())
    fits = a.shape[-1] == b.shape[-2]
    fits = fits and (scale is None or scale.shape[-1] == a.shape[-1])
    fits = fits and (bias is None or bias.shape[-2:] == (a.shape[-2], b.shape[-1]))
    if not fits:
        raise ValueError(
            f"shapes do not fit: a (..., M, K), b (..., K, Q), scale (..., N, K), bias (..., M, Q); got {shapes}"
        )
    try:
        torch.broadcast_shapes(*(x.shape[:-2] for x in given.values()))
    except RuntimeError as error:
        raise ValueError(f"the batch dimensions do not broadcast: {shapes}") from error
