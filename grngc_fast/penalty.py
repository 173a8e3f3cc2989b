"""The penalty of a model at a batch: the absolute, or the squared, gradient between its input and its output."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .jacobian import Jacobians, causal_part, check_targets, check_windows, jacobian_pieces, knows_its_penalty, total


def gradient_l1(
    model: nn.Module,
    x: Tensor,
    *,
    targets: Tensor | Sequence[int] | None = None,
    encoder: nn.Module | str | None = None,
    readout: nn.Module | str | None = None,
    backend: str = "auto",
    precision: str | None = None,
) -> Tensor:
    """Mean over windows of sum_ij |d f_i(x_n) / d x_nj|, differentiable in the model's parameters.

    The term that GRNGC (arXiv 2507.11178) adds to the forecast loss. A model with `jacobian_factors` pays about the cost
    of its forecast and never stores a Jacobian. In any other module a linear readout and a linear encoder of the windows
    are looked for, on the first use with inputs of a shape in a mode, and the Jacobian is the product of the two and what
    lies between, taken by vectorised vector-Jacobian products; the product is held against a random one of the whole model
    before it is trusted. A model without such layers takes vectorised products for some outputs at a time.
    `grngc_fast.jacobian.explain` tells which way a model goes.

    What does not fit into a stated memory is computed in pieces, value and gradients, and added up. Pieces of windows have a
    forward pass each, so that dropout of a module in train mode draws once for each; always one mask per window, the same
    for all outputs. (The factors of this library's `MLP` are those of the network without dropout.) A module that changes a
    buffer when it runs is run once.

    Parameters
    ----------
    model : maps x to (N, P) or (N, 1, P), each window by itself. One whose parameters are all frozen gives a value without
        a gradient.
    x : (N, L, P) windows, oldest step first; any (N, ...) for a module without factors. They are data: no gradient goes
        through them.
    targets : outputs to sum over; default all. Their subset, scaled up, is an unbiased estimate of the whole.
    encoder, readout : the linear layer that reads the windows and the one that makes the forecast, as submodules or by
        dotted name, where they are to be these and no others.
    backend, precision : of the op, see `grngc_fast.kernels.matmul_l1`.

    Returns
    -------
    Scalar tensor.

    Raises
    ------
    ValueError : no windows, an output that is not (N, P) or does not depend on x, targets that do not exist, layers named
        that do not fit; on first use also a model that mixes windows (batch normalisation in train mode) and a forecast
        that is not finite.

    Warns
    -----
    FactorisationWarning : once, layers were found but did not give this model's Jacobian; the general path is taken.

    Example
    -------
    >>> import torch
    >>> from grngc_fast.models import MLP
    >>> model, x = MLP(n_series=5, hidden=(16,)), torch.randn(32, 1, 5)
    >>> loss = (model(x) - torch.randn(32, 5)).square().mean() + 0.01 * gradient_l1(model, x)
    >>> loss.backward()
    """
    check_windows(x)
    rows = check_targets(targets, x.device)
    part, causes = causal_part(model, x)
    if knows_its_penalty(part) and encoder is None and readout is None:
        value = part.gradient_l1(causes, rows, backend, precision)
        if value is not None:
            return value
    pieces = jacobian_pieces(model, x, rows, encoder=encoder, readout=readout)
    return total(pieces, lambda jacobians: jacobians.l1(backend, precision))


def gradient_frobenius(
    model: nn.Module,
    x: Tensor,
    *,
    targets: Tensor | Sequence[int] | None = None,
    encoder: nn.Module | str | None = None,
    readout: nn.Module | str | None = None,
) -> Tensor:
    """Mean over windows of the squared Frobenius norm of d f(x_n) / d x_n, exact, differentiable in the parameters.

    From Gram matrices where factors are known: sum ||a b||^2 = <a^T a, b b^T>. Parameters as `gradient_l1`.
    """
    check_windows(x)
    rows = check_targets(targets, x.device)
    pieces = jacobian_pieces(model, x, rows, encoder=encoder, readout=readout)

    def squares(jacobians: Jacobians) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return jacobians.frobenius()

    return total(pieces, squares)
