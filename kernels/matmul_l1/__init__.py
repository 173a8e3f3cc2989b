"""`matmul_l1` and `matmul_abs_mean`: `reference` is the definition, `tiled` the same in cache-sized tiles, `op` the door."""

from .dispatch import BACKENDS
from .op import matmul_abs_mean, matmul_l1
from .precision import PRECISIONS

__all__ = ["BACKENDS", "PRECISIONS", "matmul_abs_mean", "matmul_l1"]
