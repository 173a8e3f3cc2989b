"""What a target is explained by before another cause is tested: functions of its own past and of the causes found elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .inputs import HalfInputs

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


def condition(half: HalfInputs, members: Sequence[int], own: Tensor) -> Condition:
    """All members as they are, then, as far as the windows bear it, functions of the first of them and products of two.

    Parameters
    ----------
    members : inputs, the most important first. own : (N, L) the target's own past, which is always read.
    """
    x, ranks, n_series = half.standard, half.ranks, half.n_series
    pieces: list[tuple[Tensor, tuple[int, ...]]] = [(torch.ones_like(x[:, 0]), ())]
    pieces += [(column, ()) for column in own.T]
    pieces += [(x[:, j], (j,)) for j in members]
    further: list[tuple[int, Tensor, tuple[int, ...]]] = []
    for place, lag in enumerate(own.T[:1]):
        further.append((place, lag.square(), ()))
        further += [(place + 1, torch.cos(torch.pi * f * half.rank_of(lag)), ()) for f in FREQUENCIES]
    for place, j in enumerate(members, 1):
        further.append((2 * place + 1, x[:, j].square(), (j,)))
        further += [(2 * place + f, torch.cos(torch.pi * f * ranks[:, j]), (j,)) for f in FREQUENCIES]
    several: list[tuple[Tensor, tuple[int, ...]]] = [
        (own[:, 0], ()),
        *((x[:, j], (j,)) for j in members[: IN_PRODUCTS - 1]),
    ]
    for a, (first, of_first) in enumerate(several):
        for b, (second, of_second) in enumerate(several[:a]):
            further.append((2 * (a + b), first * second, (*of_first, *of_second)))
    further.sort(key=lambda piece: piece[0])
    room = max(0, most_functions(len(x)) - len(pieces))
    pieces += [(column, of) for _, column, of in further[:room]]
    reads = torch.zeros(len(pieces), n_series, dtype=torch.bool, device=x.device)
    for row, (_, of) in enumerate(pieces):
        for j in of:
            reads[row, j % n_series] = True
    return Condition(torch.stack([column for column, _ in pieces], 1), reads)
