"""Small networks of each target's own inputs: what is non-linear at thousands of series."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..jacobian import ACTIVATIONS, Block, GroupedFactors
from ..kernels.small_networks import Networks
from ..kernels.small_networks.levels import ORDER, basis_of
from ..kernels.spline import own_values
from .checks import check_inputs

_SILU = ACTIVATIONS["silu"]
# Numbers of all windows of a batch that are kept for each target while it is scored.
SCORE_ELEMENTS = 2**15
# Cubic ones of one cell.
FEWEST_SPLINES = ORDER + 1
# Sets that are no larger are not told apart.
FEW_COLUMNS = 8
# Of the splines of one input: numbers while they are read, and operations.
SPLINE_NUMBERS, SPLINE_FLOPS = 12, 48


class SetMLP(nn.Module):
    """y_i = skip_i x_i + sum_k f_ik(x_ik) + readout_i silu(W_i x_i + b_i) + bias_i, x_i target i's own of the L C lagged series.

    f_ik are cubic splines, the units of a Kolmogorov-Arnold network: any function of one input. The SiLU units read all inputs
    of the set: what these do by one another. A lagged series outside of a target's set has gradient zero, as a coordinate
    outside of a lasso's active set has weight zero: the penalty is that of one network of E h hidden units with a sparse first
    layer. Work and parameters grow as E K (h + G). The sets are found in rounds (`grngc_fast.training.working_sets`) and given by
    `start`; before that they are the first K inputs.

    Parameters
    ----------
    n_series : C, the number of series in.
    n_lags : L.
    hidden : h, hidden units of each target.
    n_splines : G, splines of each input, 4 or more, evenly over 2.5 standard deviations around its mean; 0 for none.
    skip : must be True: sets are found for networks with a linear path.
    n_targets : E, the number of series out; default C.
    set_size : K, inputs of each target to begin with; all where they are fewer. `start` may bring more.
    generator : source of the initial weights; default torch's global one.

    Attributes
    ----------
    columns : (E, K) the inputs of each set, lag * C + series, the most recent step lag 0; -1 where a set is smaller.

    Shapes: x (N, L, C), oldest step first, to (N, E).

    Example
    -------
    >>> SetMLP(n_series=6, n_lags=2, hidden=4, set_size=3)(torch.zeros(5, 2, 6)).shape
    torch.Size([5, 6])
    """

    columns: Tensor

    def __init__(
        self,
        n_series: int,
        n_lags: int = 1,
        hidden: int = 16,
        skip: bool = True,
        *,
        n_targets: int | None = None,
        set_size: int = 16,
        n_splines: int = 0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        n_targets = n_series if n_targets is None else n_targets
        if min(n_series, n_lags, hidden, n_targets, set_size) < 1:
            raise ValueError(
                f"n_series={n_series}, n_lags={n_lags}, hidden={hidden}, n_targets={n_targets} and set_size={set_size} must be"
                " positive"
            )
        if n_splines != 0 and n_splines < FEWEST_SPLINES:
            raise ValueError(f"n_splines={n_splines}; cubic splines need {FEWEST_SPLINES} or more, 0 is none")
        if not skip:
            raise ValueError("working sets are found for networks with a linear path; leave skip None or True")
        self.n_series, self.n_lags, self.n_targets = n_series, n_lags, n_targets
        size = min(set_size, n_series * n_lags)
        self.register_buffer("columns", torch.arange(size).repeat(n_targets, 1))
        self.encoder = nn.Parameter(torch.randn(n_targets, hidden, size, generator=generator) / size**0.5)
        self.encoder_bias = nn.Parameter(torch.zeros(n_targets, hidden))
        self.readout = nn.Parameter(torch.randn(n_targets, hidden, generator=generator) / hidden**0.5)
        self.readout_bias = nn.Parameter(torch.zeros(n_targets))
        self.skip = nn.Parameter(torch.zeros(n_targets, size))
        # Input next to spline, as those of one input are read together.
        self.splines = nn.Parameter(torch.zeros(n_targets, size, n_splines)) if n_splines else None

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() or len(x) <= self.score_batch:
            return self._forecast(x)
        return torch.cat([self._forecast(some) for some in x.split(self.score_batch)])

    def _forecast(self, x: Tensor) -> Tensor:
        rows, groups = self._rows(x), self._groups(self.columns)
        parts = []
        for at, k in groups:
            z = rows[self.columns[at, :k]].mT
            hidden = _SILU.value(torch.baddbmm(self.encoder_bias[at][:, None], z, self.encoder[at, :, :k].mT))
            forecast = torch.bmm(self.readout[at][:, None], hidden.mT) + torch.bmm(self.skip[at, :k][:, None], z.mT)
            forecast = forecast.squeeze(1) + self.readout_bias[at][:, None]
            if self.splines is not None:
                forecast = forecast + own_values(z, self.splines[at, :k], basis_of(self.splines.shape[2])).sum(2)
            parts.append(forecast)
        if len(parts) == 1:
            return parts[0].mT
        order = torch.cat([at for at, _ in groups]).argsort()
        return torch.cat(parts)[order].mT

    def jacobian_factors(self, x: Tensor, targets: Tensor | None = None) -> GroupedFactors:
        """Factors of d forecast / d x at x (N, L, C); rows `targets` or all."""
        rows, blocks = self._rows(x), []
        wanted = torch.arange(self.n_targets, device=x.device) if targets is None else targets
        for place, k in self._groups(self.columns[wanted]):
            at, varying = wanted[place], None
            columns, encoder = self.columns[at, :k], self.encoder[at, :, :k]
            z = rows[columns].mT
            slopes = _SILU.slope(torch.baddbmm(self.encoder_bias[at][:, None], z, encoder.mT)).transpose(0, 1)
            if self.splines is not None:
                varying = own_values(z, self.splines[at, :k], basis_of(self.splines.shape[2]), derivative=1)
            skip = self.skip[at, :k][:, None]
            blocks.append(Block(self.readout[at][:, None], encoder, slopes, skip, place[:, None], columns, varying))
        # Lag and series are one index here.
        return GroupedFactors(tuple(blocks), len(x), len(wanted), self.n_series * self.n_lags, 1)

    def slopes(self, z: Tensor, targets: Tensor) -> Tensor:
        """(T, N, h) of the forecasts of `targets` with respect to each unit's input, readout included; z (T, N, K or more)."""
        z = z[..., : self.skip.shape[1]]
        pre = torch.baddbmm(self.encoder_bias[targets][:, None], z, self.encoder[targets].mT)
        return _SILU.slope(pre) * self.readout[targets][:, None]

    @torch.no_grad()
    def gradient_parts(self, x: Tensor, targets: Tensor) -> Tensor:
        """Mean absolute parts of the gradient by each input of the sets: (T, K, 3), linear, of its spline, of the units.

        A slope that is the same in all windows is linear, whichever makes it: with s the skip weight, f' the spline's slope, u
        that of the units and m their means over windows, |s + m(f') + m(u)|, m|f' - m(f')| and m|u - m(u)|.

        x (N, L, C), targets (T,); 0 where a set is smaller.
        """
        columns = self.columns[targets]
        z = self._read(x, columns)
        linear, parts = self.skip[targets], [torch.bmm(self.slopes(z, targets), self.encoder[targets])]
        if self.splines is not None:
            parts.insert(0, own_values(z, self.splines[targets], basis_of(self.splines.shape[2]), derivative=1))
        varying = []
        for part in parts:
            mean = part.mean(1)
            linear = linear + mean
            varying.append(part.sub_(mean[:, None]).abs_().mean(1))
        if self.splines is None:
            varying.insert(0, torch.zeros_like(linear))
        return torch.stack([linear.abs(), *varying], -1) * (columns >= 0)[..., None]

    @torch.no_grad()
    def start(self, columns: Tensor, networks: Networks) -> None:
        """Take sets (E, K) of any size, no input twice in a row, and the weights of networks that were trained on them."""
        self._resize(columns.shape[1])
        self.columns.copy_(columns)
        own = self.encoder, self.encoder_bias, self.readout, self.readout_bias, self.skip
        skip = networks.skip[:, : columns.shape[1]]
        given = networks.encoder.mT, networks.encoder_bias, networks.readout, networks.readout_bias, skip
        for parameter, value in zip(own, given, strict=True):
            parameter.copy_(value)
        if self.splines is not None:
            self.splines.copy_(networks.splines)

    @property
    def factor_flops(self) -> int:
        """Of the products of one window's factors."""
        return 2 * self.encoder.numel() + (0 if self.splines is None else SPLINE_FLOPS * self.columns.numel())

    @property
    def score_batch(self) -> int:
        """Windows to score at a time: each batch passes over all E x Q scores, of which it changes few."""
        splines, size = 0 if self.splines is None else SPLINE_NUMBERS, float((self.columns >= 0).float().sum(1).mean())
        return max(1, int(SCORE_ELEMENTS / ((1 + splines) * size + 4 * self.readout.shape[1])))

    def _rows(self, x: Tensor) -> Tensor:
        """(Q + 1, N), windows of each input; the last row is 0, which is what -1 reads."""
        check_inputs(x, self.n_lags, self.n_series)
        return F.pad(x.flip(1).permute(1, 2, 0).flatten(0, 1), (0, 0, 0, 1))

    def _read(self, x: Tensor, columns: Tensor) -> Tensor:
        """(E, N, K), zeros for what is padded."""
        return self._rows(x)[columns].mT

    @staticmethod
    def _groups(columns: Tensor) -> list[tuple[Tensor, int]]:
        """Sets of near sizes together, halving from the largest: which, and how many columns hold them."""
        k, every = columns.shape[1], torch.arange(len(columns), device=columns.device)
        if k < 2 * FEW_COLUMNS:
            return [(every, k)]
        sizes = ((columns >= 0) * torch.arange(1, k + 1, device=columns.device)).amax(1)
        groups, largest = [], k
        while largest > 0:
            smaller = largest // 2 if largest >= 2 * FEW_COLUMNS else -1
            some = every[(sizes <= largest) & (sizes > smaller)]
            if len(some):
                groups.append((some, largest))
            largest = smaller
        return groups

    def _resize(self, size: int) -> None:
        """Room for sets of this size, in the same parameters: an optimiser may hold them."""
        if size != self.columns.shape[1]:
            self.columns = self.columns.new_full((self.n_targets, size), -1)
            self.encoder.data = self.encoder.data.new_zeros(*self.encoder.shape[:2], size)
            self.skip.data = self.skip.data.new_zeros(self.n_targets, size)
            if self.splines is not None:
                self.splines.data = self.splines.data.new_zeros(self.n_targets, size, self.splines.shape[2])

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Sets may have grown since this network was made."""
        columns = state_dict.get(prefix + "columns")
        if columns is not None and columns.ndim == 2 and len(columns) == self.n_targets:
            self._resize(columns.shape[1])
        super()._load_from_state_dict(state_dict, prefix, *args)
