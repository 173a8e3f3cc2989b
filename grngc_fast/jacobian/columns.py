"""The Jacobian of a single layer whose inputs each go through functions of their own: a product for each column."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..kernels import matmul_l1
from .factors import summable

# Entries of the columns' products kept at a time for the scores.
CHUNK_ELEMENTS = 2**20


@dataclass(frozen=True)
class ColumnFactors:
    """Factors of the Jacobians column by column: column j of all windows is slopes_j @ weights_j.

    Attributes
    ----------
    slopes : (Q, N, G), the slopes of input j's G functions in every window. A linear path is a function of slope 1.
    weights : (Q, G, P), what each function counts for each output.
    """

    slopes: Tensor
    weights: Tensor

    @property
    def n_windows(self) -> int:
        return self.slopes.shape[1]

    @property
    def width(self) -> int:
        """G, over which a window's entry is contracted."""
        return self.weights.shape[1]

    @property
    def window_elements(self) -> int:
        """Numbers that one window adds: what a batch is cut by to stay within memory."""
        return self.slopes[:, 0].numel()

    def jacobian(self) -> Tensor:
        """All Jacobians, (N, P, Q): for tests and small problems."""
        return torch.bmm(self.slopes, self.weights).permute(1, 2, 0)

    def l1(self, backend: str = "auto", precision: str | None = None) -> Tensor:
        """Sum over outputs and inputs, mean over windows, of the absolute Jacobian; a scalar, differentiable once."""
        slopes, weights = summable(self.slopes), summable(self.weights)
        total = matmul_l1(slopes, weights, reduction="sum", backend=backend, precision=precision)
        return total / self.n_windows

    def frobenius(self) -> Tensor:
        """Mean over windows of the squared Frobenius norm, from the Gram matrices (G x G) of both sides of a column."""
        gram_slopes, gram_weights = self.slopes.mT @ self.slopes, self.weights @ self.weights.mT
        return (gram_slopes * gram_weights).sum() / self.n_windows

    def abs_mean(self, backend: str = "auto", precision: str | None = None) -> tuple[Tensor, Tensor]:
        """Mean absolute and mean signed Jacobian over windows, each (P, Q). Not differentiable.

        Some columns at a time, in the dtype of the factors: the contraction over G is too short for any other `backend`
        or `precision` to matter.
        """
        del backend, precision
        with torch.no_grad(), torch.autocast(self.slopes.device.type, enabled=False):
            n_columns, n_windows, n_outputs = *self.slopes.shape[:2], self.weights.shape[2]
            absolute = self.weights.new_empty(n_columns, n_outputs)
            step = max(1, CHUNK_ELEMENTS // (n_windows * n_outputs))
            for start in range(0, n_columns, step):
                span = slice(start, start + step)
                absolute[span] = torch.bmm(self.slopes[span], self.weights[span]).abs_().mean(1)
            signed = torch.bmm(self.slopes.mean(1, keepdim=True), self.weights)[:, 0]
            return absolute.T.contiguous(), signed.T.contiguous()
