"""The network of a plan trained again on some of the windows, with nothing decided anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import nn

from ..distributed import World
from ..series import PreparedSeries, Windows
from ..training import train
from ..training.working_sets import JoinedData, SetData, search_sets
from .network import network_of
from .options import FitOptions
from .plan import Plan
from .start import start_network, take_sets

# Networks of all targets of all fits side by side, to each thread: as many as fill a tile (`training.working_sets.search`).
SIDE_BY_SIDE = 125


def refitted(
    plan: Plan,
    options: FitOptions,
    data: PreparedSeries,
    windows: Windows,
    seed: int,
    world: World | None = None,
    brief: bool = False,
    verbose: int = 0,
) -> nn.Module:
    """Trained on `windows`, of the series of `data`, from weights and an order of windows that `seed` gives.

    Torch's own random numbers are the caller's to keep. Processes of the world train one network.

    Parameters
    ----------
    brief : where which inputs matter is asked and not how much, rounds of a search for sets take half of the steps, in .75 of the
        time. Edges at q = .05 of tanh, square and Lorenz-96, P = 50, 300 steps, 3 draws: .027, .041 and .164 of them false
        (.047, .019 and .183 by all steps), .940, .650 and .944 of the true ones (.943, .653, .944).
    verbose : 1 shows progress bars.
    """
    world = World() if world is None else world
    part, generator, network = _fresh(plan, options, data, windows, seed, world)
    training = plan.training_options(options)
    before = start_network(
        network, plan, part, windows.split(training.validation_fraction)[0], seed, world, verbose, brief
    )
    train(network, windows, training, generator, verbose, world=world, history=before)
    return network


def refitted_together(
    plan: Plan,
    options: FitOptions,
    data: PreparedSeries,
    draws: Sequence[tuple[Windows, int]],
    world: World | None = None,
) -> Iterator[nn.Module]:
    """As `refitted` of each of several windows and seeds, in their order; working sets of few targets are found side by side.

    The networks of a draw are as if it were alone, but for their random numbers, which come from the first seed of those beside.
    Of 20 series six draws take 2.7 s of one core, one after another 5. Other networks are not: shared ones of 20 series, twelve
    beside one another as those of a path are, took a third of the time, but penalise fewer windows of a step than the fit did.
    """
    world, training = World() if world is None else world, plan.training_options(options)
    at_once = max(1, SIDE_BY_SIDE * torch.get_num_threads() // data.edges.n_effects)
    alike = len({len(windows) for windows, _ in draws}) == 1
    if plan.model != "sets" or at_once == 1 or not alike:
        for windows, seed in draws:
            yield refitted(plan, options, data, windows, seed, world)
        return
    search = plan.search_options(data.edges.n_causes * options.lags)
    for start in range(0, len(draws), at_once):
        some = draws[start : start + at_once]
        read = [windows.split(training.validation_fraction)[0] for windows, _ in some]
        joined = JoinedData.of_parts([SetData.of(part, data.edges, smooth=search.splines > 0) for part in read])
        found = search_sets(joined, plan.lam, search, some[0][1], world).split(data.edges.n_effects)
        for (windows, seed), sets in zip(some, found, strict=True):
            _, generator, network = _fresh(plan, options, data, windows, seed, world)
            train(network, windows, training, generator, world=world, history=take_sets(network, sets, plan.lam))
            yield network


def _fresh(
    plan: Plan, options: FitOptions, data: PreparedSeries, windows: Windows, seed: int, world: World
) -> tuple[PreparedSeries, torch.Generator, nn.Module]:
    part, generator = replace(data, windows=windows), torch.Generator().manual_seed(seed)
    torch.manual_seed(seed + world.rank)
    return part, generator, network_of(plan, options, part, generator)
