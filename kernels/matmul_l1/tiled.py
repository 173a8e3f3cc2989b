"""The op in tiles that stay in cache: value and every gradient in one pass, never more than a tile of the product.

    p = left @ b + bias,  S = sign(p) with sign(0) = 0,  left = a * scale_n
    value_n = sum |p|,    G = S b^T,    db = sum left^T S,    dbias = sum S
    da = sum_n G * scale_n,             dscale_n = sum_rows G * a

Three products of 2 M Q K flop a window, against a few passes over the tile: at K = 64 the passes are 2-4 % of the time.
The tile is bounded both as a piece of the product and as a piece of `left` and `G`, which at K > Q are the larger ones.

These shapes cover all: `windows.run` has one right side for all windows (one hidden layer, deep networks, a linear path); a
shared left side is the same transposed. `grouped.l1` is for a diagonal middle with many windows of a small product, `biased.l1`
for few windows of a product with a bias, `plain.l1` for small products.
`_batched` has both sides of its own for each window (KAN, ensembles), `ensemble.l1` a diagonal middle as well.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from . import biased, ensemble, grouped, int8, onednn, plain, windows
from .results import Gradients, Needs

__all__ = ["Gradients", "Needs", "abs_mean", "l1", "signed_mean"]

# Measured on 2 cores with 1 MiB of L2 each and 32 MiB of L3, of the sgemm rate at 16000 x K x 5000 for K = 64, 128, 256 and at 32
# windows of 1000 x 1024 x 1000. float32: 8 MiB tiles of 1250 columns .84 .95 1.0 1.1, 4 MiB and 2500 columns .81 .95 .97 1.06.
TILE_BYTES = {"cpu": 8 * 2**20, "cuda": 32 * 2**20}
TILE_COLUMNS = 1250
# A tile of scores is a quarter as large: 64 windows of 1000 x 128 x 1000 ran at .69 of the sgemm rate in tiles as above, .73 in
# these, 12 of 1900 x 128 x 5000 at .56 and .66, 12 of 958 x 128 x 10000 at .58 and .69.
SCORE_SHARE, SCORE_COLUMNS = 4, 1000
# Times as many rows to a tile of int8 products whose left side is not scaled. int8 with 1250 columns: 8 MiB tiles 1.04 1.24 1.41
# 1.42, twice the rows 1.09 1.28 1.45 1.05.
INT8_ROWS = 2
# Batched products of two sides of their own are quickest in the L2: 64 windows of 500 x 128 x 500 in 149 ms, 154 to 164 in 2 to
# 8 MiB, where the products alone take 132.
BATCHED_SHARE = 8


def _tile_elements(x: Tensor) -> int:
    return TILE_BYTES.get(x.device.type, TILE_BYTES["cpu"]) // x.element_size()


def _bound(a: Tensor, b: Tensor, scale: Tensor | None, bias: Tensor | None) -> float:
    """What no entry of the product exceeds; infinite if one may overflow, be NaN, have sign 0 and be missing from <left, G>."""
    if a.device.type != "cpu":
        return math.inf
    bound = float(a.shape[-1])
    for x in (a, b) if scale is None else (a, b, scale):
        bound *= _largest(x)
    bound += 0.0 if bias is None else _largest(bias)
    return bound if bound < torch.finfo(a.dtype).max else math.inf


def _largest(x: Tensor) -> float:
    low, high = x.aminmax()
    return max(-float(low), float(high))


def _tile_rows(x: Tensor, columns: int, width: int, share: int = 1) -> int:
    """Rows to a tile, or to its share, a multiple of 64 where there are as many: the products' own blocking wastes less."""
    rows = max(1, _tile_elements(x) // share // max(columns, width))
    return rows if rows < 64 else rows // 64 * 64


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
    """Values (B,) and gradients of their sum weighted by `weights` (B,), which defaults to ones.

    Shapes: a (1 | B, M, K), b (1 | B, K, Q), scale None or (1 | B, N, K), bias None or (1 | B, M, Q). A gradient has its
    operand's shape, so that of an operand shared by all batch elements is summed over them. Entries of the product outside
    `mask`, None or bool (M, Q), count as 0. `precision` as in torch: "highest" and "high" take signs from
    products in the dtype of the operands and keep gradients within 2e-5 of it; with "medium" large CPU products take signs
    from bfloat16 (without a bias) and gradients within 1e-2 of those signs, 1e-2 to 5e-2 in all.
    """
    n_batch = max(x.shape[0] for x in (a, b, scale, bias) if x is not None)
    forbidden = None if mask is None else ~mask
    if scale is None and (bias is None or bias.shape[0] == 1):
        own_bias = None if bias is None else bias[0]
        if n_batch == 1 and _few_windows(a[0], b[0], None, own_bias, forbidden, precision):
            return _each(a, b, None, bias, needs, weights, forbidden, precision, 1)
        if b.shape[0] == 1:
            return _windows(a, b[0], None, own_bias, needs, weights, forbidden, precision)
        if a.shape[0] == 1:
            flipped = (None if x is None else x.T for x in (own_bias, forbidden))
            values, grads = _windows(
                b.mT, a[0].T, None, next(flipped), needs.transposed(), weights, next(flipped), precision
            )
            return values, grads.transposed()
    if scale is None and a.shape[0] == b.shape[0] == n_batch and 2 * a.shape[1] * b.shape[2] <= _tile_elements(a):
        return _batched(a, b, bias, needs, weights, forbidden)
    if scale is not None and n_batch > 1 and all(x is None or x.shape[0] == n_batch for x in (a, b, scale, bias)):
        pairs = a.device.type == "cpu" and grouped.worth(scale.shape[1], a.shape[1], b.shape[2])
        size = ensemble.elements(a, b, scale, pairs)
        if 2 * size <= _tile_elements(a):
            share = BATCHED_SHARE if a.device.type == "cpu" else 1
            step = max(1, _tile_elements(a) // share // size)
            return ensemble.l1(a, b, scale, bias, needs, weights, forbidden, pairs, step)
    return _each(a, b, scale, bias, needs, weights, forbidden, precision, n_batch)


def _each(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    needs: Needs,
    weights: Tensor | None,
    forbidden: Tensor | None,
    precision: str,
    n_batch: int,
) -> tuple[Tensor, Gradients]:
    """One batch element after the other, each with all its windows."""
    if n_batch == 1:
        own_scale, own_bias = (None if x is None else x[0] for x in (scale, bias))
        value, grads = _element(a[0], b[0], own_scale, own_bias, needs, forbidden, precision)
        # As they are: one of a bias is as large as the product.
        for name, x in zip(("a", "b", "scale", "bias"), (a, b, scale, bias), strict=True):
            grad = getattr(grads, name)
            if grad is not None and x is not None:
                setattr(grads, name, grad.reshape(x.shape) if weights is None else grad.reshape(x.shape) * weights)
        return value.reshape(1), grads
    values = torch.empty(n_batch, dtype=torch.float64, device=a.device)
    total = Gradients(
        *(
            torch.zeros_like(x) if x is not None and n else None
            for x, n in zip((a, b, scale, bias), _flags(needs), strict=True)
        )
    )
    for i in range(n_batch):
        own_scale, own_bias = (None if x is None else _at(x, i) for x in (scale, bias))
        values[i], grads = _element(_at(a, i), _at(b, i), own_scale, own_bias, needs, forbidden, precision)
        weight = None if weights is None else weights[i]
        for name in ("a", "b", "scale", "bias"):
            into, grad = getattr(total, name), getattr(grads, name)
            if into is not None:
                into = into[i if into.shape[0] > 1 else 0]
                into.add_(grad.reshape(into.shape) if weight is None else grad.reshape(into.shape) * weight)
    return values, total


def _at(x: Tensor, i: int) -> Tensor:
    """Of batch element i, which may be that of all."""
    return x[i if x.shape[0] > 1 else 0]


def _element(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    needs: Needs,
    forbidden: Tensor | None,
    precision: str,
) -> tuple[Tensor, Gradients]:
    """The value, a scalar, and gradients of one batch element: a (M, K), b (K, Q), scale (N, K), bias (M, Q)."""
    if _few_windows(a, b, scale, bias, forbidden, precision):
        assert bias is not None
        return biased.l1(a, b, scale, bias, needs)
    if scale is not None and _many_windows(a, b, scale, precision):
        by_identity = needs.a or needs.b or needs.scale
        by_identity = by_identity and bias is None and math.isfinite(_bound(a, b, scale, None))
        return grouped.l1(a, b, scale, bias, needs, forbidden, by_identity, _tile_elements(a))
    # Scaling the side with fewer rows leaves the fewest elements outside the products.
    if scale is not None and b.shape[1] < a.shape[0]:
        turned = [None if x is None else x.T for x in (bias, forbidden)]
        values, grads = _windows(b.T[None], a.T, scale, turned[0], needs.transposed(), None, turned[1], precision)
        return values.sum(), grads.transposed()
    values, grads = _windows(a[None], b, scale, bias, needs, None, forbidden, precision)
    return values.sum(), grads


def _few_windows(
    a: Tensor, b: Tensor, scale: Tensor | None, bias: Tensor | None, forbidden: Tensor | None, precision: str
) -> bool:
    n_windows, n_rows, n_columns = 1 if scale is None else scale.shape[0], a.shape[0], b.shape[1]
    if bias is None or forbidden is not None or a.device.type != "cpu":
        return False
    if not biased.worth(n_windows, n_rows, n_columns):
        return False
    if n_windows > 1 and int8.worth(n_windows * n_rows, a.shape[1], n_columns, precision) and int8.available():
        return False
    return not grouped.worth(n_windows, n_rows, n_columns)


def _many_windows(a: Tensor, b: Tensor, scale: Tensor, precision: str) -> bool:
    (rows, width), columns, n_windows = a.shape, b.shape[1], scale.shape[0]
    if a.device.type != "cpu" or not grouped.worth(n_windows, rows, columns):
        return False
    return precision != "medium" or not int8.worth(n_windows * rows, width, columns, precision)


def _flags(needs: Needs) -> tuple[bool, bool, bool, bool]:
    return needs.a, needs.b, needs.scale, needs.bias


def _windows(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    needs: Needs,
    weights: Tensor | None,
    forbidden: Tensor | None,
    precision: str,
) -> tuple[Tensor, Gradients]:
    """One right side for all windows: a (N, M, K), or (1, M, K) with scale (N, K); b (K, Q); bias, forbidden (M, Q).

    Values (N,), with scale their sum (1,); gradients a like `a`, b (1, K, Q), scale (N, K), bias (1, M, Q).
    """
    small = scale is None and weights is None and forbidden is None and plain.worth(a, b, _tile_elements(a))
    if small and not int8.worth(a.shape[0] * a.shape[1], b.shape[0], b.shape[1], precision):
        return plain.l1(a, b, bias, needs)
    given = (a, b, scale, bias)
    bound = _bound(a, b, scale, bias)
    bounded = math.isfinite(bound)
    plan = None
    wanted = [
        name for name, x, need in zip(("a", "b", "scale"), given, _flags(needs), strict=False) if need and x is not None
    ]
    n_windows = a.shape[0] if scale is None else scale.shape[0]
    fits = bounded and weights is None and a.dtype == torch.float32
    columns = min(b.shape[1], TILE_COLUMNS)
    size = _tile_rows(a, columns, b.shape[0])
    if wanted and fits and int8.worth(n_windows * a.shape[1], b.shape[0], b.shape[1], precision) and int8.available():
        plan = int8.plan(*given, wanted, precision, max(1, size // a.shape[1]))
    for chosen in (plan, None):
        height = size * (1 if chosen is None or scale is not None else INT8_ROWS)
        tile = (min(max(1, height // a.shape[1]), n_windows), min(height, a.shape[1]), columns)
        side: windows.Left = (
            windows.Own(a, needs) if scale is None else windows.Scaled(a, scale, b.shape[1], needs, tile[0] * tile[1])
        )
        # <left, G> is the value at the price of a pass over rows x K, no saving at K > Q.
        by_identity = needs.left and bias is None and weights is None and bounded
        by_identity = by_identity and (scale is not None or b.shape[0] <= b.shape[1])
        half = precision == "medium" and chosen is not None and bias is None
        values, grads = windows.run(side, b, bias, forbidden, weights, needs, chosen, half, by_identity, bound, tile)
        if chosen is None or chosen.holds({"a": grads.a, "b": grads.b, "scale": grads.scale}):
            break
    return values, grads


def _batched(
    a: Tensor, b: Tensor, bias: Tensor | None, needs: Needs, weights: Tensor | None, forbidden: Tensor | None
) -> tuple[Tensor, Gradients]:
    """Both sides own for each batch element, several small products to a tile: a (B, M, K), b (B, K, Q), bias (1 | B, M, Q)."""
    n_batch, n_rows, n_columns = a.shape[0], a.shape[1], b.shape[2]
    share = BATCHED_SHARE if a.device.type == "cpu" else 1
    step = min(n_batch, max(1, _tile_elements(a) // share // (n_rows * n_columns)))
    buffer, scratch = (a.new_empty(step, n_rows, n_columns) for _ in range(2))
    values = torch.empty(n_batch, dtype=torch.float64, device=a.device)
    grads = Gradients(
        a=torch.empty_like(a, memory_format=torch.contiguous_format) if needs.a else None,
        b=torch.empty_like(b, memory_format=torch.contiguous_format) if needs.b else None,
        bias=None if bias is None or not needs.bias else torch.zeros(bias.shape, dtype=a.dtype, device=a.device),
    )
    shared = bias is not None and bias.shape[0] == 1
    for span in windows.spans(n_batch, step):
        count = span.stop - span.start
        if bias is None:
            p = torch.bmm(a[span], b[span], out=buffer[:count])
        else:
            p = torch.baddbmm(bias if shared else bias[span], a[span], b[span], out=buffer[:count])
        if forbidden is not None:
            p.masked_fill_(forbidden, 0)
        values[span] = torch.abs(p, out=scratch[:count]).sum(dim=(1, 2)).to(torch.float64)
        p.sign_()
        if weights is not None:
            p.mul_(weights[span, None, None])
        if grads.bias is not None:
            grads.bias[slice(None) if shared else span] += p.sum(0, keepdim=True) if shared else p
        if grads.a is not None:
            torch.bmm(p, b[span].mT, out=grads.a[span])
        if grads.b is not None:
            torch.bmm(a[span].mT, p, out=grads.b[span])
    return values, grads


def abs_mean(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None = None,
    precision: str = "highest",
) -> Tensor:
    """Mean absolute product over windows, (M, Q): a (1 | N, M, K), b (1 | N, K, Q), scale None or (N, K), bias (M, Q).

    0 outside `mask` (M, Q), whose empty tiles are skipped. `precision` changes nothing here: scores are always products in
    the dtype of the operands.
    """
    n_windows = max(a.shape[0], b.shape[0], 1 if scale is None else scale.shape[0])
    (n_rows, width), n_columns = a.shape[1:], b.shape[2]
    total = a.new_zeros(n_rows, n_columns)
    columns = min(n_columns, SCORE_COLUMNS)
    rows = _tile_rows(a, columns, width, SCORE_SHARE)
    count = min(n_windows, max(1, rows // n_rows))
    forbidden = None if mask is None else ~mask
    right = b[0].T.contiguous() if b.shape[0] == 1 and onednn.available(b) else None
    tiles = windows.occupied_tiles(forbidden, windows.spans(n_rows, rows), windows.spans(n_columns, columns))
    for r, c in ((r, c) for r, occupied in tiles for c in occupied):
        # Bias and sum of a tile lie together, so that with the product of a window all three stay in cache.
        own_bias = None if bias is None else bias[r, c].contiguous()
        part = a.new_zeros(r.stop - r.start, c.stop - c.start)
        for span in windows.spans(n_windows, count):
            left = a[span if a.shape[0] > 1 else slice(0, 1), r]
            if scale is not None:
                left = left * scale[span, None]
            if b.shape[0] > 1:
                p = torch.matmul(left, b[span, :, c])
            elif right is not None:
                p = onednn.linear(left.reshape(-1, width), right[c]).view(left.shape[0], *part.shape)
            else:
                p = (left.reshape(-1, width) @ b[0, :, c]).view(left.shape[0], *part.shape)
            if own_bias is not None:
                p += own_bias
            part += p.abs_()[0] if len(p) == 1 else p.abs_().sum(0)
        total[r, c] = part
    total /= n_windows
    return total if forbidden is None else total.masked_fill_(forbidden, 0)


def signed_mean(a: Tensor, b: Tensor, scale: Tensor | None, bias: Tensor | None, mask: Tensor | None = None) -> Tensor:
    """Mean signed product over windows, (M, Q); linear, so a shared side is multiplied once. As `abs_mean`."""
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
    if bias is not None:
        mean += bias
    return mean if mask is None else mean.masked_fill(~mask, 0)
