"""Where numbers go between a linear layer and the windows or the forecast, told by labels sent back through the recorded graph.

A vector-Jacobian product with the cotangent 1, 2, 3, ... puts each label where its number came from. Values would tell the same
only while they differ: a layer that starts at zero makes every step alike.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .autograd_graph import MOVES, Place, extent, place
from .forward_pass import Call, ForwardPass


def _labels(count: int, like: Tensor) -> Tensor | None:
    """1 .. count, None where the type cannot tell them apart."""
    if not like.is_floating_point() or count > 2 / torch.finfo(like.dtype).eps:
        return None
    return torch.arange(1, count + 1, device=like.device, dtype=like.dtype)


def delivered_step(call: Call, forward: ForwardPass) -> int | None:
    """The step at which the output of a layer, (N, T, P), is in the forecast: every number once and in its place.

    None if there is no such step, or not the same one in all windows.
    """
    n_windows, n_outputs = forward.forecast.shape
    labels = _labels(n_outputs, forward.forecast)
    if labels is None:
        return None
    marks = _sent(forward.forecast, call.made, labels.expand(n_windows, -1))
    if marks is None or marks.numel() % (n_windows * n_outputs):
        return None
    marks = marks.reshape(n_windows, -1, n_outputs)
    step = int(marks[0].abs().amax(-1).argmax())
    expected = torch.zeros_like(marks)
    expected[:, step] = labels
    return step if torch.equal(marks, expected) else None


def columns_read(call: Call, forward: ForwardPass) -> Tensor | None:
    """(d,) element of a window that each input of the call is; None if they are not elements, each used once."""
    read, x = call.read, forward.x
    n_windows, n_read = len(x), call.weight.shape[1]
    labels = _labels(n_read, read)
    if labels is None or not read.requires_grad or read.numel() != n_windows * n_read:
        return None
    if not extent(read, {place(x)}).only(MOVES):
        return None
    marks = _sent(read, place(x), labels.expand(n_windows, -1))
    if marks is None:
        return None
    marks = marks.flatten(1)
    positions = marks[0].nonzero().squeeze(1)
    used = marks[0][positions].long() - 1
    if len(positions) != n_read or not torch.equal(used.sort().values, torch.arange(n_read, device=x.device)):
        return None
    columns = positions[used.argsort()]
    values = x.detach().flatten(1)[:, columns].to(read.dtype)
    same = torch.equal(marks, marks[:1].expand_as(marks)) and torch.equal(values, read.detach().reshape(n_windows, -1))
    return columns if same else None


def _sent(source: Tensor, end: Place, labels: Tensor) -> Tensor | None:
    edge = torch.autograd.graph.GradientEdge(*end)
    (marks,) = torch.autograd.grad(source, [edge], labels.reshape(source.shape), retain_graph=True, allow_unused=True)
    return marks
