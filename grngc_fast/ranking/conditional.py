"""Inclusion where windows are many: a target may have more than two causes, so those that are clear are conditioned on."""

from __future__ import annotations

import torch
from torch import Tensor

from .evidence import inclusion
from .moments import Moments

# Log odds from which on a cause is clear, and how many of a target may be.
CLEAR, MOST_CLEAR = 0.0, 8


def conditional(moments: Moments, allowed: Tensor) -> Tensor:
    """(E, Q) posterior log odds that an input is a cause, given the own past of its target and every clear cause.

    Forward selection: while an input is more likely a cause than not by `inclusion`, the likeliest is added to what is known,
    and the others are weighed anew in sets of at most two beside it; what was added is weighed given all else that was. So a
    third cause is not held against the best two, which explain more without it than one of them does with it.

    Parameters
    ----------
    moments : of targets that are known in all windows.
    allowed : (E, Q) which inputs may be causes.
    """
    found = inclusion(moments, allowed)
    rows, clear, odds = torch.arange(len(found)), torch.empty(len(found), 0, dtype=torch.long), found.clone()
    for _ in range(MOST_CLEAR):
        largest, best = odds.max(1)
        more = largest > CLEAR
        if not more.any():
            break
        rows, clear = rows[more], torch.cat([clear[more], best[more, None]], 1)
        odds = inclusion(moments.beside(rows, clear), allowed[rows])
        found[rows] = odds
        for place in range(clear.shape[1]):
            one, others = clear[:, [place]], torch.cat([clear[:, :place], clear[:, place + 1 :]], 1)
            given = inclusion(moments.beside(rows, others), allowed[rows])
            found[rows[:, None], one] = given.gather(1, one)
    return found
