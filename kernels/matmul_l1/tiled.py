"""The op in tiles that stay in cache: value and every gradient in one pass, never more than a tile of the product.

    p = left @ b + bias,  S = sign(p) with sign(0) = 0,  left = a * scale_n
    value_n = sum |p|,    G = S b^T,    db = sum left^T S,    dbias = sum S
    da = sum_n G * scale_n,             dscale_n = sum_rows G * a

Three products of 2 M Q K flop a window, against a few passes over the tile: at K = 64 the passes are 2-4 % of the time.
The tile is bounded both as a piece of the product and as a piece of `left` and `G`, which at K > Q are the larger ones.

Two shapes cover all: `_Shared` has one right side for all windows (one hidden layer, deep networks, a linear path); a
shared left side is the same transposed. `_batched` has both sides of its own for each window (KAN, ensembles).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

# Measured on 2 cores with 1 MiB of L2 each and 32 MiB of L3: 4 MiB tiles of at most 2500 columns reach 0.93-0.95 of the
# sgemm rate at K = 64; 0.5 MiB tiles 0.55, and rows of 5000 columns 0.90.
TILE_BYTES = {"cpu": 4 * 2**20, "cuda": 32 * 2**20}
TILE_COLUMNS = 2500


@dataclass(frozen=True)
class Needs:
    """Which results are wanted besides the value."""

    a: bool = False
    b: bool = False
    scale: bool = False
    bias: bool = False

    def transposed(self) -> Needs:
        return Needs(a=self.b, b=self.a, scale=self.scale, bias=self.bias)

    @property
    def left(self) -> bool:
        return self.a or self.scale


@dataclass
class Gradients:
    a: Tensor | None = None
    b: Tensor | None = None
    scale: Tensor | None = None
    bias: Tensor | None = None

    def transposed(self) -> Gradients:
        return Gradients(_t(self.b), _t(self.a), self.scale, _t(self.bias))


def _t(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.mT


def _tile_elements(x: Tensor) -> int:
    return TILE_BYTES.get(x.device.type, TILE_BYTES["cpu"]) // x.element_size()


def _cannot_overflow(a: Tensor, b: Tensor, scale: Tensor | None) -> bool:
    """No entry of the product can overflow. One that did would be NaN, have sign 0 and be missing from <left, G>."""
    if a.device.type != "cpu":
        return False
    bound = float(a.shape[-1])
    for x in (a, b) if scale is None else (a, b, scale):
        low, high = x.detach().aminmax()
        bound *= max(-float(low), float(high))
    return bound < torch.finfo(a.dtype).max


def _tile_rows(x: Tensor, columns: int, width: int) -> int:
    """Rows to a tile, a multiple of 64 where there are as many: the products' own blocking wastes less."""
    rows = max(1, _tile_elements(x) // max(columns, width))
    return rows if rows < 64 else rows // 64 * 64


def l1(
    a: Tensor, b: Tensor, scale: Tensor | None, bias: Tensor | None, needs: Needs, weights: Tensor | None = None
) -> tuple[Tensor, Gradients]:
    """Values (B,) and gradients of their sum weighted by `weights` (B,), which defaults to ones.

    Shapes: a (1 | B, M, K), b (1 | B, K, Q), scale None or (1 | B, N, K), bias None or (1 | B, M, Q). A gradient has its
    operand's shape, so that of an operand shared by all batch elements is summed over them.
    """
    n_batch = max(x.shape[0] for x in (a, b, scale, bias) if x is not None)
    if scale is None and (bias is None or bias.shape[0] == 1):
        if b.shape[0] == 1:
            return _windows(a, b[0], None, None if bias is None else bias[0], needs, weights)
        if a.shape[0] == 1:
            values, grads = _windows(
                b.mT, a[0].T, None, None if bias is None else bias[0].T, needs.transposed(), weights
            )
            return values, grads.transposed()
    if scale is None and bias is None and 2 * a.shape[1] * b.shape[2] <= _tile_elements(a):
        return _batched(a, b, needs, weights)
    return _each(a, b, scale, bias, needs, weights, n_batch)


def _each(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    needs: Needs,
    weights: Tensor | None,
    n_batch: int,
) -> tuple[Tensor, Gradients]:
    """One batch element after the other, each with all its windows."""
    values = torch.empty(n_batch, dtype=torch.float64, device=a.device)
    total = Gradients(
        *(
            torch.zeros_like(x) if x is not None and n else None
            for x, n in zip((a, b, scale, bias), _flags(needs), strict=True)
        )
    )
    for i in range(n_batch):
        own_a, own_b, own_scale, own_bias = (
            None if x is None else x[i if x.shape[0] > 1 else 0] for x in (a, b, scale, bias)
        )
        assert own_a is not None
        assert own_b is not None
        # Scaling the side with fewer rows leaves the fewest elements outside the products.
        flip = own_scale is not None and own_b.shape[1] < own_a.shape[0]
        if flip:
            part, grads = _windows(
                own_b.T[None], own_a.T, own_scale, None if own_bias is None else own_bias.T, needs.transposed(), None
            )
            grads = grads.transposed()
        else:
            part, grads = _windows(own_a[None], own_b, own_scale, own_bias, needs, None)
        values[i] = part.sum()
        weight = None if weights is None else weights[i]
        for name in ("a", "b", "scale", "bias"):
            into, grad = getattr(total, name), getattr(grads, name)
            if into is not None:
                into = into[i if into.shape[0] > 1 else 0]
                into.add_(grad.reshape(into.shape) if weight is None else grad.reshape(into.shape) * weight)
    return values, total


def _flags(needs: Needs) -> tuple[bool, bool, bool, bool]:
    return needs.a, needs.b, needs.scale, needs.bias


def _spans(length: int, step: int) -> Iterator[slice]:
    return (slice(i, min(i + step, length)) for i in range(0, length, step))


def _windows(
    a: Tensor, b: Tensor, scale: Tensor | None, bias: Tensor | None, needs: Needs, weights: Tensor | None
) -> tuple[Tensor, Gradients]:
    """One right side for all windows: a (N, M, K), or (1, M, K) with scale (N, K); b (K, Q); bias (M, Q).

    Values (N,); gradients a like `a`, b (1, K, Q), scale (N, K), bias (1, M, Q).
    """
    n_windows = a.shape[0] if scale is None else scale.shape[0]
    (n_rows, width), n_columns = a.shape[1:], b.shape[1]
    columns = min(n_columns, TILE_COLUMNS)
    rows = _tile_rows(a, columns, width)
    windows = min(n_windows, max(1, rows // n_rows))
    rows = min(rows, n_rows)

    values = torch.zeros(n_windows, dtype=torch.float64, device=a.device)
    grads = Gradients(
        a=torch.zeros_like(a, memory_format=torch.contiguous_format) if needs.a else None,
        scale=torch.zeros_like(scale) if needs.scale and scale is not None else None,
        bias=torch.zeros_like(bias, memory_format=torch.contiguous_format) if needs.bias and bias is not None else None,
    )
    # Kept transposed: S^T left runs faster than left^T S, where the long side comes first.
    grad_b = b.new_zeros(n_columns, width) if needs.b else None
    b_transposed = b.T.contiguous() if needs.left else None
    # <left, G> is the value at the price of a pass over rows x K; with a bias it is not, and at K > Q it is no saving.
    by_identity = (
        needs.left and bias is None and weights is None and width <= n_columns and _cannot_overflow(a, b, scale)
    )
    # Every buffer once: a fresh allocation of this size costs its page faults in each tile.
    size = windows * rows
    tile = a.new_empty(size * columns)
    scratch = a.new_empty(size * (width if by_identity else max(columns, width if needs.scale else 0)))
    grad_left = a.new_empty(size, width) if needs.left else None
    scaled = None if scale is None else a.new_empty(size * width)

    for span in _spans(n_windows, windows):
        count = span.stop - span.start
        for r in _spans(n_rows, rows):
            height = r.stop - r.start
            cube = (count, height, width)
            if scale is None or scaled is None:
                left = a[span, r].reshape(-1, width)
            else:
                left = torch.mul(a[:, r], scale[span, None], out=scaled[: count * height * width].view(cube)).view(
                    -1, width
                )
            g = None if grad_left is None else grad_left[: count * height]
            for c in _spans(n_columns, columns):
                shape = (count, height, c.stop - c.start)
                p = tile[: count * height * shape[2]].view(count * height, shape[2])
                torch.mm(left, b[:, c], out=p)
                if bias is not None:
                    p.view(shape).add_(bias[r, c])
                if not by_identity:
                    absolute = torch.abs(p, out=scratch[: p.numel()].view(p.shape))
                    values[span] += absolute.view(count, -1).sum(1)
                if not any(_flags(needs)):
                    continue
                p.sign_()
                if weights is not None:
                    p.view(shape).mul_(weights[span, None, None])
                if grads.bias is not None:
                    grads.bias[r, c] += p.view(shape).sum(0)
                if g is not None and b_transposed is not None:
                    torch.addmm(g, p, b_transposed[c], beta=0 if c.start == 0 else 1, out=g)
                if grad_b is not None:
                    grad_b[c].addmm_(p.T, left)
            if g is None:
                continue
            if by_identity:
                values[span] += torch.mul(left, g, out=scratch[: g.numel()].view(g.shape)).view(count, -1).sum(1)
            g = g.view(cube)
            if scale is None:
                if grads.a is not None:
                    grads.a[span, r] = g
                continue
            if grads.scale is not None:
                grads.scale[span] += torch.mul(g, a[:, r], out=scratch[: g.numel()].view(cube)).sum(1)
            if grads.a is not None:
                g.mul_(scale[span, None])
                grads.a[0, r] += g[0] if count == 1 else g.sum(0)
    grads.b = None if grad_b is None else grad_b.T[None]
    grads.bias = None if grads.bias is None else grads.bias[None]
    return values, grads


def _batched(a: Tensor, b: Tensor, needs: Needs, weights: Tensor | None) -> tuple[Tensor, Gradients]:
    """Both sides own for each batch element, several small products to a tile: a (B, M, K), b (B, K, Q)."""
    n_batch, n_rows, n_columns = a.shape[0], a.shape[1], b.shape[2]
    step = max(1, _tile_elements(a) // (n_rows * n_columns))
    values = torch.empty(n_batch, dtype=torch.float64, device=a.device)
    grads = Gradients(
        a=torch.empty_like(a, memory_format=torch.contiguous_format) if needs.a else None,
        b=torch.empty_like(b, memory_format=torch.contiguous_format) if needs.b else None,
    )
    for span in _spans(n_batch, step):
        p = torch.bmm(a[span], b[span])
        values[span] = p.abs().sum(dim=(1, 2)).to(torch.float64)
        p.sign_()
        if weights is not None:
            p.mul_(weights[span, None, None])
        if grads.a is not None:
            torch.bmm(p, b[span].mT, out=grads.a[span])
        if grads.b is not None:
            torch.bmm(a[span].mT, p, out=grads.b[span])
    return values, grads


def abs_mean(a: Tensor, b: Tensor, scale: Tensor | None, bias: Tensor | None) -> Tensor:
    """Mean absolute product over windows, (M, Q): a (1 | N, M, K), b (1 | N, K, Q), scale None or (N, K), bias (M, Q)."""
    n_windows = max(a.shape[0], b.shape[0], 1 if scale is None else scale.shape[0])
    (n_rows, width), n_columns = a.shape[1:], b.shape[2]
    total = a.new_zeros(n_rows, n_columns)
    columns = min(n_columns, TILE_COLUMNS)
    rows = _tile_rows(a, columns, width)
    windows = min(n_windows, max(1, rows // n_rows))
    rows = min(rows, n_rows)
    for r in _spans(n_rows, rows):
        for span in _spans(n_windows, windows):
            left = a[span if a.shape[0] > 1 else slice(0, 1), r]
            if scale is not None:
                left = left * scale[span, None]
            for c in _spans(n_columns, columns):
                if b.shape[0] > 1:
                    p = torch.matmul(left, b[span, :, c])
                else:
                    p = (left.reshape(-1, width) @ b[0, :, c]).view(left.shape[0], left.shape[1], -1)
                if bias is not None:
                    p += bias[r, c]
                total[r, c] += p.abs_()[0] if len(p) == 1 else p.abs_().sum(0)
    return total / n_windows


def signed_mean(a: Tensor, b: Tensor, scale: Tensor | None, bias: Tensor | None) -> Tensor:
    """Mean signed product over windows, (M, Q); linear, so a shared side is multiplied once. Shapes as `abs_mean`."""
    n_windows = max(a.shape[0], b.shape[0], 1 if scale is None else scale.shape[0])
    if scale is not None:
        mean = (a[0] * scale.mean(0)) @ b[0]
    elif b.shape[0] == 1 or a.shape[0] == 1:
        mean = a.mean(0) @ b.mean(0)
    else:
        mean = a.new_zeros(a.shape[1], b.shape[2])
        for n in range(n_windows):
            mean.addmm_(a[n], b[n])
        mean /= n_windows
    return mean if bias is None else mean + bias
