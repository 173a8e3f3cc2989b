"""Edges of a causal graph: what one is, and how the strongest are chosen."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .input import Array

Indices = NDArray[np.int64]


class Edge(NamedTuple):
    """One causal edge, `source` (the cause) to `target` (the effect).

    `lag` counts from 1, the most recent step: the lag of the largest lag score, 1 where lags are not resolved. `sign`
    is -1, 0 or +1, the direction of the influence, 0 where it is not known.
    """

    source: str
    target: str
    lag: int
    score: float
    sign: int


class EdgeArrays(NamedTuple):
    """Edges as columns of one length, by number: `effect` and `cause` of a row and a column of the scores."""

    effect: NDArray[np.integer[Any]]
    cause: NDArray[np.integer[Any]]
    lag: NDArray[np.integer[Any]]
    score: Array
    sign: NDArray[np.integer[Any]]

    def at(self, chosen: Any) -> EdgeArrays:
        return EdgeArrays(*(column[chosen] for column in self))

    @classmethod
    def joined(cls, parts: list[EdgeArrays]) -> EdgeArrays:
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class StrongestEdges:
    """The strongest edges of scores that come some rows at a time, in order; of equal ones the earlier.

    Parameters
    ----------
    limit : how many; None for all above the threshold.
    threshold : scores up to this are no edges.
    """

    def __init__(self, limit: int | None, threshold: float = 0.0) -> None:
        self._limit, self._cutoff = limit, threshold
        self._parts: list[EdgeArrays] = []

    def add(self, first: int, scores: Array, describe: Callable[[Indices, Indices], tuple[Any, Any]]) -> None:
        """Rows `first`, ... of the scores (n, C). `describe(row, cause)` gives lag and sign of edges in these rows."""
        values = scores.ravel()
        chosen = np.flatnonzero(values > self._cutoff)
        if self._limit is not None and chosen.size > self._limit:
            chosen = chosen[strongest(values[chosen], self._limit)]
        row, cause = np.divmod(chosen, scores.shape[1])
        lag, sign = describe(row, cause)
        self._parts.append(EdgeArrays(row + first, cause, lag, values[chosen], sign))
        if self._limit is not None and sum(part.score.size for part in self._parts) > 2 * self._limit:
            kept = self._kept()
            self._parts, self._cutoff = [kept], float(kept.score.min())

    def edges(self) -> EdgeArrays:
        """Strongest first, equal ones in the order of effect, then cause."""
        kept = self._kept()
        return kept.at(np.argsort(-kept.score, kind="stable"))

    def _kept(self) -> EdgeArrays:
        every = EdgeArrays.joined(self._parts)
        if self._limit is None or every.score.size <= self._limit:
            return every
        return every.at(strongest(every.score, self._limit))


def strongest(values: Array, limit: int) -> Indices:
    """Where the `limit` largest positive values are, in their order; of equal ones the first."""
    positive = np.flatnonzero(values > 0)
    if limit >= positive.size:
        return positive
    found = values[positive]
    cutoff = np.partition(found, found.size - limit)[found.size - limit]
    chosen = np.flatnonzero(found > cutoff)
    equal = np.flatnonzero(found == cutoff)[: limit - chosen.size]
    kept: Indices = positive[np.sort(np.concatenate([chosen, equal]))]
    return kept


def check_selection(threshold: float | None = None, top_k: int | None = None, density: float | None = None) -> None:
    """Raise `InputError` unless at most one is given and it makes sense."""
    options = {"threshold": threshold, "top_k": top_k, "density": density}
    given = [name for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} were given together; select the edges by one of them")
    if threshold is not None and not (is_number(threshold) and 0 <= threshold < math.inf):
        raise InputError(f"threshold is {threshold!r}; scores are never negative: pass a finite number >= 0")
    if density is not None and not (is_number(density) and 0 < density <= 1):
        raise InputError(f"density is {density!r}; pass a fraction of the possible edges, 0 < density <= 1")
    if top_k is not None and not (_is_integer(top_k) and top_k > 0):
        raise InputError(f"top_k is {top_k!r}; pass a whole number of edges, 1 or more")


def is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    try:
        operator.index(value)
    except TypeError:
        return False
    return not isinstance(value, bool)
