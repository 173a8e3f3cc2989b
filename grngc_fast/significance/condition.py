"""What a target is explained by before another cause is tested: functions of its own past and of the causes found elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from .inputs import HalfInputs
from .pursuit import pursued
from .target import Target

# Windows to a function, and to an input; the most of both.
TO_A_FUNCTION, TO_AN_INPUT, MOST_FUNCTIONS, MOST_INPUTS = 6, 12, 40, 24
# Inputs whose products with one another are among the functions.
IN_PRODUCTS = 6
# Of each input besides itself: its square and these cosines of its rank.
FREQUENCIES = (2, 3)


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


def ranked_functions(half: HalfInputs, members: Sequence[int], target: Target) -> list[int]:
    """Functions of the members that would explain a target best, the best first, as numbers among all that there are.

    As many as windows bear. Of Lorenz-96, F = 10, P = 20, 300 steps, .22 of the edges at q = .05 are false so, and .37 with
    functions of the strongest inputs first.

    Parameters
    ----------
    half : that the members were found on, and `target` on it.
    """
    always = _always(half, members, target)
    count = most_functions(target.n_windows) - len(always)
    every = range(_count(len(members)))
    rows = torch.cat([always, target.y.nan_to_num()[None], _values(half, members, target, every)])
    if target.n_windows < len(target.y):
        rows = rows * ~target.y.isnan()
    return pursued(rows @ rows.T, len(always), count)


def condition(half: HalfInputs, members: Sequence[int], target: Target, order: Sequence[int]) -> Condition:
    """All members as they are, then, as far as the windows bear it, functions of them and products of two.

    Parameters
    ----------
    members : inputs, the most important first. target : its own past is always read.
    order : of the functions, see `ranked_functions`.
    """
    at, always = list(members), _always(half, members, target)
    chosen = sorted(order[: max(0, most_functions(len(target.y)) - len(always))])
    functions = torch.cat([always, _values(half, members, target, chosen)])
    products, cosines = _candidates(len(at))
    every = [*products, *((place,) for place, _ in cosines)]
    places = [(k,) for k in range(1, 1 + len(at))] + [every[number] for number in chosen]
    reads = torch.zeros(len(functions), half.n_series, dtype=torch.bool)
    for row, some in enumerate(places, len(always) - len(at)):
        reads[row, [at[k - 1] % half.n_series for k in some if k]] = True
    return Condition(functions.T, reads.to(functions.device))


def _always(half: HalfInputs, members: Sequence[int], target: Target) -> Tensor:
    """(K, N): 1, the own past, curves of its latest, and the members as they are.

    Curves of the own past are not left to be chosen: beside a member that moves with the target they would not be, and are what
    takes its place where it is left out.
    """
    latest, angle = target.past[:1], torch.pi * target.rank
    curves = torch.stack([latest[0].square(), *(torch.cos(f * angle) for f in FREQUENCIES)])
    return torch.cat([torch.ones_like(latest), target.past, curves, half.standard.T[list(members)]])


def _values(half: HalfInputs, members: Sequence[int], target: Target, chosen: Sequence[int]) -> Tensor:
    """(n, N) functions by number, in rising order."""
    at = list(members)
    products, cosines = _candidates(len(at))
    inputs = torch.cat([target.past[:1], half.standard.T[at]])
    ranks = torch.cat([target.rank[None], half.ranks.T[at]])
    some = [products[number] for number in chosen if number < len(products)]
    waves = [cosines[number - len(products)] for number in chosen if number >= len(products)]
    first, second = [a for a, _ in some], [b for _, b in some]
    of, frequency = [a for a, _ in waves], ranks.new_tensor([f for _, f in waves])
    return torch.cat([inputs[first] * inputs[second], torch.cos(ranks[of] * (torch.pi * frequency[:, None]))])


@cache
def _candidates(n_members: int) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """Products of two inputs and cosines (input, frequency): input 0 is the latest of the own past, the others are members."""
    squares = [(place, place) for place in range(1, 1 + n_members)]
    pairs = [(a, b) for a in range(min(IN_PRODUCTS, 1 + n_members)) for b in range(a)]
    return (*squares, *pairs), tuple((place, f) for place in range(1, 1 + n_members) for f in FREQUENCIES)


def _count(n_members: int) -> int:
    return sum(map(len, _candidates(n_members)))
