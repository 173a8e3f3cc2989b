"""Rows times the Jacobian of a chain of linear layers, activations, layer normalisation, products and sums of two paths.

The recorded graph of such a middle is read node by node and the products with each node's Jacobian are written out in operations
that autograd differentiates once more: rows of all windows are one matrix, and no node of the middle is differentiated twice.
For small networks, whose time is that of their operations' calls, this is several times as fast as `general.VectorJacobian`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.autograd.graph import Node

from .activations import ACTIVATIONS
from .autograd_graph import Place, place
from .normalisation import normalised_rows

# Rows (R, H) that all windows share, or (N, R, H).
Rows = Tensor


class Scaled(NamedTuple):
    """Rows still to be multiplied by a factor for each number of a window, (N, H) or one that broadcasts to it."""

    rows: Rows
    factor: Tensor

    def onto(self, other: Rows | None) -> Rows:
        product = self.rows * (self.factor[:, None] if self.factor.dim() == 2 else self.factor)
        return product if other is None else other + product


class Linear(NamedTuple):
    """Rows still to be multiplied by a weight (H', H)."""

    rows: Rows
    weight: Tensor

    def onto(self, other: Rows | None) -> Rows:
        rows, weight = self
        if rows.dim() == 2:
            return rows @ weight if other is None else other + rows @ weight
        flat = rows.reshape(-1, rows.shape[-1])
        if other is None or other.dim() == 2:
            product = (flat @ weight).view(*rows.shape[:2], -1)
            return product if other is None else other + product
        return torch.addmm(other.reshape(len(flat), -1), flat, weight).view(*rows.shape[:2], -1)


# What reaches a place: a product is left until it is known what it is added to.
Part: TypeAlias = Rows | Scaled | Linear
# Of a node and what has reached its output: what each of its inputs gets.
Rule = Callable[[Any, Part], tuple[Part, ...]]


class NotWrittenOutError(Exception):
    """The middle has a node that no rule is known for."""


def times_middle(rows: Tensor, source: Tensor, below: Place) -> Tensor | None:
    """rows (R, H_out) @ d source / d below, (N, R, H_in), differentiable; None where the graph has other nodes.

    Parameters
    ----------
    source : (N, H_out), of the rows' dtype. below : the place of a tensor (N, H_in) that all paths from it lead to.
    """
    try:
        result = _walk(rows, source, below)
    except (NotWrittenOutError, AttributeError):
        # Torch does not document what its nodes hold.
        return None
    return result if result.dim() == 3 else result.expand(len(source), -1, -1)


def _walk(rows: Tensor, source: Tensor, below: Place) -> Tensor:
    start = place(source)
    if start == below:
        return rows
    order, leads = _order(start[0], below)
    kept: dict[Place, Part] = {start: rows}
    for node in order:
        rule, here = _RULES.get(node.name()), (node, 0)
        if rule is None or here not in kept or len(node._input_metadata[0].shape) != 2:
            raise NotWrittenOutError
        parts = rule(node, kept.pop(here))
        for i, (to, number) in enumerate(node.next_functions):
            if to is None or not ((to, number) == below or leads.get(to, False)):
                continue
            there = to, number
            if i >= len(parts):
                raise NotWrittenOutError
            made = to._input_metadata[number]
            if tuple(made.shape) != (len(source), _width(parts[i])) or made.dtype != source.dtype:
                # One that was broadcast, or cast to a wider type.
                raise NotWrittenOutError
            kept[there] = parts[i] if there not in kept else _sum(kept[there], parts[i])
    if list(kept) != [below]:
        raise NotWrittenOutError
    return _rows(kept[below])


def _rows(part: Part) -> Rows:
    return part if isinstance(part, Tensor) else part.onto(None)


def _sum(a: Part, b: Part) -> Rows:
    if isinstance(a, Tensor):
        return a + b if isinstance(b, Tensor) else b.onto(a)
    return a.onto(_rows(b))


def _width(part: Part) -> int:
    if isinstance(part, Linear):
        return part.weight.shape[1]
    return (part if isinstance(part, Tensor) else part.rows).shape[-1]


def _order(start: Node, below: Place) -> tuple[list[Node], dict[Node, bool]]:
    """The nodes that lead from `start` to `below`, each before those that it depends on, and which of all seen do."""
    leads: dict[Node, bool] = {}
    done: list[Node] = []
    stack = [(start, False)]
    while stack:
        node, left = stack.pop()
        if left:
            leads[node] = any(b == below or (b[0] is not None and leads.get(b[0], False)) for b in node.next_functions)
            if leads[node]:
                done.append(node)
        elif node not in leads:
            leads[node] = False
            stack.append((node, True))
            stack.extend((b[0], False) for b in node.next_functions if b[0] is not None and b != below)
    return done[::-1], leads


def _add(node: Any, part: Part) -> tuple[Part, ...]:
    if node._saved_alpha != 1:
        raise NotWrittenOutError
    rows = _rows(part)
    return rows, rows


def _subtract(node: Any, part: Part) -> tuple[Part, ...]:
    rows, _ = _add(node, part)
    return rows, -_rows(rows)


def _multiply(node: Any, part: Part) -> tuple[Part, ...]:
    # Torch keeps a factor only where the other one has a gradient.
    rows = _rows(part)
    return tuple(rows if f is None else Scaled(rows, f) for f in (node._saved_other, node._saved_self))


def _addmm(node: Any, part: Part) -> tuple[Part, ...]:
    if node._saved_alpha != 1 or node._saved_beta != 1:
        raise NotWrittenOutError
    return part, *_mm(node, part)


def _mm(node: Any, part: Part) -> tuple[Part, ...]:
    if node._saved_mat2 is None:
        raise NotWrittenOutError
    return (Linear(_rows(part), node._saved_mat2.mT),)


def _layer_norm(node: Any, part: Part) -> tuple[Part, ...]:
    z, gain = node._saved_input, node._saved_weight
    mean, inverse_sigma = node._saved_result1, node._saved_result2
    # Statistics and gain may be of a wider type than what is normalised.
    one_type = all(t is None or t.dtype == z.dtype for t in (gain, mean, inverse_sigma))
    if tuple(node._saved_normalized_shape) != z.shape[1:] or not one_type:
        raise NotWrittenOutError
    rows, factor = part if isinstance(part, Scaled) and part.factor.shape == z.shape else (_rows(part), None)
    return (normalised_rows(rows, factor, gain, z, mean, inverse_sigma),)


def _relu(node: Any, part: Part) -> tuple[Part, ...]:
    # Its slope is the sign of its value.
    return (Scaled(_rows(part), node._saved_result.detach().sign()),)


def _leaky_relu(node: Any, part: Part) -> tuple[Part, ...]:
    z = node._saved_self.detach()
    slope = torch.full_like(z, node._saved_negative_slope).masked_fill_(z > 0, 1)
    return (Scaled(_rows(part), slope),)


def _tanh(node: Any, part: Part) -> tuple[Part, ...]:
    return (Scaled(_rows(part), 1 - node._saved_result.square()),)


def _sigmoid(node: Any, part: Part) -> tuple[Part, ...]:
    gate = node._saved_result
    return (Scaled(_rows(part), gate * (1 - gate)),)


def _silu(node: Any, part: Part) -> tuple[Part, ...]:
    return (Scaled(_rows(part), ACTIVATIONS["silu"].slope(node._saved_self)),)


def _gelu(node: Any, part: Part) -> tuple[Part, ...]:
    if node._saved_approximate != "none":
        raise NotWrittenOutError
    return (Scaled(_rows(part), ACTIVATIONS["gelu"].slope(node._saved_self)),)


_RULES: dict[str, Rule] = {
    "AddBackward0": _add,
    "SubBackward0": _subtract,
    "MulBackward0": _multiply,
    "AddmmBackward0": _addmm,
    "MmBackward0": _mm,
    "NativeLayerNormBackward0": _layer_norm,
    "ReluBackward0": _relu,
    "LeakyReluBackward0": _leaky_relu,
    "TanhBackward0": _tanh,
    "SigmoidBackward0": _sigmoid,
    "SiluBackward0": _silu,
    "GeluBackward0": _gelu,
}
