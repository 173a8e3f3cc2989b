"""The definition of the op in plain torch: any dtype, differentiable, and the whole product in memory.

    product_n = (a * scale_n) @ b + bias        one window n per row of `scale`; a single window without it

and 0 where `mask` is False. Tests hold every other path against this one in float64.
"""

from __future__ import annotations

from torch import Tensor


def product(
    a: Tensor, b: Tensor, scale: Tensor | None = None, bias: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """All products: (..., M, Q), or (..., N, M, Q) with `scale`."""
    if scale is not None:
        a, b = a.unsqueeze(-3) * scale.unsqueeze(-2), b.unsqueeze(-3)
        bias = None if bias is None else bias.unsqueeze(-3)
    result = a @ b
    result = result if bias is None else result + bias
    return result if mask is None else result.masked_fill(~mask, 0)


def matmul_l1(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None = None,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    reduction: str = "none",
) -> Tensor:
    """Sum of the absolute product over M and Q (and the windows of `scale`); over everything for `reduction="sum"`."""
    total = product(a, b, scale, bias, mask).abs().sum(dim=(-2, -1) if scale is None else (-3, -2, -1))
    return total.sum() if reduction == "sum" else total


def matmul_abs_mean(
    a: Tensor, b: Tensor, scale: Tensor | None = None, bias: Tensor | None = None, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Mean absolute and mean signed product over all windows, each (M, Q)."""
    windows = product(a, b, scale, bias, mask)
    windows = windows.unsqueeze(0) if windows.dim() == 2 else windows.flatten(0, -3)
    return windows.abs().mean(0), windows.mean(0)
