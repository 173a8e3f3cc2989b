"""A Kolmogorov-Arnold network of uniform B-splines that forecasts all series at once and knows its Jacobian's factors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..jacobian import Chain, ColumnFactors, Factors
from ..kernels.spline import Basis, spline_functions, spline_slopes, spline_values, spline_values_and_slopes
from .checks import lag_major_inputs

# Standard deviation of the splines' initial coefficients beside a base activation.
SPLINE_NOISE = 0.1


class KANLayer(nn.Module):
    """y_o = sum_i (w_base_oi base(x_i) + spline_scale_oi sum_g coef_oig B_g(x_i)), B_g the splines of `basis`.

    Shapes: x (N, I) to (N, O); w_base and spline_scale (O, I), coef (O, I, basis.n_splines). No w_base for base="none".
    """

    w_base: nn.Parameter | None

    def __init__(self, n_in: int, n_out: int, basis: Basis, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.basis = basis
        if basis.has_base:
            self.w_base = nn.Parameter(torch.randn(n_out, n_in, generator=generator) / n_in**0.5)
        else:
            self.register_parameter("w_base", None)
        noise = torch.randn(n_out, n_in, basis.n_splines, generator=generator)
        self.coef = nn.Parameter(noise * (SPLINE_NOISE if basis.has_base else 1.0))
        self.spline_scale = nn.Parameter(torch.full((n_out, n_in), n_in**-0.5))

    def weights(self, targets: Tensor | None = None) -> Tensor:
        """(O, I, G): a weight for each function of an edge, for the outputs `targets` or all; lies in memory as (I, G, O).

        That is the layout of both products that a layer takes part in, and of their gradients.
        """
        w_base, coef, scale = (
            p if p is None or targets is None else p[targets] for p in (self.w_base, self.coef, self.spline_scale)
        )
        assert coef is not None and scale is not None
        # As a matrix transposed, which torch does block by block.
        splines: Tensor = coef.flatten(1).T.contiguous().unflatten(0, coef.shape[1:])
        weights = splines * scale.T.contiguous().unsqueeze(1)
        if w_base is not None:
            weights = torch.cat([weights, w_base.T.unsqueeze(1)], 1)
        return weights.permute(2, 0, 1)

    def forward(self, x: Tensor) -> Tensor:
        return spline_values(x, self.weights(), self.basis)


class KAN(nn.Module):
    """y = layer_d(... layer_1(x) ...), every edge a function of its own, with an optional linear skip path W_skip x.

    An edge is w_base base(x) + scale * sum_g coef_g B_g(x), B_g of `order` over `grid` equal cells of `grid_range`. The standard
    definition (arXiv 2404.19756) with the settings of GRNGC's authors as defaults. Where it differs from efficient-kan: the
    base activation is the identity and not SiLU unless asked, the grid is never moved to the data, and the splines start
    as independent noise of 0.1 / sqrt(inputs) and not as a least-squares fit of noise. Like it, a layer has no bias. With the
    weights of efficient-kan (base_weight, spline_weight, spline_scaler as w_base, coef, spline_scale) values agree everywhere.

    The grid covers z-scored series only in part: over `order` cells beyond `grid_range` the splines fade to 0, and from
    there on an edge is its base activation alone, with base="none" constant. Nothing is clamped.

    With A_n, B_n the matrices of slopes of two layers J_n = A_n B_n; a single layer is a product for each input.

    Parameters
    ----------
    n_series : C, the number of series in, and out unless `n_targets` says otherwise.
    n_lags : L.
    hidden : widths of the hidden layers, first the one next to the input; () for a single layer.
    grid : cells of the grid.
    order : of the splines, 1 to 5. With order 1 the slope, and so the penalty, jumps at the knots.
    grid_range : ends of the grid, in every layer.
    base : "identity", "silu" or "none".
    skip : add a linear path from input to output, which starts at zero.
    n_targets : E, the number of series out; default C.
    generator : source of the initial weights; default torch's global one.

    Shapes: x (N, L, C), oldest step first, to (N, E). Computes in the dtype of its weights, float32 or float64, under
    autocast too.

    Example
    -------
    >>> KAN(n_series=4, n_lags=2, hidden=(8,))(torch.zeros(3, 2, 4)).shape
    torch.Size([3, 4])
    """

    def __init__(
        self,
        n_series: int,
        n_lags: int = 1,
        hidden: Sequence[int] | int = (128,),
        grid: int = 5,
        order: int = 3,
        grid_range: tuple[float, float] = (-1.0, 1.0),
        base: str = "identity",
        skip: bool = False,
        n_targets: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        widths = (hidden,) if isinstance(hidden, int) else tuple(hidden)
        n_targets = n_series if n_targets is None else n_targets
        if min((n_series, n_targets, n_lags, *widths)) < 1:
            raise ValueError(
                f"n_series={n_series}, n_targets={n_targets}, n_lags={n_lags} and hidden={hidden} must all be positive"
            )
        if len(grid_range) != 2:
            raise ValueError(f"grid_range={grid_range!r} must be two numbers, the smaller first")
        basis = Basis(grid, order, *grid_range, base)
        self.n_series, self.n_targets, self.n_lags = n_series, n_targets, n_lags
        sizes = (n_series * n_lags, *widths, n_targets)
        self.layers = nn.ModuleList(KANLayer(i, o, basis, generator) for i, o in itertools.pairwise(sizes))
        self.skip = nn.Parameter(torch.zeros(n_targets, sizes[0])) if skip else None

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            inputs = h = self._columns(x)
            for layer in self.layers:
                h = layer(h)
            return h if self.skip is None else h + inputs @ self.skip.T

    def jacobian_factors(self, x: Tensor, targets: Tensor | None = None) -> Factors | ColumnFactors:
        """Factors of d forecast / d x at x (N, L, C); rows `targets` or all, columns lag-major."""
        h = self._columns(x)
        skip = self.skip if self.skip is None or targets is None else self.skip[targets]
        *inner, last = self.layers
        assert isinstance(last, KANLayer)
        weights = last.weights(targets)
        if not inner:
            return _columns_of(spline_functions(h, last.basis, 1), weights, skip)
        slopes = []
        for layer in inner:
            assert isinstance(layer, KANLayer)
            h, slope = spline_values_and_slopes(h, layer.weights(), layer.basis)
            slopes.append(slope)
        slopes.append(spline_slopes(h, weights, last.basis))
        return Chain(tuple(reversed(slopes)), skip).associate()

    def _columns(self, x: Tensor) -> Tensor:
        """(N, L, C), oldest first -> (N, L * C), most recent first, in the dtype of the weights."""
        first = self.layers[0]
        assert isinstance(first, KANLayer)
        return lag_major_inputs(x, self.n_lags, self.n_series).to(first.coef.dtype)


def _columns_of(functions: Tensor, weights: Tensor, skip: Tensor | None) -> ColumnFactors:
    """One layer: slopes (N, Q, G) of the functions and weights (E, Q, G), a linear path one more function of slope 1."""
    if skip is not None:
        functions = torch.cat([functions, torch.ones_like(functions[..., :1])], -1)
        weights = torch.cat([weights, skip.unsqueeze(-1)], -1)
    return ColumnFactors(functions.transpose(0, 1), weights.permute(1, 2, 0))
