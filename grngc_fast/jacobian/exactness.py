"""Checks by random vector-Jacobian products: of factors against the module they are of, and of windows that mix."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from .factors import Factors
from .forward_pass import ForwardPass, check_dependence, run, tolerance
from .protocol import HasFactors, check_windows, factors_at


def generator() -> torch.Generator:
    """A source of its own, so that checks draw nothing from the user's."""
    return torch.Generator().manual_seed(0)


def close(found: Tensor, truth: Tensor, allowed: float) -> bool:
    return error(found, truth) <= allowed


def error(found: Tensor, truth: Tensor) -> float:
    """Relative L2 error; 0 where both are zero."""
    found, truth = found.detach().double(), truth.detach().double()
    return float((found - truth).norm() / truth.norm().clamp_min(torch.finfo(torch.float64).tiny))


def check_forecast(forward: ForwardPass) -> None:
    """Raise `ValueError` where the forecast is not finite, or no function of the windows, each by itself."""
    check_dependence(forward)
    finite = forward.forecast.detach().isfinite()
    if not bool(finite.all()):
        n, i = (~finite).nonzero()[0].tolist()
        raise ValueError(
            f"the model's forecast is not finite, first in window {n}, output {i}; look for NaN or infinite numbers in x and"
            " in the model's parameters"
        )
    n_windows = len(forward.x)
    if n_windows < 2:
        return
    chosen = torch.zeros(n_windows, dtype=torch.bool)
    chosen[torch.randperm(n_windows, generator=generator())[: n_windows // 2]] = True
    chosen = chosen.to(forward.x.device)
    gradient = _product(forward, _random(forward.forecast) * chosen[:, None].to(forward.forecast.dtype))
    inside, outside = gradient[chosen].abs().amax(), gradient[~chosen].abs().amax()
    if bool(outside > 8 * torch.finfo(gradient.dtype).eps * inside):
        raise ValueError(
            "the model mixes the windows of a batch: the forecast of one depends on another, so that a window has no gradient of"
            " its own; look for statistics, attention or reshaping across the first dimension"
        )


def factors_error(factors: Factors, forward: ForwardPass, pick: Tensor | None) -> float:
    """Relative error of a random product c^T J_n with factors of the outputs `pick`, against the recorded pass."""
    forecast = forward.forecast if pick is None else forward.forecast[:, pick]
    cotangent = _random(forecast)
    with torch.enable_grad():
        truth = _product(forward, cotangent, pick)
    with torch.no_grad(), torch.autocast(forward.x.device.type, enabled=False):
        return error(factors.product(cotangent.to(factors.right.dtype)), truth.flatten(1))


def _random(like: Tensor) -> Tensor:
    return torch.randn(like.shape, generator=generator()).to(like)


def _product(forward: ForwardPass, cotangent: Tensor, pick: Tensor | None = None) -> Tensor:
    if pick is not None:
        cotangent = torch.zeros_like(forward.forecast).index_add(1, pick, cotangent)
    (gradient,) = torch.autograd.grad(
        forward.forecast, forward.x, cotangent, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return gradient


def check_factors(model: Any, x: Tensor) -> float:
    """Hold a model's own `jacobian_factors` against a random vector-Jacobian product of its forward pass.

    A model that draws random numbers, such as dropout in train mode, gives both from the same state of the generator.

    Parameters
    ----------
    model : offers `jacobian_factors`, see `HasFactors`.
    x : (N, L, P), a few windows: all their Jacobians are stored.

    Returns
    -------
    The relative L2 error.

    Raises
    ------
    ValueError : factors that are not those of the model, with the relative error; no windows; windows that mix.

    Example
    -------
    >>> from grngc_fast.models import MLP
    >>> check_factors(MLP(n_series=5, n_lags=2), torch.randn(3, 2, 5)) < 1e-5
    True
    """
    check_windows(x)
    name = type(model).__name__
    if not (isinstance(model, nn.Module) and callable(getattr(model, "jacobian_factors", None))):
        raise ValueError(f"{name} is no torch module with a method jacobian_factors")
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        forward = run(model, x, {})
        check_forecast(forward)
        with torch.no_grad():
            factors = factors_at(cast(HasFactors, model), x.detach())
            jacobian = factors.jacobian().double()
    finally:
        for module, training in modes:
            module.training = training
    expected = (len(x), forward.forecast.shape[1], x[0].numel())
    if factors.n_windows != len(x) or jacobian.shape != expected:
        raise ValueError(
            f"{name}.jacobian_factors gives Jacobians of shape {tuple(jacobian.shape)} for {factors.n_windows} windows;"
            f" expected (N, P, Q) = {expected}"
        )
    cotangent = _random(forward.forecast)
    # The gradient has the oldest step first, the factors' columns the most recent.
    truth = _product(forward, cotangent)
    truth = truth.flip(1).flatten(1) if truth.dim() > 2 else truth
    found = error((cotangent.double()[:, None] @ jacobian).squeeze(1), truth)
    if not found <= tolerance(forward):
        raise ValueError(
            f"{name}.jacobian_factors is not the Jacobian of its forward pass: relative error {found:.1e} in a random"
            f" product (allowed {tolerance(forward):.0e}). Columns are lag-major, the most recent step first"
        )
    return found


class RandomState:
    """The state of the user's random numbers, to go back to."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.cpu = device, torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def restore(self) -> None:
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda, self.device)
