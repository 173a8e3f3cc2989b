"""A forecaster from its name and options, or a copy of the caller's own module, checked against the data."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import InputError
from .kan import KAN
from .lstm import LSTM
from .mlp import MLP
from .tcn import TCN

FORECASTERS: dict[str, type[nn.Module]] = {"mlp": MLP, "kan": KAN, "lstm": LSTM, "tcn": TCN}
# Given by the caller's other arguments, not by `options`.
_COMMON = {"n_series", "n_lags", "hidden", "activation", "skip", "generator", "n_layers"}


def options_of(name: str) -> dict[str, Any]:
    """The further options of a forecaster and their defaults."""
    parameters = inspect.signature(FORECASTERS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in _COMMON}


def build(
    name: str,
    n_series: int,
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
    hidden : widths of the hidden layers; for "lstm" equal ones, one for each stacked layer; for "tcn" the channels.
    activation : None for the forecaster's own default.
    options : further arguments of its class.

    Raises
    ------
    InputError : options that it does not have, or that cannot be together.
    """
    known = options_of(name)
    unknown = [key for key in options if key not in known]
    if unknown:
        raise InputError(
            f"model_options has {', '.join(map(repr, unknown))}, which model={name!r} does not know;"
            f" it takes {', '.join(map(repr, known)) or 'none'}"
        )
    arguments: dict[str, Any] = {
        "n_series": n_series,
        "n_lags": n_lags,
        "skip": skip,
        "generator": generator,
        **options,
    }
    arguments |= _widths(name, hidden)
    if activation is not None:
        if "activation" not in inspect.signature(FORECASTERS[name]).parameters:
            raise InputError(f"activation={activation!r}: model={name!r} has none to choose; leave it None")
        arguments["activation"] = activation
    try:
        return FORECASTERS[name](**arguments)
    except (ValueError, TypeError) as error:
        raise InputError(f"model={name!r}: {error}") from error


def _widths(name: str, hidden: Sequence[int]) -> dict[str, Any]:
    if name in ("mlp", "kan"):
        return {"hidden": tuple(hidden)}
    if len(set(hidden)) > 1 or (name == "tcn" and len(hidden) > 1):
        several = (
            "one width for all its layers" if name == "lstm" else "one width; n_levels in model_options makes it deeper"
        )
        raise InputError(f"hidden={list(hidden)}: model={name!r} takes {several}")
    return {"hidden": hidden[0], "n_layers": len(hidden)} if name == "lstm" else {"hidden": hidden[0]}


def adopt(module: nn.Module, windows: Tensor) -> nn.Module:
    """A copy of the caller's module, float32, after it forecast the first windows (N, L, P).

    Raises
    ------
    InputError : nothing to train, an error of its own on these windows, a forecast that is not (N, P) or not finite.
    """
    network = copy.deepcopy(module).to(windows.device, windows.dtype)
    name, (n_windows, n_lags, n_series) = type(module).__name__, windows.shape
    if not any(p.requires_grad for p in network.parameters()):
        raise InputError(f"model={name} has no parameter that requires a gradient: there is nothing to train")
    for part in network.modules():
        if isinstance(part, _BatchNorm):
            raise InputError(
                f"model={name} has a {type(part).__name__}, which in training mixes the windows of a batch, so that a window"
                " has no gradient of its own; use LayerNorm"
            )
    network.eval()
    shape = (n_windows, n_lags, n_series)
    try:
        with torch.no_grad():
            forecast = network(windows)
    except (ValueError, RuntimeError, IndexError, TypeError) as error:
        raise InputError(
            f"model={name} cannot forecast windows (N, L, P) = {shape}, oldest step first, with lags={n_lags}:"
            f" {type(error).__name__}: {error}"
        ) from error
    if not isinstance(forecast, Tensor):
        raise InputError(f"model={name} returns a {type(forecast).__name__}; wrap it to return its forecast (N, P)")
    if forecast.shape not in ((n_windows, n_series), (n_windows, 1, n_series)):
        raise InputError(
            f"model={name} returns shape {tuple(forecast.shape)} for windows (N, L, P) = {shape}; expected (N, P): its"
            " output width must be the number of series"
        )
    if not bool(forecast.isfinite().all()):
        raise InputError(f"model={name} forecasts values that are not finite before any training")
    return network
