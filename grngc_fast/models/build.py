"""A forecaster from its name and options, or a copy of the caller's own module, checked against the data."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import torch
from scipy.sparse import csr_array
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import InputError
from .further import checked_options
from .grouped import GroupedMLP
from .kan import KAN
from .lstm import LSTM
from .mlp import MLP
from .sets import SetMLP
from .tcn import TCN

FORECASTERS: dict[str, type[nn.Module]] = {
    "mlp": MLP,
    "sets": SetMLP,
    "kan": KAN,
    "lstm": LSTM,
    "tcn": TCN,
}
# Given by the caller's other arguments, not by `options`.
_COMMON = {"n_series", "n_targets", "n_lags", "hidden", "activation", "skip", "generator", "n_layers"}


def options_of(name: str) -> dict[str, Any]:
    """The further options of a forecaster and their defaults."""
    parameters = inspect.signature(FORECASTERS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in _COMMON}


def build(
    name: str,
    n_series: int,
    n_targets: int,
    allowed: csr_array | None,
    n_lags: int,
    hidden: Sequence[int],
    activation: str | None,
    skip: bool,
    options: Mapping[str, Any],
    generator: torch.Generator,
) -> nn.Module:
    """The forecaster called `name`.

    Parameters
    ----------
    n_series, n_targets : C series in and E out.
    allowed : (E, C) boolean, which of those in each of those out may read; None for all. Only for "sets", which are limited by
        it as they are found, and "mlp" of one hidden layer.
    hidden : widths of the hidden layers; for "lstm" equal ones, one for each stacked layer; for "tcn" the channels.
    activation : None for the forecaster's own default.
    options : further arguments of its class.

    Raises
    ------
    InputError : options that it does not have, or that cannot be together.
    """
    options = checked_options(name, options)
    arguments: dict[str, Any] = {
        "n_series": n_series,
        "n_targets": n_targets,
        "n_lags": n_lags,
        "skip": skip,
        "generator": generator,
        **options,
    }
    forecaster: type[nn.Module] = FORECASTERS[name]
    arguments |= _widths(name, hidden)
    if activation is not None and (name, activation) != ("sets", "silu"):
        if "activation" not in inspect.signature(FORECASTERS[name]).parameters:
            raise InputError(f"activation={activation!r}: model={name!r} has none to choose; leave it None")
        arguments["activation"] = activation
    if allowed is not None and name != "sets":
        forecaster = GroupedMLP
        arguments |= _grouped(name, hidden, options, allowed)
        del arguments["n_targets"]
    try:
        return forecaster(**arguments)
    except (ValueError, TypeError) as error:
        raise InputError(f"model={name!r}: {error}") from error


def refuse_candidates(given: str) -> NoReturn:
    """InputError: what was given cannot read other causes for other targets."""
    raise InputError(
        "candidates that differ between targets need model='sets', or 'mlp' with one hidden layer and no model_options; got"
        f" {given}"
    )


def _grouped(name: str, hidden: Sequence[int], options: Mapping[str, Any], allowed: csr_array) -> dict[str, Any]:
    if name != "mlp":
        refuse_candidates(f"model={name!r}")
    if options:
        refuse_candidates(f"model_options={dict(options)}")
    if len(hidden) > 1:
        refuse_candidates(f"hidden={list(hidden)}")
    return {"allowed": allowed, "hidden": hidden[0]}


def _widths(name: str, hidden: Sequence[int]) -> dict[str, Any]:
    if name in ("mlp", "kan"):
        return {"hidden": tuple(hidden)}
    if len(set(hidden)) > 1 or (name in ("tcn", "sets") and len(hidden) > 1):
        several = {
            "lstm": "one width for all its layers",
            "tcn": "one width; n_levels in model_options makes it deeper",
            "sets": "one number of units for each target",
        }[name]
        raise InputError(f"hidden={list(hidden)}: model={name!r} takes {several}")
    return {"hidden": hidden[0], "n_layers": len(hidden)} if name == "lstm" else {"hidden": hidden[0]}


def adopt(module: nn.Module, windows: Tensor, n_targets: int) -> nn.Module:
    """A copy of the caller's module, float32, after it forecast `n_targets` series from the first windows (N, L, C).

    Raises
    ------
    InputError : nothing to train, an error of its own on these windows, a forecast that is not (N, E) or not finite.
    """
    network = copy.deepcopy(module).to(windows.device, windows.dtype)
    name, shape = type(module).__name__, tuple(windows.shape)
    n_windows, n_lags, _ = shape
    if not any(p.requires_grad for p in network.parameters()):
        raise InputError(f"model={name} has no parameter that requires a gradient: there is nothing to train")
    for part in network.modules():
        if isinstance(part, _BatchNorm):
            raise InputError(
                f"model={name} has a {type(part).__name__}, which in training mixes the windows of a batch, so that a window"
                " has no gradient of its own; use LayerNorm"
            )
    network.eval()
    try:
        with torch.no_grad():
            forecast = network(windows)
    except (ValueError, RuntimeError, IndexError, TypeError) as error:
        raise InputError(
            f"model={name} cannot forecast windows (N, L, C) = {shape}, oldest step first, with lags={n_lags}:"
            f" {type(error).__name__}: {error}"
        ) from error
    if not isinstance(forecast, Tensor):
        raise InputError(f"model={name} returns a {type(forecast).__name__}; wrap it to return its forecast (N, E)")
    if forecast.shape not in ((n_windows, n_targets), (n_windows, 1, n_targets)):
        raise InputError(
            f"model={name} returns shape {tuple(forecast.shape)} for windows (N, L, C) = {shape}; expected (N, E) ="
            f" {(n_windows, n_targets)}: its output width must be the number of series forecast"
        )
    if not bool(forecast.isfinite().all()):
        raise InputError(f"model={name} forecasts values that are not finite before any training")
    return network
