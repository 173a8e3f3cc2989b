"""How much of the penalty a step pays for: all of it while that is cheap, else an unbiased sample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..jacobian import has_factors

# A step's exact penalty is not worth sampling below this: 10 ms at 200 GFLOP/s.
CHEAP_FLOPS = 2e9


@dataclass(frozen=True)
class PenaltySample:
    """Windows of a batch and targets that one step penalises."""

    n_windows: int
    n_targets: int

    def targets(self, n_series: int, generator: torch.Generator, device: torch.device) -> Tensor | None:
        """Random distinct targets, None for all."""
        if self.n_targets >= n_series:
            return None
        return torch.randperm(n_series, generator=generator)[: self.n_targets].to(device)


def choose_sample(model: torch.nn.Module, batch: Tensor) -> PenaltySample:
    """As many rows (window, target) as cost what the forecast costs; whole windows first, then targets of one window.

    The forecast's three products take 6 N flop per parameter, a penalty row 6 Q K. At equal cost many targets of one
    window converge better than few targets of many windows.
    """
    n_windows, n_lags, n_series = batch.shape
    forecast = 6.0 * n_windows * sum(p.numel() for p in model.parameters())
    if has_factors(model):
        with torch.no_grad():
            width = model.jacobian_factors(batch[:1]).width
    else:
        width = max(n_series, int(forecast) // (6 * n_windows * n_series * n_lags))
    rows = int(max(forecast, CHEAP_FLOPS) / (6.0 * n_series * n_lags * width))
    if rows >= n_series:
        return PenaltySample(min(n_windows, rows // n_series), n_series)
    return PenaltySample(1, max(1, rows))
