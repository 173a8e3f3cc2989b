"""The loss of a small perceptron and all its gradients, written out: a step of a few series waits for autograd, not for products.

    pre = x W1^T + b1,  a = s(pre),  y = a W2^T + b2 [+ x W_skip^T],  J_n = W2 diag(s'(pre_n)) W1 [+ W_skip]
    loss = mean_ni (y_ni - t_ni)^2 + c sum_{n in M, i in T} sum_q |J_niq|

With S = sign(J), r = 2 (y - t) / (N E), s' and s'' at pre, and D_n = S_n W1^T (T, H) of the windows M that are penalised:

    v = r W2 s' + c s'' sum_i D_ni W2_i
    dW1 = v^T x + c sum_n (W2 diag(s'_n))^T S_n,  db1 = sum v,  dW2 = r^T a + c sum_n D_n s'_n,  db2 = sum r
    dW_skip = r^T x + c sum_n S_n

About thirty operations of a few microseconds each, where forecast, factors, op and their backward passes are a hundred and fifty.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .checks import lag_major_inputs
from .curves import CURVES
from .mlp import MLP
from .mlp_penalty import knows, plain_products

# Products of a step in flops, up to which waiting outweighs computing; above, the op's tiles are quicker and hold less.
MOST_FLOPS = 2e8


def written_out(model: nn.Module, n_windows: int, n_targets: int) -> bool:
    """Whether `loss_gradients` has the formulas of this network, and a penalty on so many windows and targets is small."""
    if type(model) is not MLP or model.dropout or not knows(model):
        return False
    return bool(6.0 * n_windows * n_targets * model.weights[0].numel() <= MOST_FLOPS)


@torch.no_grad()
def loss_gradients(
    model: MLP, x: Tensor, y: Tensor, n_windows: int, targets: Tensor | None, strength: float
) -> tuple[Tensor, Tensor]:
    """The mean squared error and the penalty, as scalars; the gradient of error + strength * penalty is left in `.grad`.

    Parameters
    ----------
    x, y : (N, L, C) windows and (N, E) targets.
    n_windows : the first of x that are penalised.
    targets : (T,) that are, None for all. The penalty is the mean over these of sum_q mean_n |J_niq|.
    """
    w1, w2, skip = *model.weights, model.skip
    inputs = lag_major_inputs(x, model.n_lags, model.n_series)
    pre = torch.addmm(model.biases[0], inputs, w1.T)
    value, slope, bend = CURVES[model.activation](pre)
    r = torch.addmm(model.biases[1], value, w2.T)
    if skip is not None:
        r.addmm_(inputs, skip.T)
    r.sub_(y)
    error = r.square().mean()
    r.mul_(2 / r.numel())
    v, grad2 = (r @ w2).mul_(slope), r.T @ value
    penalty, total = error.new_zeros(()), None
    if strength:
        # Of the windows that are penalised.
        readout, near = w2 if targets is None else w2[targets], slope[:n_windows]
        path = None if skip is None or targets is None else skip[targets]
        count = near.shape[0] * readout.shape[0]
        penalty, own, grad1, bent, total = plain_products(readout, w1, near, skip if targets is None else path)
        penalty = penalty / count
        for part in (own, grad1, bent, total):
            if part is not None:
                part.mul_(strength / count)
        v[:n_windows].addcmul_(bent, bend[:n_windows])
        grad1.addmm_(v.T, inputs)
        if targets is None:
            grad2.add_(own)
        else:
            grad2.index_add_(0, targets, own)
    else:
        grad1 = v.T @ inputs
    model.weights[0].grad, model.weights[1].grad = grad1, grad2
    model.biases[0].grad, model.biases[1].grad = v.sum(0), r.sum(0)
    if skip is not None:
        skip.grad = r.T @ inputs
        if total is not None and targets is None:
            skip.grad.add_(total)
        elif total is not None and targets is not None:
            skip.grad.index_add_(0, targets, total)
    return error, penalty
