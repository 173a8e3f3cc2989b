"""Between which of its layers a module's Jacobian is taken, and whether a recorded forward pass bears that out.

With h what the readout reads and z what the encoder made, J_n = W_out (d h / d z)_n W_in + W_skip. Columns are the elements of
a window in the order of the input tensor (`x.flatten(1)`), whatever its shape.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .autograd_graph import ELEMENTWISE, MOVES, extent, place
from .forward_pass import Call, ForwardPass


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
            way = extent(source_of(self, forward), {made, windows})
            if way.reached != {made} or (self.diagonal and not way.only(ELEMENTWISE)):
                return False
        readers = [layer for layer in (self.encoder, self.skip) if isinstance(layer, Layer)]
        ways = [extent(forward.calls[layer.order].read, {windows}) for layer in readers]
        return all(way.reached and way.only(MOVES) for way in ways)


def source_of(route: Route, forward: ForwardPass) -> Tensor:
    """(N, H_out) that the readout read, or the forecast (N, P)."""
    if route.readout is None:
        return forward.forecast
    return read_step(forward.calls[route.readout.order], route.readout.step, len(forward.x))


def read_step(call: Call, step: int, n_windows: int) -> Tensor:
    """(N, H): what a layer read at one of its steps."""
    with torch.enable_grad():
        steps = call.read.reshape(n_windows, -1, call.read.shape[-1])
        return steps.squeeze(1) if steps.shape[1] == 1 else steps[:, step]
