"""The op in Triton kernels: `launch` plans, `rows` is the narrow kernel, `products` and `gradients` the wide one's halves."""

import triton

from .rows import rows_kernel

INTERPRETED = not isinstance(rows_kernel, triton.JITFunction)

__all__ = ["INTERPRETED"]
