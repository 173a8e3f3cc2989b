"""What a forecaster offers so that its Jacobian is never stored: one method.

A class needs no base and no registration; `gradient_l1`, `causal_scores` and `GRNGC` use the method where it is there.

>>> from torch.nn.functional import linear
>>> from grngc_fast import gradient_l1
>>> from grngc_fast.jacobian import Factors, check_factors
>>> class Waves(nn.Module):
...     # y = W_out sin(W_in x), x of all lags
...     def __init__(self, n_series, n_lags, width):
...         super().__init__()
...         self.n_lags = n_lags
...         self.inner = nn.Parameter(torch.randn(width, n_lags * n_series))
...         self.outer = nn.Parameter(torch.randn(n_series, width))
...     def forward(self, x):  # (N, L, P), oldest step first
...         return linear(torch.sin(self._units(x)), self.outer)
...     def jacobian_factors(self, x, targets=None):  # columns lag-major, most recent step first
...         outer = self.outer if targets is None else self.outer[targets]
...         return Factors(outer, self.inner, len(x), scale=torch.cos(self._units(x)))
...     def _units(self, x):
...         return linear(x.flip(1).flatten(1), self.inner)
>>> model, x = Waves(n_series=5, n_lags=2, width=16), torch.randn(8, 2, 5)
>>> check_factors(model, x) < 1e-4
True
>>> gradient_l1(model, x).backward()
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn
from typing_extensions import TypeIs

from .columns import ColumnFactors
from .factors import Factors
from .grouped import GroupedFactors

AnyFactors: TypeAlias = Factors | ColumnFactors | GroupedFactors


@runtime_checkable
class HasFactors(Protocol):
    """A module `(N, L, C) -> (N, E)`, C causes to E effects, that knows its Jacobian's factors.

    Columns are ordered lag-major, the most recent step first.
    """

    n_lags: int

    def __call__(self, x: Tensor) -> Tensor: ...

    def jacobian_factors(self, x: Tensor, targets: Tensor | None = None) -> AnyFactors:
        """Factors at x (N, L, C), for the rows `targets` (indices) or all."""
        ...


@runtime_checkable
class KnowsItsPenalty(Protocol):
    """A module with factors that has, for some inputs, a shorter way to the penalty than they are."""

    def gradient_l1(self, x: Tensor, targets: Tensor | None, backend: str, precision: str | None) -> Tensor | None:
        """The mean over windows of the summed absolute gradient, differentiable in the parameters; None to take the factors."""
        ...


def causal_part(model: Any, x: Tensor) -> tuple[Any, Tensor]:
    """The module and its windows whose gradient is penalised and scored.

    The model itself, unless it has a method `causal_part(x)` that names them: one that also reads what is no cause.
    """
    part = getattr(model, "causal_part", None)
    return part(x) if callable(part) else (model, x)


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


def factors_at(model: HasFactors, x: Tensor, targets: Tensor | None = None) -> AnyFactors:
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


def knows_its_penalty(model: nn.Module | Any) -> TypeIs[KnowsItsPenalty]:
    return has_factors(model) and callable(getattr(model, "gradient_l1", None))
