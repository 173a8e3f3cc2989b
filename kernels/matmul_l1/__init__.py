"""`matmul_l1` and `matmul_abs_mean`: `reference` is the definition, `tiled` the same in cache-sized tiles, `op` the door."""

from .op import BACKENDS, matmul_abs_mean, matmul_l1

__all__ = ["BACKENDS", "matmul_abs_mean", "matmul_l1"]
