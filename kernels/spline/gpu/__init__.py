"""The slope matrix in Triton kernels: `slopes` is the kernel, `gradients` those of its two gradients, `launch` the door."""

import triton

from .slopes import slopes_kernel

INTERPRETED = not isinstance(slopes_kernel, triton.JITFunction)

__all__ = ["INTERPRETED"]
