"""Which functions of some inputs explain a target best, found one after another from products of all of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

# Of a function's length, what others leave of it.
LEAST_NEW = 1e-3
# Of the square of its length, added to it, so that equal ones are told apart by nothing.
RIDGE = 1e-9


def pursued(products: Tensor, n_given: int, count: int) -> list[int]:
    """At most `count` functions, the best first: each is the one that what its predecessors and the given ones leave of the
    target goes with most (orthogonal matching pursuit, Pati, Rezaiifar and Krishnaprasad, Asilomar 1993).

    From products alone (batch pursuit: Rubinstein, Zibulevsky and Elad, Technion CS-2008-08): a function that is taken is one
    step of Cholesky's factorisation, whatever the number of windows.

    Parameters
    ----------
    products : (K, K) of `n_given` functions, of the target, and of those to choose from, with one another.
    """
    length = products.diagonal().sqrt()
    scale = torch.where(length > 0, length, 1.0)
    products = products / (scale[:, None] * scale)
    given = products[:n_given, :n_given]
    given.diagonal().add_(RIDGE)
    on_given = torch.linalg.solve_triangular(torch.linalg.cholesky(given), products[:n_given, n_given:], upper=False)
    # Of a hundred functions steps are quicker so than by tensors.
    left = torch.addmm(products[n_given:, n_given:], on_given.T, on_given, alpha=-1).cpu().numpy()
    order: list[int] = []
    for _ in range(min(count, len(left) - 1)):
        norm = left.diagonal().copy()
        # What is spanned already, and the target itself, are none.
        norm[norm < LEAST_NEW**2] = np.inf
        norm[0] = np.inf
        with_target = left[0] ** 2 / norm
        best = int(with_target.argmax())
        if with_target[best] == 0:
            break
        order.append(best - 1)
        one = left[best] / np.sqrt(norm[best])
        left -= one[:, None] * one
    return order
