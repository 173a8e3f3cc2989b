"""Both gradient products in int8, where S = sign(p) is exact and only the other operand has to be cut.

    x ~ step_k (256 q1 + q2),  |x| <= 32638 step_k,  q1 and q2 int8        two slices, 16 bits; one slice: x ~ step_k q1
    G = S b^T  = step (256 S q1(b)^T + S q2(b)^T)                          one step to a row k of b
    db = left^T S = step (256 q1(left)^T S + q2(left)^T S)                 one step to a column k of left

Slices lie side by side, so a gradient is one int8 product with twice the columns, at more than four times the sgemm rate
(AVX512-VNNI). Products are exact in int32; the only error is the rounding to multiples of step, of variance step^2 / 12
an entry and summed over independent entries, so that its norm is known beforehand:

    |error of da|^2     = M Q sum_k step(b)_k^2 / 12 * sum_n scale_nk^2
    |error of dscale|^2 = N Q sum_k step(b)_k^2 / 12 * sum_m a_mk^2
    |error of db|^2     = N M Q sum_k step(left)_k^2 / 12

With `scale`, windows may be alike and their roundings the same, so that errors would add up like the gradient does. There
both sides are cut anew in each tile after adding noise of one step (variance step^2 / 6), and only the windows of one tile
share an error of b: the first sum counts them in full.

Each must stay below TOLERANCE of its gradient's norm. Beforehand that is bounded by Cauchy-Schwarz, |da| >= <a, da> / |a|
with <a, da> = sum S (a b) estimated on a sample of entries; afterwards the norm itself is held against it, and a result that
fails is computed again in float32. Heavy tails (a large step beside small entries) fail beforehand.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Relative L2 error of a gradient. Two slices reach 1e-5 on Gaussian operands with Q > K, one slice 5e-3.
TOLERANCE = {"highest": 1.5e-5, "high": 1.5e-5, "medium": 7e-3}
# One below what the slices hold, for the noise.
LARGEST = {1: 126, 2: 32638}
# Added to a float32 below 2^22 it leaves the nearest integer in the low bits.
_ROUND = 1.5 * 2**23
# A row whose largest entry is smaller has no inverse step in float32.
_SMALLEST = 1e-30
# Rows whose signs times two slices surely fit int32.
MAX_ROWS = 2**16 - 2**10
# Tiles whose noise differs.
_OFFSETS = 4096


@functools.cache
def available() -> bool:
    """torch has an int8 product on this CPU, and it is exact."""
    if not hasattr(torch, "_int_mm"):
        return False
    x = (torch.arange(33 * 70) * 37 % 255 - 127).to(torch.int8).view(33, 70)
    try:
        exact = x.long() @ x.T.long()
        return torch.equal(torch._int_mm(x, x.T).long(), exact) and torch.equal(
            torch._int_mm(x.T, x).long(), x.T.long() @ x.long()
        )
    except (RuntimeError, NotImplementedError):
        return False


def worth(rows: int, width: int, columns: int, precision: str) -> bool:
    """The sizes where int8 wins, and where its sums fit int32.

    Measured on 2 cores, time of float32 over that of int8, "highest" | "medium", for rows x K x Q:
    4000 x 32 x 5000  1.65 | 2.0    1000 x 128 x 5000  1.5 | 2.0    4000 x 64 x 1000  1.2 | 1.9    3200 x 64 x 5000  1.7 | 1.8
    4000 x 64 x 300   0.93 | 1.5     300 x 128 x 3000  0.9 | 1.3    4000 x 256 x 300  (-) | 1.5    1000 x 1024 x 500 (-) | 0.8
    (-): refused by `plan` for its error, as Gaussian operands are from K = Q / 7 unless windows average it out.
    """
    if columns >= 2**16 or rows < 1000 or width < 32:
        return False
    return columns >= 1000 or (precision == "medium" and columns >= 256 and width <= columns)


@dataclass(frozen=True)
class Plan:
    """Steps of both sides (K,) and the expected errors of the gradients."""

    slices: int
    step_b: Tensor
    step_a: Tensor
    scale: Tensor | None
    errors: dict[str, float]
    tolerance: float

    def step_left(self, span: slice) -> Tensor:
        """The step of the left side of these windows."""
        return self.step_a if self.scale is None else self.step_a * self.scale[span].abs().amax(0)

    def holds(self, grads: dict[str, Tensor | None]) -> bool:
        """The expected errors are within the tolerance of the gradients found."""
        return all(
            self.errors[name] <= self.tolerance * float(torch.linalg.vector_norm(g))
            for name, g in grads.items()
            if g is not None
        )


def plan(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    wanted: Sequence[str],
    precision: str,
    together: int,
) -> Plan | None:
    """How to cut finite float32 operands a (N | 1, M, K), b (K, Q), scale (N, K), bias (M, Q); None: int8 cannot do it.

    `together` windows of `scale` share a tile.
    """
    norms = {name: _norm(x) for name, x in (("a", a), ("b", b), ("scale", scale)) if x is not None}
    top_a, top_b = _top(a, (0, 1)), _top(b, (1,))
    windows, of_a, of_scale, of_step, variance = a.shape[0], torch.zeros(()), torch.ones(()), torch.tensor(1.0), 1 / 12
    if scale is not None:
        windows, variance = scale.shape[0], 1 / 6
        of_a, of_scale = a[0].double().square().sum(0), together * scale.double().square().sum(0)
        parts = scale.abs().split(together)
        of_step = sum((len(x) * x.amax(0).double().square() for x in parts), torch.zeros(())) / windows
    smallest = top_a if scale is None else top_a * scale.abs().amin(0)
    if any(bool(((x > 0) & (x < _SMALLEST)).any()) for x in (smallest, top_b)):
        return None
    entries = windows * a.shape[1] * b.shape[1]
    inner = _sampled(a, b, scale, bias) * entries
    for slices in (1, 2) if precision == "medium" else (2,):
        made = Plan(slices, top_b / LARGEST[slices], top_a / LARGEST[slices], scale, {}, TOLERANCE[precision])
        var_b, var_a = (step.double().square() * variance for step in (made.step_b, made.step_a))
        made.errors["a"] = math.sqrt(a.shape[0] * a.shape[1] * b.shape[1] * float((var_b * of_scale).sum()))
        made.errors["b"] = math.sqrt(entries * float((var_a * of_step).sum()))
        made.errors["scale"] = math.sqrt(windows * b.shape[1] * float((var_b * of_a).sum()))
        if all(made.errors[x] * norms[x] <= made.tolerance * inner for x in wanted):
            return made
    return None


def _norm(x: Tensor) -> float:
    # A product, since norms and sums of squares over all of a large operand are ten times as slow.
    flat = x.reshape(-1)
    return math.sqrt(float(flat @ flat))


def _top(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    return torch.maximum(x.amax(dims), -x.amin(dims))


def _sampled(
    a: Tensor, b: Tensor, scale: Tensor | None, bias: Tensor | None, rows: int = 128, columns: int = 128
) -> float:
    """Mean of sign(p) * (p - bias) over entries spread evenly."""
    windows = a.shape[0] if scale is None else scale.shape[0]
    flat = torch.linspace(0, windows * a.shape[1] - 1, rows, dtype=torch.float64).long()
    n, m = flat // a.shape[1], flat % a.shape[1]
    c = torch.linspace(0, b.shape[1] - 1, columns, dtype=torch.float64).long()
    left = a[n, m] if scale is None else a[0, m] * scale[n]
    p = left @ b[:, c]
    return float((p * (p if bias is None else p + bias[m][:, c]).sign()).mean())


class Products:
    """S b^T and left^T S over the tiles of a product, as `floats.Products` but from int8 slices.

    In memory signs lie transposed, (Q, R), and the left side's slices too where `left_transposed`.
    """

    def __init__(
        self, plan: Plan, b: Tensor, rows: int, columns: int, left_transposed: bool, want_left: bool, want_right: bool
    ) -> None:
        width, n_columns = b.shape
        wide = plan.slices * width
        self._plan, self._width, self._left_transposed = plan, width, left_transposed
        self._signs = torch.empty(rows * columns, dtype=torch.int8)
        self._tile, self._noise = 0, None
        if plan.scale is not None:
            uniform = torch.rand(max(rows, n_columns) * width + _OFFSETS, generator=torch.Generator().manual_seed(0))
            self._noise = uniform.sub_(0.5)
        if want_left:
            self._b = torch.empty(n_columns, wide, dtype=torch.int8)
            self._b_transposed, self._b_work = b.T.contiguous(), torch.empty(n_columns, width)
            self._sum_left = torch.empty(rows * wide, dtype=torch.int32)
            self._part_left = torch.empty(rows * wide if columns < n_columns else 0, dtype=torch.int32)
        self._wide = wide
        self._want_left, self._want_right = want_left, want_right
        if want_right:
            self._work = torch.empty(rows * width)
            self._left = torch.empty(rows * wide, dtype=torch.int8)
            self._sum_right = torch.zeros(n_columns, width)
            self._part_right = torch.empty(columns * wide, dtype=torch.int32)
            self._float = torch.empty(columns, width)
            # One step for all tiles: their integer sums are added up first.
            self._exact = None if plan.scale is not None else torch.zeros(n_columns, wide, dtype=torch.int32)
            self._exact_rows = 0

    def begin(self, left: Tensor, span: slice) -> None:
        """A new tile with this left side (R, K), of these windows."""
        noise = None if self._noise is None else self._noise[self._tile * 7 % _OFFSETS :]
        if self._want_left and (noise is not None or self._tile == 0):
            _cut(self._b_transposed, self._plan.step_b, self._b, self._b_work, noise)
        if self._want_right:
            self._step_left = self._plan.step_left(span)
            work = shaped(self._work, left.shape[0], left.shape[1], self._left_transposed)
            _cut(left, self._step_left, self._left_cut(len(left)), work, noise)
            if self._exact_rows + len(left) > MAX_ROWS:
                self._convert()
            self._exact_rows += len(left)
        self._tile += 1

    def signs(self, p: Tensor, clipped: bool = False) -> Tensor:
        """sign(p) in the type of the products, of p clipped to [-1, 1] what is left without its fraction; p is lost."""
        return shaped(self._signs, p.shape[0], p.shape[1], True).copy_(p if clipped else p.sign_())

    def left(self, signs: Tensor, c: slice, first: bool, g: Tensor) -> None:
        """Add S b^T of columns c to the tile's sum, which `finish` writes to g."""
        total = self._sum(self._sum_left, g)
        if first:
            _int_mm(signs, self._b[c], total)
        else:
            total.add_(_int_mm(signs, self._b[c], self._sum(self._part_left, g)))

    def right(self, signs: Tensor, left: Tensor, c: slice) -> None:
        """Add left^T S of columns c to db."""
        part = self._part_right[: signs.shape[1] * self._wide].view(-1, self._wide)
        _int_mm(signs.T, self._left_cut(len(left)), part)
        if self._exact is not None:
            self._exact[c] += part
            return
        total = self._sum_right[c]
        total.addcmul_(self._float[: len(total)].copy_(_join(part, self._width)), self._step_left)

    def _convert(self) -> None:
        """The integer sums so far to db."""
        if self._exact is not None and self._exact_rows:
            self._sum_right.addcmul_(_join(self._exact, self._width).float(), self._step_left)
            self._exact.zero_()
        self._exact_rows = 0

    def finish(self, g: Tensor) -> None:
        total = self._sum(self._sum_left, g)
        g.copy_(_join(total, self._width)).mul_(self._plan.step_b)

    def grad_right(self) -> Tensor:
        """db transposed, (Q, K)."""
        self._convert()
        return self._sum_right

    def _sum(self, flat: Tensor, g: Tensor) -> Tensor:
        return shaped(flat, len(g), self._wide, not g.is_contiguous())

    def _left_cut(self, rows: int) -> Tensor:
        return shaped(self._left, rows, self._wide, self._left_transposed)


def shaped(flat: Tensor, rows: int, columns: int, transposed: bool) -> Tensor:
    """The matrix (rows, columns) at the start of a buffer, on request stored transposed."""
    flat = flat[: rows * columns]
    return flat.view(columns, rows).T if transposed else flat.view(rows, columns)


def _cut(x: Tensor, step: Tensor, out: Tensor, work: Tensor, noise: Tensor | None) -> None:
    """Slices of x (R, K) side by side in out (R, slices * K), the high one first."""
    width = x.shape[1]
    torch.mul(x, torch.where(step > _SMALLEST * 1e-6, 1 / step, 0), out=work)
    if noise is not None:
        work.add_(shaped(noise, work.shape[0], work.shape[1], not work.is_contiguous()))
    # A sum near 1.5 * 2^23 rounds to an integer and holds it in the low bits of the float's own bits.
    word = work.add_(_ROUND).view(torch.int32)
    out[:, -width:].copy_(word)
    if out.shape[1] > width:
        out[:, :width].copy_(word.add_(128).bitwise_right_shift_(8))


def _join(sums: Tensor, width: int) -> Tensor:
    """256 * high + low in place; fits int32 for contractions below 2^16."""
    if sums.shape[1] == width:
        return sums
    return sums[:, :width].mul_(256).add_(sums[:, width:])


def _int_mm(x: Tensor, y: Tensor, out: Tensor) -> Tensor:
    """x @ y into out, transposed where out lies so."""
    if out.is_contiguous():
        return torch._int_mm(x, y, out=out)
    torch._int_mm(y.T, x.T, out=out.T)
    return out
