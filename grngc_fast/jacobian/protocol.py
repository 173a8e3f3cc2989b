"""What a forecaster offers so that its Jacobian is never stored: one method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from typing_extensions import TypeIs

from .factors import Factors


@runtime_checkable
class HasFactors(Protocol):
    """A module `(N, L, P) -> (N, P)` that knows its Jacobian's factors, columns ordered lag-major, most recent step first."""

    n_lags: int

    def __call__(self, x: Tensor) -> Tensor: ...

    def jacobian_factors(self, x: Tensor, targets: Tensor | None = None) -> Factors:
        """Factors at x (N, L, P), for the rows `targets` (indices) or all."""
        ...


def check_windows(x: Tensor) -> None:
    """Raise `ValueError` unless x is a floating-point tensor of at least one window, batch first."""
    if not isinstance(x, Tensor):
        raise ValueError(f"x must be a torch tensor of windows, got {type(x).__name__}")
    if not x.is_floating_point():
        raise ValueError(f"x must be a floating-point tensor of windows, got {x.dtype}")
    if x.dim() < 2 or len(x) == 0:
        raise ValueError(f"x has shape {tuple(x.shape)}; expected at least one window, batch first")


def check_targets(targets: Tensor | Sequence[int] | None, device: torch.device) -> Tensor | None:
    """Output indices as a tensor on the device, None for all; `ValueError` unless they are a non-empty list of integers."""
    if targets is None:
        return None
    rows = torch.as_tensor(targets, device=device)
    if rows.dim() != 1 or len(rows) == 0 or rows.is_floating_point() or rows.dtype == torch.bool:
        raise ValueError("targets must be a non-empty list of output indices")
    return rows.long()


def factors_at(model: HasFactors, x: Tensor, targets: Tensor | None = None) -> Factors:
    """The model's factors outside autocast: the op's precision is its own, and its operands have one dtype.

    Raises
    ------
    ValueError : targets that the model does not have.
    """
    with torch.autocast(x.device.type, enabled=False):
        try:
            return model.jacobian_factors(x, targets)
        except IndexError as error:
            raise ValueError(f"targets that the model does not have: {error}") from error


def has_factors(model: nn.Module | Any) -> TypeIs[HasFactors]:
    return callable(getattr(model, "jacobian_factors", None))
