"""The Jacobian of a recorded forward pass along a route: its middle taken by a recipe, its ends read from the layers."""

from __future__ import annotations

import torch
from torch import Tensor

from .autograd_graph import place
from .factors import Factors
from .forward_pass import Call, ForwardPass
from .general import StoredRows, VectorJacobian, one_hot
from .recipe import Recipe
from .route import Layer, Route, source_of
from .written_out import times_middle


def take(
    route: Route, recipe: Recipe, forward: ForwardPass, pick: Tensor | None, differentiable: bool
) -> Factors | StoredRows:
    """The Jacobian of the outputs `pick`, or of all, from a recorded pass."""
    with torch.autocast(forward.x.device.type, enabled=False), torch.set_grad_enabled(differentiable):
        source = source_of(route, forward)
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
        written_out = _written_out(recipe, route, forward, source, weight)
        if written_out is not None:
            assert weight is not None and right is not None
            if recipe.products == "targets":
                return _factors(written_out, right, len(source), None, bias, differentiable)
            return _merged(weight, written_out, right, recipe, bias, differentiable)
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
        return _merged(weight, middle, right, recipe, bias, differentiable)


def _written_out(
    recipe: Recipe, route: Route, forward: ForwardPass, source: Tensor, weight: Tensor | None
) -> Tensor | None:
    """(N, rows, H_in): rows of the readout, or of the identity, through the middle; None where it has to be differentiated."""
    if not recipe.to_encoder or weight is None or weight.dtype != source.dtype:
        return None
    assert route.encoder is not None
    by_targets = recipe.products == "targets"
    rows = weight if by_targets else torch.eye(source.shape[1], dtype=source.dtype, device=source.device)
    return times_middle(rows, source, forward.calls[route.encoder.order].made)


def _merged(
    weight: Tensor, middle: Tensor, right: Tensor, recipe: Recipe, bias: Tensor | None, differentiable: bool
) -> Factors:
    """With the middle (N, H_out, H_in) multiplied into the side that the recipe says."""
    middle, weight, right = _one_dtype(middle, weight, right)
    if recipe.middle_left:
        return _factors(weight @ middle, right, len(middle), None, bias, differentiable)
    return _factors(weight, middle @ right, len(middle), None, bias, differentiable)


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
