"""Any K, or a gradient of the bias: `products` leaves the signs of a chunk, `gradients` reads them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..results import Gradients, Needs
from .formats import TOP, TOP_LEFT, TOP_SCALE, Numbers
from .gradients import gradients_kernel
from .layout import Problem
from .operands import Terms, cdiv, pitch, terms
from .pieces import given, or_stand_in, parts, splits_of
from .products import products_kernel

# Signs kept at a time: with what is read beside them they stay in an L2 of 40 to 60 MB.
SIGN_BYTES = 24 * 2**20


def wide(problem: Problem, numbers: Numbers, needs: Needs) -> tuple[Tensor, Gradients]:
    """Signs by `products`, then each gradient by `gradients`, a chunk at a time."""
    if not (needs.a or needs.b or needs.scale or needs.bias):
        return sums_alone(problem, numbers), Gradients()
    left = problem.left
    (n_batch, n_rows), n_columns = left.shape[:2], problem.right.shape[1]
    row_sums = left.new_empty((n_batch, n_rows), dtype=torch.float64)
    sign_sum = left.new_empty((n_batch, n_rows, n_columns), dtype=torch.float32) if needs.bias else None
    grads = Gradients(bias=sign_sum)
    n_windows = problem.n_windows
    entries = n_rows * pitch(n_columns)
    batch_step = max(1, SIGN_BYTES // (entries * n_windows))
    window_step = max(1, min(n_windows, SIGN_BYTES // entries))
    row_step = max(1, SIGN_BYTES // pitch(n_columns)) if n_windows == 1 and batch_step == 1 else n_rows
    for z in parts(n_batch, batch_step, 1):
        for n in parts(n_windows, window_step, 1):
            for i in parts(n_rows, row_step, 128):
                _chunk(problem, numbers, needs, z, n, i, row_sums, grads)
    return row_sums, grads


def _chunk(
    problem: Problem, numbers: Numbers, needs: Needs, z: slice, n: slice, i: slice, row_sums: Tensor, grads: Gradients
) -> None:
    """One chunk of the wide path, added to what the earlier ones left."""
    own = replace(
        problem,
        left=problem.left[z, i],
        right=problem.right[z],
        scale=None if problem.scale is None else problem.scale[z, n],
        bias=None if problem.bias is None else problem.bias[z],
    )
    left, right, scale = own.left, own.right, own.scale
    (n_batch, n_rows), n_columns, n_windows = left.shape[:2], right.shape[1], own.n_windows
    gradients_wanted = needs.a or needs.b or needs.scale
    shape = n_batch, n_windows, n_rows, pitch(n_columns)
    kept = left.new_empty(shape, dtype=torch.int8) if gradients_wanted else None
    right_terms = terms(right, numbers.amax[1], TOP, numbers.dtype, numbers.count)
    left_terms = terms(left, numbers.amax[0], TOP, numbers.dtype, numbers.count) if scale is None else None
    sign_sum = None if grads.bias is None else grads.bias[z, i]
    sums = products(
        own, numbers, left_terms, right_terms, i.start, kept=kept, sign_sum=sign_sum, accumulate=n.start > 0
    )
    sums = sums.sum(1, dtype=torch.float64)
    row_sums[z, i] = sums if n.start == 0 else row_sums[z, i] + sums
    if kept is None:
        return
    # Stored signs have no NaN: a product that was one makes every gradient NaN.
    poison = torch.where(sums.sum().isnan(), torch.nan, 0.0).to(torch.float32)
    first_window, first_row = n.start == 0, i.start == 0
    if needs.a or needs.scale:
        del left_terms
        found, found_scale = _gradient(own, numbers, kept, right_terms, 1, poison, needs.a, needs.scale)
        del right_terms
        if found is not None:
            _put(grads, "a", problem.left, (z, i), found, first_window)
        if found_scale is not None:
            assert problem.scale is not None
            _put(grads, "scale", problem.scale, (z, n), found_scale, first_row)
    else:
        del right_terms
    if needs.b:
        left_terms = terms(left, numbers.amax[0], TOP, numbers.dtype, numbers.count)
        found, _ = _gradient(own.transposed, numbers, kept.mT, left_terms, 0, poison, True, False)
        assert found is not None
        _put(grads, "b", problem.right, (z, slice(None)), found, first_window and first_row)


def _put(grads: Gradients, name: str, like: Tensor, place: tuple[slice, slice], found: Tensor, first: bool) -> None:
    """Write or add a chunk's gradient; one that is all there is becomes the result as it lies."""
    total = getattr(grads, name)
    if total is None:
        if found.shape == like.shape:
            setattr(grads, name, found)
            return
        total = found.new_empty(like.shape)
        setattr(grads, name, total)
    if first:
        total[place] = found
    else:
        total[place] += found


def products(
    problem: Problem,
    numbers: Numbers,
    left_terms: Terms | None,
    right_terms: Terms,
    row_offset: int = 0,
    *,
    kept: Tensor | None = None,
    sign_sum: Tensor | None = None,
    accumulate: bool = False,
    windows: int = 0,
    absolute: Tensor | None = None,
    signed: Tensor | None = None,
    mean_factor: float = 1.0,
) -> Tensor:
    """Launch `products`; row sums (Z, column blocks, I). With `windows` the terms' batch elements are the windows."""
    left, scale = problem.left, problem.scale
    n_rows, n_columns, width = left.shape[1], problem.right.shape[1], problem.width
    n_batch = 1 if windows else problem.n_batch
    kernel = "scores" if absolute is not None else "biased" if sign_sum is not None else "products"
    config = numbers.config(kernel, problem)
    assert config is not None
    columns = cdiv(n_columns, config.columns)
    summing = absolute is None
    sums = left.new_empty((n_batch, columns, n_rows) if summing else (0,), dtype=torch.float32)
    if left_terms is None:
        first = second = left
        strides = (left.stride(0), 0, left.stride(1), left.stride(2))
    else:
        first, second = left_terms.high, left_terms.low
        own = left_terms.stride_z
        strides = (0, own, left_terms.pitch, 1) if windows else (own, 0, left_terms.pitch, 1)
    own = right_terms.stride_z
    products_kernel[(cdiv(n_rows, config.rows) * columns, n_batch)](
        first,
        second,
        *strides,
        n_rows,
        problem.period_i,
        row_offset,
        right_terms.high,
        right_terms.low,
        *((0, own) if windows else (own, 0)),
        right_terms.pitch,
        n_columns,
        width,
        *given(scale, 3, left),
        windows or problem.n_windows,
        *given(problem.bias, 3, left),
        *given(problem.mask, 2, left),
        numbers.amax[0],
        numbers.amax[1],
        numbers.amax[2],
        sums,
        *or_stand_in(kept, left),
        0 if kept is None else kept.stride(2),
        *or_stand_in(sign_sum, left),
        *or_stand_in(absolute, left),
        *or_stand_in(signed, left),
        columns,
        mean_factor,
        0,
        SCALED=numbers.dtype == torch.float16,
        TERMS=numbers.count,
        HAS_SCALE=scale is not None,
        HAS_BIAS=problem.bias is not None,
        HAS_MASK=problem.mask is not None,
        SUM=summing,
        KEEP=kept is not None,
        SUM_SIGNS=sign_sum is not None,
        ABSOLUTE=absolute is not None,
        SIGNED=signed is not None,
        ACCUMULATE=accumulate,
        TOP_LEFT=TOP if scale is None else TOP_LEFT,
        TOP_SCALE=TOP_SCALE,
        TOP_RIGHT=TOP,
        UPCAST=numbers.upcast,
        BLOCK_I=config.rows,
        BLOCK_J=config.columns,
        BLOCK_K=config.depth,
        num_warps=config.warps,
        num_stages=config.stages,
    )
    return sums


def _gradient(
    problem: Problem,
    numbers: Numbers,
    kept: Tensor,
    other: Terms,
    other_row: int,
    poison: Tensor,
    grad: bool,
    grad_scale: bool,
) -> tuple[Tensor | None, Tensor | None]:
    """Launch `gradients` for the problem's left side: its gradient (Z, I, K), the middle's (Z, N, K)."""
    left, scale = problem.left, problem.scale
    n_batch, n_rows, width = left.shape
    config = numbers.config("gradients", problem)
    assert config is not None
    rows, depths = cdiv(n_rows, config.rows), cdiv(width, config.depth)
    n_columns = problem.right.shape[1]
    windows, columns = splits_of(left, rows * depths * n_batch, problem.n_windows, cdiv(n_columns, config.columns))
    splits = windows * columns
    found = left.new_empty((n_batch, splits, n_rows, width), dtype=torch.float32) if grad else None
    found_scale = (
        left.new_empty((n_batch, rows * columns, problem.n_windows, width), dtype=torch.float32) if grad_scale else None
    )
    gradients_kernel[(rows * depths, splits, n_batch)](
        kept,
        *kept.stride(),
        *kept.shape[2:],
        n_rows,
        n_columns,
        problem.n_windows,
        other.high,
        other.low,
        other.stride_z,
        other.pitch,
        width,
        *given(scale, 3, left),
        left,
        *left.stride(),
        numbers.amax[other_row],
        poison,
        *or_stand_in(found, left),
        *(found.stride()[:3] if found is not None else (0, 0, 0)),
        *or_stand_in(found_scale, left),
        found_scale.stride(0) if found_scale is not None else 0,
        depths,
        splits,
        windows,
        0,
        SCALED=numbers.dtype == torch.float16,
        TERMS=numbers.count,
        HAS_SCALE=scale is not None,
        GRAD=grad,
        GRAD_SCALE=grad_scale,
        ACCUMULATE=False,
        TOP_OTHER=TOP,
        UPCAST=numbers.upcast,
        BLOCK_I=config.rows,
        BLOCK_J=config.columns,
        BLOCK_K=config.depth,
        num_warps=config.warps,
        num_stages=config.stages,
    )
    return (
        None if found is None else found[:, 0] if splits == 1 else found.sum(1),
        None if found_scale is None else found_scale.sum(1),
    )


def sums_alone(problem: Problem, numbers: Numbers) -> Tensor:
    """Row sums alone, (Z, I)."""
    right_terms = terms(problem.right, numbers.amax[1], TOP, numbers.dtype, numbers.count)
    left_terms = None
    if problem.scale is None:
        left_terms = terms(problem.left, numbers.amax[0], TOP, numbers.dtype, numbers.count)
    return products(problem, numbers, left_terms, right_terms).sum(1, dtype=torch.float64)
