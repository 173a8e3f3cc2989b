"""From operands to launches: which kernels, in which order, in how many pieces.

K <= 256: `rows` twice, once for each gradient's owner.  Wider, or with a gradient of the bias: `products` leaves the
signs of a chunk, `gradients` reads them. A side is cut into terms just before the launch that streams it and dropped
before the gradient of its size is allocated, so that the peak stays near inputs plus gradients.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from ..results import Gradients, Needs
from . import configs, layout
from .gradients import gradients_kernel
from .layout import Problem
from .operands import Terms, add_largest, cdiv, multiprocessors, pitch, terms
from .products import products_kernel
from .rows import rows_kernel

# Signs kept at a time: with what is read beside them they stay in an L2 of 40 to 60 MB.
SIGN_BYTES = 24 * 2**20
# Terms of a streamed side are made in pieces no larger than the gradients still to come, and never below this.
TERM_BYTES = 8 * 2**20
# Windows' terms for the scores.
SCORE_BYTES = 256 * 2**20
# Partial gradients of a shared operand, one for each batch element.
PARTIAL_BYTES = 64 * 2**20
# Programs along the second and third dimension of a CUDA grid.
LARGEST_GRID = 65535
# The largest magnitude is brought to 2^13; a left side and its diagonal middle share that between them.
_TOP, _TOP_LEFT, _TOP_SCALE = 13, 6, 6


@dataclass(frozen=True)
class Numbers:
    """16-bit format, how many terms, and the bits of the largest magnitudes of left, right and scale, an int32 each."""

    dtype: torch.dtype
    count: int
    amax: tuple[Tensor, Tensor, Tensor]
    upcast: bool

    @staticmethod
    def of(problem: Problem, precision: str) -> Numbers:
        x = problem.left
        # Sixteen bytes apart: one specialisation of the kernels for all three.
        buffer = torch.zeros((3, 4), dtype=torch.int32, device=x.device)
        amax = buffer[0], buffer[1], buffer[2]
        dtype = torch.bfloat16 if precision == "medium" else torch.float16
        if dtype == torch.float16:
            for found, side in zip(amax, (problem.left, problem.right, problem.scale), strict=True):
                if side is not None:
                    add_largest(side, found)
        return Numbers(dtype, 2 if precision == "highest" else 1, amax, x.device.type != "cuda")

    @property
    def transposed(self) -> Numbers:
        return replace(self, amax=(self.amax[1], self.amax[0], self.amax[2]))

    def config(self, kernel: str, problem: Problem, depth: int = 0) -> configs.Config | None:
        entries = kernel != "gradients" and not (problem.bias is None and problem.mask is None)
        key = configs.Key(kernel, depth, self.count, problem.scale is not None, entries)
        return configs.choose(configs.architecture(problem.left), key)


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
    narrow = problem.width <= configs.NARROW and not needs.bias
    narrow = narrow and numbers.config("rows", problem, configs.depth_of(problem.width)) is not None
    rows, grads = (_narrow if narrow else _wide)(problem, numbers, needs)
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
    return torch.cat(values), Gradients(**{name: torch.cat(parts) if parts else None for name, parts in found.items()})


def _narrow(problem: Problem, numbers: Numbers, needs: Needs) -> tuple[Tensor, Gradients]:
    """`rows` with the right side as owner for its gradient, with the left one for its own; larger streamed side first."""
    if not (needs.a or needs.b or needs.scale):
        return _sums(problem, numbers), Gradients()
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
    return (_sums(problem, numbers) if sums is None else sums), grads


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
    windows, columns = _splits(left, blocks * n_batch, problem.n_windows, cdiv(right.shape[1], config.columns))
    splits = windows * columns
    row_sums = left.new_empty((n_batch, splits, n_rows), dtype=torch.float32) if sums else None
    found = left.new_empty((n_batch, splits, n_rows, width), dtype=torch.float32) if grad else None
    found_scale = (
        left.new_empty((n_batch, blocks * columns, problem.n_windows, width), dtype=torch.float32)
        if grad_scale
        else None
    )
    limit = max(TERM_BYTES, budget - (0 if found is None or splits == 1 else found.numel() * 4))
    step = max(1, limit // (2 * numbers.count * width * _layers(right)))
    for part in _parts(right.shape[1], step, config.columns):
        own = problem.columns(part)
        streamed = terms(own.right, numbers.amax[1], _TOP, numbers.dtype, numbers.count)
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
            *_given(scale, 3, left),
            problem.n_windows,
            *_given(bias, 3, left),
            *_given(mask, 2, left),
            order,
            counts,
            order.shape[-1],
            0,
            numbers.amax[0],
            numbers.amax[1],
            numbers.amax[2],
            *_or(row_sums, left),
            *_or(found, left),
            *(found.stride()[:3] if found is not None else (0, 0, 0)),
            *_or(found_scale, left),
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
            TOP_OWNER=_TOP if scale is None else _TOP_LEFT,
            TOP_SCALE=_TOP_SCALE,
            TOP_OTHER=_TOP,
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


def _wide(problem: Problem, numbers: Numbers, needs: Needs) -> tuple[Tensor, Gradients]:
    """Signs by `products`, then each gradient by `gradients`, a chunk at a time."""
    if not (needs.a or needs.b or needs.scale or needs.bias):
        return _sums(problem, numbers), Gradients()
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
    for z in _parts(n_batch, batch_step, 1):
        for n in _parts(n_windows, window_step, 1):
            for i in _parts(n_rows, row_step, 128):
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
    right_terms = terms(right, numbers.amax[1], _TOP, numbers.dtype, numbers.count)
    left_terms = terms(left, numbers.amax[0], _TOP, numbers.dtype, numbers.count) if scale is None else None
    sign_sum = None if grads.bias is None else grads.bias[z, i]
    sums = _products(
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
        left_terms = terms(left, numbers.amax[0], _TOP, numbers.dtype, numbers.count)
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


def _products(
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
        *_given(scale, 3, left),
        windows or problem.n_windows,
        *_given(problem.bias, 3, left),
        *_given(problem.mask, 2, left),
        numbers.amax[0],
        numbers.amax[1],
        numbers.amax[2],
        sums,
        *_or(kept, left),
        0 if kept is None else kept.stride(2),
        *_or(sign_sum, left),
        *_or(absolute, left),
        *_or(signed, left),
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
        TOP_LEFT=_TOP if scale is None else _TOP_LEFT,
        TOP_SCALE=_TOP_SCALE,
        TOP_RIGHT=_TOP,
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
    windows, columns = _splits(left, rows * depths * n_batch, problem.n_windows, cdiv(n_columns, config.columns))
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
        *_given(scale, 3, left),
        left,
        *left.stride(),
        numbers.amax[other_row],
        poison,
        *_or(found, left),
        *(found.stride()[:3] if found is not None else (0, 0, 0)),
        *_or(found_scale, left),
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
        TOP_OTHER=_TOP,
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


def _sums(problem: Problem, numbers: Numbers) -> Tensor:
    """Row sums alone, (Z, I)."""
    right_terms = terms(problem.right, numbers.amax[1], _TOP, numbers.dtype, numbers.count)
    left_terms = None
    if problem.scale is None:
        left_terms = terms(problem.left, numbers.amax[0], _TOP, numbers.dtype, numbers.count)
    return _products(problem, numbers, left_terms, right_terms).sum(1, dtype=torch.float64)


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
        right_terms = terms(right, numbers.amax[1], _TOP, numbers.dtype, numbers.count)
        _products(problem, numbers, None, right_terms, absolute=absolute, signed=means, mean_factor=1 / n_windows)
        return absolute, means
    per_window = 2 * numbers.count * sum(x[0].numel() for x in (left, right) if x.stride(0))
    step = n_windows if per_window == 0 else max(1, SCORE_BYTES // per_window)
    for part in _parts(n_windows, step, 1):
        own = replace(problem, left=left[part], right=right[part])
        left_terms = terms(own.left, numbers.amax[0], _TOP, numbers.dtype, numbers.count)
        right_terms = terms(own.right, numbers.amax[1], _TOP, numbers.dtype, numbers.count)
        _products(
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


def _layers(x: Tensor) -> int:
    return x.shape[0] if x.stride(0) else 1


def _parts(length: int, step: int, multiple: int) -> Iterator[slice]:
    """Slices of at most `step`, in multiples of `multiple` where there are several."""
    if step < length:
        step = max(multiple, step // multiple * multiple)
    return (slice(start, min(start + step, length)) for start in range(0, length, step))


def _splits(x: Tensor, programs: int, n_windows: int, n_blocks: int) -> tuple[int, int]:
    """How many programs share the windows, and the blocks, of one owner: few owners leave the GPU empty."""
    return _fewest_splits(multiprocessors(x.device), programs, n_windows, n_blocks)


@lru_cache(maxsize=1024)
def _fewest_splits(slots: int, programs: int, n_windows: int, n_blocks: int) -> tuple[int, int]:
    """The smallest number that fills nine tenths of every wave; each split is one more partial gradient."""
    best, best_fill = 1, 0.0
    for splits in range(1, 17):
        if splits > n_windows * n_blocks:
            break
        fill = programs * splits / (cdiv(programs * splits, slots) * slots)
        if fill > best_fill + 0.02:
            best, best_fill = splits, fill
        if fill >= 0.9:
            break
    windows = min(best, n_windows)
    return windows, min(n_blocks, max(1, best // windows))


def _given(x: Tensor | None, dims: int, stand_in: Tensor) -> tuple[Tensor | int, ...]:
    """An optional operand and its strides."""
    return (stand_in, *[0] * dims) if x is None else (x, *x.stride())


def _or(x: Tensor | None, stand_in: Tensor) -> tuple[Tensor]:
    return (stand_in if x is None else x,)
