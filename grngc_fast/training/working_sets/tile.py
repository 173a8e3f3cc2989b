"""A round of one tile of targets: their sets, networks trained on them, and what is left outside."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ...kernels.small_networks import Networks, train
from .data import SetData
from .features import standard
from .options import SetOptions
from .screen import strongest
from .state import SetState

# Rounds that may replace half of a set before it grows.
BEFORE_GROWTH = 3
# Windows judged at a time, to stay in cache.
JUDGED = 256


def take_round(
    data: SetData,
    before: SetState,
    targets: Tensor,
    lam: Tensor,
    options: SetOptions,
    round_: int,
    steps: int,
    generator: torch.Generator,
    stepped: Callable[[], None],
    pairs: bool = False,
) -> SetState:
    """The targets' state after the round.

    Parameters
    ----------
    before : of all targets; not looked at in round 0.
    targets : (T,). lam : (E,) penalty strengths.
    steps : of training. generator : of weights and batches.
    stepped : called after each step.
    pairs : whether pairs of inputs are looked for.
    """
    allowed = data.allowed(targets)
    columns = (
        _first_sets(data, targets, allowed, options, pairs)
        if round_ == 0
        else _next_sets(before, targets, options, round_)
    )
    networks = _trained(data, targets, columns, lam[targets], options, steps, generator, stepped)
    strength, residual = judged(data, targets, columns, networks)
    outside, error = without(allowed, columns), data.mean(targets, residual.square())
    if not outside.any():
        return SetState(columns, strength, torch.full_like(columns, -1), torch.zeros_like(error), error, networks)
    partners = strongest_inputs(columns, strength, options.partners)
    screen = data.screen_of(targets)
    evidence = screen(residual, partners, outside, pairs=pairs)
    excess = screen.excess(evidence, outside, 2 * options.partners, pairs)
    return SetState(columns, strength, strongest(evidence, outside, columns.shape[1]), excess, error, networks)


def judged(data: SetData, targets: Tensor, columns: Tensor, networks: Networks) -> tuple[Tensor, Tensor]:
    """Mean absolute gradients (T, K) and residuals (T, N) over all windows."""
    residual = data.y[targets]
    total, n_windows = torch.zeros_like(columns, dtype=residual.dtype), residual.shape[1]
    for start in range(0, n_windows, JUDGED):
        some = slice(start, start + JUDGED)
        forecast, jacobian = networks.forecast_and_jacobian(data.read(targets, columns, some))
        total += jacobian.abs_().sum(1)
        residual[:, some] -= forecast
    return total.masked_fill_(columns < 0, 0.0).div_(n_windows), data.without_missing(targets, residual)


def _first_sets(data: SetData, targets: Tensor, allowed: Tensor, options: SetOptions, pairs: bool) -> Tensor:
    """Half by correlation, half by what a screen with these as partners finds; all where they fit."""
    y, size = data.y[targets], min(options.set_size, int(allowed.sum(1).max()))
    if size >= data.n_inputs and bool(allowed.all()):
        return torch.arange(size, device=y.device).repeat(len(y), 1)
    screen, residual = data.screen_of(targets), standard(y.T).T
    correlated = strongest(screen.linear(residual), allowed, max(options.first_partners, size // 2))
    kept = correlated[:, : max(1, size // 2)]
    evidence = screen(residual, correlated[:, : options.first_partners], None, True, pairs)
    return torch.cat([kept, strongest(evidence, without(allowed, kept), size - kept.shape[1])], 1)


def _next_sets(before: SetState, targets: Tensor, options: SetOptions, round_: int) -> Tensor:
    """The strongest half and what was offered, the other half where less was; from `BEFORE_GROWTH` on all that was and more."""
    columns, strength, offered = before.columns[targets], before.strength[targets], before.offered[targets]
    # What is padded is the weakest.
    order = strength.masked_fill(columns < 0, -1.0).argsort(dim=1, descending=True, stable=True)
    columns = columns.gather(1, order)
    size = int(columns.ge(0).sum(1).max())
    grows = size == 1 or round_ >= BEFORE_GROWTH
    kept = size if grows else size // 2
    ranked = torch.cat([columns[:, :kept], offered, columns[:, kept:]], 1)
    filled = (ranked < 0).to(torch.uint8).argsort(dim=1, stable=True)
    return ranked.gather(1, filled)[:, : min(2 * size, max(size, options.largest)) if grows else size]


def _trained(
    data: SetData,
    targets: Tensor,
    columns: Tensor,
    lam: Tensor,
    options: SetOptions,
    steps: int,
    generator: torch.Generator,
    stepped: Callable[[], None],
) -> Networks:
    # The mean over windows of what is known, 0 of the others, against as much less of the penalty: Adam's steps are the same.
    y, lam, n_windows = data.wanted(targets), lam * data.share_known(targets), data.y.shape[1]
    size = min(options.batch_size, n_windows)
    windows: slice | Tensor = slice(None)
    if n_windows > steps * size:
        # No more than are drawn.
        windows = torch.randperm(n_windows, generator=generator)[: steps * size].to(y.device)
    y, z = y[:, windows], data.read(targets, columns, windows)
    shape = len(y), columns.shape[1], options.units
    networks = Networks.drawn(*shape, generator, y.device, data.own.shape[1], options.splines)
    networks.encoder.mul_((columns >= 0)[..., None])
    batches, masked = _batches(y.shape[1], size, steps, generator), data.known is not None
    train(networks, z, y, batches, lam, options.learning_rate, stepped, masked=masked)
    networks.forget_inputs(columns < 0)
    return networks


def _batches(n_windows: int, size: int, steps: int, generator: torch.Generator) -> Tensor:
    """(steps, size): windows without replacement, anew in every pass."""
    whole = n_windows // size
    orders = [torch.randperm(n_windows, generator=generator)[: whole * size] for _ in range(-(-steps // whole))]
    return torch.cat([torch.empty(0, dtype=torch.int64), *orders]).view(-1, size)[:steps]


def strongest_inputs(columns: Tensor, strength: Tensor, count: int) -> Tensor:
    """(T, count) of each set, or all of a smaller one."""
    return columns.gather(1, strength.topk(min(count, columns.shape[1]), dim=1).indices)


def without(allowed: Tensor, columns: Tensor) -> Tensor:
    """(T, Q) which inputs are allowed and not in the sets."""
    inside = torch.where(columns < 0, allowed.shape[1], columns)
    return F.pad(allowed, (0, 1)).scatter(1, inside, False)[:, :-1]
