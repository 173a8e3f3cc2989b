"""A bias as large as the product, few windows: tiles of rows that lie in memory as the bias and its gradient do.

Where windows are few the passes over (M, Q) weigh as much as the products over K. Here the gradient of the bias, for one
window its very signs, is written once where it stays, and nothing of that size is turned or copied.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import onednn
from .results import Gradients, Needs
from .windows import spans

# One window of 1000 x 128 x 1000 in tiles of 1, 2, 4, 8 MiB: 6.7, 8.0, 5.0, 5.0 ms; of 1900 x 128 x 5000 83, 73, 66, 68 ms.
TILE_BYTES = 2**22
# A tile of a few long rows would add a gradient of b, K x Q, for each of them.
TILE_COLUMNS = 5000
# Each window has products of its own, so that those of several have to be large.
LARGE_PRODUCT = 2**19


def worth(n_windows: int, rows: int, columns: int) -> bool:
    """Where it wins: time of the path without it over that of this one, windows, rows x K x columns, on 2 cores:

    1, 1000 x 128 x 1000  3.4    4, 1000 x 128 x 1000  1.4    8, 1000 x 128 x 1000  1.2    32, 1000 x 128 x 1000  1.2
    1, 1900 x 128 x 5000  2.6    4,  500 x 128 x 5000  1.3    1,  300 x 128 x 300   1.7    16,  300 x 128 x 300   0.8
    1,   20 x 128 x 20    2.1    1,  100 x 128 x 100   2.1    4,  300 x 128 x 300   1.0    16,  100 x 128 x 100   0.4
    """
    return n_windows == 1 or rows * columns >= LARGE_PRODUCT


def l1(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor,
    needs: Needs,
) -> tuple[Tensor, Gradients]:
    """The value, a scalar, and the gradients of one batch element: a (M, K), b (K, Q), scale (N, K), bias (M, Q).

    Without a scale it is one window of a and b themselves.
    """
    product = onednn.linear if onednn.available(a) else torch.nn.functional.linear
    (n_rows, width), n_columns = a.shape, b.shape[1]
    columns = _even(n_columns, TILE_COLUMNS)
    rows = _even(n_rows, max(1, TILE_BYTES // a.element_size() // max(columns, width)))
    b_rows, b = b.T.contiguous(), b.contiguous()
    value = torch.zeros((), dtype=torch.float64, device=a.device)
    grads = Gradients(
        a=torch.zeros_like(a, memory_format=torch.contiguous_format) if needs.a else None,
        b=torch.zeros_like(b) if needs.b else None,
        scale=torch.zeros_like(scale, memory_format=torch.contiguous_format)
        if needs.scale and scale is not None
        else None,
        bias=torch.empty_like(bias, memory_format=torch.contiguous_format) if needs.bias else None,
    )
    scratch = a.new_empty(rows * columns)
    for r in spans(n_rows, rows):
        own = a[r]
        for n in range(1 if scale is None else len(scale)):
            left = own if scale is None else own * scale[n]
            for c in spans(n_columns, columns):
                p = product(left, b_rows[c]).add_(bias[r, c])
                value += torch.abs(p, out=scratch[: p.numel()].view(p.shape)).sum(dtype=p.dtype)
                if not needs.any:
                    continue
                signs = p.sign_()
                if grads.bias is not None and n == 0:
                    grads.bias[r, c] = signs
                elif grads.bias is not None:
                    grads.bias[r, c] += signs
                if grads.b is not None:
                    grads.b[:, c] += product(left.T, signs.T)
                if needs.left:
                    g = product(signs, b[:, c])
                    if grads.scale is not None:
                        grads.scale[n] += (g * own).sum(0)
                    if grads.a is not None:
                        grads.a[r] += g if scale is None else g * scale[n]
    return value, grads


def _even(length: int, most: int) -> int:
    """The size of equal parts of a length, none above `most`."""
    return -(-length // -(-length // most))
