"""Finds the linear layers that a module's Jacobian begins and ends with, from one recorded forward pass."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .autograd_graph import ELEMENTWISE, Place, extent, place
from .exactness import close, generator
from .forward_pass import Call, ForwardPass
from .general import VectorJacobian
from .labels import columns_read, delivered_step
from .route import Layer, Route, Size, added_step, read_step


def discover(forward: ForwardPass, encoder: str | None = None, readout: str | None = None) -> Route:
    """The cheapest route that the pass allows, through the layers named where any are.

    Raises
    ------
    ValueError : a layer named was not called, or is no encoder or readout, with the reason.
    """
    n_windows = len(forward.x)
    for name in (encoder, readout):
        if name is not None and all(call.name != name for call in forward.calls):
            raise ValueError(f"layer {name!r} was not called in the forward pass, or without a gradient to the windows")
    last, skip = _find_readout(forward, readout)
    source = forward.forecast if last is None else read_step(forward.calls[last.order], last.step, n_windows)
    first = _find_encoder(forward, source, encoder, {x.order for x in (last, skip) if isinstance(x, Layer)})
    made = None if first is None else forward.calls[first.order].made
    route = Route(
        n_outputs=forward.forecast.shape[1],
        to_input=_size(source, place(forward.x), n_windows),
        to_encoder=None if made is None else _size(source, made, n_windows),
        readout=last,
        encoder=first,
        skip=skip,
        diagonal=first is not None and last is not None and _is_diagonal(source, forward.calls[first.order]),
        order=_order(forward),
        stateful=forward.stateful,
    )
    return route.narrowed()


def _find_readout(forward: ForwardPass, named: str | None) -> tuple[Layer | None, Layer | Tensor | None]:
    """The last call whose output is the forecast, and the linear path of the windows that is to be added to it."""
    n_windows, n_outputs = forward.forecast.shape
    for i, call in reversed(list(enumerate(forward.calls))):
        fits = call.weight.shape[0] == n_outputs and call.shape[0] == n_windows and call.read.requires_grad
        if not fits or named not in (None, call.name):
            continue
        step = delivered_step(call, forward)
        if step is None:
            continue
        layer = Layer(call.name, i, call.weight.shape[1], step)
        for skip in _linear_paths(forward, i, step):
            if Route(n_outputs, Size(0, 0), readout=layer, skip=skip, order=_order(forward)).holds(forward):
                return layer, skip
    if named is not None:
        raise ValueError(
            f"readout {named!r} does not make the forecast: its output, with a linear path of the windows added at most,"
            " must be what the model returns"
        )
    return None, None


def _linear_paths(forward: ForwardPass, readout: int, step: int) -> Iterator[Layer | Tensor | None]:
    """What may be added to the readout's output: nothing, another layer's output, or a step of the windows."""
    yield None
    n_windows, n_outputs = forward.forecast.shape
    for j, call in enumerate(forward.calls):
        if j != readout and call.weight.shape[0] == n_outputs and _count(call) == n_windows * n_outputs:
            columns = columns_read(call, forward)
            if columns is not None:
                yield Layer(call.name, j, call.weight.shape[1], columns=_none_if_in_order(columns, forward))
    first = added_step(forward, forward.calls[readout], step)
    if first is not None:
        yield torch.arange(first, first + n_outputs, device=forward.x.device)


def _find_encoder(forward: ForwardPass, source: Tensor, named: str | None, taken: set[int]) -> Layer | None:
    """The narrowest layer that reads the windows, each element once, and that all paths from `source` to them pass."""
    best: Layer | None = None
    reason = "it is the readout or the linear path itself"
    windows = place(forward.x)
    for i, call in enumerate(forward.calls):
        if i in taken or named not in (None, call.name):
            continue
        if _count(call) != len(forward.x) * call.weight.shape[0]:
            reason = "it is applied to several parts of a window"
        elif extent(source, {call.made, windows}).reached != {call.made}:
            reason = "the forecast depends on the windows by a path around it"
        elif (columns := columns_read(call, forward)) is None:
            reason = "it does not read the windows: its input is not made of their elements as they are, each used once"
        else:
            if best is None or call.weight.shape[0] < best.width:
                best = Layer(call.name, i, call.weight.shape[0], columns=_none_if_in_order(columns, forward))
    if named is not None and best is None:
        raise ValueError(f"encoder {named!r} cannot be used: {reason}")
    return best


def _none_if_in_order(columns: Tensor, forward: ForwardPass) -> Tensor | None:
    everything = torch.arange(forward.x[0].numel(), device=columns.device)
    return None if torch.equal(columns, everything) else columns


def _is_diagonal(source: Tensor, encoder: Call) -> bool:
    """Elementwise by its operations, and by a random product."""
    if _count(encoder) != source.numel() or not extent(source, {encoder.made}).only(ELEMENTWISE):
        return False
    products = VectorJacobian(source, encoder.made, encoder.shape, differentiable=False, vectorised=False)
    random = torch.randn(source.shape, generator=generator()).to(source)
    slopes, found = products.of(torch.stack([torch.ones_like(random), random])).reshape(2, *source.shape)
    return close(found, slopes * random, 64 * torch.finfo(source.dtype).eps)


def _size(source: Tensor, end: Place, n_windows: int) -> Size:
    way = extent(source, {end})
    return Size(-(-way.elements // n_windows), way.weights)


def _count(call: Call) -> int:
    result = 1
    for size in call.shape:
        result *= size
    return result


def _order(forward: ForwardPass) -> tuple[str, ...]:
    return tuple(call.name for call in forward.calls)
