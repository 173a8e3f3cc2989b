"""Whether an input that was left out would lower the loss: the first-order condition of a lasso's active set, for networks.

An input j outside of a set, with small weights e_0 in the linear path and e_k to unit k, changes the mean squared error by
(2/N) sum_n r_n (e_0 + sum_k e_k d_nk) x_nj and the penalty by (lam/N) sum_n |e_0 + sum_k e_k d_nk|, where r is the forecast
less the target and d_nk = w_k s'(z_nk) the slope of unit k. So it stays out only if

    |(2/N) sum_n r_n x_nj| <= lam    and    |(2/N) sum_n r_n d_nk x_nj| <= (lam/N) sum_n |d_nk| for each k

which is necessary; both sides' quotient above 1 is by how much it is violated.
"""

from __future__ import annotations

import torch
from torch import Tensor


def violations(inputs: Tensor, outside: Tensor, residual: Tensor, slopes: Tensor, lam: float) -> tuple[Tensor, Tensor]:
    """(T,) the largest quotients over inputs outside, of the linear path and of the units; 0 where nothing is outside.

    Parameters
    ----------
    inputs : (Q, N).
    outside : (T, Q) which are not in a target's set and might be.
    residual : (T, N), r.
    slopes : (T, N, h), d.
    lam : the penalty's strength.
    """
    linear, units = (residual.new_zeros(len(residual)) for _ in range(2))
    for i, (r, d) in enumerate(zip(residual, slopes, strict=True)):
        left = inputs[outside[i]]
        if len(left):
            gains = 2 / len(r) * (left @ torch.cat([r[:, None], r[:, None] * d], 1)).abs().amax(0)
            allowances = lam * torch.cat([d.new_ones(1), d.abs().mean(0)])
            quotients = gains / allowances.clamp_min(1e-12)
            linear[i], units[i] = quotients[0], quotients[1:].amax()
    return linear, units
