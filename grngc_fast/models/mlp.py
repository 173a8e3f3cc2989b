"""A multilayer perceptron that forecasts all series at once and knows its Jacobian's factors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..jacobian import ACTIVATIONS, Factors, Sandwich


class MLP(nn.Module):
    """y = W_out s(... s(W_in x + b) ...) + b_out, with an optional linear skip path W_skip x.

    J_n = W_out D_d W_d ... D_1 W_in + W_skip, where D_k holds the slopes of layer k.

    Parameters
    ----------
    n_series : P, the number of series in and out.
    n_lags : L.
    hidden : widths of the hidden layers, first the one next to the input.
    activation : "silu", "tanh", "relu", "gelu" or "softplus".
    skip : add a linear path from input to output, which starts at zero.
    generator : source of the initial weights; default torch's global one.

    Shapes: x (N, L, P), oldest step first, to (N, P).

    Example
    -------
    >>> MLP(n_series=4, n_lags=2, hidden=(8,))(torch.zeros(3, 2, 4)).shape
    torch.Size([3, 4])
    """

    def __init__(
        self,
        n_series: int,
        n_lags: int = 1,
        hidden: Sequence[int] | int = (128,),
        activation: str = "silu",
        skip: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        widths = (hidden,) if isinstance(hidden, int) else tuple(hidden)
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation={activation!r} is unknown; use one of {', '.join(map(repr, ACTIVATIONS))}")
        if min((n_series, n_lags, *widths)) < 1 or not widths:
            raise ValueError(
                f"n_series={n_series}, n_lags={n_lags} and hidden={hidden} must hold at least one, all positive"
            )
        self.n_series, self.n_lags, self.activation = n_series, n_lags, activation
        sizes = (n_series * n_lags, *widths, n_series)
        self.weights = nn.ParameterList(_initial(o, i, generator) for i, o in itertools.pairwise(sizes))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(o)) for o in sizes[1:])
        self.skip = nn.Parameter(torch.zeros(n_series, sizes[0])) if skip else None

    def forward(self, x: Tensor) -> Tensor:
        inputs = h = self._columns(x)
        value = ACTIVATIONS[self.activation].value
        *inner, last = zip(self.weights, self.biases, strict=True)
        for weight, bias in inner:
            h = value(F.linear(h, weight, bias))
        forecast = F.linear(h, *last)
        return forecast if self.skip is None else forecast + F.linear(inputs, self.skip)

    def jacobian_factors(self, x: Tensor, targets: Tensor | None = None) -> Factors:
        """Factors of d forecast / d x at x (N, L, P); rows `targets` or all, columns lag-major."""
        h, slopes = self._columns(x), []
        value, slope = ACTIVATIONS[self.activation]
        count = len(self.weights) - 1
        for k in range(count):
            z = F.linear(h, self.weights[k], self.biases[k])
            slopes.append(slope(z))
            if k < count - 1:
                h = value(z)
        readout, skip = (p if p is None or targets is None else p[targets] for p in (self.weights[count], self.skip))
        assert readout is not None
        inner = tuple(self.weights[k] for k in reversed(range(count)))
        return Sandwich((readout, *inner), tuple(reversed(slopes)), skip).associate()

    def _columns(self, x: Tensor) -> Tensor:
        """(N, L, P), oldest first -> (N, L * P), most recent first."""
        if x.dim() != 3 or x.shape[1:] != (self.n_lags, self.n_series):
            raise ValueError(f"x has shape {tuple(x.shape)}; expected (N, {self.n_lags}, {self.n_series})")
        return x.flip(1).flatten(1)


def _initial(n_out: int, n_in: int, generator: torch.Generator | None) -> nn.Parameter:
    return nn.Parameter(torch.randn(n_out, n_in, generator=generator) / n_in**0.5)
