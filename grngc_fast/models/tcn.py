"""A temporal convolutional network over the lags: causal, dilated, residual."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..jacobian import ACTIVATIONS


class TCN(nn.Module):
    """y = W_out h(L) + b_out with h(L) the last step of stacked causal convolutions, dilated by 1, 2, 4, ...

    h_1 = s(conv_1(x)), then h_k = h_{k-1} + s(conv_k(h_{k-1})), each step seeing `kernel_size` steps of the level below up
    to its own, 2^(k-1) apart. Steps before the first lag count as zero. An optional linear skip path W_skip reads all lags.

    Its Jacobian has no closed form here: `gradient_l1` and `causal_scores` take it through vector-Jacobian products.

    Parameters
    ----------
    n_series : P, the number of series in and out.
    n_lags : L.
    hidden : channels of every level.
    kernel_size : steps that a convolution sees, at least 2.
    n_levels : convolutions; default the fewest that see all lags.
    activation : "silu", "tanh", "relu", "gelu" or "softplus".
    skip : add a linear path from all lags to the output, which starts at zero.
    generator : source of the initial weights; default torch's global one.

    Shapes: x (N, L, P), oldest step first, to (N, P).

    Example
    -------
    >>> TCN(n_series=4, n_lags=6, hidden=8)(torch.zeros(5, 6, 4)).shape
    torch.Size([5, 4])
    """

    def __init__(
        self,
        n_series: int,
        n_lags: int = 1,
        hidden: int = 64,
        kernel_size: int = 2,
        n_levels: int | None = None,
        activation: str = "silu",
        skip: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation={activation!r} is unknown; use one of {', '.join(map(repr, ACTIVATIONS))}")
        if min(n_series, n_lags, hidden) < 1 or (n_levels is not None and n_levels < 1):
            raise ValueError(
                f"n_series={n_series}, n_lags={n_lags}, hidden={hidden} and n_levels={n_levels} must all be positive"
            )
        if kernel_size < 2:
            raise ValueError(f"kernel_size={kernel_size} sees no earlier step; use at least 2")
        self.n_series, self.n_lags, self.activation = n_series, n_lags, activation
        if n_levels is None:
            n_levels = next(k for k in itertools.count(1) if _field(kernel_size, k) >= n_lags)
        self.receptive_field = _field(kernel_size, n_levels)
        self.convolutions = nn.ModuleList(
            nn.utils.skip_init(nn.Conv1d, hidden if level else n_series, hidden, kernel_size, dilation=2**level)
            for level in range(n_levels)
        )
        self.readout = nn.utils.skip_init(nn.Linear, hidden, n_series)
        for layer in (*self.convolutions, self.readout):
            fan_in = layer.weight[0].numel()
            layer.weight = nn.Parameter(torch.randn(layer.weight.shape, generator=generator) / fan_in**0.5)
            nn.init.zeros_(layer.bias)
        self.skip = nn.Parameter(torch.zeros(n_series, n_series * n_lags)) if skip else None

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 3 or x.shape[1:] != (self.n_lags, self.n_series):
            raise ValueError(f"x has shape {tuple(x.shape)}; expected (N, {self.n_lags}, {self.n_series})")
        # Zero steps up to one receptive field leave one step, the last, after the top level.
        hidden = self._levels(x[:, -self.receptive_field :], self.receptive_field - self.n_lags)
        forecast: Tensor = self.readout(hidden[:, -1])
        return forecast if self.skip is None else forecast + F.linear(x.flip(1).flatten(1), self.skip)

    def _levels(self, x: Tensor, n_before: int) -> Tensor:
        """Top level at every step with a whole receptive field behind it, (N, T + n_before - field + 1, H).

        x is (N, T, P), and `n_before` zero steps come before it.
        """
        value = ACTIVATIONS[self.activation].value
        h = F.pad(x.mT, (max(0, n_before), 0))
        for level, convolution in enumerate(self.convolutions):
            z = value(convolution(h))
            h = h[:, :, -z.shape[2] :] + z if level else z
        return h.mT


def _field(kernel_size: int, n_levels: int) -> int:
    """Steps that the top of `n_levels` levels sees."""
    return 1 + (kernel_size - 1) * ((1 << n_levels) - 1)
