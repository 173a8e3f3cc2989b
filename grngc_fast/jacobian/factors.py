"""A Jacobian as factors: J_n = left_n diag(scale_n) right_n + bias, which is all that the penalty and the scores need."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..kernels import matmul_abs_mean, matmul_l1


@dataclass(frozen=True)
class Factors:
    """Factors of the input-output Jacobians of N windows, P outputs and Q inputs, contracted over K.

    Attributes
    ----------
    left : (P, K) shared by all windows, or (N, P, K).
    right : (K, Q) shared, or (N, K, Q).
    scale : (N, K) or None; only with both sides shared.
    bias : (P, Q) or None, the Jacobian of a linear skip path.
    n_windows : N.
    """

    left: Tensor
    right: Tensor
    n_windows: int
    scale: Tensor | None = None
    bias: Tensor | None = None

    def __post_init__(self) -> None:
        if self.scale is not None and (self.left.dim() > 2 or self.right.dim() > 2):
            raise ValueError("scale needs both sides shared by all windows; multiply it into the side that is not")

    def jacobian(self) -> Tensor:
        """All Jacobians, (N, P, Q): for tests and small problems."""
        left = self.left if self.scale is None else self.left * self.scale[:, None]
        result = left @ self.right
        result = result if self.bias is None else result + self.bias
        return result.expand(self.n_windows, -1, -1)

    def l1(self, backend: str = "auto", precision: str | None = None) -> Tensor:
        """Sum over outputs and inputs, mean over windows, of the absolute Jacobian; a scalar, differentiable once."""
        left, right, bias = self.left, self.right, self.bias
        if left.dim() == right.dim() == 3 and left.stride(-2) == right.stride(-2) == 1:
            # Sides that lie transposed in memory: the transposed product leaves their gradients in the same layout.
            left, right, bias = right.mT, left.mT, None if bias is None else bias.mT
        scale, bias = (None if t is None else summable(t) for t in (self.scale, bias))
        left, right = summable(left), summable(right)
        total = matmul_l1(left, right, scale, bias, reduction="sum", backend=backend, precision=precision)
        return total / self.n_windows if self._windowed else total

    def frobenius(self) -> Tensor:
        """Mean over windows of the squared Frobenius norm, by Gram matrices: (P + Q) K^2 flop instead of P Q K.

        ||L D R||^2 = <D (L^T L) D, R R^T>, and a skip path B adds 2 <L^T B R^T, D> + ||B||^2.
        """
        left, right = self.left, self.right
        gram_left, gram_right = left.mT @ left, right @ right.mT
        if self.scale is not None:
            square = ((self.scale @ (gram_left * gram_right)) * self.scale).sum()
        else:
            square = (gram_left * gram_right).sum()
        result = square / self.n_windows if self._windowed else square
        if self.bias is not None:
            cross = ((left.mT @ self.bias) * right).sum(-1)
            if self.scale is not None:
                cross = cross * self.scale
            result = result + 2 * (cross.sum() / self.n_windows if self._windowed else cross.sum())
            result = result + self.bias.square().sum()
        return result

    def abs_mean(self, backend: str = "auto", precision: str | None = None) -> tuple[Tensor, Tensor]:
        """Mean absolute and mean signed Jacobian over windows, each (P, Q). Not differentiable."""
        absolute, signed = matmul_abs_mean(
            self.left, self.right, self.scale, self.bias, signed=True, backend=backend, precision=precision
        )
        return absolute, signed

    def product(self, cotangent: Tensor) -> Tensor:
        """c_n^T J_n for cotangents (N, P): (N, Q)."""
        result = (cotangent[:, None] @ self.left).squeeze(1)
        result = result if self.scale is None else result * self.scale
        result = (result[:, None] @ self.right).squeeze(1)
        return result if self.bias is None else result + cotangent @ self.bias

    @property
    def window_elements(self) -> int:
        """Numbers that one window adds to the sides: what a batch is cut by to stay within memory."""
        return sum(side[0].numel() for side in (self.left, self.right) if side.dim() > 2)

    @property
    def _windowed(self) -> bool:
        return self.scale is not None or self.left.dim() > 2 or self.right.dim() > 2

    @property
    def width(self) -> int:
        """K, over which a window's entry is contracted."""
        return self.left.shape[-1]


@dataclass(frozen=True)
class Sandwich:
    """A chain W_out D_d W_d ... D_1 W_in with diagonal D_k per window, before any product is taken.

    Attributes
    ----------
    weights : d + 1 matrices from the output side to the input side; neighbouring dimensions agree.
    scales : d diagonals (N, H_k) between them, in the same order.
    bias : (P, Q) linear skip path or None.
    """

    weights: tuple[Tensor, ...]
    scales: tuple[Tensor, ...]
    bias: Tensor | None = None

    def associate(self) -> Factors:
        """Multiply out all but one place, the one that costs the fewest flops with the op's product counted in."""
        n_windows = self.scales[0].shape[0]
        sizes = [w.shape[0] for w in self.weights] + [self.weights[-1].shape[1]]
        cut, split = _cheapest_cut(sizes, n_windows)
        left, right = self._multiply(0, cut, split), self._multiply(cut + 1, len(self.weights) - 1, split)
        scale = self.scales[cut]
        if left.dim() == right.dim() == 2:
            return Factors(left, right, n_windows, scale, self.bias)
        if right.dim() == 2 or (left.dim() == 3 and left.shape[1] < right.shape[2]):
            return Factors(left * scale[:, None], right, n_windows, bias=self.bias)
        return Factors(left, scale[:, :, None] * right, n_windows, bias=self.bias)

    def _multiply(self, first: int, last: int, split: list[list[int]]) -> Tensor:
        if first == last:
            return self.weights[first]
        cut = split[first][last]
        left, right, scale = self._multiply(first, cut, split), self._multiply(cut + 1, last, split), self.scales[cut]
        if left.shape[-2] < right.shape[-1]:
            return (left * scale[:, None]) @ right
        return left @ (scale[:, :, None] * right)


@dataclass(frozen=True)
class Chain:
    """A chain S_d ... S_1 of matrices that are all of their own for each window, before any product is taken.

    Attributes
    ----------
    matrices : at least two, (N, H_k, H_{k-1}), from the output side to the input side; neighbouring dimensions agree.
    bias : (P, Q) linear skip path or None.
    """

    matrices: tuple[Tensor, ...]
    bias: Tensor | None = None

    def associate(self) -> Factors:
        """Multiply out all but one place, the one that costs the fewest flops with the op's product counted in."""
        n_windows = self.matrices[0].shape[0]
        sizes = [m.shape[1] for m in self.matrices] + [self.matrices[-1].shape[2]]
        cut, split = _cheapest_cut(sizes, n_windows)
        left, right = self._multiply(0, cut, split), self._multiply(cut + 1, len(self.matrices) - 1, split)
        return Factors(left, right, n_windows, bias=self.bias)

    def _multiply(self, first: int, last: int, split: list[list[int]]) -> Tensor:
        if first == last:
            return self.matrices[first]
        cut = split[first][last]
        return self._multiply(first, cut, split) @ self._multiply(cut + 1, last, split)


def _cheapest_cut(sizes: list[int], n_windows: int) -> tuple[int, list[list[int]]]:
    """The place of a chain to leave to the op, and `split` of `_chain_costs` for what is multiplied on either side."""
    cost, split = _chain_costs(sizes, n_windows)
    last = len(sizes) - 2
    # The op computes three products where the inner ones cost one forward and two backward: the same count.
    cut = min(
        range(last), key=lambda k: cost[0][k] + cost[k + 1][last] + n_windows * sizes[0] * sizes[k + 1] * sizes[-1]
    )
    return cut, split


def _chain_costs(sizes: list[int], n_windows: int) -> tuple[list[list[float]], list[list[int]]]:
    """Matrix-chain order: cost[i][j] in multiplications to form weights i..j for every window, split[i][j] its last cut."""
    count = len(sizes) - 1
    cost = [[0.0] * count for _ in range(count)]
    split = [[0] * count for _ in range(count)]
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [
                cost[i][k] + cost[k + 1][j] + n_windows * sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)
            ]
            best = min(range(len(options)), key=options.__getitem__)
            cost[i][j], split[i][j] = options[best], i + best
    return cost, split


def summable(x: Tensor) -> Tensor:
    """Half precisions in float32: sums over windows leave their range."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def lag_major(columns: Tensor, n_lags: int) -> Tensor:
    """(..., P, L * P) with columns ordered lag-major -> (..., effect, cause, lag)."""
    return torch.unflatten(columns, -1, (n_lags, -1)).movedim(-2, -1)
