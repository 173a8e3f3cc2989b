"""How much of the penalty a step pays for: all of it while that is cheap, else an unbiased sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ..jacobian import causal_part, has_factors

T = TypeVar("T")

# A step's exact penalty is not worth sampling below this: 10 ms at 200 GFLOP/s.
CHEAP_FLOPS = 2e9


@dataclass(frozen=True)
class PenaltySample:
    """Windows of a batch and targets that one step penalises."""

    n_windows: int
    n_targets: int

    def targets(self, n_outputs: int, generator: torch.Generator, device: torch.device) -> Tensor | None:
        """Random distinct targets, None for all."""
        if self.n_targets >= n_outputs:
            return None
        return torch.randperm(n_outputs, generator=generator)[: self.n_targets].to(device)


def choose_sample(model: torch.nn.Module, batch: Tensor) -> PenaltySample:
    """As many rows (window, target) as cost what the forecast costs; whole windows first, then targets of one window.

    A forecast takes three times the flops of its forward pass, a penalty row 6 Q K, and a window three times the flops of
    its factors once for all of its rows. At equal cost many targets of one window converge better than few targets of
    many windows. Leaves the model in eval mode.
    """
    model.eval()
    model, batch = causal_part(model, batch)
    n_windows, n_lags, n_series = batch.shape
    # Fused operators are not counted, but every parameter takes part in a product.
    made, counted = _counted(lambda: model(batch[:1]))
    n_targets = made.shape[-1]
    forecast = 3.0 * n_windows * max(counted, 2 * sum(p.numel() for p in model.parameters()))
    window = 0.0
    if has_factors(model):
        factors, flops = _counted(lambda: model.jacobian_factors(batch[:1]))
        width, window = factors.width, 3.0 * flops
    else:
        width = max(n_targets, int(forecast) // (6 * n_windows * n_series * n_lags))
    budget, row = max(forecast, CHEAP_FLOPS), 6.0 * n_series * n_lags * width
    windows = int(budget / (window + n_targets * row))
    if windows >= 1:
        return PenaltySample(min(n_windows, windows), n_targets)
    return PenaltySample(1, min(n_targets, max(1, int((budget - window) / row))))


def _counted(function: Callable[[], T]) -> tuple[T, int]:
    """The result of a call and the flops of its products."""
    with torch.no_grad(), torch.random.fork_rng([]), FlopCounterMode(display=False) as counter:
        result = function()
    return result, int(counter.get_total_flops())
