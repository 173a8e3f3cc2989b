"""The public op: checks, then a backend."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor

from . import autograd, reference
from .dispatch import check_names

_FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def matmul_l1(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None = None,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    *,
    reduction: Literal["none", "sum"] = "none",
    backend: str = "auto",
    precision: str | None = None,
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
    mask : (M, Q) bool, shared by all batch elements and windows: entries where it is False count as 0, and blocks
        without a True cost nothing.
    reduction : "none" gives one value per batch element, "sum" their sum, a scalar.
    backend : "triton" (fused GPU kernels), "tiled" (cache-sized tiles, any device), "reference" (the definition, stores
        the product) or "auto".
    precision : of float32 products: "highest" (float32-accurate), "high" (tf32 class) or "medium" (bfloat16 class); None
        follows `torch.get_float32_matmul_precision()`. On a CPU "high" is "highest". float64 is always float64.

    Autocast does not reach into the op: it computes in the dtype of its operands. Under autocast operands of several
    floating dtypes are brought to the widest of them; without it they are refused.

    Returns
    -------
    Tensor of the broadcast batch shape, a scalar for `reduction="sum"`. Dtype of the operands; float16 and bfloat16 are
    computed in float32. NaN and infinities propagate to the value.

    Raises
    ------
    ValueError : shapes that do not fit, an unknown backend, precision or reduction. TypeError : not a floating dtype, mixed
    dtypes or devices. RuntimeError : a backend that cannot run here.

    Example
    -------
    >>> a, b = torch.tensor([[1.0, -2.0]]), torch.tensor([[3.0], [4.0]])
    >>> matmul_l1(a, b)
    tensor(5.)
    """
    a, b, scale, bias = _promote(a, b, scale, bias)
    check_names(backend, precision)
    _check(a, b, scale, bias, mask)
    if reduction not in ("none", "sum"):
        raise ValueError(f"reduction={reduction!r} is unknown; use 'none' or 'sum'")
    operands = (a, b, scale, bias)
    if backend == "reference" or any(x.numel() == 0 for x in operands if x is not None):
        with torch.autocast(a.device.type, enabled=False):
            return reference.matmul_l1(a, b, scale, bias, mask, reduction)
    batch = _broadcast(*(x.shape[:-2] for x in operands if x is not None))
    a, b = _flatten(a, batch), _flatten(b, batch)
    scale, bias = (None if x is None else _flatten(x, batch) for x in (scale, bias))
    unit_weights = reduction == "sum"
    if torch.compiler.is_compiling():
        needs = [x is not None and x.requires_grad and torch.is_grad_enabled() for x in (a, b, scale, bias)]
        values = torch.ops.grngc_fast.matmul_l1(a, b, scale, bias, mask, None, needs, unit_weights, backend, precision)[
            0
        ]
    else:
        apply = autograd.MatmulL1.apply
        values = apply(a, b, scale, bias, mask, unit_weights, backend, precision)  # type: ignore[no-untyped-call]
    values = values.sum() if unit_weights else values.reshape(batch)
    return cast(Tensor, values)


def matmul_abs_mean(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None = None,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    *,
    signed: bool = False,
    backend: str = "auto",
    precision: str | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Mean over windows of `|a_n @ b_n + bias|`, entry by entry: the causal scores. Not differentiable.

    Parameters
    ----------
    a : (M, K) or (N, M, K)
    b : (K, Q) or (N, K, Q); a side without a window dimension is shared by all windows.
    scale : (N, K), with a and b shared: window n's product is `(a * scale_n) @ b`.
    bias : (M, Q), added to every window's product.
    mask : (M, Q) bool; scores where it is False are 0.
    signed : also return the mean of the signed product.
    backend, precision : as in `matmul_l1`.

    Returns
    -------
    (M, Q), or a pair of them with `signed=True`: mean absolute, mean signed.

    Raises
    ------
    ValueError, TypeError, RuntimeError : as `matmul_l1`; ValueError also for no windows at all.
    """
    a, b, scale, bias = _promote(a, b, scale, bias)
    check_names(backend, precision)
    _check(a, b, scale, bias, mask)
    if a.dim() > 3 or b.dim() > 3 or (scale is not None and (scale.dim() > 2 or a.dim() > 2 or b.dim() > 2)):
        raise ValueError(
            f"matmul_abs_mean takes one window dimension, in a and b or in scale: got a {tuple(a.shape)}, b {tuple(b.shape)}"
            + ("" if scale is None else f", scale {tuple(scale.shape)}")
        )
    if bias is not None and bias.dim() > 2:
        raise ValueError(f"bias is shared by all windows and has two dimensions (M, Q); got {tuple(bias.shape)}")
    if 0 in (*a.shape[:-2], *b.shape[:-2], *(() if scale is None else scale.shape[:1])):
        raise ValueError("a mean over no windows is undefined: the window dimension is 0")
    with torch.no_grad():
        if backend == "reference" or 0 in (*a.shape, *b.shape):
            with torch.autocast(a.device.type, enabled=False):
                absolute, mean = reference.matmul_abs_mean(a, b, scale, bias, mask)
            return (absolute, mean) if signed else absolute
        a, b = a.reshape(-1, *a.shape[-2:]), b.reshape(-1, *b.shape[-2:])
        operands = (a, b, scale, bias, mask, signed, backend, precision)
        compute = torch.ops.grngc_fast.matmul_abs_mean if torch.compiler.is_compiling() else autograd.eager_abs_mean
        absolute, mean = compute(*operands)
        return (absolute, mean) if signed else absolute


def _promote(
    a: Tensor, b: Tensor, scale: Tensor | None, bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Under autocast, operands of several floating dtypes in the widest of them."""
    given = [x for x in (a, b, scale, bias) if isinstance(x, Tensor)]
    if not given or not torch.is_autocast_enabled(given[0].device.type):
        return a, b, scale, bias
    dtype = given[0].dtype
    for x in given[1:]:
        dtype = torch.promote_types(dtype, x.dtype)
    return tuple(x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x for x in (a, b, scale, bias))  # type: ignore[return-value]


def _broadcast(*shapes: torch.Size) -> torch.Size:
    """`torch.broadcast_shapes`, without the half second in which that imports sympy on its first use."""
    length = max(map(len, shapes))
    result = [1] * length
    for shape in shapes:
        for i, size in enumerate(shape, length - len(shape)):
            if size != 1 and result[i] not in (1, size):
                raise ValueError(f"{tuple(shape)} does not broadcast")
            result[i] = result[i] if size == 1 else size
    return torch.Size(result)


def _flatten(x: Tensor, batch: torch.Size) -> Tensor:
    """(..., I, J) -> (1 | B, I, J)."""
    if x.shape[:-2].numel() == 1:
        return x.reshape(1, *x.shape[-2:])
    return x.expand(*batch, *x.shape[-2:]).reshape(-1, *x.shape[-2:])


def _check(a: Tensor, b: Tensor, scale: Tensor | None, bias: Tensor | None, mask: Tensor | None) -> None:
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
    if mask is not None:
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.device != a.device:
            found = f"{mask.dtype} on {mask.device}" if isinstance(mask, Tensor) else type(mask).__name__
            raise TypeError(f"mask is {found}; expected a torch.bool tensor on {a.device}")
        if mask.shape != (a.shape[-2], b.shape[-1]):
            raise ValueError(f"mask has shape {tuple(mask.shape)}; expected (M, Q) = {(a.shape[-2], b.shape[-1])}")
    try:
        _broadcast(*(x.shape[:-2] for x in given.values()))
    except ValueError as error:
        raise ValueError(f"the batch dimensions do not broadcast: {shapes}") from error
