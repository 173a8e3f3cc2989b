"""A long short-term memory network that forecasts all series from their lags and knows its Jacobian's factors."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..jacobian import Factors
from .checks import check_inputs
from .lstm_adjoint import Start, reverse_recurrence

_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class LSTM(nn.Module):
    """y = W_out h_L + b_out with h_L the last hidden state of an LSTM that reads the lags, oldest first, from a zero state.

    With an optional linear skip path W_skip over all lags. J_{n,l} = W_out B_{n,l} + W_skip,l, where B_{n,l} = d h_L / d x_l
    (H, C) comes from the reverse recurrence of `lstm_adjoint`: contraction over H, not over the 4 H gates.

    Gates, parameters and their order (i, f, g, o) are those of `torch.nn.LSTM`, written out because its fused kernels
    cannot be differentiated twice; parameter "weight_ih.0" here is "weight_ih_l0" there.

    Parameters
    ----------
    n_series : C, the number of series in, and out unless `n_targets` says otherwise.
    n_lags : L, the length of the sequence.
    hidden : H, width of every layer.
    n_layers : stacked layers; the readout sees the top one.
    skip : add a linear path from all lags to the output, which starts at zero.
    n_targets : E, the number of series out; default C.
    generator : source of the initial weights; default torch's global one.

    Shapes: x (N, L, C), oldest step first, to (N, E).

    Example
    -------
    >>> LSTM(n_series=4, n_lags=3, hidden=8)(torch.zeros(5, 3, 4)).shape
    torch.Size([5, 4])
    """

    def __init__(
        self,
        n_series: int,
        n_lags: int = 1,
        hidden: int = 64,
        n_layers: int = 1,
        skip: bool = False,
        n_targets: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        n_targets = n_series if n_targets is None else n_targets
        if min(n_series, n_targets, n_lags, hidden, n_layers) < 1:
            raise ValueError(
                f"n_series={n_series}, n_targets={n_targets}, n_lags={n_lags}, hidden={hidden} and n_layers={n_layers} must"
                " all be positive"
            )
        self.n_series, self.n_targets, self.n_lags = n_series, n_targets, n_lags
        self.hidden, self.n_layers = hidden, n_layers
        widths = [n_series, *[hidden] * (n_layers - 1)]
        self.weight_ih = nn.ParameterList(_initial((4 * hidden, n), n, generator) for n in widths)
        self.weight_hh = nn.ParameterList(_initial((4 * hidden, hidden), hidden, generator) for _ in widths)
        self.bias_ih = nn.ParameterList(nn.Parameter(torch.zeros(4 * hidden)) for _ in widths)
        self.bias_hh = nn.ParameterList(nn.Parameter(torch.zeros(4 * hidden)) for _ in widths)
        self.readout = nn.utils.skip_init(nn.Linear, hidden, n_targets)
        self.readout.weight = _initial((n_targets, hidden), hidden, generator)
        nn.init.zeros_(self.readout.bias)
        self.skip = nn.Parameter(torch.zeros(n_targets, n_series * n_lags)) if skip else None

    def forward(self, x: Tensor) -> Tensor:
        inputs = h = self._checked(x)
        for layer in range(self.n_layers):
            h = torch.stack([state.h for state in self._states(h, layer)], 1)
        forecast: Tensor = self.readout(h[:, -1])
        return forecast if self.skip is None else forecast + F.linear(inputs.flip(1).flatten(1), self.skip)

    def jacobian_factors(self, x: Tensor, targets: Tensor | None = None) -> Factors:
        """Factors of d forecast / d x at x (N, L, C); rows `targets` or all, columns lag-major, most recent step first.

        left is W_out (R, H) and right (N, H, L C) d h_L / d x, or, where fewer targets make that the cheaper way, left the
        identity (R, R) and right (N, R, L C) the targets' own rows.
        """
        h, coefficients = self._checked(x), []
        for layer in range(self.n_layers):
            states = self._states(h, layer)
            h = torch.stack([state.h for state in states], 1)
            coefficients.append(_coefficients(states))
        readout, skip = (p if p is None or targets is None else p[targets] for p in (self.readout.weight, self.skip))
        assert readout is not None
        by_rows = self._own_rows_are_cheaper(len(readout))
        right = self._top_layer(coefficients[-1], readout if by_rows else None)
        for layer in reversed(range(self.n_layers - 1)):
            right = reverse_recurrence(coefficients[layer], *self._gate_weights(layer), above=right)
        left = torch.eye(len(readout), dtype=x.dtype, device=x.device) if by_rows else readout
        return Factors(left, right.flatten(2), len(x), bias=skip)

    def load_nn_lstm(self, module: nn.LSTM, readout: nn.Linear | None = None) -> None:
        """Copy the parameters of `module`, and of `readout` if given, whose bias may be absent.

        Raises
        ------
        ValueError : a bidirectional module, projections, dropout between layers, or other sizes than this network's.
        """
        for option, off in (("bidirectional", False), ("proj_size", 0), ("dropout", 0.0)):
            if getattr(module, option) != off:
                raise ValueError(
                    f"the nn.LSTM has {option}={getattr(module, option)}, which this network does not have"
                )
        sizes = (module.input_size, module.hidden_size, module.num_layers)
        if sizes != (self.n_series, self.hidden, self.n_layers):
            raise ValueError(
                f"the nn.LSTM has input_size, hidden_size, num_layers = {sizes}; expected"
                f" {(self.n_series, self.hidden, self.n_layers)}"
            )
        if readout is not None and readout.weight.shape != self.readout.weight.shape:
            raise ValueError(
                f"the readout has weight {tuple(readout.weight.shape)}; expected {tuple(self.readout.weight.shape)}"
            )
        with torch.no_grad():
            for name in _NAMES:
                for layer, own in enumerate(getattr(self, name)):
                    given = getattr(module, f"{name}_l{layer}", None)
                    own.zero_() if given is None else own.copy_(given)
            if readout is not None:
                self.readout.weight.copy_(readout.weight)
                self.readout.bias.zero_() if readout.bias is None else self.readout.bias.copy_(readout.bias)

    def to_nn_lstm(self) -> nn.LSTM:
        """An `nn.LSTM` (batch_first) with copies of the parameters; its last output times `readout` is the forecast."""
        like = self.readout.weight
        sizes = (self.n_series, self.hidden, self.n_layers)
        # Built without memory first, so that no random numbers are drawn for weights that are overwritten.
        module = nn.LSTM(*sizes, batch_first=True, device="meta", dtype=like.dtype).to_empty(device=like.device)
        with torch.no_grad():
            for name in _NAMES:
                for layer, own in enumerate(getattr(self, name)):
                    getattr(module, f"{name}_l{layer}").copy_(own)
        return module

    def _states(self, inputs: Tensor, layer: int) -> list[_State]:
        """States of one layer, oldest first, for inputs (N, L, I)."""
        bias = self.bias_ih[layer] + self.bias_hh[layer]
        states: list[_State] = []
        for z in F.linear(inputs, self.weight_ih[layer], bias).unbind(1):
            if states:
                z = z + F.linear(states[-1].h, self.weight_hh[layer])
            i, f, g, o = z.chunk(4, -1)
            i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
            c = f * states[-1].c + i * g if states else i * g
            states.append(_State(i, f, g, o, c, torch.tanh(c)))
        return states

    def _top_layer(self, coefficients: Tensor, rows: Tensor | None) -> Tensor:
        """d (rows h_L) / d (inputs of the top layer), (N, R, L, I); `rows` (R, H), None for the identity.

        At the most recent step the cotangent of the cell is diagonal in h_L, so that step costs no product over gates.
        """
        n_lags, width = coefficients.shape[1], self.hidden
        w_ih, w_hh = self._gate_weights(self.n_layers - 1)
        s, f, *by_cell, by_output = coefficients[:, 0].unbind(1)
        gates = [*(s * a for a in by_cell), by_output][1 if n_lags == 1 else 0 :]
        diagonals = torch.stack(gates, -1).transpose(0, 1)

        def first(weight: Tensor) -> Tensor:
            per_unit = weight.view(4, width, -1)[-len(gates) :].transpose(0, 1)
            product = torch.bmm(diagonals, per_unit)
            if rows is not None:
                product = (rows @ product.flatten(1)).view(len(rows), *product.shape[1:])
            return product.transpose(0, 1)

        if n_lags == 1:
            return first(w_ih).unsqueeze(2)
        start_c = torch.diag_embed(s * f) if rows is None else rows * (s * f)[:, None]
        return reverse_recurrence(coefficients, w_ih, w_hh, start=Start(first(w_ih), first(w_hh), start_c))

    def _own_rows_are_cheaper(self, n_rows: int) -> bool:
        """Whether starting the recurrence from the targets' rows takes fewer multiplications than from all of h_L."""
        p, lags, width = self.n_series, self.n_lags, self.hidden
        top_inputs = p if self.n_layers == 1 else width
        a_row = 4 * width * (lags - 1) * (width + top_inputs)
        a_row += 4 * width * lags * ((self.n_layers - 2) * 2 * width + width + p) if self.n_layers > 1 else 0
        own = n_rows * (a_row + width * (width + top_inputs) + n_rows * lags * p)
        return own < width * (a_row + n_rows * lags * p)

    def _gate_weights(self, layer: int) -> tuple[Tensor, Tensor]:
        """The layer's weights with gates in the order of the recurrence, f, i, g, o."""
        (i, f, g, o), (hi, hf, hg, ho) = self.weight_ih[layer].chunk(4), self.weight_hh[layer].chunk(4)
        return torch.cat([f, i, g, o]), torch.cat([hf, hi, hg, ho])

    def _checked(self, x: Tensor) -> Tensor:
        check_inputs(x, self.n_lags, self.n_series)
        return x


class _State(NamedTuple):
    """Gates, cell and tanh(cell) of one step, each (N, H)."""

    i: Tensor
    f: Tensor
    g: Tensor
    o: Tensor
    c: Tensor
    squashed: Tensor

    @property
    def h(self) -> Tensor:
        return self.o * self.squashed


def _coefficients(states: list[_State]) -> Tensor:
    """(N, L, 6, H) for the reverse recurrence, most recent step first; see `lstm_adjoint`."""
    steps = []
    for t in reversed(range(len(states))):
        i, f, g, o, _, squashed = states[t]
        before = states[t - 1].c if t else torch.zeros_like(f)
        slopes = (before * f * (1 - f), g * i * (1 - i), i * (1 - g.square()), squashed * o * (1 - o))
        steps.append(torch.stack([o * (1 - squashed.square()), f, *slopes], 1))
    return torch.stack(steps, 1)


def _initial(shape: tuple[int, int], n_in: int, generator: torch.Generator | None) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape, generator=generator) / n_in**0.5)
