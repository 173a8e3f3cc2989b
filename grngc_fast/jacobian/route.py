"""Between which of its layers a module's Jacobian is taken, and whether a recorded forward pass bears that out.

With h what the readout reads and z what the encoder made, J_n = W_out (d h / d z)_n W_in + W_skip. Columns are the elements of
a window in the order of the input tensor (`x.flatten(1)`), whatever its shape.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from .autograd_graph import ELEMENTWISE, MOVES, RESHAPES, extent, place, way
from .forward_pass import Call, ForwardPass, tolerance
from .labels import columns_read, delivered_step


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
    ways : on which layers were seen to read what they read when the route was found.
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
    ways: set[Hashable] = field(default_factory=set)

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

    def holds(self, forward: ForwardPass) -> bool:
        """The pass was built as the route says: no path leads around its layers, nothing else was put between, and what the
        layers read and make went where it did before.

        Told from the recorded graph, so that a branch which happens to add nothing today is seen as well, and by labels
        sent through it where it moves numbers about.
        """
        if tuple(call.name for call in forward.calls) != self.order or forward.forecast.shape[1] != self.n_outputs:
            return False
        windows = place(forward.x)
        if self.encoder is not None:
            made = forward.calls[self.encoder.order].made
            between = extent(source_of(self, forward), {made, windows})
            if between.reached != {made} or (self.diagonal and not between.only(ELEMENTWISE)):
                return False
        readers = [layer for layer in (self.encoder, self.skip) if isinstance(layer, Layer)]
        return self._makes_forecast(forward) and all(self._reads_as_before(layer, forward) for layer in readers)

    def _makes_forecast(self, forward: ForwardPass) -> bool:
        if self.readout is None:
            return True
        windows, readout = place(forward.x), forward.calls[self.readout.order]
        linear = forward.calls[self.skip.order] if isinstance(self.skip, Layer) else None
        ends = {readout.made, *([] if linear is None else [linear.made]), *([windows] if self._adds_step else [])}
        between = extent(forward.forecast, {*ends, windows})
        if between.reached != ends or not between.only(MOVES | {"Add"}):
            return False
        if between.only(RESHAPES):
            return True
        if delivered_step(readout, forward) != self.readout.step:
            return False
        if linear is not None:
            return delivered_step(linear, forward) == 0
        return not self._adds_step or added_step(forward, readout, self.readout.step) == self._step_columns

    def _reads_as_before(self, layer: Layer, forward: ForwardPass) -> bool:
        call = forward.calls[layer.order]
        here = way(call.read, place(forward.x)), call.read.shape, layer.order
        if here in self.ways:
            return True
        same = _reads_the_same(layer, forward)
        if same and here[0] is not None:
            self.ways.add(here)
        return same

    @property
    def _adds_step(self) -> bool:
        return isinstance(self.skip, Tensor)

    @property
    def _step_columns(self) -> int | None:
        """The first column of the step of the windows that is added."""
        return int(self.skip[0]) if isinstance(self.skip, Tensor) else None


def _reads_the_same(layer: Layer, forward: ForwardPass) -> bool:
    call = forward.calls[layer.order]
    between = extent(call.read, {place(forward.x)})
    if not between.reached or not between.only(MOVES):
        return False
    if between.only(RESHAPES) and layer.columns is None:
        return True
    columns = columns_read(call, forward)
    if columns is None:
        return False
    known = torch.arange(forward.x[0].numel(), device=columns.device) if layer.columns is None else layer.columns
    return torch.equal(columns, known)


def added_step(forward: ForwardPass, readout: Call, step: int) -> int | None:
    """The first column of the one step of the windows (N, L, P) that is the forecast less the readout's output.

    By value, since labels would come back through the readout too; None where no step fits or several do.
    """
    n_windows, n_outputs = forward.forecast.shape
    if forward.x.shape[-1] != n_outputs:
        return None
    with torch.no_grad():
        made = F.linear(readout.read, readout.weight, readout.bias).reshape(n_windows, -1, n_outputs)[:, step]
        rest = (forward.forecast - made)[:, None]
        errors = (rest - forward.x.reshape(n_windows, -1, n_outputs)).abs().amax((0, 2))
        near = (errors <= tolerance(forward) * forward.forecast.abs().amax()).nonzero()
    return int(near[0, 0]) * n_outputs if len(near) == 1 else None


def source_of(route: Route, forward: ForwardPass) -> Tensor:
    """(N, H_out) that the readout read, or the forecast (N, P)."""
    if route.readout is None:
        return forward.forecast
    return read_step(forward.calls[route.readout.order], route.readout.step, len(forward.x))


def read_step(call: Call, step: int, n_windows: int) -> Tensor:
    """(N, H): what a layer read at one of its steps."""
    if call.read.dim() == 2 and len(call.read) == n_windows:
        return call.read
    with torch.enable_grad():
        steps = call.read.reshape(n_windows, -1, call.read.shape[-1])
        return steps.squeeze(1) if steps.shape[1] == 1 else steps[:, step]
