"""The penalty of a model at a batch: the absolute, or the squared, gradient between its input and its output."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .jacobian import check_windows, factors_at, has_factors, jacobian_chunks


def gradient_l1(
    model: nn.Module,
    x: Tensor,
    *,
    targets: Tensor | Sequence[int] | None = None,
    backend: str = "auto",
    precision: str | None = None,
) -> Tensor:
    """Mean over windows of sum_ij |d f_i(x_n) / d x_nj|, differentiable in the model's parameters.

    The term that GRNGC (arXiv 2507.11178) adds to the forecast loss. A model with `jacobian_factors` pays about the cost
    of its forecast and never stores a Jacobian; any other module takes vectorised vector-Jacobian products.

    Parameters
    ----------
    model : maps x to (N, P), each window by itself.
    x : (N, L, P) windows, oldest step first; any (N, ...) for a module without factors.
    targets : outputs to sum over; default all. Their subset, scaled up, is an unbiased estimate of the whole.
    backend, precision : of the op, see `grngc_fast.kernels.matmul_l1`.

    Returns
    -------
    Scalar tensor.

    Raises
    ------
    ValueError : no windows, an output that is not (N, P), a model that mixes windows (batch normalisation in train mode).

    Example
    -------
    >>> from grngc_fast.models import MLP
    >>> model, x = MLP(n_series=5, hidden=(16,)), torch.randn(32, 1, 5)
    >>> loss = (model(x) - torch.randn(32, 5)).square().mean() + 0.01 * gradient_l1(model, x)
    >>> loss.backward()
    """
    check_windows(x)
    rows = _rows(x, targets)
    if has_factors(model):
        return factors_at(model, x, rows).l1(backend, precision)
    return _sum([chunk.abs().sum() for _, chunk in jacobian_chunks(model, x, rows)]) / len(x)


def gradient_frobenius(model: nn.Module, x: Tensor, *, targets: Tensor | Sequence[int] | None = None) -> Tensor:
    """Mean over windows of the squared Frobenius norm of d f(x_n) / d x_n, exact, differentiable in the parameters.

    From Gram matrices where the model knows its factors: sum ||a b||^2 = <a^T a, b b^T>. Parameters as `gradient_l1`.
    """
    check_windows(x)
    rows = _rows(x, targets)
    if has_factors(model):
        return factors_at(model, x, rows).frobenius()
    return _sum([chunk.square().sum() for _, chunk in jacobian_chunks(model, x, rows)]) / len(x)


def _sum(parts: list[Tensor]) -> Tensor:
    return torch.stack(parts).sum()


def _rows(x: Tensor, targets: Tensor | Sequence[int] | None) -> Tensor | None:
    if targets is None:
        return None
    rows = torch.as_tensor(targets, device=x.device)
    if rows.dim() != 1 or len(rows) == 0 or rows.is_floating_point() or rows.dtype == torch.bool:
        raise ValueError("targets must be a non-empty list of output indices")
    return rows.long()
