"""How a module's Jacobian is taken: between which of its layers, by how many products, in which pieces.

With h what the readout reads and z what the encoder made, J_n = W_out (d h / d z)_n W_in + W_skip. Columns are the elements of
a window in the order of the input tensor (`x.flatten(1)`), whatever its shape.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from . import general
from .autograd_graph import ELEMENTWISE, MOVES, extent, place
from .factors import Factors
from .forward_pass import Call, ForwardPass
from .general import StoredRows, VectorJacobian, one_hot

# What a number passing through memory costs, in multiplications of a matrix product.
ELEMENT_COST = 32


@dataclass(frozen=True)
class Layer:
    """A call of a linear layer: its place among the calls watched, and its width on the side of the middle.

    Attributes
    ----------
    name, order : the layer, and which of the calls it is.
    width : H_in of an encoder, H_out of a readout.
    step : of a readout applied to several steps, the one that is the forecast.
    columns : of a layer that reads the windows, the element of a window that each of its inputs is; None for all in order.
    """

    name: str
    order: int
    width: int
    step: int = 0
    columns: Tensor | None = None


@dataclass(frozen=True)
class Size:
    """Numbers that the graph makes for one window, and numbers in the weights that it reads."""

    elements: int
    weights: int


@dataclass
class Route:
    """What is known of a module, of which nothing but names is kept.

    Attributes
    ----------
    n_outputs : P.
    readout, encoder, skip : the layers found. `skip` may be the columns of a step of the windows added as it is.
    diagonal : the middle is elementwise.
    to_encoder, to_input : what a product from h, or without a readout from the forecast, passes for one window.
    order : names of the calls watched; another order is another computation.
    stateful : a pass changes a buffer, so all pieces must come from one pass.
    vectorised : vector-Jacobian products can be taken many at a time.
    """

    n_outputs: int
    to_input: Size
    to_encoder: Size | None = None
    readout: Layer | None = None
    encoder: Layer | None = None
    skip: Layer | Tensor | None = None
    diagonal: bool = False
    order: tuple[str, ...] = ()
    stateful: bool = False
    vectorised: bool = True

    def general(self) -> Route:
        """The same module without its layers."""
        size = Size(self.to_input.elements + self.n_outputs, self.to_input.weights)
        return Route(self.n_outputs, size, stateful=self.stateful, vectorised=self.vectorised)

    def narrowed(self) -> Route:
        """The same route where only its own layers are watched."""
        names = {layer.name for layer in self._layers}
        position = {i: k for k, i in enumerate(i for i, name in enumerate(self.order) if name in names)}

        def moved(layer: Layer | None) -> Layer | None:
            return None if layer is None else replace(layer, order=position[layer.order])

        return replace(
            self,
            readout=moved(self.readout),
            encoder=moved(self.encoder),
            skip=moved(self.skip) if isinstance(self.skip, Layer) else self.skip,
            order=tuple(name for name in self.order if name in names),
        )

    @property
    def _layers(self) -> list[Layer]:
        return [layer for layer in (self.readout, self.encoder, self.skip) if isinstance(layer, Layer)]

    @property
    def factorised(self) -> bool:
        return self.readout is not None or self.encoder is not None

    def holds(self, forward: ForwardPass) -> bool:
        """The pass was built as the route says: no path leads around its layers, and nothing else was put between.

        Told from the recorded graph alone, so that a branch which happens to add nothing today is seen as well.
        """
        if tuple(call.name for call in forward.calls) != self.order or forward.forecast.shape[1] != self.n_outputs:
            return False
        windows = place(forward.x)
        if self.readout is not None:
            ends = {forward.calls[self.readout.order].made}
            if isinstance(self.skip, Layer):
                ends.add(forward.calls[self.skip.order].made)
            elif self.skip is not None:
                ends.add(windows)
            way = extent(forward.forecast, {*ends, windows})
            if way.reached != ends or not way.only(MOVES | {"Add"}):
                return False
        if self.encoder is not None:
            made = forward.calls[self.encoder.order].made
            way = extent(_source(self, forward), {made, windows})
            if way.reached != {made} or (self.diagonal and not way.only(ELEMENTWISE)):
                return False
        readers = [layer for layer in (self.encoder, self.skip) if isinstance(layer, Layer)]
        ways = [extent(forward.calls[layer.order].read, {windows}) for layer in readers]
        return all(way.reached and way.only(MOVES) for way in ways)


@dataclass(frozen=True)
class Recipe:
    """One way along a route.

    Attributes
    ----------
    products : "none" for a diagonal middle, "targets" for one vector-Jacobian product per output wanted, "units" for one per
        unit of h.
    to_encoder : products end at z, not at the windows.
    middle_left : the middle goes to the readout's side.
    width : K of the factors, 0 where rows are stored.
    n_windows, n_targets : of a piece.
    """

    products: Literal["none", "targets", "units"]
    to_encoder: bool
    middle_left: bool
    width: int
    n_windows: int
    n_targets: int


def choose(route: Route, n_windows: int, n_targets: int, n_inputs: int) -> Recipe:
    """The recipe of the fewest multiplications, its pieces within `CHUNK_ELEMENTS`."""
    encoder = route.encoder.width if route.encoder else 0
    readout = route.readout.width if route.readout else 0
    if route.diagonal:
        return Recipe("none", True, False, encoder, n_windows, n_targets)
    options: list[tuple[float, Recipe]] = []
    budget = general.CHUNK_ELEMENTS
    for to_encoder in (True, False):
        below = route.to_encoder if to_encoder else route.to_input
        if below is None or (to_encoder and not encoder):
            continue
        kept = max(1, below.elements + (encoder if to_encoder else n_inputs))
        product = ELEMENT_COST * kept + below.weights
        # One per output wanted: pieces of targets, from one pass unless that alone is too large.
        windows = n_windows if route.stateful else _at_most(n_windows, budget / kept)
        targets = _at_most(n_targets, budget / (windows * kept))
        op = encoder * n_inputs if to_encoder else ELEMENT_COST * n_inputs
        options.append(
            (n_targets * (product + op), Recipe("targets", to_encoder, True, encoder * to_encoder, windows, targets))
        )
        if not readout:
            continue
        # One per unit: pieces of windows, each from a pass of its own.
        for left in (True, False) if to_encoder else (False,):
            width = encoder if left else readout
            side = n_targets * encoder if left else readout * n_inputs
            windows = _at_most(n_windows, budget / (readout * kept + side))
            if route.stateful and windows < n_windows:
                continue
            merge = readout * encoder * (n_targets if left else n_inputs) if to_encoder else 0
            cost = readout * product + merge + n_targets * width * n_inputs
            options.append((cost, Recipe("units", to_encoder, left, width, windows, n_targets)))
    return min(options, key=lambda option: option[0])[1]


def _at_most(count: int, limit: float) -> int:
    return max(1, min(count, int(limit)))


def take(
    route: Route, recipe: Recipe, forward: ForwardPass, pick: Tensor | None, differentiable: bool
) -> Factors | StoredRows:
    """The Jacobian of the outputs `pick`, or of all, from a recorded pass."""
    with torch.autocast(forward.x.device.type, enabled=False), torch.set_grad_enabled(differentiable):
        source = _source(route, forward)
        weight = None if route.readout is None else _rows(forward.calls[route.readout.order].weight, pick)
        right = None
        if recipe.to_encoder:
            assert route.encoder is not None
            right = _scatter(forward.calls[route.encoder.order].weight, route.encoder.columns, forward.x[0].numel())
        bias = _skip(route, forward, pick)
        if recipe.products == "none":
            assert weight is not None and right is not None and route.encoder is not None
            scale = _slopes(source, forward.calls[route.encoder.order], differentiable)
            return _factors(weight, right, len(source), scale, bias, differentiable)
        products = _products(route, recipe, forward, source, differentiable)
        if recipe.products == "targets":
            if weight is None:
                cotangents = one_hot(source, _all(source) if pick is None else pick)
            else:
                cotangents = weight.to(source.dtype)[:, None].expand(-1, len(source), -1)
            rows = products.of(cotangents).flatten(2)
            route.vectorised = products.vectorised
            if right is not None:
                return _factors(rows.movedim(0, 1), right, len(source), None, bias, differentiable)
            rows = rows if bias is None else rows + bias[:, None]
            return StoredRows(rows if differentiable else rows.detach())
        middle = products.of(one_hot(source, _all(source))).flatten(2).movedim(0, 1)
        route.vectorised = products.vectorised
        assert weight is not None
        if right is None:
            return _factors(weight, middle, len(source), None, bias, differentiable)
        middle, weight, right = _one_dtype(middle, weight, right)
        if recipe.middle_left:
            return _factors(weight @ middle, right, len(source), None, bias, differentiable)
        return _factors(weight, middle @ right, len(source), None, bias, differentiable)


def _source(route: Route, forward: ForwardPass) -> Tensor:
    """(N, H_out) that the readout read, or the forecast (N, P)."""
    if route.readout is None:
        return forward.forecast
    return read_step(forward.calls[route.readout.order], route.readout.step, len(forward.x))


def read_step(call: Call, step: int, n_windows: int) -> Tensor:
    """(N, H): what a layer read at one of its steps."""
    with torch.enable_grad():
        steps = call.read.reshape(n_windows, -1, call.read.shape[-1])
        return steps.squeeze(1) if steps.shape[1] == 1 else steps[:, step]


def _all(source: Tensor) -> Tensor:
    return torch.arange(source.shape[1], device=source.device)


def _products(
    route: Route, recipe: Recipe, forward: ForwardPass, source: Tensor, differentiable: bool
) -> VectorJacobian:
    if recipe.to_encoder:
        assert route.encoder is not None
        call = forward.calls[route.encoder.order]
        below, shape = call.made, call.shape
    else:
        below, shape = place(forward.x), tuple(forward.x.shape)
    return VectorJacobian(source, below, shape, differentiable, route.vectorised)


def _slopes(source: Tensor, encoder: Call, differentiable: bool) -> Tensor:
    """(N, H): the diagonal of the middle."""
    products = VectorJacobian(source, encoder.made, encoder.shape, differentiable, vectorised=False)
    return products.of(torch.ones_like(source)[None])[0].reshape(source.shape)


def _skip(route: Route, forward: ForwardPass, pick: Tensor | None) -> Tensor | None:
    """(P, Q) of the rows picked, or None."""
    n_inputs = forward.x[0].numel()
    if route.skip is None:
        return None
    if isinstance(route.skip, Layer):
        return _scatter(_rows(forward.calls[route.skip.order].weight, pick), route.skip.columns, n_inputs)
    columns = route.skip if pick is None else route.skip[pick]
    return forward.x.new_zeros(len(columns), n_inputs).scatter(1, columns[:, None], 1)


def _rows(weight: Tensor, pick: Tensor | None) -> Tensor:
    return weight if pick is None else weight[pick]


def _scatter(weight: Tensor, columns: Tensor | None, n_inputs: int) -> Tensor:
    """(H, d) whose columns are elements of a window -> (H, Q)."""
    if columns is None:
        return weight
    return weight.new_zeros(len(weight), n_inputs).index_copy(1, columns, weight)


def _factors(
    left: Tensor, right: Tensor, n_windows: int, scale: Tensor | None, bias: Tensor | None, differentiable: bool
) -> Factors:
    given = _one_dtype(left, right, *(t for t in (scale, bias) if t is not None))
    left, right, *rest = given if differentiable else tuple(t.detach() for t in given)
    scale = None if scale is None else rest.pop(0)
    return Factors(left, right, n_windows, scale, None if bias is None else rest.pop(0))


def _one_dtype(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Autocast and mixed models give factors of several floating types; the widest holds them all."""
    dtype = tensors[0].dtype
    for tensor in tensors[1:]:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return tuple(tensor.to(dtype) for tensor in tensors)
