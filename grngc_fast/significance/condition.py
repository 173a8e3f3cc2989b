"""What a target is explained by before another cause is tested: functions of its own past and of the causes found elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from .inputs import HalfInputs

# Windows to a function, and to an input; the most of both.
TO_A_FUNCTION, TO_AN_INPUT, MOST_FUNCTIONS, MOST_INPUTS = 6, 12, 40, 24
# Inputs whose products with one another are among the functions.
IN_PRODUCTS = 6
# Of each input besides itself: its square and these cosines of its rank.
FREQUENCIES = (2, 3)
# Of a function's length, what others leave of it.
LEAST_NEW = 1e-3


@dataclass(frozen=True)
class Condition:
    """Functions of some inputs.

    Attributes
    ----------
    functions : (N, K) the functions, the first of them 1.
    reads : (K, C) which series each is a function of.
    """

    functions: Tensor
    reads: Tensor


def most_inputs(n_windows: int) -> int:
    """How many inputs so many windows bear."""
    return max(2, min(MOST_INPUTS, n_windows // TO_AN_INPUT))


def most_functions(n_windows: int) -> int:
    """How many functions so many windows bear."""
    return max(4, min(MOST_FUNCTIONS, n_windows // TO_A_FUNCTION))


def ranked_functions(half: HalfInputs, members: Sequence[int], own: Tensor, y: Tensor) -> list[int]:
    """Functions of the members that would explain a target best, the best first, as numbers among all that there are.

    Found one after another: each is the one that what its predecessors and the members themselves leave of the target goes with
    most (orthogonal matching pursuit, Pati, Rezaiifar and Krishnaprasad, Asilomar 1993). As many as windows bear. Of Lorenz-96,
    F = 10, P = 20, 300 steps, .22 of the edges at q = .05 are false so, and .37 with functions of the strongest inputs first.

    Parameters
    ----------
    half : that the members were found on. own : (N, L), the target's own past. y : (N,) the target, NaN where it is missing.
    """
    there = ~y.isnan()
    count = most_functions(int(there.sum())) - 1 - own.shape[1] - len(members)
    found = _values(half, members, own, range(_count(len(members))))
    linear = torch.cat([torch.ones_like(own[:, :1]), own, half.standard[:, list(members)]], 1)
    basis = torch.linalg.qr(linear[there]).Q
    left = torch.cat([y[there, None], found[there]], 1)
    size = left.norm(dim=0)
    left = left - basis @ (basis.T @ left)
    order: list[int] = []
    for _ in range(min(count, found.shape[1])):
        norm = left.norm(dim=0)
        with_target = (left[:, 0] @ left).abs() / norm.clamp_min(1e-12)
        # What is spanned already, and the target itself, are none.
        with_target[(norm < LEAST_NEW * size)] = 0
        with_target[0] = 0
        best = int(with_target.argmax())
        if with_target[best] == 0:
            break
        order.append(best - 1)
        one = left[:, best] / norm[best]
        left = left - one[:, None] * (one @ left)
    return order


def condition(half: HalfInputs, members: Sequence[int], own: Tensor, order: Sequence[int]) -> Condition:
    """All members as they are, then, as far as the windows bear it, functions of them and products of two.

    Parameters
    ----------
    members : inputs, the most important first. own : (N, L) the target's own past, which is always read.
    order : of the functions, see `ranked_functions`.
    """
    at, n_lags = list(members), own.shape[1]
    linear = torch.cat([torch.ones_like(own[:, :1]), own, half.standard[:, at]], 1)
    chosen = sorted(order[: max(0, most_functions(len(own)) - linear.shape[1])])
    functions = torch.cat([linear, _values(half, members, own, chosen)], 1)
    reads = torch.zeros(functions.shape[1], half.n_series, dtype=torch.bool, device=own.device)
    products, cosines = _candidates(len(at))
    every = [*products, *((place,) for place, _ in cosines)]
    places = [(k,) for k in range(1, 1 + len(at))] + [every[number] for number in chosen]
    pairs = [(row, at[k - 1] % half.n_series) for row, some in enumerate(places, 1 + n_lags) for k in some if k]
    if pairs:
        reads[tuple(torch.tensor(pairs, device=own.device).T)] = True
    return Condition(functions, reads)


def _values(half: HalfInputs, members: Sequence[int], own: Tensor, chosen: Sequence[int]) -> Tensor:
    """(N, n) functions by number, in rising order."""
    at = list(members)
    products, cosines = _candidates(len(at))
    inputs = torch.cat([own[:, :1], half.standard[:, at]], 1)
    ranks = torch.cat([half.rank_of(own[:, 0])[:, None], half.ranks[:, at]], 1)
    some = [products[number] for number in chosen if number < len(products)]
    waves = [cosines[number - len(products)] for number in chosen if number >= len(products)]
    first, second = [a for a, _ in some], [b for _, b in some]
    of, frequency = [a for a, _ in waves], ranks.new_tensor([f for _, f in waves])
    return torch.cat([inputs[:, first] * inputs[:, second], torch.cos(ranks[:, of] * (torch.pi * frequency))], 1)


@cache
def _candidates(n_members: int) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """Products of two inputs and cosines (input, frequency): input 0 is the latest of the own past, the others are members."""
    squares = [(place, place) for place in range(1 + n_members)]
    pairs = [(a, b) for a in range(min(IN_PRODUCTS, 1 + n_members)) for b in range(a)]
    return (*squares, *pairs), tuple((place, f) for place in range(1 + n_members) for f in FREQUENCIES)


def _count(n_members: int) -> int:
    return sum(map(len, _candidates(n_members)))
