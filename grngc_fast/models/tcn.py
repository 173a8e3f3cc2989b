"""A temporal convolutional network over the lags: causal, dilated, residual."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..jacobian import ACTIVATIONS, Factors
from .checks import check_activation, check_inputs


class TCN(nn.Module):
    """y = W_out h(L) + b_out with h(L) the last step of stacked causal convolutions, dilated by 1, 2, 4, ...

    h_1 = s(conv_1(x)), then h_k = h_{k-1} + s(conv_k(h_{k-1})), each step seeing `kernel_size` steps of the level below up
    to its own, 2^(k-1) apart. Steps before the first lag count as zero. An optional linear skip path W_skip reads all lags.

    J_{n,l} = W_out B_{n,l} + W_skip,l with B_{n,l} = d h(L) / d x_l (H, C), from the adjoint of h(L) taken down the levels: below
    a step it is multiplied by the step's slopes and by each tap of the convolution.

    Parameters
    ----------
    n_series : C, the number of series in, and out unless `n_targets` says otherwise.
    n_lags : L.
    hidden : channels of every level.
    kernel_size : steps that a convolution sees, at least 2.
    n_levels : convolutions; default the fewest that see all lags.
    activation : "silu", "tanh", "relu", "gelu" or "softplus".
    skip : add a linear path from all lags to the output, which starts at zero.
    n_targets : E, the number of series out; default C.
    generator : source of the initial weights; default torch's global one.

    Shapes: x (N, L, C), oldest step first, to (N, E).

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
        n_targets: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_activation(activation)
        n_targets = n_series if n_targets is None else n_targets
        if min(n_series, n_targets, n_lags, hidden) < 1 or (n_levels is not None and n_levels < 1):
            raise ValueError(
                f"n_series={n_series}, n_targets={n_targets}, n_lags={n_lags}, hidden={hidden} and n_levels={n_levels} must"
                " all be positive"
            )
        if kernel_size < 2:
            raise ValueError(f"kernel_size={kernel_size} sees no earlier step; use at least 2")
        self.n_series, self.n_targets, self.n_lags, self.activation = n_series, n_targets, n_lags, activation
        if n_levels is None:
            n_levels = next(k for k in itertools.count(1) if _field(kernel_size, k) >= n_lags)
        self.receptive_field = _field(kernel_size, n_levels)
        self.convolutions = nn.ModuleList(
            nn.utils.skip_init(nn.Conv1d, hidden if level else n_series, hidden, kernel_size, dilation=2**level)
            for level in range(n_levels)
        )
        self.readout = nn.utils.skip_init(nn.Linear, hidden, n_targets)
        for layer in (*self.convolutions, self.readout):
            fan_in = layer.weight[0].numel()
            layer.weight = nn.Parameter(torch.randn(layer.weight.shape, generator=generator) / fan_in**0.5)
            nn.init.zeros_(layer.bias)
        self.skip = nn.Parameter(torch.zeros(n_targets, n_series * n_lags)) if skip else None

    def forward(self, x: Tensor) -> Tensor:
        *_, hidden = self._levels(*self._field_of(x))
        forecast: Tensor = self.readout(hidden.h[:, :, -1])
        return forecast if self.skip is None else forecast + F.linear(x.flip(1).flatten(1), self.skip)

    def jacobian_factors(self, x: Tensor, targets: Tensor | None = None) -> Factors:
        """Factors of d forecast / d x at x (N, L, C); rows `targets` or all, columns lag-major, most recent step first.

        left is W_out (R, H) and right (N, H, L C) d h(L) / d x, or with fewer targets than channels left the identity (R, R)
        and right (N, R, L C) the targets' own rows.
        """
        slopes = [ACTIVATIONS[self.activation].slope(level.z) for level in self._levels(*self._field_of(x))]
        readout, skip = (p if p is None or targets is None else p[targets] for p in (self.readout.weight, self.skip))
        assert readout is not None
        own_rows = len(readout) < readout.shape[1]
        identity = torch.eye(min(readout.shape), dtype=x.dtype, device=x.device)
        # Adjoints by age, the number of steps before the last.
        adjoints = {0: readout if own_rows else identity}
        for level in reversed(range(len(slopes))):
            adjoints = self._below(adjoints, level, slopes[level])
        zero = x.new_zeros(len(x), len(identity), self.n_series)
        right = torch.cat([adjoints.get(lag, zero) for lag in range(self.n_lags)], -1)
        return Factors(identity if own_rows else readout, right, len(x), bias=skip)

    def _below(self, adjoints: dict[int, Tensor], level: int, slopes: Tensor) -> dict[int, Tensor]:
        """The adjoints (N, R, channels) of what a level reads from those of what it makes; slopes (N, H, T)."""
        convolution = self.convolutions[level]
        assert isinstance(convolution, nn.Conv1d)
        weight, spread = convolution.weight, convolution.dilation[0]
        # The oldest tap comes first. Taps outermost, a matrix each.
        taps = weight.permute(2, 0, 1).contiguous().unbind()
        parts: dict[int, list[Tensor]] = {}
        for age, adjoint in adjoints.items():
            through = adjoint * slopes[:, None, :, -1 - age]
            for before, tap in enumerate(reversed(taps)):
                # Zero steps before the first lag have no gradient to take.
                if age + before * spread < self.n_lags:
                    parts.setdefault(age + before * spread, []).append(through @ tap)
            if level:
                parts.setdefault(age, []).append(adjoint.expand_as(through))
        return {age: functools.reduce(torch.add, terms) for age, terms in parts.items()}

    def _field_of(self, x: Tensor) -> tuple[Tensor, int]:
        """The steps that the last one sees, and the zero steps that leave it alone after the top level."""
        check_inputs(x, self.n_lags, self.n_series)
        return x[:, -self.receptive_field :], self.receptive_field - self.n_lags

    def _levels(self, x: Tensor, n_before: int) -> Iterator[_Level]:
        """Each level at every step with all that it sees behind it; x is (N, T, P), `n_before` zero steps come before it."""
        value = ACTIVATIONS[self.activation].value
        h = F.pad(x.mT, (max(0, n_before), 0))
        for level, convolution in enumerate(self.convolutions):
            z = convolution(h)
            h = h[:, :, -z.shape[2] :] + value(z) if level else value(z)
            yield _Level(z, h)


class _Level(NamedTuple):
    """Before and after the activation, (N, H, steps)."""

    z: Tensor
    h: Tensor


def _field(kernel_size: int, n_levels: int) -> int:
    """Steps that the top of `n_levels` levels sees."""
    return 1 + (kernel_size - 1) * ((1 << n_levels) - 1)
