"""A perceptron whose hidden units each serve one target: what is non-linear in a system of local interactions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..jacobian import ACTIVATIONS, Block, GroupedFactors
from .checks import check_activation, lag_major_inputs
from .linear_path import linear_path


class LocalMLP(nn.Module):
    """y_i = readout_i s(W_i x + b_i) + bias_i [+ skip_i x]: `hidden` units for each target, all trained at once.

    One network and one product for all W_i, as in a perceptron with E * hidden units whose readout is block-diagonal. An entry
    of the Jacobian is contracted over the target's own units only, so the penalty costs 2 N E Q hidden flop where a shared layer
    of the same capacity costs E times as much. Where a series is moved by products and squares of a few others, units
    shared by all series are too few to say so.

    Parameters
    ----------
    n_series : C, the number of series in.
    n_lags : L.
    hidden : units for each target.
    activation : "silu", "tanh", "relu", "gelu" or "softplus".
    skip : add a linear path from input to output, which starts at zero.
    n_targets : E, the number of series out; default C.
    generator : source of the initial weights; default torch's global one.

    Shapes: x (N, L, C), oldest step first, to (N, E).

    Example
    -------
    >>> LocalMLP(n_series=4, n_lags=2, hidden=8)(torch.zeros(3, 2, 4)).shape
    torch.Size([3, 4])
    """

    def __init__(
        self,
        n_series: int,
        n_lags: int = 1,
        hidden: int = 8,
        activation: str = "silu",
        skip: bool = True,
        *,
        n_targets: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_activation(activation)
        n_outputs = n_series if n_targets is None else n_targets
        if min(n_series, n_lags, hidden, n_outputs) < 1:
            raise ValueError(
                f"n_series={n_series}, n_lags={n_lags}, hidden={hidden} and n_targets={n_targets} must be positive"
            )
        self.n_series, self.n_lags, self.n_targets, self.activation = n_series, n_lags, n_outputs, activation
        n_inputs = n_series * n_lags
        self.encoder = nn.Parameter(torch.randn(n_outputs, hidden, n_inputs, generator=generator) / n_inputs**0.5)
        self.encoder_bias = nn.Parameter(torch.zeros(n_outputs, hidden))
        self.readout = nn.Parameter(torch.randn(n_outputs, hidden, generator=generator) / hidden**0.5)
        self.readout_bias = nn.Parameter(torch.zeros(n_outputs))
        self.skip = nn.Parameter(torch.zeros(n_outputs, n_inputs)) if skip else None

    def forward(self, x: Tensor) -> Tensor:
        inputs = lag_major_inputs(x, self.n_lags, self.n_series)
        hidden = ACTIVATIONS[self.activation].value(self._units(inputs, self.encoder, self.encoder_bias))
        forecast = (hidden * self.readout).sum(-1) + self.readout_bias
        return forecast if self.skip is None else forecast + linear_path(inputs, self.skip)

    def jacobian_factors(self, x: Tensor, targets: Tensor | None = None) -> GroupedFactors:
        """Factors of d forecast / d x at x (N, L, C); rows `targets` or all, columns lag-major."""
        parts = (self.encoder, self.encoder_bias, self.readout, self.skip)
        encoder, bias, readout, skip = (p if p is None or targets is None else p[targets] for p in parts)
        assert encoder is not None and bias is not None and readout is not None
        slopes = ACTIVATIONS[self.activation].slope(
            self._units(lag_major_inputs(x, self.n_lags, self.n_series), encoder, bias)
        )
        rows = torch.arange(len(encoder), device=x.device)
        columns = torch.arange(self.n_series, device=x.device).expand(len(encoder), -1)
        block = Block(
            readout[:, None], encoder, slopes, None if skip is None else skip[:, None], rows[:, None], columns
        )
        return GroupedFactors((block,), len(x), len(encoder), self.n_series, self.n_lags)

    @property
    def factor_flops(self) -> int:
        """Of the products of one window's factors."""
        return 2 * self.encoder.numel()

    @torch.no_grad()
    def start_linear(self, weight: Tensor, intercept: Tensor) -> None:
        """Make the forecast weight x + intercept, (E, Q) columns lag-major and (E,): all else starts at zero effect."""
        if self.skip is None:
            raise ValueError("without a linear path the network cannot start as a linear forecaster; pass skip=True")
        self.skip.copy_(weight)
        self.readout_bias.copy_(intercept)
        self.readout.zero_()

    def _units(self, inputs: Tensor, encoder: Tensor, bias: Tensor) -> Tensor:
        """(N, E, hidden) before the activation."""
        units: Tensor = F.linear(inputs, encoder.flatten(0, 1), bias.flatten()).unflatten(1, bias.shape)
        return units
