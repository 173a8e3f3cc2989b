"""Whether Triton's kernels can run here, asked without importing Triton before it is needed."""

from __future__ import annotations

import importlib.util
from functools import cache

from torch import Tensor


def obstacle(x: Tensor, what: str) -> str:
    """Why kernels cannot take tensors on the device of x, called `what` and a verb in the text; empty if they can."""
    if not installed():
        return "the package triton is not installed"
    if x.device.type == "cuda" or (x.device.type == "cpu" and interpreted()):
        return ""
    return f"{what} on {x.device}, not on a GPU"


@cache
def installed() -> bool:
    return importlib.util.find_spec("triton") is not None


@cache
def interpreted() -> bool:
    """Triton was imported with TRITON_INTERPRET=1: its kernels run on the CPU, line by line, for tests."""
    from .matmul_l1 import gpu

    return gpu.INTERPRETED
