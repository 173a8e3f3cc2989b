"""Which of several forecasters that were named is fitted: the one that forecasts held-out windows best."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from ..distributed import World
from ..errors import InputError
from ..series import PreparedSeries
from ..training import train
from ..training.known import known_mean
from .memory import check_fit
from .network import network_of, with_grid
from .options import FitOptions
from .plan import Choice, Plan, decide
from .start import start_network

HELD_OUT, MIN_HELD_OUT = 0.1, 10


def chosen_plan(options: FitOptions, data: PreparedSeries, seed: int, world: World) -> Plan:
    """What `decide` makes of the options, and of several models the one chosen.

    Raises
    ------
    InputError : options that a model does not have, too few windows to hold some out, a network that does not fit into memory.
    FloatingPointError : as `train`.
    """
    if isinstance(options.model, str) or options.own_module is not None:
        return _plan(options, data, seed, world)
    training, held_out = data.windows.split(HELD_OUT)
    if held_out is None or len(held_out) < MIN_HELD_OUT:
        raise InputError(
            f"model={list(options.model)!r} needs at least {MIN_HELD_OUT} windows to judge by, a tenth of all, but there are"
            f" {len(data.windows)} windows; name one model, or use longer series"
        )
    part = replace(data, windows=training)
    errors = []
    for name in options.model:
        forecaster = replace(options, model=name)
        errors.append(world.first(_errors(forecaster, part, replace(data, windows=held_out), seed, world)))
    means = [float(own.mean()) for own in errors]
    least = errors[means.index(min(means))]
    margins = [_standard_error(own - least) for own in errors]
    first = next(i for i, mean in enumerate(means) if mean - min(means) <= margins[i])
    choice = Choice(tuple(zip(options.model, means, strict=True)), margins[first])
    return replace(_plan(replace(options, model=options.model[first]), data, seed, world), choice=choice)


def _plan(options: FitOptions, data: PreparedSeries, seed: int, world: World) -> Plan:
    return with_grid(decide(options, data.edges, data.windows, seed, world), options, data, seed, world)


def _errors(options: FitOptions, training: PreparedSeries, held_out: PreparedSeries, seed: int, world: World) -> Tensor:
    """(N,) of a forecaster trained as the fit will train it."""
    plan, generator = _plan(options, training, seed, world), torch.Generator().manual_seed(seed)
    with world.refused_together():
        network = network_of(plan, options, training, generator)
        check_fit(network, plan, options, training)
    own = plan.training_options(options)
    history = start_network(
        network, plan, training, training.windows.split(own.validation_fraction)[0], seed, world, options.verbose
    )
    train(network, training.windows, own, generator, options.verbose, world=world, history=history)
    with torch.no_grad():
        forecast = torch.cat([network(x) for x in held_out.windows.batches()])
    return known_mean((forecast - held_out.windows.targets()).square(), 1).cpu()


def _standard_error(differences: Tensor) -> float:
    return float(differences.std()) / math.sqrt(len(differences))
