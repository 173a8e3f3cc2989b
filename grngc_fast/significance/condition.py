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
    at, n_lags = list(members), own.shape[1]
    linear = torch.cat([torch.ones_like(own[:, :1]), own, half.standard[:, at]], 1)
    # The latest of its own past and the members, of which there are functions.
    inputs = torch.cat([own[:, :1], half.standard[:, at]], 1)
    ranks = torch.cat([half.rank_of(own[:, 0])[:, None], half.ranks[:, at]], 1)
    products, cosines = _further(len(at), max(0, most_functions(len(own)) - linear.shape[1]))
    first, second = ([pair[k] for pair in products] for k in (0, 1))
    of, frequency = [c[0] for c in cosines], linear.new_tensor([c[1] for c in cosines])
    functions = torch.cat(
        [linear, inputs[:, first] * inputs[:, second], torch.cos(ranks[:, of] * (torch.pi * frequency))], 1
    )
    reads = torch.zeros(functions.shape[1], half.n_series, dtype=torch.bool, device=own.device)
    rows = [*range(1 + n_lags, linear.shape[1]), *range(linear.shape[1], len(reads))]
    places = [[k] for k in range(1, 1 + len(at))] + [list(pair) for pair in products] + [[c] for c in of]
    pairs = [(row, at[k - 1] % half.n_series) for row, some in zip(rows, places, strict=True) for k in some if k]
    if pairs:
        reads[tuple(torch.tensor(pairs, device=own.device).T)] = True
    return Condition(functions, reads)


@cache
def _further(n_members: int, room: int) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """Products of two inputs and cosines (input, frequency), the first so many: input 0 is the own past, the others members."""
    ordered: list[tuple[int, str, tuple[int, int]]] = [(0, "product", (0, 0))]
    ordered += [(1, "cosine", (0, f)) for f in FREQUENCIES]
    for place in range(1, 1 + n_members):
        ordered.append((2 * place + 1, "product", (place, place)))
        ordered += [(2 * place + f, "cosine", (place, f)) for f in FREQUENCIES]
    for a in range(min(IN_PRODUCTS, 1 + n_members)):
        ordered += [(2 * (a + b), "product", (a, b)) for b in range(a)]
    ordered.sort(key=lambda one: one[0])
    kept = ordered[:room]
    products, cosines = (tuple(pair for _, own, pair in kept if own == kind) for kind in ("product", "cosine"))
    return products, cosines
