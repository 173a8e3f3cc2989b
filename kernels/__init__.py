"""The one operation every architecture ends in: a matrix product summed in absolute value and never stored.

Torch only; nothing here imports the package above. `matmul_l1` gives the sum with gradients, `matmul_abs_mean` the mean
over windows as a matrix of scores.
"""

from .matmul_l1 import BACKENDS, PRECISIONS, matmul_abs_mean, matmul_l1

__all__ = ["BACKENDS", "PRECISIONS", "matmul_abs_mean", "matmul_l1"]
