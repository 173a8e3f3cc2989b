"""The Jacobian of many small networks side by side, each from some causes to some effects; zero everywhere else."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..kernels import matmul_l1
from .factors import summable

# Entries of the blocks' products kept at a time for the scores. 256 windows of 500 targets with 8 units each by 500 inputs, 2^18
# to 2^22: 54, 41, 38, 47, 63 ms.
CHUNK_ELEMENTS = 2**20
# Up to this many rows to a group all windows make one product of it, (N R, K) by (K, L c), many groups to a call.
FOLDED_ROWS = 8


@dataclass(frozen=True)
class Block:
    """B groups padded to R rows and c causes: J_n = (left * scale_n) @ right + bias + varying_n of each.

    Attributes
    ----------
    left : (B, R, K). right : (B, K, L * c), lag-major. scale : (N, B, K). bias : (B, R, L * c) or None. All are 0 where padded.
    rows : (B, R), which output a row is; -1 where padded.
    columns : (B, c), which cause a column is; -1 where padded.
    varying : (B, N, L * c) or None; only of groups of one row.
    """

    left: Tensor
    right: Tensor
    scale: Tensor
    bias: Tensor | None
    rows: Tensor
    columns: Tensor
    varying: Tensor | None = None

    def products(self, groups: slice = slice(None)) -> tuple[Tensor, Tensor, int]:
        """Sides (B, N * R, K') and (B, K', L * c) of all windows' Jacobians without what varies; the bias as R more columns."""
        left, right, scale = self.left[groups], self.right[groups], self.scale[:, groups]
        sides = left.unsqueeze(1) * scale.transpose(0, 1).unsqueeze(2)
        if self.bias is not None:
            own = torch.eye(left.shape[1], dtype=left.dtype, device=left.device).expand(*sides.shape[:2], -1, -1)
            sides, right = torch.cat([sides, own], -1), torch.cat([right, self.bias[groups]], 1)
        return sides.flatten(1, 2), right, len(scale)

    def product(self, groups: slice = slice(None)) -> Tensor:
        """(B, N * R, L * c), all windows' Jacobians."""
        sides, right, _ = self.products(groups)
        return torch.bmm(sides, right) if self.varying is None else torch.baddbmm(self.varying[groups], sides, right)

    def l1(self, backend: str, precision: str | None) -> Tensor:
        """Sum over windows."""
        if self.left.shape[1] <= FOLDED_ROWS:
            sides, right, _ = self.products()
            varying = None if self.varying is None else summable(self.varying)
            given = summable(sides), summable(right), None, varying
            return matmul_l1(*given, reduction="sum", backend=backend, precision=precision)
        left, right, scale = (summable(t) for t in (self.left, self.right, self.scale.transpose(0, 1)))
        bias = None if self.bias is None else summable(self.bias)
        return matmul_l1(left, right, scale, bias, reduction="sum", backend=backend, precision=precision)

    def squares(self) -> Tensor:
        """Sum over windows of the squared entries, by Gram matrices where nothing varies; see `Factors.frobenius`."""
        if self.varying is not None:
            return self.product().square().sum()
        gram = (self.left.mT @ self.left) * (self.right @ self.right.mT)
        scale = self.scale.transpose(0, 1)
        result = ((scale @ gram) * scale).sum()
        if self.bias is not None:
            cross = ((self.left.mT @ self.bias) * self.right).sum(-1)
            result = result + 2 * (cross * self.scale).sum() + len(self.scale) * self.bias.square().sum()
        return result


@dataclass(frozen=True)
class GroupedFactors:
    """Factors of Jacobians that are zero outside of blocks, one for each group of outputs with the same causes.

    Attributes
    ----------
    blocks : of groups of near sizes; together they hold every output once.
    n_windows, n_outputs, n_causes, n_lags : N, E, C and L.
    """

    blocks: tuple[Block, ...]
    n_windows: int
    n_outputs: int
    n_causes: int
    n_lags: int

    @property
    def width(self) -> float:
        """Over how many numbers an entry of the E x Q Jacobian is contracted, on average."""
        work = sum(b.left.numel() * b.right.shape[2] for b in self.blocks)
        return float(work) / (self.n_outputs * self.n_causes * self.n_lags)

    @property
    def window_elements(self) -> int:
        """Numbers that one window adds: what a batch is cut by to stay within memory."""
        return sum(b.left.numel() if b.left.shape[1] <= FOLDED_ROWS else b.scale[0].numel() for b in self.blocks)

    def jacobian(self) -> Tensor:
        """All Jacobians, (N, E, Q): for tests and small problems."""
        result = self._empty(self.n_windows)
        for block in self.blocks:
            part = block.product().unflatten(1, (self.n_windows, -1)).movedim(1, -1)
            result = self._placed(result, block, slice(None), part)
        return self._dense(result).movedim(-1, 0)

    def l1(self, backend: str = "auto", precision: str | None = None) -> Tensor:
        """Sum over outputs and inputs, mean over windows, of the absolute Jacobian; a scalar, differentiable once."""
        return torch.stack([block.l1(backend, precision) for block in self.blocks]).sum() / self.n_windows

    def frobenius(self) -> Tensor:
        """Mean over windows of the squared Frobenius norm."""
        return torch.stack([block.squares() for block in self.blocks]).sum() / self.n_windows

    def abs_mean(self, backend: str = "auto", precision: str | None = None) -> tuple[Tensor, Tensor]:
        """Mean absolute and mean signed Jacobian over windows, each (E, Q). Not differentiable.

        Some groups at a time, in the dtype of the factors: their products are too small for any other `backend` or
        `precision` to matter.
        """
        del backend, precision
        with torch.no_grad(), torch.autocast(self.blocks[0].left.device.type, enabled=False):
            absolute, signed = self._empty(), self._empty()
            for block in self.blocks:
                n_groups, n_rows = block.rows.shape
                step = max(1, CHUNK_ELEMENTS // (self.n_windows * n_rows * block.right.shape[2]))
                for start in range(0, n_groups, step):
                    groups = slice(start, start + step)
                    product = block.product(groups).unflatten(1, (self.n_windows, n_rows))
                    signed = self._placed(signed, block, groups, product.mean(1))
                    absolute = self._placed(absolute, block, groups, product.abs_().mean(1))
            return self._dense(absolute), self._dense(signed)

    def _empty(self, *more: int) -> Tensor:
        """(E + 1, L, C + 1, ...): a row and a column more, where index -1 puts what is padded."""
        like = self.blocks[0].left
        return like.new_zeros(self.n_outputs + 1, self.n_lags, self.n_causes + 1, *more)

    def _placed(self, into: Tensor, block: Block, groups: slice, part: Tensor) -> Tensor:
        """With the entries (B, R, L * c, ...) of some groups in their places."""
        rows, columns = block.rows[groups], block.columns[groups]
        lags = torch.arange(self.n_lags, device=rows.device)
        at = rows[:, :, None, None], lags[:, None], columns[:, None, None]
        return into.index_put_(at, part.unflatten(2, (self.n_lags, -1)))

    def _dense(self, padded: Tensor) -> Tensor:
        return padded[: self.n_outputs, :, : self.n_causes].flatten(1, 2)
