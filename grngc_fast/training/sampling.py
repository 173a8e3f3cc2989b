"""How much of the penalty a step pays for: all of it while that is cheap, else an unbiased sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from ..jacobian import causal_part, has_factors

T = TypeVar("T")

# A step's exact penalty is not worth sampling below this: 1 ms at 200 GFLOP/s, what a step takes besides.
CHEAP_FLOPS = 2e8
# What an entry of a linear path adds to its row, in flops of the same time: it is gathered, added, and its gradient put back.
# 1900 rows of 5000 entries at K = 128 took 146 ms where their products take 49.
LINEAR_PATH_FLOPS = 1500.0
# A larger share of the targets is not gathered: 293 of 300 took 4.2 ms a step, all of them 2.6, 128 of them 2.4.
MOST_GATHERED = 0.5


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
    """As many rows (window, target) as cost what the forecast costs; whole windows first, then targets of one window, or all.

    A forecast takes three times the flops of its forward pass, a penalty row 6 Q K and more with a linear path, and a window
    three times the flops of its factors once for all of its rows. At equal cost many targets of one window converge better
    than few targets of many windows. Leaves the model in eval mode.
    """
    model.eval()
    model, batch = causal_part(model, batch)
    n_windows, n_lags, n_series = batch.shape
    # Fused operators are not counted, but every parameter takes part in a product.
    known = getattr(model, "factor_flops", None)
    made, counted = _counted(lambda: model(batch[:1]), None if known is None else 0)
    n_targets = made.shape[-1]
    forecast = 3.0 * n_windows * max(counted, 2 * sum(p.numel() for p in model.parameters()))
    window = linear_path = 0.0
    if has_factors(model):
        factors, flops = _counted(lambda: model.jacobian_factors(batch[:1]), known)
        width, window = factors.width, 3.0 * flops
        linear_path = LINEAR_PATH_FLOPS if getattr(factors, "bias", None) is not None else 0.0
    else:
        width = max(n_targets, int(forecast) // (6 * n_windows * n_series * n_lags))
    budget, row = max(forecast, CHEAP_FLOPS), n_series * n_lags * (6.0 * width + linear_path)
    windows = int(budget / (window + n_targets * row))
    if windows >= 1:
        return PenaltySample(min(n_windows, windows), n_targets)
    # A window that alone costs more than the budget is not paid for the sake of a row or two.
    some = max(1, int(max(budget - window, window) / row))
    return PenaltySample(1, some if some < MOST_GATHERED * n_targets else n_targets)


def _counted(function: Callable[[], T], known: int | None) -> tuple[T, int]:
    """The result of a call and the flops of its products, counted unless known: the counter takes a second to import."""
    with torch.no_grad(), torch.random.fork_rng([]):
        if known is not None:
            return function(), known
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            result = function()
        return result, int(counter.get_total_flops())
