"""torch's own setting for float32 products: read as the op's default, and held still while the op multiplies.

torch has two sets of calls for it, `torch.set_float32_matmul_precision` and `torch.backends.*.fp32_precision`, and the first
refuses to answer once the second was used. Each backend's own attribute always answers.
"""

from __future__ import annotations

import contextlib
import threading
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


_LOCK = threading.Lock()
# Calls inside `library_products` by backend, and what torch was set to before the first of them.
_INSIDE: dict[str, tuple[int, str]] = {}


@contextlib.contextmanager
def library_products(device_type: str, precision: str) -> Iterator[None]:
    """torch's own products at this precision, its setting afterwards as before; several threads may be inside.

    On a CPU they are float32 whatever is asked for: what is cut into shorter formats is cut by the op itself.
    """
    during = "tf32" if device_type == "cuda" and precision != "highest" else "ieee"
    _enter(device_type, during)
    try:
        yield
    finally:
        _leave(device_type)


def _enter(device_type: str, during: str) -> None:
    backend = _backend(device_type)
    with _LOCK:
        count, before = _INSIDE.get(device_type, (0, backend.fp32_precision))
        _INSIDE[device_type] = count + 1, before
        if during != backend.fp32_precision and (during, backend.fp32_precision) != ("ieee", "none"):
            backend.fp32_precision = during


def _leave(device_type: str) -> None:
    backend = _backend(device_type)
    with _LOCK:
        count, before = _INSIDE.pop(device_type)
        if count > 1:
            _INSIDE[device_type] = count - 1, before
        elif backend.fp32_precision != before:
            # What was inherited is inherited again, and follows its parent from then on.
            backend.fp32_precision = "none"
            if backend.fp32_precision != before:
                backend.fp32_precision = before
