"""What all forecasters ask of their windows and of the name of their activation."""

from __future__ import annotations

from torch import Tensor

from ..jacobian import ACTIVATIONS


def check_activation(name: str) -> None:
    """`ValueError` unless there is an activation of this name."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation={name!r} is unknown; use one of {', '.join(map(repr, ACTIVATIONS))}")


def check_inputs(x: Tensor, n_lags: int, n_series: int) -> None:
    """`ValueError` unless x is (N, L, C)."""
    if x.dim() != 3 or x.shape[1:] != (n_lags, n_series):
        raise ValueError(f"x has shape {tuple(x.shape)}; expected (N, {n_lags}, {n_series})")


def lag_major_inputs(x: Tensor, n_lags: int, n_series: int) -> Tensor:
    """(N, L, C), oldest first -> (N, L * C), most recent first; checked."""
    check_inputs(x, n_lags, n_series)
    return x.flip(1).flatten(1)
