"""The loop over tiles where all windows share the right side b (K, Q): products, values and gradients of one tile at a time.

Two left sides: `Own` rows for each window, or one a (M, K) scaled by a row of `scale` for each window, `Scaled`.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from . import floats, int8, onednn
from .int8 import shaped
from .results import Gradients, Needs


class Left(Protocol):
    """A left side, its tiles and what becomes of their gradient G."""

    n_windows: int
    n_rows: int
    n_values: int
    # Whether the left side and G of a tile lie transposed in memory, K outermost.
    left_transposed: bool
    g_transposed: bool

    def tile(self, span: slice, r: slice) -> Tensor: ...

    def take(self, span: slice, r: slice, left: Tensor, g: Tensor, values: Tensor | None) -> None: ...

    def finish(self, grads: Gradients, values: Tensor | None) -> None: ...


class Own:
    """a (N, M, K). With values the value of a window is <left, G>."""

    left_transposed, g_transposed = False, False

    def __init__(self, a: Tensor, needs: Needs) -> None:
        self.n_windows, self.n_rows = a.shape[:2]
        self.n_values = self.n_windows
        self._a = a
        self._grad = torch.zeros_like(a, memory_format=torch.contiguous_format) if needs.a else None
        self._scratch = a.new_empty(0)

    def tile(self, span: slice, r: slice) -> Tensor:
        return self._a[span, r].reshape(-1, self._a.shape[2])

    def take(self, span: slice, r: slice, left: Tensor, g: Tensor, values: Tensor | None) -> None:
        count = span.stop - span.start
        if values is not None:
            if self._scratch.numel() < g.numel():
                self._scratch = g.new_empty(g.numel())
            product = torch.mul(left, g, out=self._scratch[: g.numel()].view(g.shape))
            values[span] += product.view(count, -1).sum(1)
        if self._grad is not None:
            self._grad[span, r] = g.view(count, -1, g.shape[1])

    def finish(self, grads: Gradients, values: Tensor | None) -> None:
        grads.a = self._grad


class Scaled:
    """a (1, M, K) * scale_n, scale (N, K). A tile lies in memory as (K, windows, rows).

    dscale_nk = sum_m a_mk G_knm and da_mk = sum_n scale_nk G_knm are then products of small matrices, one for each k,
    that read G once and at the speed of the cache: 0.14 ns an entry against 0.24 for products and sums over (n, m, K).
    At K < Q / 2 the product G is faster the other way round, and turning it costs less than that.
    There is one value, <a, da> or <scale, dscale>, at the end.
    """

    left_transposed, n_values = True, 1

    def __init__(self, a: Tensor, scale: Tensor, n_columns: int, needs: Needs, size: int) -> None:
        self.g_transposed = 2 * a.shape[2] >= n_columns
        self.n_windows, self.n_rows = scale.shape[0], a.shape[1]
        self._a, self._scale = a[0].T.contiguous(), scale.T.contiguous()
        self._buffer = a.new_empty(size * a.shape[2])
        self._grad_a = torch.zeros_like(self._a) if needs.a else None
        self._grad_scale = torch.zeros_like(self._scale) if needs.scale else None

    def tile(self, span: slice, r: slice) -> Tensor:
        a, scale = self._a[:, None, r], self._scale[:, span, None]
        cube = self._cube(self._buffer, span, r)
        return torch.mul(a, scale, out=cube).view(len(a), -1).T

    def take(self, span: slice, r: slice, left: Tensor, g: Tensor, values: Tensor | None) -> None:
        a, scale = self._a[:, r].contiguous(), self._scale[:, span].contiguous()
        cube = self._cube(g.T.contiguous().view(-1), span, r)
        # Products of matrices this narrow are slower than passes.
        narrow = scale.shape[1] < 8
        if self._grad_a is not None and narrow:
            for n in range(scale.shape[1]):
                self._grad_a[:, r].addcmul_(cube[:, n], scale[:, n, None])
        elif self._grad_a is not None:
            self._grad_a[:, r] += torch.bmm(scale[:, None], cube)[:, 0]
        if self._grad_scale is not None and narrow:
            self._grad_scale[:, span] += cube.mul_(a[:, None]).sum(2)
        elif self._grad_scale is not None:
            self._grad_scale[:, span] += torch.bmm(a[:, None], cube.mT)[:, 0]

    def _cube(self, flat: Tensor, span: slice, r: slice) -> Tensor:
        shape = (len(self._a), span.stop - span.start, r.stop - r.start)
        return flat[: shape[0] * shape[1] * shape[2]].view(shape)

    def finish(self, grads: Gradients, values: Tensor | None) -> None:
        grads.a = None if self._grad_a is None else self._grad_a.T[None]
        grads.scale = None if self._grad_scale is None else self._grad_scale.T
        if values is not None:
            x, grad = (self._a, self._grad_a) if self._grad_a is not None else (self._scale, self._grad_scale)
            assert grad is not None
            values += (x.double() * grad).sum()


def run(
    side: Left,
    b: Tensor,
    bias: Tensor | None,
    forbidden: Tensor | None,
    weights: Tensor | None,
    needs: Needs,
    plan: int8.Plan | None,
    half: bool,
    by_identity: bool,
    bound: float,
    tile: tuple[int, int, int],
) -> tuple[Tensor, Gradients]:
    """Values (N,) or, of a scaled left side, their sum (1,), and gradients; bias and forbidden (M, Q).

    Products p lie transposed in memory, (Q, rows): written that way sgemm is up to 1.9 times as fast at K = 128.
    `tile`: windows, rows of a window and columns. `half`: p from bfloat16 operands. `by_identity`: values from G, so that
    of p no more than its signs is needed; |p| is below `bound`.
    """
    windows, rows, columns = tile
    width, n_columns = b.shape
    size = windows * rows
    values = torch.zeros(side.n_values, dtype=torch.float64, device=b.device)
    bias = None if bias is None else bias.T.contiguous().T
    grads = Gradients(bias=torch.zeros_like(bias) if needs.bias and bias is not None else None)
    dense = not half and onednn.available(b)
    products: floats.Products | int8.Products
    if plan is not None:
        products = int8.Products(plan, b, size, columns, side.left_transposed, needs.left, needs.b)
    elif dense:
        products = onednn.Products(b, spans(n_columns, columns), needs.left, needs.b)
    else:
        products = floats.Products(b, needs.left, needs.b)
    # Signs in int8 are cut from p clipped to [-1, 1], at no cost; in float32 they take the pass over p all the same.
    clip = bound if by_identity and bias is None and plan is not None else None
    multiply = onednn.Tiles(b, clip) if dense else floats.Tiles(b, half, size * columns)
    scratch = b.new_empty(0 if by_identity else size * columns, dtype=torch.bfloat16 if half else b.dtype)
    gradient = b.new_empty(size * width if needs.left else 0)
    tiles = occupied_tiles(forbidden, spans(side.n_rows, rows), spans(n_columns, columns))
    forbidden = None if forbidden is None else forbidden.T.contiguous().T

    for span in spans(side.n_windows, windows):
        for r, occupied in tiles:
            if not occupied:
                continue
            left = side.tile(span, r)
            multiply.begin(left)
            products.begin(left, span)
            g = shaped(gradient, len(left), width, side.g_transposed) if needs.left else None
            for c in occupied:
                p = multiply.columns(c)
                cube = p.unflatten(0, (-1, r.stop - r.start))
                if bias is not None:
                    cube.add_(bias[r, c])
                if forbidden is not None:
                    cube.masked_fill_(forbidden[r, c], 0)
                if not by_identity:
                    absolute = torch.abs(p, out=shaped(scratch, p.shape[0], p.shape[1], True))
                    if len(cube) > 1 and side.n_values > 1:
                        values[span] += absolute.unflatten(0, (len(cube), -1)).sum((1, 2), dtype=b.dtype)
                    else:
                        values[span if side.n_values > 1 else slice(1)] += absolute.sum(dtype=b.dtype)
                if not needs.any:
                    continue
                signs = products.signs(p, multiply.clipped)
                if weights is not None:
                    cube.mul_(weights[span, None, None])
                if grads.bias is not None:
                    grads.bias[r, c] += cube.sum(0)
                if needs.b:
                    products.right(signs, left, c)
                # Last, so that what follows finds G in cache.
                if g is not None:
                    products.left(signs, c, c is occupied[0], g)
                # Before the next one is asked for, which then takes the same pages.
                del p, cube, signs
            if g is not None:
                products.finish(g)
                side.take(span, r, left, g, values if by_identity else None)
    side.finish(grads, values if by_identity else None)
    grads.b = products.grad_right().T[None] if needs.b else None
    grads.bias = None if grads.bias is None else grads.bias[None]
    return values, grads


def spans(length: int, step: int) -> list[slice]:
    return [slice(i, min(i + step, length)) for i in range(0, length, step)]


def occupied_tiles(
    forbidden: Tensor | None, rows: list[slice], columns: list[slice]
) -> list[tuple[slice, list[slice]]]:
    """The column tiles of each row tile with an allowed entry; all on CUDA, where looking would wait for the device."""
    if forbidden is None or forbidden.device.type != "cpu":
        return [(r, columns) for r in rows]
    return [(r, [c for c in columns if not bool(forbidden[r, c].all())]) for r in rows]
