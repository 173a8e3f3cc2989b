"""Small networks of each target's own causes: what is non-linear at thousands of series."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..jacobian import ACTIVATIONS, Block, GroupedFactors
from ..kernels.small_networks import Networks
from .checks import check_inputs

_SILU = ACTIVATIONS["silu"]


def set_columns(causes: Tensor, n_lags: int, n_series: int) -> Tensor:
    """(E, L c) columns of lag-major inputs that sets (E, c) of causes among `n_series` read."""
    lags = torch.arange(n_lags, device=causes.device)[:, None] * n_series
    return (lags + causes[:, None]).flatten(1)


class SetMLP(nn.Module):
    """y_i = readout_i silu(W_i x_i + b_i) + bias_i + skip_i x_i, x_i the lags of target i's own set of causes.

    A series outside of a target's set has gradient zero, as a coordinate outside of a lasso's active set has weight zero: the
    penalty is that of one network of E h hidden units with a sparse first layer. Work and parameters grow as E c h. The sets
    are found in rounds (`grngc_fast.training.working_sets`) and given by `start`; before that they are the first c series.

    Parameters
    ----------
    n_series : C, the number of series in.
    n_lags : L.
    hidden : h, hidden units of each target.
    skip : must be True: sets are found for networks with a linear path.
    n_targets : E, the number of series out; default C.
    n_causes : c, the size of each set; all series where they are fewer.
    generator : source of the initial weights; default torch's global one.

    Shapes: x (N, L, C), oldest step first, to (N, E).

    Example
    -------
    >>> SetMLP(n_series=6, n_lags=2, hidden=4, n_causes=3)(torch.zeros(5, 2, 6)).shape
    torch.Size([5, 6])
    """

    causes: Tensor

    def __init__(
        self,
        n_series: int,
        n_lags: int = 1,
        hidden: int = 16,
        skip: bool = True,
        *,
        n_targets: int | None = None,
        n_causes: int = 24,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        n_targets = n_series if n_targets is None else n_targets
        if min(n_series, n_lags, hidden, n_targets, n_causes) < 1:
            raise ValueError(
                f"n_series={n_series}, n_lags={n_lags}, hidden={hidden}, n_targets={n_targets} and n_causes={n_causes} must be"
                " positive"
            )
        if not skip:
            raise ValueError("working sets are found for networks with a linear path; leave skip None or True")
        self.n_series, self.n_lags, self.n_targets = n_series, n_lags, n_targets
        n_causes = min(n_causes, n_series)
        n_inputs = n_lags * n_causes
        self.register_buffer("causes", torch.arange(n_causes).repeat(n_targets, 1))
        self.encoder = nn.Parameter(torch.randn(n_targets, hidden, n_inputs, generator=generator) / n_inputs**0.5)
        self.encoder_bias = nn.Parameter(torch.zeros(n_targets, hidden))
        self.readout = nn.Parameter(torch.randn(n_targets, hidden, generator=generator) / hidden**0.5)
        self.readout_bias = nn.Parameter(torch.zeros(n_targets))
        self.skip = nn.Parameter(torch.zeros(n_targets, n_inputs))

    def forward(self, x: Tensor) -> Tensor:
        z = self._read(x, self.causes)
        hidden = _SILU.value(torch.baddbmm(self.encoder_bias[:, None], z, self.encoder.mT))
        forecast = torch.bmm(self.readout[:, None], hidden.mT) + torch.bmm(self.skip[:, None], z.mT)
        return forecast.squeeze(1).mT + self.readout_bias

    def jacobian_factors(self, x: Tensor, targets: Tensor | None = None) -> GroupedFactors:
        """Factors of d forecast / d x at x (N, L, C); rows `targets` or all."""
        parts = (self.causes, self.encoder, self.encoder_bias, self.readout, self.skip)
        causes, encoder, bias, readout, skip = (p if targets is None else p[targets] for p in parts)
        pre = torch.baddbmm(bias[:, None], self._read(x, causes), encoder.mT)
        slopes = _SILU.slope(pre).transpose(0, 1)
        rows = torch.arange(len(causes), device=x.device)
        block = Block(readout[:, None], encoder, slopes, skip[:, None], rows[:, None], causes)
        return GroupedFactors((block,), len(x), len(causes), self.n_series, self.n_lags)

    @torch.no_grad()
    def start(self, causes: Tensor, networks: Networks) -> None:
        """Take sets (E, c) of columns, no column twice in a row, and the weights of networks that were trained on them."""
        self.causes.copy_(causes)
        own = self.encoder, self.encoder_bias, self.readout, self.readout_bias, self.skip
        given = networks.encoder.mT, networks.encoder_bias, networks.readout, networks.readout_bias, networks.skip
        for parameter, value in zip(own, given, strict=True):
            parameter.copy_(value)

    @property
    def factor_flops(self) -> int:
        """Of the products of one window's factors."""
        return 2 * self.encoder.numel()

    @property
    def window_elements(self) -> int:
        """Numbers that a step keeps for one window: inputs read, units and their slopes, Jacobian."""
        return self.n_targets * (3 * self.skip.shape[1] + 4 * self.readout.shape[1])

    def _read(self, x: Tensor, causes: Tensor) -> Tensor:
        """(E, N, L * c), lag-major, most recent step first."""
        check_inputs(x, self.n_lags, self.n_series)
        # Rows of the transposed windows are gathered whole.
        columns = x.flip(1).permute(1, 2, 0).flatten(0, 1)
        return columns[set_columns(causes, self.n_lags, self.n_series)].mT
