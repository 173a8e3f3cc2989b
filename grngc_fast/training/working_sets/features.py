"""What an input is looked at by: itself, its square and cosines of its rank, as rows of a product with residuals."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...kernels.matmul_l1.precision import library_products

# In int8 a number of variance 1 is cut to multiples of 1/16, below 8 standard deviations. A ranking needs no more: the rounding
# adds 3e-4 to a variance of 1.
STEPS, LARGEST = 16.0, 127.0


class Products:
    """Absolute products of rows, of int8 where that is quicker.

    On CPUs with AVX512 they are products of int8, four times as fast as float32 where it has VNNI (125 x 1000 x 5000: 345 against
    85 GFLOP/s on one core of an EPYC); on CUDA devices of tf32, seven times as fast as float32 on an H200; elsewhere of float32.

    Parameters
    ----------
    n_windows : N, numbers in a row. device : where they are.
    """

    def __init__(self, n_windows: int, device: torch.device) -> None:
        # Sums of more windows than this do not fit int32.
        self._int8 = device.type == "cpu" and n_windows < 2**31 / LARGEST**2 and _fast_int8()
        self.unit = n_windows * (STEPS * STEPS if self._int8 else 1.0)

    def cut(self, x: Tensor) -> Tensor:
        if not self._int8:
            return x.contiguous()
        # A new array: of a single row torch's product reads the strides that `contiguous` leaves as they are.
        return torch.empty(x.shape, dtype=torch.int8).copy_((x * STEPS).round_().clamp_(-LARGEST, LARGEST))

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """(M, Q), `unit` times the absolute correlations of cut rows (M, N) and (Q, N)."""
        if self._int8:
            product: Tensor = torch._int_mm(a, b.T)
            return product.abs_()
        with library_products(a.device.type, "high"):
            return (a @ b.T).abs_()


def standard(x: Tensor) -> Tensor:
    """Columns of mean 0 and variance 1; constant ones stay 0."""
    centred = x - x.mean(0)
    return centred.div_(centred.square().mean(0).sqrt_().clamp_min_(1e-6))


def ranks(rows: Tensor) -> Tensor:
    """(Q, N) of each row, between 0 and 1, ties by their mean."""
    ordered = rows.sort(dim=1).values
    low, high = (torch.searchsorted(ordered, rows, side=side) for side in ("left", "right"))
    return (low + high).to(rows.dtype).div_(2 * rows.shape[1])


def cosine(rank: Tensor, m: int) -> Tensor:
    """cos(pi m rank), (Q, N): orthogonal for all m, the smoother the smaller m."""
    return standard((rank * (math.pi * m)).cos_().T).T


def _fast_int8() -> bool:
    return hasattr(torch, "_int_mm") and torch.backends.cpu.get_cpu_capability() == "AVX512"
