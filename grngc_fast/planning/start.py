"""Where a network starts: at the best penalised linear forecaster, found exactly, or at working sets found in rounds."""

from __future__ import annotations

import math
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ..distributed import World
from ..models import OwnPast, SetMLP
from ..series import PreparedSeries, Windows
from ..training.history import History
from ..training.sparse_linear import sparse_linear
from ..training.working_sets import SetOptions, WorkingSets, find_sets
from .plan import Plan


@runtime_checkable
class StartsLinear(Protocol):
    """A model that can be made a linear forecaster with parameters that still learn to be more."""

    def start_linear(self, weight: Tensor, intercept: Tensor) -> None: ...


def start_network(
    network: nn.Module,
    plan: Plan,
    data: PreparedSeries,
    windows: Windows,
    seed: int,
    world: World | None = None,
    verbose: int = 0,
    brief: bool = False,
) -> History | None:
    """Where the plan begins: `start_linear` or `start_sets`, whose history training goes on with, or what the network is.

    `brief`: see `Plan.search_options`.
    """
    if plan.linear_start:
        start_linear(network, windows, plan.lam, world, verbose)
    elif plan.model == "sets":
        search = plan.search_options(data.edges.n_causes * windows.n_lags, brief)
        return start_sets(network, data, windows, plan.lam, search, seed, world, verbose)
    return None


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


def start_sets(
    model: nn.Module,
    data: PreparedSeries,
    windows: Windows,
    lam: float,
    search: SetOptions,
    seed: int,
    world: World | None = None,
    verbose: int = 0,
) -> History:
    """Find the inputs that each target reads, and start the model with the networks that were trained on them.

    `windows`: those of `data` to train on. `search`: how sets are found. `seed`: of the networks' weights and of the order of
    windows. Processes share out the targets; all are left with the same. Returns the loss after each round.
    """
    return take_sets(model, find_sets(windows, lam, search, seed, world, verbose, data.edges), lam)


def take_sets(model: nn.Module, found: WorkingSets, lam: float) -> History:
    """Start the model with what was found; the loss after each round."""
    network = _sets_of(model)
    network.start(found.columns, found.networks)
    if isinstance(model, OwnPast):
        with torch.no_grad():
            # Most recent lag first there, oldest first here.
            model.weight.copy_(found.own[model.targets].flip(1).T)
    history = History()
    for step, error, penalty, edges in found.path:
        history.append(step, error, penalty, lam, math.nan, edges)
    history.before = history.best_step = history.step[-1]
    return history


def _sets_of(model: nn.Module) -> SetMLP:
    network = model.network if isinstance(model, OwnPast) else model
    assert isinstance(network, SetMLP)
    return network
