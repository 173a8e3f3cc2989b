"""Where a network with a linear path starts: at the best penalised linear forecaster, found exactly."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ..distributed import World
from ..series import Windows
from ..training.sparse_linear import sparse_linear


@runtime_checkable
class StartsLinear(Protocol):
    """A model that can be made a linear forecaster with parameters that still learn to be more."""

    def start_linear(self, weight: Tensor, intercept: Tensor) -> None: ...


def start_linear(model: nn.Module, windows: Windows, lam: float, world: World | None = None, verbose: int = 0) -> None:
    """Start the model at the minimum of its loss among linear forecasters, see `sparse_linear`.

    Each process of the world finds the rows of some targets; all are left with the same. `verbose`: 1 shows a progress bar.
    """
    assert isinstance(model, StartsLinear)
    world = World() if world is None else world
    rows = torch.arange(windows.n_targets, device=windows.steps.device)
    if world.size == 1 or len(rows) < world.size:
        found = sparse_linear(windows.columns(), windows.targets(), lam, verbose=verbose)
        weight, intercept = found.weight, found.intercept
    else:
        mine = world.share(rows)
        found = sparse_linear(
            windows.columns(), windows.of_targets(mine).targets(), lam, verbose=verbose if world.rank == 0 else 0
        )
        weight, intercept = (world.assemble(t, mine, len(rows)) for t in (found.weight, found.intercept))
    model.start_linear(weight, intercept)
