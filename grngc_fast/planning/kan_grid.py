"""How fine the splines of a KAN are: as fine as held-out windows bear, before the fit on all of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from ..distributed import World
from ..series import Windows
from ..training import TrainingOptions, train
from ..training.known import known_mean

# Cells of the grid. The penalty sees slopes at the windows alone: where these are few, a fine spline is free between them.
COARSE, FINE = 2, 5
# In it lie 99 of 100 values of a standardised normal series; in [-1, 1] 68, and what is beyond finds ever fewer splines.
GRID_RANGE = (-2.5, 2.5)
# So many windows to every coefficient that a target has over the splines of the inputs bear the fine grid untried.
PLENTY = 3
# Trained to the end both fit too much to be told apart: each is judged at its best, as early stopping finds it.
HELD_OUT, MIN_HELD_OUT, PATIENCE = 0.2, 10, 10


@dataclass(frozen=True)
class KANGrid:
    """The grid of a KAN.

    Attributes
    ----------
    grid, grid_range : as of `KAN`.
    tried : (grid, least mean squared error on held-out windows while training on the others), in standardised units; empty where
        nothing was tried.
    margin : standard error of the difference of the two, over windows; the fine grid has to be ahead by more.
    """

    grid: int
    grid_range: tuple[float, float] = GRID_RANGE
    tried: tuple[tuple[int, float], ...] = ()
    margin: float = 0.0

    @property
    def model_options(self) -> dict[str, Any]:
        """As arguments of `KAN`."""
        return {"grid": self.grid, "grid_range": self.grid_range}


def weigh_grid(
    network: Callable[[KANGrid, torch.Generator], nn.Module],
    windows: Windows,
    n_coefficients: int,
    options: TrainingOptions,
    seed: int,
    world: World,
    verbose: int = 0,
) -> KANGrid:
    """The fine grid where windows are plenty, or where it forecasts held-out ones better by a standard error; else the coarse.

    Parameters
    ----------
    network : makes one of a grid, with weights from a generator.
    windows : standardised windows of the fit.
    n_coefficients : of a target over the splines of all its inputs, of the fine grid.
    options : of the training that follows.
    seed : of weights and batches.
    world : processes that share out the training.
    verbose : 1 shows the progress of each.

    Raises
    ------
    FloatingPointError : as `train`.
    """
    if len(windows) >= PLENTY * n_coefficients:
        return KANGrid(FINE)
    _, held_out = windows.split(HELD_OUT)
    if held_out is None or len(held_out) < MIN_HELD_OUT:
        return KANGrid(COARSE)
    stopping = replace(options, validation_fraction=HELD_OUT, patience=PATIENCE, evaluate_every=None)
    errors = []
    for grid in (COARSE, FINE):
        generator = torch.Generator().manual_seed(seed)
        model = network(KANGrid(grid), generator)
        train(model, windows, stopping, generator, verbose, world=world)
        with torch.no_grad():
            forecast = torch.cat([model(x) for x in held_out.batches()])
        errors.append(known_mean((forecast - held_out.targets()).square(), 1))
    coarse, fine = errors
    tried = (COARSE, float(coarse.mean())), (FINE, float(fine.mean()))
    margin = float((coarse - fine).std()) / math.sqrt(len(held_out))
    ahead = float((coarse - fine).mean()) > margin
    return KANGrid(FINE if ahead else COARSE, tried=tried, margin=margin)
