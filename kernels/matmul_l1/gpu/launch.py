"""From operands to launches: which kernels, in how many pieces.

K <= 256: `narrow`. Wider, or with a gradient of the bias: `wide`. A side is cut into terms just before the launch that
streams it and dropped before the gradient of its size is allocated, so that the peak stays near inputs plus gradients.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..results import Gradients, Needs
from . import configs, layout
from .formats import TOP, Numbers
from .layout import Problem
from .narrow import narrow
from .operands import pitch, terms
from .pieces import parts
from .wide import products, wide

# Windows' terms for the scores.
SCORE_BYTES = 256 * 2**20
# Partial gradients of a shared operand, one for each batch element.
PARTIAL_BYTES = 64 * 2**20
# Programs along the second and third dimension of a CUDA grid.
LARGEST_GRID = 65535


def l1(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    needs: Needs,
    weights: Tensor | None = None,
    mask: Tensor | None = None,
    precision: str = "highest",
) -> tuple[Tensor, Gradients]:
    """Values (B,) and gradients of their sum weighted by `weights` (B,), in float32. Shapes as in `tiled.l1`."""
    n_batch = max(x.shape[0] for x in (a, b, scale, bias) if x is not None)
    if weights is not None:
        return _weighted(a, b, scale, bias, needs, weights, mask, precision)
    if a.shape[0] == 1 < b.shape[0] and scale is None and (bias is None or bias.shape[0] == 1):
        values, grads = l1(
            b.mT, a.mT, None, _t(bias), needs.transposed(), None, None if mask is None else mask.T, precision
        )
        return values, grads.transposed()
    problem = layout.of(a, b, scale, bias, mask)
    shared = [
        name
        for name, x in (("a", a), ("b", b), ("scale", scale), ("bias", bias))
        if x is not None and getattr(needs, name) and x.shape[0] == 1 < problem.n_batch
    ]
    step = LARGEST_GRID
    if shared:
        largest = max(x.numel() for x in (a, b, scale, bias) if x is not None)
        step = min(step, max(1, PARTIAL_BYTES // (4 * largest)))
    if step < problem.n_batch:
        return _in_pieces(a, b, scale, bias, needs, mask, precision, step)
    numbers = Numbers.of(problem, precision)
    fits = problem.width <= configs.NARROW and not needs.bias
    fits = fits and numbers.config("rows", problem, configs.depth_of(problem.width)) is not None
    rows, grads = (narrow if fits else wide)(problem, numbers, needs)
    # (Z, I) sums of rows, or (1, B * M) of batch elements laid end to end.
    values = rows.reshape(n_batch, -1).sum(1, dtype=torch.float64)
    return values, Gradients(
        a=_sum_shared(grads.a, a),
        b=_t(_sum_shared(grads.b, b.mT)),
        scale=None if scale is None else _sum_shared(grads.scale, scale),
        bias=None if bias is None else _sum_bias(grads.bias, bias, n_batch),
    )


def _t(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.mT


def _sum_shared(grad: Tensor | None, like: Tensor) -> Tensor | None:
    """(Z, rows, K) in the operand's shape: summed where it is shared, cut where batch elements lie end to end."""
    if grad is None:
        return None
    if like.shape[0] == 1 < grad.shape[0]:
        return grad.sum(0, keepdim=True)
    return grad.reshape(like.shape)


def _sum_bias(grad: Tensor | None, like: Tensor, n_batch: int) -> Tensor | None:
    if grad is None:
        return None
    grad = grad.reshape(n_batch, *like.shape[1:])
    return grad.sum(0, keepdim=True) if like.shape[0] == 1 < n_batch else grad


def _weighted(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    needs: Needs,
    weights: Tensor,
    mask: Tensor | None,
    precision: str,
) -> tuple[Tensor, Gradients]:
    """One batch element after the other, each gradient with its weight."""
    operands = {"a": a, "b": b, "scale": scale, "bias": bias}
    values = []
    total = Gradients(
        **{
            name: torch.zeros(x.shape, dtype=torch.float32, device=x.device)
            if x is not None and getattr(needs, name)
            else None
            for name, x in operands.items()
        }
    )
    for n in range(len(weights)):
        own = {name: None if x is None else x[n : n + 1] if x.shape[0] > 1 else x for name, x in operands.items()}
        assert own["a"] is not None and own["b"] is not None
        value, grads = l1(own["a"], own["b"], own["scale"], own["bias"], needs, None, mask, precision)
        values.append(value)
        for name, x in operands.items():
            into, grad = getattr(total, name), getattr(grads, name)
            if x is not None and into is not None:
                into[n if x.shape[0] > 1 else 0].addcmul_(grad[0], weights[n].to(grad.dtype))
    return torch.cat(values), total


def _in_pieces(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    needs: Needs,
    mask: Tensor | None,
    precision: str,
    step: int,
) -> tuple[Tensor, Gradients]:
    """Some batch elements at a time: the gradient of a shared operand exists once for each of them before it is summed."""
    operands = {"a": a, "b": b, "scale": scale, "bias": bias}
    n_batch = max(x.shape[0] for x in operands.values() if x is not None)
    found: dict[str, list[Tensor]] = {name: [] for name in operands}
    values = []
    for start in range(0, n_batch, step):
        own = {
            name: None if x is None else x[start : start + step] if x.shape[0] > 1 else x
            for name, x in operands.items()
        }
        assert own["a"] is not None and own["b"] is not None
        value, grads = l1(own["a"], own["b"], own["scale"], own["bias"], needs, None, mask, precision)
        values.append(value)
        for name, x in operands.items():
            grad = getattr(grads, name)
            if grad is None or x is None:
                continue
            if x.shape[0] == 1 and found[name]:
                found[name][0] += grad
            else:
                found[name].append(grad)
    return torch.cat(values), Gradients(**{name: torch.cat(every) if every else None for name, every in found.items()})


def abs_mean(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None = None,
    precision: str = "highest",
    signed: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Mean absolute and mean signed product over windows, (M, Q) float32. Shapes as in `tiled.abs_mean`."""
    n_windows = max(a.shape[0], b.shape[0], 1 if scale is None else scale.shape[0])
    right = b.mT
    left, right = (x.expand(n_windows if scale is None else 1, *x.shape[1:]) for x in (a, right))
    mask = None if mask is None else mask.contiguous().view(torch.uint8)
    problem = Problem(
        left,
        right,
        None if scale is None else scale[None],
        None if bias is None else bias[None],
        mask,
        left.shape[1],
        right.shape[1],
    )
    numbers = Numbers.of(problem, precision)
    absolute = left.new_empty((left.shape[1], right.shape[1]), dtype=torch.float32)
    means = torch.empty_like(absolute) if signed else None
    if scale is not None:
        right_terms = terms(right, numbers.amax[1], TOP, numbers.dtype, numbers.count)
        products(problem, numbers, None, right_terms, absolute=absolute, signed=means, mean_factor=1 / n_windows)
        return absolute, means
    per_window = 2 * numbers.count * pitch(problem.width) * sum(x.shape[1] for x in (left, right) if x.stride(0))
    step = n_windows if per_window == 0 else max(1, SCORE_BYTES // per_window)
    for part in parts(n_windows, step, 1):
        own = replace(problem, left=left[part], right=right[part])
        left_terms = terms(own.left, numbers.amax[0], TOP, numbers.dtype, numbers.count)
        right_terms = terms(own.right, numbers.amax[1], TOP, numbers.dtype, numbers.count)
        products(
            own,
            numbers,
            left_terms,
            right_terms,
            windows=part.stop - part.start,
            absolute=absolute,
            signed=means,
            mean_factor=1 / n_windows,
            accumulate=part.start > 0,
        )
    return absolute, means
