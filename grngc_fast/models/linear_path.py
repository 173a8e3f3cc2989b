"""The linear path from input to output, whose weights are most of a large network's: W (E, Q) on inputs (N, Q)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


class Product(NamedTuple):
    """dy^T x, which a backward pass leaves out of the gradient of W."""

    weight: Tensor
    dy: Tensor
    x: Tensor


_put_off: ContextVar[list[Product] | None] = ContextVar("put_off", default=None)


def linear_path(x: Tensor, weight: Tensor) -> Tensor:
    """x W^T (N, E) of x (N, Q)."""
    wanted = torch.is_grad_enabled() and weight.requires_grad
    if _put_off.get() is None or x.requires_grad or not (wanted and weight.is_leaf):
        return F.linear(x, weight)
    result: Tensor = _LinearPath.apply(x, weight)  # type: ignore[no-untyped-call]
    return result


@contextmanager
def products_put_off() -> Iterator[list[Product]]:
    """The backward passes of what is computed inside do not multiply dy^T x for W, but list it here for `add_products`.

    A forecast and its penalty both have a gradient of W. Left to autograd each is an array of its own and their sum a third,
    and a fresh array of 100 MB costs 70 ms of page faults where its product takes 140: P = 5000 and 512 windows.
    """
    products: list[Product] = []
    token = _put_off.set(products)
    try:
        yield products
    finally:
        _put_off.reset(token)


@torch.no_grad()
def add_products(products: Sequence[Product]) -> None:
    """After the backward pass: add what was put off to `W.grad`, in place where there is one."""
    for weight, dy, x in products:
        if weight.grad is None:
            weight.grad = dy.T @ x
        else:
            weight.grad.addmm_(dy.T, x)


class _LinearPath(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.products = _put_off.get()
        return F.linear(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[None, None]:
        x, weight = ctx.saved_tensors
        ctx.products.append(Product(weight, dy, x))
        return None, None
