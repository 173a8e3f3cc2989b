"""A differentiable sum of pieces, in the memory of one: each piece's gradients are taken as soon as its value is known.

value = sum_k v_k(theta),  d value / d theta = sum_k d v_k / d theta, both computed in the forward pass; the backward pass only
scales. The tensors theta are found in the recorded graph, so that they may be parameters, their parametrisation's originals
or tensors that a module closed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .autograd_graph import variables
from .pieces import Jacobians, Pieces


def total(pieces: Pieces, measure: Callable[[Jacobians], Tensor]) -> Tensor:
    """The measure of all Jacobians, a mean over windows and a sum over outputs; differentiable once in grad mode.

    In one piece the graph is kept as it is; of several only the gradients are.
    """
    if len(pieces) == 1:
        piece = pieces.piece(0)
        value = measure(piece.jacobians)
        if piece.windows is None or not value.requires_grad or any(p.requires_grad for p in pieces.model.parameters()):
            return value
        return value if variables(value, _substitutes(pieces.model), piece.windows) else value.detach()
    result = Accumulator(_substitutes(pieces.model))
    for k in range(len(pieces)):
        piece = pieces.piece(k)
        share = piece.jacobians.n_windows / pieces.n_windows
        result.add(measure(piece.jacobians) * share, piece.windows)
    return result.total()


def means(pieces: Pieces, backend: str, precision: str | None) -> tuple[Tensor, Tensor]:
    """Mean absolute and mean signed Jacobian over windows, each (P, Q). Not differentiable."""
    sums: dict[int, tuple[Tensor, Tensor]] = {}
    with torch.no_grad():
        for k in range(len(pieces)):
            piece = pieces.piece(k)
            share = piece.jacobians.n_windows / pieces.n_windows
            absolute, signed = piece.jacobians.abs_mean(backend, precision)
            if share < 1:
                absolute, signed = absolute * share, signed * share
            if piece.outputs in sums:
                for total_, part in zip(sums[piece.outputs], (absolute, signed), strict=True):
                    total_.add_(part)
            else:
                sums[piece.outputs] = absolute, signed
    ordered = [sums[part] for part in sorted(sums)]
    if len(ordered) == 1:
        return ordered[0]
    return torch.cat([a for a, _ in ordered]), torch.cat([s for _, s in ordered])


def _substitutes(model: Any) -> list[Tensor]:
    """Parameters and buffers that are results themselves."""
    if not isinstance(model, torch.nn.Module):
        return []
    return [t for t in (*model.parameters(), *model.buffers()) if t.grad_fn is not None]


class Accumulator:
    """Sum of differentiable scalars whose graphs are not kept.

    Parameters
    ----------
    given : tensors at which gradients stop though they are results of others: a module's substituted parameters.
    """

    def __init__(self, given: Iterable[Tensor]) -> None:
        self._given = [tensor for tensor in given if tensor.grad_fn is not None]
        self._gradients: dict[int, tuple[Tensor, Tensor]] = {}
        self._value: Tensor | None = None

    def add(self, value: Tensor, without: Tensor | None = None) -> None:
        """Add a scalar; `without` is a leaf that wants no gradient."""
        wanted = variables(value, self._given, without) if value.requires_grad else []
        if wanted:
            # The graph above may be the caller's own in part, and other pieces may share it.
            found = torch.autograd.grad(value, wanted, retain_graph=True, allow_unused=True)
            for tensor, gradient in zip(wanted, found, strict=True):
                if gradient is not None:
                    if id(tensor) not in self._gradients:
                        self._gradients[id(tensor)] = tensor, torch.zeros_like(tensor, requires_grad=False)
                    self._gradients[id(tensor)][1].add_(gradient)
        value = value.detach()
        self._value = value if self._value is None else self._value + value

    def total(self) -> Tensor:
        """The sum, differentiable once."""
        if self._value is None:
            raise ValueError("a sum of no pieces")
        if not self._gradients:
            return self._value
        tensors, gradients = zip(*self._gradients.values(), strict=True)
        total: Tensor = _Known.apply((self._value, gradients), *tensors)  # type: ignore[no-untyped-call]
        return total


class _Known(torch.autograd.Function):
    """A value with its gradients, both computed before."""

    @staticmethod
    def forward(ctx: Any, known: tuple[Tensor, tuple[Tensor, ...]], *tensors: Tensor) -> Tensor:
        value, ctx.gradients = known
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        wanted = ctx.needs_input_grad[1:]
        return None, *(
            gradient * grad.to(gradient.device) if needed else None
            for gradient, needed in zip(ctx.gradients, wanted, strict=True)
        )
