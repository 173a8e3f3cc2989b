"""Which backend computes, at which precision, and the two calls that reach it.

| device | float64 | at least MIN_FLOP | smaller | no Triton |
| CUDA   | tiled   | triton            | tiled   | tiled     |
| other  | tiled   | tiled             | tiled   | tiled     |

An explicit request is met or refused, never replaced.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from .. import triton_here
from . import tiled
from .precision import PRECISIONS, current, library_products
from .results import Gradients, Needs

BACKENDS: tuple[str, ...] = ("auto", "triton", "tiled", "reference")
# Below this both paths wait for their launches, and the tiled one has fewer: on an H200 64 products of 100 x 512 x 100, 2 GFLOP,
# took 77 us tiled and 101 by Triton, 64 of 500 x 64 x 500, 6 GFLOP, 222 and 77.
MIN_FLOP = 2e9


def check_names(backend: str, precision: str | None) -> None:
    """ValueError for a backend or precision that does not exist."""
    if backend not in BACKENDS:
        raise ValueError(f"backend={backend!r} is unknown; use one of {', '.join(map(repr, BACKENDS))}")
    if precision is not None and precision not in PRECISIONS:
        raise ValueError(f"precision={precision!r} is unknown; use one of {', '.join(map(repr, PRECISIONS))} or None")


def resolve_backend(backend: str, x: Tensor, flop: float) -> str:
    """A backend that can compute operands like x; RuntimeError for an explicit request that cannot run here."""
    if backend == "auto":
        return "triton" if x.device.type == "cuda" and flop >= MIN_FLOP and not _obstacle(x) else "tiled"
    if backend == "triton":
        obstacle = _obstacle(x)
        if obstacle:
            raise RuntimeError(f"backend='triton' cannot run here: {obstacle}. Use 'tiled' or 'auto'")
    return backend


def _obstacle(x: Tensor) -> str:
    if x.dtype == torch.float64:
        return "its kernels compute in float32, and the operands are float64"
    found = triton_here.obstacle(x, "the operands are")
    if found or x.device.type != "cuda":
        return found
    old = not torch.version.hip and torch.cuda.get_device_capability(x.device) < (8, 0)
    return f"{torch.cuda.get_device_name(x.device)} is older than compute capability 8.0" if old else ""


def l1(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    needs: Needs,
    weights: Tensor | None,
    backend: str,
    precision: str | None,
) -> tuple[Tensor, Gradients]:
    """Values (B,) and gradients of flattened operands, in the dtype of computation."""
    backend, precision = _resolve(backend, precision, a, b, scale)
    a, b = _compute_dtype(a), _compute_dtype(b)
    scale, bias, weights = (None if x is None else _compute_dtype(x) for x in (scale, bias, weights))
    with torch.no_grad(), torch.autocast(a.device.type, enabled=False), _on_device(a, precision):
        if backend == "triton":
            from .gpu import launch

            return launch.l1(a, b, scale, bias, needs, weights, mask, precision)
        return tiled.l1(a, b, scale, bias, needs, weights, mask, precision)


def abs_mean(
    a: Tensor,
    b: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    signed: bool,
    backend: str,
    precision: str | None,
) -> tuple[Tensor, Tensor | None]:
    """Mean absolute and, on request, mean signed product."""
    backend, precision = _resolve(backend, precision, a, b, scale)
    a, b = _compute_dtype(a), _compute_dtype(b)
    scale, bias = (None if x is None else _compute_dtype(x) for x in (scale, bias))
    with torch.no_grad(), torch.autocast(a.device.type, enabled=False), _on_device(a, precision):
        if backend == "triton":
            from .gpu import launch

            return launch.abs_mean(a, b, scale, bias, mask, precision, signed)
        absolute = tiled.abs_mean(a, b, scale, bias, mask, precision)
        return absolute, tiled.signed_mean(a, b, scale, bias, mask) if signed else None


def _resolve(backend: str, precision: str | None, a: Tensor, b: Tensor, scale: Tensor | None) -> tuple[str, str]:
    """Names that stand for themselves: a precision of None follows torch's setting at the time of the call."""
    n_batch = max(a.shape[:-2].numel(), b.shape[:-2].numel())
    n_windows = 1 if scale is None else scale.shape[-2]
    flop = 6.0 * n_batch * n_windows * a.shape[-2] * a.shape[-1] * b.shape[-1]
    return resolve_backend(backend, a, flop), precision or current(a.device.type)


def _compute_dtype(x: Tensor) -> Tensor:
    """Half precisions are computed in float32."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


@contextlib.contextmanager
def _on_device(x: Tensor, precision: str) -> Iterator[None]:
    """The operands' own GPU, and for its library products the precision asked for."""
    device = torch.cuda.device(x.device) if x.device.type == "cuda" else contextlib.nullcontext()
    with device, library_products(x.device.type, precision):
        yield
