"""torch's own setting for float32 products: read as the op's default, and held still while the op multiplies.

torch has two sets of calls for it, `torch.set_float32_matmul_precision` and `torch.backends.*.fp32_precision`, and the first
refuses to answer once the second was used. Each backend's own attribute always answers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

PRECISIONS: tuple[str, ...] = ("highest", "high", "medium")
_NAMES = {"tf32": "high", "bf16": "medium"}


def _backend(device_type: str) -> Any:
    return getattr(torch.backends, "cuda" if device_type == "cuda" else "mkldnn").matmul


def current(device_type: str) -> str:
    """What torch is set to: "highest", "high" or "medium"."""
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return _NAMES.get(_backend(device_type).fp32_precision, "highest")


@contextlib.contextmanager
def library_products(device_type: str, precision: str) -> Iterator[None]:
    """torch's own products at this precision, its setting afterwards as before.

    On a CPU they are float32 whatever is asked for: what is cut into shorter formats is cut by the op itself.
    """
    backend = _backend(device_type)
    during = "tf32" if device_type == "cuda" and precision != "highest" else "ieee"
    before = backend.fp32_precision
    if during == before or (during == "ieee" and before == "none"):
        yield
        return
    backend.fp32_precision = during
    try:
        yield
    finally:
        backend.fp32_precision = before
