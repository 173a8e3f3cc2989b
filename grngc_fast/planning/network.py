"""The network that a plan means, on the series of a fit, and the part of it that is scored."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from ..distributed import World
from ..models import OwnPast, adopt, build, refuse_candidates
from ..models.kan import KANLayer
from ..series import PreparedSeries, Windows
from .kan_grid import FINE, KANGrid, weigh_grid
from .memory import check_fit
from .options import FitOptions
from .plan import Plan


def network_of(plan: Plan, options: FitOptions, data: PreparedSeries, generator: torch.Generator) -> nn.Module:
    """With fresh weights, or a copy of the caller's module; on the windows' device.

    Raises
    ------
    InputError : options that the forecaster does not have, a module that cannot forecast these windows.
    """
    edges, device = data.edges, data.windows.steps.device
    network = _forecaster(plan, options, data, generator).to(device, torch.float32)
    if not len(edges.own_past):
        return network
    return OwnPast(network, edges.n_causes, torch.as_tensor(edges.own_past), options.lags).to(device)


def with_grid(plan: Plan, options: FitOptions, data: PreparedSeries, seed: int, world: World) -> Plan:
    """The plan with the grid of a "kan", where neither it nor its range was given; see `weigh_grid`.

    Raises
    ------
    InputError : as `network_of` and `check_fit`, before anything is trained.
    """
    if plan.model != "kan" or {"grid", "grid_range"} & set(options.model_options or ()):
        return plan

    def network(grid: KANGrid, generator: torch.Generator) -> nn.Module:
        return network_of(replace(plan, kan_grid=grid), options, data, generator)

    with world.refused_together():
        finest = network(KANGrid(FINE), torch.Generator())
        check_fit(finest, plan, options, data)
    first = next(layer for layer in finest.modules() if isinstance(layer, KANLayer))
    n_coefficients, training = first.coef[0].numel(), plan.training_options(options)
    found = weigh_grid(network, data.windows, n_coefficients, training, seed, world, options.verbose)
    return replace(plan, kan_grid=world.first(found))


def _forecaster(plan: Plan, options: FitOptions, data: PreparedSeries, generator: torch.Generator) -> nn.Module:
    edges, own = data.edges, options.own_module
    if own is not None:
        if edges.allowed is not None:
            refuse_candidates(f"model={type(own).__name__}")
        return adopt(own, data.windows.inputs(slice(0, 2))[..., : edges.n_causes], edges.n_effects)
    sizes = edges.n_causes, edges.n_effects, edges.allowed, options.lags
    further = plan.model_options(options)
    return build(plan.model, *sizes, plan.hidden, options.activation, plan.skip, further, generator)


def scored_part(network: nn.Module, data: PreparedSeries) -> tuple[nn.Module, Windows]:
    """Without the series that only their own forecasts read."""
    if not isinstance(network, OwnPast):
        return network, data.windows
    causes = torch.as_tensor(data.edges.causes, device=data.windows.steps.device)
    return network.network, replace(data.windows, input_columns=causes)
