"""Correlations of inputs and targets over windows, and what is left of them once the own past of a target is known."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..series import Windows

# Of the variance of an input or a target, what its own past may leave at least.
LEAST_LEFT = 1e-6


@dataclass(frozen=True)
class Moments:
    """Second moments of the windows of a fit; Q inputs in columns, lag-major, lag index 0 the most recent step.

    Attributes
    ----------
    inputs : (Q, Q) float64 correlations.
    targets : (E, Q) float64 correlations of each target with each input, over the windows in which it is known.
    known : (E,) how many these are.
    own : (E, L) columns of each target's own past; -1 where it is no input.
    """

    inputs: Tensor
    targets: Tensor
    known: Tensor
    own: Tensor

    @classmethod
    def of(cls, windows: Windows, own: Tensor) -> Moments:
        """Of all windows; `own` (E,) the series among the inputs that each target is, -1 for none."""
        x, y = windows.columns().double().cpu(), windows.targets().double().cpu()
        missing = y.isnan()
        known = (~missing).sum(0)
        x = _standardised(x)
        y = (y - y.nanmean(0)).masked_fill(missing, 0.0)
        y = y / (y.square().sum(0) / known).sqrt().clamp_min(1e-12)
        lags = torch.arange(windows.n_lags) * (x.shape[1] // windows.n_lags)
        columns = torch.where(own[:, None] < 0, -1, own[:, None] + lags)
        return cls(x.T @ x / len(x), (y.T @ x / known[:, None]).clamp(-1, 1), known.double(), columns)

    @property
    def n_inputs(self) -> int:
        return len(self.inputs)

    def given_own_past(self, rows: Tensor) -> Partial:
        """Of some targets (n,)."""
        own = self.own[rows]
        there = own >= 0
        at = own.clamp_min(0)
        past = self.inputs[at]
        square = past.gather(2, at[:, None, :].expand(-1, at.shape[1], -1))
        square = square + LEAST_LEFT * torch.eye(at.shape[1], dtype=square.dtype)
        weights = torch.linalg.solve(square, past) * there[:, :, None]
        along = self.targets[rows].gather(1, at)
        shares = torch.linalg.solve(square, along[:, :, None])[:, :, 0] * there
        left = (1 - (past * weights).sum(1)).clamp_min(LEAST_LEFT)
        target_left = (1 - (along * shares).sum(1)).clamp_min(LEAST_LEFT)
        partial = (self.targets[rows] - (past * shares[:, :, None]).sum(1)) / (left * target_left[:, None]).sqrt()
        is_own = torch.zeros_like(left, dtype=torch.bool).scatter_(1, at, there)
        partial = partial.clamp(-1 + LEAST_LEFT, 1 - LEAST_LEFT).masked_fill(is_own, 0.0)
        return Partial(partial, is_own, past, weights, left, self.inputs)


@dataclass(frozen=True)
class Partial:
    """Partial correlations given the own past of each of n targets.

    Attributes
    ----------
    target : (n, Q) of the target with each input. own : (n, Q) which inputs are its own past.
    past, weights : (n, L, Q) of the own past with each input, and the coefficients by which it forecasts that.
    left : (n, Q) variance of each input that it leaves.
    inputs : (Q, Q) correlations of inputs.
    """

    target: Tensor
    own: Tensor
    past: Tensor
    weights: Tensor
    left: Tensor
    inputs: Tensor

    def between(self, chosen: Tensor) -> Tensor:
        """(n, K, Q) float32: of inputs chosen for each target (n, K) with all inputs."""
        at = chosen[:, None, :].expand(-1, self.weights.shape[1], -1)
        explained = self.weights.gather(2, at).transpose(1, 2).float() @ self.past.float()
        scale = self.left.rsqrt().float()
        found = (self.inputs.float()[chosen] - explained) * scale.gather(1, chosen)[:, :, None] * scale[:, None, :]
        return found.clamp(-1, 1)


def _standardised(x: Tensor) -> Tensor:
    x = x - x.mean(0)
    return x / x.square().mean(0).sqrt().clamp_min(1e-12)
