"""How surely each pair is more than chance: p-values, and the false discovery rate at which it counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ..errors import InputError
from .input import as_json

COLUMNS = ("p_value", "q_value")
_PREFIX = "p_values_"


@dataclass(frozen=True, eq=False)
class PValues:
    """Of the pairs of a graph.

    Attributes
    ----------
    p : (E, C) float64 `[effect, cause]`, the chance of evidence as strong where the cause does not help to forecast the effect;
        NaN where a pair was not tested.
    q : (E, C) the smallest false discovery rate at which each pair is among those found (Benjamini and Hochberg, J. R. Stat. Soc.
        B 57, 1995, over all pairs tested); NaN likewise.
    metadata : of the test; JSON values.

    Raises
    ------
    InputError : p that is no (E, C) array, or has values outside of [0, 1].

    Example
    -------
    >>> PValues([[np.nan, 0.001], [0.4, np.nan]]).q.tolist()
    [[nan, 0.002], [0.4, nan]]
    """

    p: NDArray[np.float64]
    metadata: dict[str, Any] = field(default_factory=dict)
    q: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        p = np.array(self.p, dtype=np.float64)
        if p.ndim != 2 or (p < 0).any() or (p > 1).any():
            raise InputError(f"p-values of shape {p.shape}; expected an (E, C) array of chances, NaN where not tested")
        tested = ~np.isnan(p)
        q = np.full(p.shape, np.nan)
        if tested.any():
            q[tested] = stats.false_discovery_control(p[tested])
        for name, array in (("p", p), ("q", q)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "metadata", as_json(self.metadata))

    def __str__(self) -> str:
        if not self.n_tested:
            return "no pair was tested"
        return f"the least p-value of {self.n_tested:,} pairs is {np.nanmin(self.p):.2g}, which counts at {np.nanmin(self.q):.2g}"

    @property
    def n_tested(self) -> int:
        """Pairs that have a p-value."""
        return int((~np.isnan(self.p)).sum())

    def at(self, effect: Any, cause: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """p and q (n,) of pairs, by number."""
        return self.p[effect, cause], self.q[effect, cause]

    def significant(self, q: float) -> NDArray[np.bool_]:
        """(E, C): the pairs found at a false discovery rate of `q`.

        Raises
        ------
        InputError : a rate that is not between 0 and 1.
        """
        check_rate(q)
        # NaN is never below.
        return self.q <= q

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """For a file."""
        return {_PREFIX + "p": self.p, _PREFIX + "metadata": np.array(json.dumps(self.metadata))}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> PValues | None:
        """Of a file; None where it has none."""
        if _PREFIX + "p" not in arrays:
            return None
        return cls(arrays[_PREFIX + "p"], json.loads(arrays[_PREFIX + "metadata"].item()))


def check_rate(q: Any, what: str = "q") -> None:
    """Raise `InputError` unless it is a false discovery rate; `what` an error calls it."""
    if isinstance(q, bool) or not isinstance(q, (int, float, np.number)) or not 0 < q < 1:
        raise InputError(f"{what}={q!r}; expected a false discovery rate between 0 and 1, such as 0.05")


def as_p_values(value: Any, shape: tuple[int, int]) -> PValues | None:
    """Checked to go with a graph of this shape."""
    if value is None:
        return None
    if not isinstance(value, PValues):
        raise InputError(f"p_values is a {type(value).__name__}; pass a PValues")
    if value.p.shape != shape:
        raise InputError(f"p_values has shape {value.p.shape}; expected {shape}, that of the graph")
    return value
