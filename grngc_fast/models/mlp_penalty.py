"""The penalty of a perceptron with one hidden layer as one step of autograd's: gradients of all parameters beside the value.

    J_n = W2 diag(s'(pre_n)) W1 [+ W_skip],   pre = x W1^T + b1,   R = mean_n sum |J_n|

The op gives dR / d(W2, W1, s', W_skip); with v = dR/ds' s''(pre) what is left is dW1 += v^T x and db1 = sum v. Through slopes,
factors and op autograd takes ten steps and as many back, .6 ms where the products of ten series take .4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..kernels.matmul_l1 import dispatch
from ..kernels.matmul_l1.results import Needs
from .checks import lag_major_inputs
from .curves import CURVES

if TYPE_CHECKING:
    from .mlp import MLP

# Numbers of the scaled readout, N E H, up to which the steps around the op outweigh it, and up to which three plain products do.
MOST_NUMBERS, PLAIN_NUMBERS = 2**20, 2**19


def small_penalty(model: MLP, x: Tensor, targets: Tensor | None, backend: str, precision: str | None) -> Tensor | None:
    """The penalty at x (N, L, C) over the outputs `targets` or all; None where it is large, or of more than this module knows."""
    if not knows(model) or torch.compiler.is_compiling() or x.dtype != model.weights[0].dtype:
        return None
    n_targets = model.n_targets if targets is None else len(targets)
    if targets is not None and not bool((targets.abs() < model.n_targets).all()):
        # The factors' way says what is wrong.
        return None
    if len(x) * n_targets * model.weights[0].shape[1] > MOST_NUMBERS or not torch.is_grad_enabled():
        return None
    inputs = lag_major_inputs(x, model.n_lags, model.n_series)
    given = *model.weights, model.biases[0], model.skip, inputs, targets, model.activation, backend, precision
    value: Tensor = _Penalty.apply(*given)  # type: ignore[no-untyped-call]
    return value


def knows(model: MLP) -> bool:
    """One hidden layer, no normalisation, an activation whose second derivative is at hand, in float32 or float64 on a CPU."""
    first = model.weights[0]
    return (
        len(model.weights) == 2
        and model.activation in CURVES
        and model.lengths is None
        and model.gains is None
        and first.device.type == "cpu"
        and first.dtype in (torch.float32, torch.float64)
        and all(parameter.requires_grad for parameter in model.parameters())
    )


def plain_products(
    readout: Tensor, w1: Tensor, slope: Tensor, path: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    """The summed |J| and its gradients by W2, W1, s' and the linear path, by three products of all windows at once.

    Parameters
    ----------
    readout : W2 (T, H). w1 : (H, Q). slope : s' (N, H). path : (T, Q) or None.
    """
    if w1.shape[1] > len(slope):
        return _by_windows(readout, w1, slope, path)
    # J_n = sum_h s'_nh C_h with C (T Q, H), which is smaller than the scaled readouts of N windows where Q is below N.
    across, (n_targets, width) = w1.T.contiguous(), readout.shape
    pairs = (readout[:, None] * across).view(-1, width)
    jacobian = slope @ pairs.T if path is None else torch.addmm(path.reshape(-1), slope, pairs.T)
    signs = jacobian.sign()
    back = (signs.T @ slope).view(n_targets, -1, width)
    third = None if path is None else signs.sum(0).view(path.shape)
    value = torch.dot(jacobian.view(-1), signs.view(-1))
    return value, (back * across).sum(1), (back * readout[:, None]).sum(0).T.contiguous(), signs @ pairs, third


def _by_windows(
    readout: Tensor, w1: Tensor, slope: Tensor, path: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    left = slope[:, None] * readout
    rows = left.flatten(0, 1)
    jacobian = rows @ w1
    if path is not None:
        jacobian.view(*left.shape[:2], -1).add_(path)
    signs = jacobian.sign()
    back = (signs @ w1.T).view(left.shape)
    third = None if path is None else signs.view(*left.shape[:2], -1).sum(0)
    value = torch.dot(jacobian.view(-1), signs.view(-1))
    return value, (back * slope[:, None]).sum(0), rows.T @ signs, (back * readout).sum(1), third


class _Penalty(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        w1: Tensor,
        w2: Tensor,
        b1: Tensor,
        skip: Tensor | None,
        inputs: Tensor,
        targets: Tensor | None,
        activation: str,
        backend: str,
        precision: str | None,
    ) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            _, slope, bend = CURVES[activation](torch.addmm(b1, inputs, w1.T))
            readout, path = (p if p is None or targets is None else p[targets] for p in (w2, skip))
            bias = None if path is None else path[None]
            needs = Needs(True, True, True, path is not None)
            assert readout is not None
            if backend == "auto" and len(inputs) * readout.numel() <= PLAIN_NUMBERS:
                value, second, first, bent, third = plain_products(readout, w1, slope, path)
            else:
                values, found = dispatch.l1(
                    readout[None], w1[None], slope[None], bias, None, needs, None, backend, precision
                )
                assert found.a is not None and found.b is not None and found.scale is not None
                value, second, first, bent = values.sum(), found.a[0], found.b[0], found.scale[0]
                third = None if found.bias is None else found.bias[0]
            v = bent * bend
            first = first.addmm_(v.T, inputs) if first.is_contiguous() else first + v.T @ inputs
            if targets is not None:
                second = torch.zeros_like(w2).index_add_(0, targets, second)
                third = None if third is None or skip is None else torch.zeros_like(skip).index_add_(0, targets, third)
        ctx.found, ctx.share = (first, second, v.sum(0), third), 1 / len(inputs)
        penalty: Tensor = value.to(w1.dtype) * ctx.share
        return penalty

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        share = grad * ctx.share
        return *(None if g is None else g * share for g in ctx.found), None, None, None, None, None
