"""A multilayer perceptron that forecasts all series at once and knows its Jacobian's factors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..jacobian import ACTIVATIONS, Factors, HiddenLayer, Normalised, Sandwich, layered_factors
from .checks import check_activation, lag_major_inputs
from .linear_path import linear_path
from .mlp_penalty import small_penalty

_EPS = 1e-5


class MLP(nn.Module):
    """y = W_out h_d + b_out, h_k = [h_{k-1} +] s(norm(W_k h_{k-1} + b_k)), with an optional linear skip path W_skip x.

    Its Jacobian is W_out T_d ... T_1 + W_skip with T_k = [I +] D_k N_k W_k: slopes, normalisation and weights of layer k.

    Parameters
    ----------
    n_series : C, the number of series in, and out unless `n_targets` says otherwise.
    n_lags : L.
    hidden : widths of the hidden layers, first the one next to the input.
    activation : "silu", "tanh", "relu", "gelu" or "softplus".
    skip : add a linear path from input to output, which starts at zero.
    residual : add to each hidden layer but the first what enters it; the layers need one width.
    layer_norm : normalise each hidden layer over its units before the activation, with a gain and a bias of its own.
    dropout : probability that a hidden unit is left out in training. Factors, and so penalty and scores, are those of the
        network without dropout: it is the one that forecasts and is scored afterwards, and the mean absolute gradient over
        random masks is never below its absolute gradient, so that a penalty on masked networks would push down the masks'
        spread instead of the influences.
    weight_norm : store each weight matrix but the skip path's as directions and lengths of its rows.
    n_targets : E, the number of series out; default C.
    generator : source of the initial weights; default torch's global one. Dropout draws from torch's global one.

    Shapes: x (N, L, C), oldest step first, to (N, E).

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
        *,
        residual: bool = False,
        layer_norm: bool = False,
        dropout: float = 0.0,
        weight_norm: bool = False,
        n_targets: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        widths = (hidden,) if isinstance(hidden, int) else tuple(hidden)
        check_activation(activation)
        n_targets = n_series if n_targets is None else n_targets
        if min((n_series, n_targets, n_lags, *widths)) < 1 or not widths:
            raise ValueError(
                f"n_series={n_series}, n_targets={n_targets}, n_lags={n_lags} and hidden={hidden} must hold at least one, all"
                " positive"
            )
        if residual and len(set(widths)) > 1:
            raise ValueError(f"residual=True needs hidden layers of one width; got hidden={hidden}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout!r}; expected a probability of at least 0 and below 1")
        self.n_series, self.n_targets, self.n_lags, self.activation = n_series, n_targets, n_lags, activation
        self.residual, self.dropout = residual, dropout
        sizes = (n_series * n_lags, *widths, n_targets)
        self.weights = nn.ParameterList(_initial(o, i, generator) for i, o in itertools.pairwise(sizes))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(o)) for o in sizes[1:])
        self.lengths = nn.ParameterList(w.detach().norm(dim=1) for w in self.weights) if weight_norm else None
        self.gains = nn.ParameterList(nn.Parameter(torch.ones(h)) for h in widths) if layer_norm else None
        self.shifts = nn.ParameterList(nn.Parameter(torch.zeros(h)) for h in widths) if layer_norm else None
        self.skip = nn.Parameter(torch.zeros(n_targets, sizes[0])) if skip else None

    def forward(self, x: Tensor) -> Tensor:
        inputs = h = lag_major_inputs(x, self.n_lags, self.n_series)
        value = ACTIVATIONS[self.activation].value
        count = len(self.weights) - 1
        for k in range(count):
            u = F.linear(h, self._weight(k), self.biases[k])
            if self.gains is not None and self.shifts is not None:
                u = F.layer_norm(u, u.shape[-1:], self.gains[k], self.shifts[k], _EPS)
            v = value(u)
            if self.dropout:
                v = F.dropout(v, self.dropout, self.training)
            h = h + v if self.residual and k > 0 else v
        forecast = F.linear(h, self._weight(count), self.biases[count])
        return forecast if self.skip is None else forecast + linear_path(inputs, self.skip)

    def jacobian_factors(self, x: Tensor, targets: Tensor | None = None) -> Factors:
        """Factors of d forecast / d x at x (N, L, C), without dropout; rows `targets` or all, columns lag-major."""
        count = len(self.weights) - 1
        layers = self._layers(lag_major_inputs(x, self.n_lags, self.n_series))
        readout, skip = (p if p is None or targets is None else p[targets] for p in (self._weight(count), self.skip))
        assert readout is not None
        if not self.residual and self.gains is None:
            outermost_first = layers[::-1]
            weights = (readout, *(layer.weight for layer in outermost_first))
            return Sandwich(weights, tuple(layer.slope for layer in outermost_first), skip).associate()
        return layered_factors(readout, layers, skip)

    def gradient_l1(self, x: Tensor, targets: Tensor | None, backend: str, precision: str | None) -> Tensor | None:
        """The penalty by a shorter way than its factors, where there is one; see `small_penalty`."""
        # A module that is derived from this one may forecast otherwise.
        return small_penalty(self, x, targets, backend, precision) if type(self) is MLP else None

    @property
    def factor_flops(self) -> int | None:
        """Of the products of one window's factors; None of several hidden layers, to be counted."""
        return 2 * self.weights[0].numel() if len(self.weights) == 2 else None

    @torch.no_grad()
    def start_linear(self, weight: Tensor, intercept: Tensor) -> None:
        """Make the forecast weight x + intercept, (P, Q) columns lag-major and (P,): all else starts at zero effect."""
        if self.skip is None:
            raise ValueError("without a linear path the network cannot start as a linear forecaster; pass skip=True")
        self.skip.copy_(weight)
        self.biases[-1].copy_(intercept)
        # A normalised weight keeps its direction: at length zero it would have none.
        (self.weights if self.lengths is None else self.lengths)[-1].zero_()

    def _layers(self, h: Tensor) -> list[HiddenLayer]:
        """The hidden layers at inputs h (N, L * C), from the input side."""
        value, slope = ACTIVATIONS[self.activation]
        count, layers = len(self.weights) - 1, []
        for k in range(count):
            weight, normalised = self._weight(k), None
            u = F.linear(h, weight, self.biases[k])
            if self.gains is not None and self.shifts is not None:
                normalised = Normalised.of(u, self.gains[k], _EPS)
                u = normalised.y * self.gains[k] + self.shifts[k]
            residual = self.residual and k > 0
            layers.append(HiddenLayer(weight, slope(u), normalised, residual))
            if k < count - 1:
                h = h + value(u) if residual else value(u)
        return layers

    def _weight(self, k: int) -> Tensor:
        weight: Tensor = self.weights[k]
        if self.lengths is None:
            return weight
        factors: Tensor = self.lengths[k] / weight.norm(dim=1)
        return weight * factors[:, None]


def _initial(n_out: int, n_in: int, generator: torch.Generator | None) -> nn.Parameter:
    return nn.Parameter(torch.randn(n_out, n_in, generator=generator) / n_in**0.5)
