"""Vector-Jacobian products, many at a time, and Jacobian rows that are stored: the way that any module can go."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from .autograd_graph import Place

# Numbers that a chunk of the work may make in one place, 64 MiB in float32; its peak is a few times that.
CHUNK_ELEMENTS = 2**24


class VectorJacobian:
    """Products c^T d output / d input for many cotangents c: vectorised, or one by one where an operator cannot be.

    Parameters
    ----------
    output : (N, ...)
    below : where the input stood in the graph; `shape` is its shape.
    differentiable : keep the products differentiable.
    vectorised : try that first.
    """

    def __init__(
        self, output: Tensor, below: Place, shape: tuple[int, ...], differentiable: bool, vectorised: bool = True
    ) -> None:
        self.output, self.shape, self.differentiable, self.vectorised = output, shape, differentiable, vectorised
        self._below = torch.autograd.graph.GradientEdge(*below)

    def of(self, cotangents: Tensor) -> Tensor:
        """(count, *output shape) -> (count, *input shape)"""
        if self.vectorised:
            # Fused recurrent layers, checkpointing and some custom functions have no batching rule. Where torch would loop
            # over their calls itself, it records a graph that is quadratic in the number of cotangents.
            try:
                with warnings.catch_warnings():
                    warnings.filterwarnings("error", "There is a performance drop", UserWarning)
                    products: Tensor = torch.func.vmap(self._product)(cotangents)
                return products
            except (RuntimeError, NotImplementedError, UserWarning):
                self.vectorised = False
        return torch.stack([self._product(c) for c in cotangents])

    def _product(self, cotangent: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(
            self.output,
            [self._below],
            cotangent,
            retain_graph=True,
            create_graph=self.differentiable,
            allow_unused=True,
        )
        return cotangent.new_zeros(self.shape) if gradient is None else gradient


def one_hot(like: Tensor, columns: Tensor) -> Tensor:
    """Cotangents (len(columns), N, width) that pick a column of every window of `like` (N, width)."""
    result = like.new_zeros(len(columns), *like.shape)
    result[torch.arange(len(columns), device=like.device), :, columns] = 1
    return result


@dataclass(frozen=True)
class StoredRows:
    """Jacobian rows (P, N, Q) as they are, where no factors are known; offers what `Factors` does."""

    rows: Tensor

    @property
    def n_windows(self) -> int:
        return self.rows.shape[1]

    def jacobian(self) -> Tensor:
        return self.rows.movedim(0, 1)

    def l1(self, backend: str = "auto", precision: str | None = None) -> Tensor:
        return self.rows.abs().sum(dtype=_wide(self.rows)) / self.n_windows

    def frobenius(self) -> Tensor:
        return self.rows.square().sum(dtype=_wide(self.rows)) / self.n_windows

    def abs_mean(self, backend: str = "auto", precision: str | None = None) -> tuple[Tensor, Tensor]:
        wide = _wide(self.rows)
        return self.rows.abs().mean(1, dtype=wide), self.rows.mean(1, dtype=wide)


def _wide(x: Tensor) -> torch.dtype:
    """Half precisions are summed in float32."""
    return torch.promote_types(x.dtype, torch.float32)
