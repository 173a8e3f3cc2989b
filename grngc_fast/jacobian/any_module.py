"""Any module: on first use its layers are looked for and checked, afterwards the route found is taken again."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import FactorisationWarning
from .discover import discover
from .exactness import RandomState, check_forecast, factors_error
from .factors import Factors
from .forward_pass import ForwardPass, is_plain_linear, plain_linears, run, tolerance
from .middle import take
from .pieces import FactorPieces, ModulePieces, Pieces, recall, state_of
from .protocol import causal_part, check_targets, check_windows, has_factors
from .recipe import Recipe, choose
from .route import Route


def jacobian_pieces(
    model: nn.Module | Any,
    x: Tensor,
    targets: Tensor | None = None,
    *,
    encoder: nn.Module | str | None = None,
    readout: nn.Module | str | None = None,
) -> Pieces:
    """The Jacobians of the outputs `targets`, or of all, at the windows x, in pieces.

    A model with `jacobian_factors` is asked for them, unless layers are named. Of any other module, on the first use with
    inputs of a shape in a mode, one forward pass is recorded and its readout and encoder are looked for; a random product
    is held against the pass before the factors are used.

    Raises
    ------
    ValueError : targets that the model does not have, layers named that do not fit; on the first use also a forecast that is
        not finite and windows that mix.
    """
    # The windows are data: no way of taking the Jacobian has a gradient through them.
    model, x = causal_part(model, x.detach())
    if encoder is None and readout is None and has_factors(model):
        return FactorPieces(model, x, targets)
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"the model is a {type(model).__name__}; expected a torch.nn.Module: wrap a function in one, and of a fitted"
            " GRNGC pass model_, which takes standardised windows"
        )
    if torch.is_inference_mode_enabled():
        raise ValueError(
            "there are no gradients in torch.inference_mode(), which causal scores are made of; use torch.no_grad()"
        )
    named = _name(model, encoder, "encoder"), _name(model, readout, "readout")
    known, key = recall(model), state_of(model, x, *named)
    if key in known:
        route: Route = known[key]
        return ModulePieces(model, x, _in_range(targets, route.n_outputs), route)
    return _first_use(model, x, targets, named)


def explain(
    model: nn.Module | Any,
    x: Tensor,
    *,
    targets: Tensor | Sequence[int] | None = None,
    encoder: nn.Module | str | None = None,
    readout: nn.Module | str | None = None,
) -> str:
    """How the penalty of this model at these windows is computed, in a line. Runs the model on first use.

    Parameters as `grngc_fast.gradient_l1`.

    Example
    -------
    >>> explain(nn.Sequential(nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 5)), torch.randn(8, 5))
    "diagonal middle: encoder '0', readout '2', contraction 3"
    """
    check_windows(x)
    state = RandomState(x.device)
    try:
        with torch.no_grad():
            rows = check_targets(targets, x.device)
            pieces = jacobian_pieces(model, x, rows, encoder=encoder, readout=readout)
    finally:
        state.restore()
    cut = "" if len(pieces) == 1 else f", {len(pieces)} pieces"
    if isinstance(pieces, ModulePieces):
        return _describe(pieces.route, pieces.recipe) + cut
    return f"jacobian_factors of {type(model).__name__}{cut}"


def _describe(route: Route, recipe: Recipe) -> str:
    layers = [("encoder", route.encoder if recipe.to_encoder else None), ("readout", route.readout)]
    if not isinstance(route.skip, Tensor):
        layers.append(("linear path", route.skip))
    named = [f"{role} {layer.name!r}" for role, layer in layers if layer is not None]
    if isinstance(route.skip, Tensor):
        named.append("a step of the windows added")
    what = {
        "none": "diagonal middle",
        "units": "middle by a product per unit",
        "targets": "a product per output",
    }
    if not recipe.width:
        return ", ".join(["general path: a product per output, rows stored", *named])
    return f"{what[recipe.products]}: {', '.join(named)}, contraction {recipe.width}"


def _first_use(
    model: nn.Module, x: Tensor, targets: Tensor | None, named: tuple[str | None, str | None]
) -> ModulePieces:
    _refuse_batch_norm(model)
    before = RandomState(x.device)
    forward = run(model, x, plain_linears(model))
    after = RandomState(x.device)
    check_forecast(forward)
    targets = _in_range(targets, forward.forecast.shape[1])
    route = discover(forward, *named)
    forward = forward.watching(route.order)
    n_targets = route.n_outputs if targets is None else len(targets)
    recipe = choose(route, len(x), n_targets, x[0].numel())
    if recipe.width and not _exact(model, x, targets, route, recipe, forward, before, named):
        after.restore()
        route = route.general()
        recipe = choose(route, len(x), n_targets, x[0].numel())
        forward = forward.watching(())
    key = state_of(model, x, *named)
    recall(model)[key] = route
    if recipe.n_windows < len(x):
        # Every slice has a pass of its own, now as on later uses.
        before.restore()
        return ModulePieces(model, x, targets, route, recipe)
    return ModulePieces(model, x, targets, route, recipe, forward)


def _exact(
    model: nn.Module,
    x: Tensor,
    targets: Tensor | None,
    route: Route,
    recipe: Recipe,
    forward: ForwardPass,
    before: RandomState,
    named: tuple[str | None, str | None],
) -> bool:
    """A random product of the first piece agrees with its pass. If not: an error where layers were named, else a warning."""
    if recipe.n_windows < len(x):
        before.restore()
        linears = {n: m for n, m in model.named_modules() if n in route.order and is_plain_linear(m)}
        forward = run(model, x[: recipe.n_windows], linears)
    pick = targets
    if recipe.n_targets < route.n_outputs:
        pick = (torch.arange(route.n_outputs, device=x.device) if targets is None else targets)[: recipe.n_targets]
    factors = take(route, recipe, forward, pick, differentiable=False)
    assert isinstance(factors, Factors)
    error, allowed = factors_error(factors, forward, pick), tolerance(forward)
    if error <= allowed:
        return True
    layers = " and ".join(repr(x.name) for x in (route.encoder, route.readout) if x is not None)
    message = f"the factors through {layers} are not the Jacobian of this model: relative error {error:.1e} in a random product"
    if any(named):
        raise ValueError(f"{message} (allowed {allowed:.0e}); leave out encoder= and readout=")
    warnings.warn(f"{message}; taking the general path, which is exact but slower", FactorisationWarning, stacklevel=5)
    return False


def _in_range(targets: Tensor | None, n_outputs: int) -> Tensor | None:
    """The outputs counted from the first."""
    if targets is None:
        return None
    if not -n_outputs <= int(targets.min()) <= int(targets.max()) < n_outputs:
        raise ValueError(
            f"targets reach from {int(targets.min())} to {int(targets.max())}, but the model has {n_outputs} outputs"
        )
    return targets.remainder(n_outputs)


def _refuse_batch_norm(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and (module.training or not module.track_running_stats):
            raise ValueError(
                f"{name or 'the model'} is batch normalisation in train mode: it mixes the windows of a batch, so a window"
                " has no gradient of its own; use LayerNorm, or take the penalty in eval mode (model.eval()) and the forecast's"
                " loss in train mode"
            )


def _name(model: nn.Module, layer: nn.Module | str | None, role: str) -> str | None:
    """The dotted name of a layer given as it is or by name."""
    if layer is None:
        return None
    modules: dict[str, nn.Module] = dict(model.named_modules())
    names: list[str] = [name for name, module in modules.items() if name == layer or module is layer]
    if not names:
        known = ", ".join(map(repr, plain_linears(model))) or "none"
        what = repr(layer) if isinstance(layer, str) else f"this {type(layer).__name__}"
        raise ValueError(f"{role}: the model has no layer {what}; its linear layers are {known}")
    module = modules[names[0]]
    if not is_plain_linear(module):
        raise ValueError(
            f"{role} {names[0]!r} is a {type(module).__name__}; expected an nn.Linear with its own forward and no forward hooks"
        )
    return names[0]
