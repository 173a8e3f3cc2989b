"""Small networks of each target's own causes: what is non-linear at thousands of series."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..jacobian import ACTIVATIONS, Block, GroupedFactors
from ..kernels.small_networks import Networks
from .checks import check_activation, check_inputs


class SetMLP(nn.Module):
    """y_i = readout_i s(W_i x_i + b_i) + bias_i + skip_i x_i, x_i the lags of target i's own set of causes.

    A series outside of a target's set has gradient zero, as a coordinate outside of a lasso's active set has weight zero: the
    penalty is that of one network of E h hidden units with a sparse first layer. Work and parameters grow as E c h.

    Parameters
    ----------
    n_series : C, the number of series in.
    causes : (E, c) columns of the series that each target reads, no column twice in a row.
    n_lags : L.
    hidden : h, hidden units of each target.
    activation : "silu", "tanh", "relu", "gelu" or "softplus".
    generator : source of the initial weights; default torch's global one.

    Shapes: x (N, L, C), oldest step first, to (N, E).

    Example
    -------
    >>> SetMLP(6, torch.tensor([[0, 1], [1, 5], [2, 3]]), n_lags=2, hidden=4)(torch.zeros(5, 2, 6)).shape
    torch.Size([5, 3])
    """

    causes: Tensor

    def __init__(
        self,
        n_series: int,
        causes: Tensor,
        n_lags: int = 1,
        hidden: int = 16,
        activation: str = "silu",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_activation(activation)
        if causes.dim() != 2 or causes.numel() == 0 or min(n_series, n_lags, hidden) < 1:
            raise ValueError(
                f"causes {tuple(causes.shape)}, n_series={n_series}, n_lags={n_lags} and hidden={hidden}: expected (E, c)"
                " columns and positive numbers"
            )
        if int(causes.min()) < 0 or int(causes.max()) >= n_series:
            raise ValueError(f"causes holds columns {int(causes.min())} to {int(causes.max())} of {n_series} series")
        self.n_series, self.n_lags, self.activation = n_series, n_lags, activation
        self.n_targets = len(causes)
        self.register_buffer("causes", causes.clone())
        n_inputs = n_lags * causes.shape[1]
        self.encoder = nn.Parameter(torch.randn(self.n_targets, hidden, n_inputs, generator=generator) / n_inputs**0.5)
        self.encoder_bias = nn.Parameter(torch.zeros(self.n_targets, hidden))
        self.readout = nn.Parameter(torch.randn(self.n_targets, hidden, generator=generator) / hidden**0.5)
        self.readout_bias = nn.Parameter(torch.zeros(self.n_targets))
        self.skip = nn.Parameter(torch.zeros(self.n_targets, n_inputs))

    def forward(self, x: Tensor) -> Tensor:
        z = self._read(x, self.causes)
        hidden = ACTIVATIONS[self.activation].value(torch.baddbmm(self.encoder_bias[:, None], z, self.encoder.mT))
        weights = torch.cat([self.readout, self.skip], 1)
        forecast = torch.bmm(torch.cat([hidden, z], 2), weights[:, :, None])[..., 0]
        return forecast.mT + self.readout_bias

    def jacobian_factors(self, x: Tensor, targets: Tensor | None = None) -> GroupedFactors:
        """Factors of d forecast / d x at x (N, L, C); rows `targets` or all."""
        parts = (self.causes, self.encoder, self.encoder_bias, self.readout, self.skip)
        causes, encoder, bias, readout, skip = (p if targets is None else p[targets] for p in parts)
        pre = torch.baddbmm(bias[:, None], self._read(x, causes), encoder.mT)
        slopes = ACTIVATIONS[self.activation].slope(pre).transpose(0, 1)
        rows = torch.arange(len(causes), device=x.device)
        block = Block(readout[:, None], encoder, slopes, skip[:, None], rows[:, None], causes)
        return GroupedFactors((block,), len(x), len(causes), self.n_series, self.n_lags)

    @torch.no_grad()
    def start(self, networks: Networks) -> None:
        """Take the weights of networks that were trained on these sets."""
        own = self.encoder, self.encoder_bias, self.readout, self.readout_bias, self.skip
        given = networks.encoder.mT, networks.encoder_bias, networks.readout, networks.readout_bias, networks.skip
        for parameter, value in zip(own, given, strict=True):
            parameter.copy_(value)

    @property
    def factor_flops(self) -> int:
        """Of the products of one window's factors."""
        return 2 * self.encoder.numel()

    def _read(self, x: Tensor, causes: Tensor) -> Tensor:
        """(E, N, L * c), lag-major, most recent step first."""
        check_inputs(x, self.n_lags, self.n_series)
        # Rows of the transposed windows are gathered whole.
        columns = x.flip(1).permute(1, 2, 0).flatten(0, 1)
        lags = torch.arange(self.n_lags, device=x.device)[:, None] * self.n_series
        return columns[(lags + causes[:, None]).flatten(1)].mT
