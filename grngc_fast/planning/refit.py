"""The network of a plan trained again on some of the windows, with nothing decided anew."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from ..distributed import World
from ..series import PreparedSeries, Windows
from ..training import train
from .network import network_of
from .options import FitOptions
from .plan import Plan
from .start import start_network


def refitted(
    plan: Plan, options: FitOptions, data: PreparedSeries, windows: Windows, seed: int, world: World | None = None
) -> nn.Module:
    """Trained on `windows`, of the series of `data`, from weights and an order of windows that `seed` gives.

    Torch's own random numbers are the caller's to keep. Processes of the world train one network.
    """
    world = World() if world is None else world
    part, generator = replace(data, windows=windows), torch.Generator().manual_seed(seed)
    torch.manual_seed(seed + world.rank)
    network, training = network_of(plan, options, part, generator), plan.training_options(options)
    before = start_network(network, plan, part, windows.split(training.validation_fraction)[0], seed, world)
    train(network, windows, training, generator, world=world, history=before)
    return network
