"""Walks over a recorded autograd graph: what a value depends on, by which operations, through how many numbers."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass
from functools import cache

from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge

# A place in the graph: the node that made a tensor, and which of its outputs the tensor was.
Place = tuple[Node, int]

# Operations that keep every number and its order.
RESHAPES = frozenset({"View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Clone", "Alias", "ToCopy"})
# Operations that move numbers about and change none.
MOVES = RESHAPES | {
    *("AsStrided", "Cat", "Expand", "Flip", "Gather", "Index", "IndexSelect", "Permute", "Repeat", "Roll", "Select"),
    *("Slice", "Split", "SplitWithSizes", "Stack", "T", "Transpose", "Unbind", "Unfold"),
}
# Operations whose every result depends on the numbers in its own position only; reshapes among them.
ELEMENTWISE = RESHAPES | {
    *("Abs", "Add", "Celu", "Clamp", "ClampMax", "ClampMin", "Cos", "Div", "Elu", "Erf", "Exp", "Expm1", "Gelu"),
    *("Hardsigmoid", "Hardswish", "Hardtanh", "LeakyRelu", "Log", "Log1P", "LogSigmoid", "Maximum", "Minimum"),
    *("Mish", "Mul", "NativeDropout", "Neg", "Pow", "PreluKernel", "Reciprocal", "Relu", "Rsqrt", "Sigmoid", "Silu"),
    *("Sin", "Softplus", "Softshrink", "Sqrt", "Sub", "Tanh", "Threshold", "Where"),
}


@dataclass(frozen=True)
class Extent:
    """What lies between a tensor and the places below it that a walk was to end at.

    Attributes
    ----------
    reached : those of the places that the tensor depends on.
    nodes : the nodes on the way to them.
    weights : numbers in the other leaf tensors of the walk.
    """

    reached: frozenset[Place]
    nodes: tuple[Node, ...]
    weights: int

    @property
    def elements(self) -> int:
        """Numbers that the nodes on the way made."""
        # Not documented by torch; without it the sizes are those of the windows alone.
        made = (m for node in self.nodes for m in getattr(node, "_input_metadata", ()))
        return sum(math.prod(m.shape) for m in made if not m.is_nested_tensor)

    def only(self, operations: Collection[str]) -> bool:
        """All operations on the way are of these; an addition only with weight one."""
        for node in self.nodes:
            name = node.name().rstrip("0123456789").removesuffix("Backward")
            if name not in operations or getattr(node, "_saved_alpha", 1) != 1:
                return False
        return True


def place(tensor: Tensor) -> Place:
    """Where a tensor stands in the graph now; an operation in place on it later leads elsewhere."""
    edge = get_gradient_edge(tensor)
    return edge.node, edge.output_nr


def extent(source: Tensor, ends: Collection[Place]) -> Extent:
    """The part of the graph between `source` and the places `ends`, which the walk does not go beyond."""
    start = place(source)
    leads: dict[Node, bool] = {}
    reached: set[Place] = {start} if start in ends else set()
    stack = [] if reached else [(start[0], False)]
    while stack:
        node, left = stack.pop()
        below = _below(node)
        if left:
            leads[node] = any(b in ends or leads.get(b[0], False) for b in below)
        elif node not in leads:
            leads[node] = False
            stack.append((node, True))
            for b in below:
                if b in ends:
                    reached.add(b)
                elif b[0] not in leads:
                    stack.append((b[0], False))
    weights = sum(_leaf(node).numel() for node in leads if _is_leaf(node))
    return Extent(frozenset(reached), tuple(node for node, leading in leads.items() if leading), weights)


def way(source: Tensor, end: Place) -> Hashable | None:
    """The operations between `source` and `end` with all they were given besides tensors; None where one was given a tensor.

    Two passes of the same way move the numbers alike.
    """
    found = extent(source, {end})
    position = {node: k for k, node in enumerate(found.nodes)}
    steps = []
    for node in found.nodes:
        given = tuple(getattr(node, name) for name in _saved(type(node)))
        if any(isinstance(one, Tensor) for one in given):
            return None
        below = tuple((position.get(b), nr, (b, nr) == end) for b, nr in node.next_functions if b is not None)
        steps.append((node.name(), given, below))
    return found.reached == {end}, tuple(steps)


@cache
def _saved(kind: type[Node]) -> tuple[str, ...]:
    return tuple(name for name in dir(kind) if name.startswith("_saved_"))


def variables(value: Tensor, given: Iterable[Tensor], without: Tensor | None = None) -> list[Tensor]:
    """The tensors that `value` depends on and that a caller can want a gradient of.

    Parameters
    ----------
    value : the end of the graph.
    given : tensors to stop at where they are results themselves, such as the substitutes of `torch.func.functional_call`.
    without : a leaf to leave out.

    Returns
    -------
    All other leaf tensors that require a gradient, and those of `given` that were met.
    """
    if value.grad_fn is None:
        return []
    stops = {place(tensor): tensor for tensor in given if tensor.grad_fn is not None}
    found: dict[int, Tensor] = {}
    stack, seen = [place(value)], set()
    while stack:
        here = stack.pop()
        if here in stops:
            found[id(stops[here])] = stops[here]
        elif here[0] not in seen:
            seen.add(here[0])
            if _is_leaf(here[0]):
                leaf = _leaf(here[0])
                if leaf is not without:
                    found[id(leaf)] = leaf
            stack.extend(_below(here[0]))
    return list(found.values())


def _below(node: Node) -> list[Place]:
    return [(below, nr) for below, nr in node.next_functions if below is not None]


def _is_leaf(node: Node) -> bool:
    return node.name() == "torch::autograd::AccumulateGrad"


def _leaf(node: Node) -> Tensor:
    leaf: Tensor = node.variable  # type: ignore[attr-defined]
    return leaf
