"""Penalties on all weights of a cause, and their proximal operators.

Weights (..., H, P, L): H hidden units, P causes, L lags, the oldest first; leading axes are networks. Of a cause j, W_j (H, L):

    GL    ||W_j||                                    group lasso
    GSGL  ||W_j|| + sum_l ||W_jl||                   and of each lag: sparse within a cause
    H     sum_l ||(W_j1, ..., W_jl)||                hierarchical: a lag only with all that are more recent

The groups of each are nested or apart, so that the proximal operator of the sum is that of one group after another, inner ones
first (Jenatton et al., JMLR 12, 2011).
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

KINDS = ("GL", "GSGL", "H")


def penalty(weights: Tensor, kind: str) -> Tensor:
    """(...) the penalty of each network."""
    return sum_of([group.square().sum((-3, -1)).sqrt().sum(-1) for group in _groups(weights, kind)])


def shrink(weights: Tensor, amount: float, kind: str) -> None:
    """In place, argmin_V 1/2 ||V - W||^2 + amount * penalty(V)."""
    for group in _groups(weights, kind):
        norm = group.square().sum((-3, -1), keepdim=True).sqrt_()
        group.mul_((1 - amount / norm.clamp_min(1e-30)).clamp_min_(0.0))


def strength(weights: Tensor) -> Tensor:
    """(..., P): norms of all weights of each cause, the scores of these methods."""
    return weights.square().sum((-3, -1)).sqrt()


def _groups(weights: Tensor, kind: str) -> Iterator[Tensor]:
    """Views (..., H, P, l), inner groups first."""
    lags = weights.shape[-1]
    if kind == "H":
        yield from (weights[..., : lag + 1] for lag in range(lags))
    elif kind == "GSGL":
        yield from weights.split(1, -1)
        yield weights
    elif kind == "GL":
        yield weights
    else:
        raise ValueError(f"kind={kind!r} is unknown; use one of {', '.join(KINDS)}")


def sum_of(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
