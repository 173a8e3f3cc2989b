"""K <= 256: `rows` twice, once for each gradient's owner; the side that streams is cut into terms just before."""

from __future__ import annotations

import torch
from torch import Tensor

from ..results import Gradients, Needs
from . import configs, layout
from .formats import TOP, TOP_LEFT, TOP_SCALE, Numbers
from .layout import Problem
from .operands import cdiv, pitch, terms
from .pieces import given, or_stand_in, parts, splits_of
from .rows import rows_kernel
from .wide import sums_alone

# Terms of a streamed side are made in pieces no larger than the gradients still to come, and never below this.
TERM_BYTES = 8 * 2**20


def narrow(problem: Problem, numbers: Numbers, needs: Needs) -> tuple[Tensor, Gradients]:
    """`rows` with the right side as owner for its gradient, with the left one for its own; larger streamed side first."""
    if not (needs.a or needs.b or needs.scale):
        return sums_alone(problem, numbers), Gradients()
    n_left, n_right = problem.left.shape[1], problem.right.shape[1]
    passes = [name for name, wanted in (("right", needs.b), ("left", needs.a)) if wanted]
    if not passes:
        passes = ["left"]
    if n_left < n_right:
        passes.reverse()
    # The row sums are the left side's: with batch elements end to end no other tells them apart.
    summing = "left" if "left" in passes else None
    sums, grads = None, Gradients()
    remaining = {"right": needs.b * problem.right.numel() * 4, "left": needs.a * problem.left.numel() * 4}
    for name in passes:
        del remaining[name]
        own, own_numbers = (problem, numbers) if name == "left" else (problem.transposed, numbers.transposed)
        found, grad, grad_scale = _rows(
            own,
            own_numbers,
            grad=needs.a if name == "left" else True,
            grad_scale=needs.scale and name == passes[0],
            sums=name == summing,
            budget=sum(remaining.values()),
        )
        sums = found if found is not None else sums
        if name == "left":
            grads.a = grad
        else:
            grads.b = grad
        grads.scale = grad_scale if grad_scale is not None else grads.scale
    return (sums_alone(problem, numbers) if sums is None else sums), grads


def _rows(
    problem: Problem, numbers: Numbers, *, grad: bool, grad_scale: bool, sums: bool, budget: int
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """The narrow kernel with the left side as owner: row sums (Z, I), its gradient (Z, I, K), the middle's (Z, N, K)."""
    left, right, scale, width = problem.left, problem.right, problem.scale, problem.width
    n_batch, n_rows = left.shape[:2]
    depth = configs.depth_of(width)
    config = numbers.config("rows", problem, depth)
    assert config is not None
    blocks = cdiv(n_rows, config.rows)
    windows, columns = splits_of(left, blocks * n_batch, problem.n_windows, cdiv(right.shape[1], config.columns))
    splits = windows * columns
    row_sums = left.new_empty((n_batch, splits, n_rows), dtype=torch.float32) if sums else None
    found = left.new_empty((n_batch, splits, n_rows, width), dtype=torch.float32) if grad else None
    found_scale = (
        left.new_empty((n_batch, blocks * columns, problem.n_windows, width), dtype=torch.float32)
        if grad_scale
        else None
    )
    limit = max(TERM_BYTES, budget - (0 if found is None or splits == 1 else found.numel() * 4))
    step = max(1, limit // (2 * numbers.count * pitch(width) * _layers(right)))
    for part in parts(right.shape[1], step, config.columns):
        own = problem.columns(part)
        streamed = terms(own.right, numbers.amax[1], TOP, numbers.dtype, numbers.count)
        order = counts = left
        if problem.mask is not None:
            order, counts = layout.allowed_blocks(own, config.rows, config.columns, part.start)
        bias, mask = problem.bias, problem.mask
        rows_kernel[(blocks, splits, n_batch)](
            left,
            *left.stride(),
            n_rows,
            problem.period_i,
            streamed.high,
            streamed.low,
            streamed.stride_z,
            streamed.pitch,
            own.right.shape[1],
            problem.period_j,
            part.start,
            width,
            *given(scale, 3, left),
            problem.n_windows,
            *given(bias, 3, left),
            *given(mask, 2, left),
            order,
            counts,
            order.shape[-1],
            0,
            numbers.amax[0],
            numbers.amax[1],
            numbers.amax[2],
            *or_stand_in(row_sums, left),
            *or_stand_in(found, left),
            *(found.stride()[:3] if found is not None else (0, 0, 0)),
            *or_stand_in(found_scale, left),
            found_scale.stride(0) if found_scale is not None else 0,
            splits,
            windows,
            SCALED=numbers.dtype == torch.float16,
            TERMS=numbers.count,
            HAS_SCALE=scale is not None,
            HAS_BIAS=bias is not None,
            HAS_MASK=mask is not None,
            SUM=sums,
            GRAD=grad,
            GRAD_SCALE=grad_scale,
            ACCUMULATE=part.start > 0,
            TOP_OWNER=TOP if scale is None else TOP_LEFT,
            TOP_SCALE=TOP_SCALE,
            TOP_OTHER=TOP,
            UPCAST=numbers.upcast,
            BLOCK_I=config.rows,
            BLOCK_J=config.columns,
            BLOCK_K=depth,
            num_warps=config.warps,
            num_stages=config.stages,
        )
        del streamed
    return (
        None if row_sums is None else row_sums.sum(1, dtype=torch.float64),
        None if found is None else found[:, 0] if splits == 1 else found.sum(1),
        None if found_scale is None else found_scale.sum(1),
    )


def _layers(x: Tensor) -> int:
    return x.shape[0] if x.stride(0) else 1
