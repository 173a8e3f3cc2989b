"""How often each pair is found when a fit is repeated, and how much its score spreads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .input import as_json

COLUMNS_OF_REPEATS = ("frequency", "standard_error")
_ARRAYS = ("frequency", "score", "standard_error")
_PREFIX = "repeats_"


@dataclass(frozen=True, eq=False)
class Repeats:
    """Of the pairs of a graph, over repeated fits.

    Attributes
    ----------
    frequency : (E, C) float64 `[effect, cause]`, the share of the fits in which each is among the strongest between different
        series.
    score, standard_error : (E, C) mean and standard deviation of its score over the fits.
    metadata : of the fits; JSON values.

    Raises
    ------
    InputError : arrays of different shapes, shares outside of [0, 1], deviations that are negative.

    Example
    -------
    >>> Repeats([[0.0, 1.0]], [[0.1, 0.6]], [[0.02, 0.05]]).at([0], [1])
    (array([1.]), array([0.05]))
    """

    frequency: NDArray[np.float64]
    score: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        arrays = {name: np.array(getattr(self, name), dtype=np.float64) for name in _ARRAYS}
        frequency = arrays["frequency"]
        if frequency.ndim != 2 or any(array.shape != frequency.shape for array in arrays.values()):
            shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
            raise InputError(f"repeated fits have arrays of the shapes {shapes}; expected (E, C) of all")
        if not ((frequency >= 0) & (frequency <= 1)).all() or not (arrays["standard_error"] >= 0).all():
            raise InputError("frequencies are shares of the fits, from 0 to 1, and standard errors are not negative")
        for name, array in arrays.items():
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "metadata", as_json(self.metadata))

    def at(self, effect: Any, cause: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Frequency and standard error (n,) of pairs, by number."""
        return self.frequency[effect, cause], self.standard_error[effect, cause]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """For a file."""
        arrays = {_PREFIX + name: getattr(self, name) for name in _ARRAYS}
        return {**arrays, _PREFIX + "metadata": np.array(json.dumps(self.metadata))}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Repeats | None:
        """Of a file; None where it has none."""
        if _PREFIX + "frequency" not in arrays:
            return None
        kept = {name: arrays[_PREFIX + name] for name in _ARRAYS}
        return cls(**kept, metadata=json.loads(arrays[_PREFIX + "metadata"].item()))


def as_repeats(value: Any, shape: tuple[int, int]) -> Repeats | None:
    """Checked to go with a graph of this shape."""
    if value is None:
        return None
    if not isinstance(value, Repeats):
        raise InputError(f"repeats is a {type(value).__name__}; pass a Repeats")
    if value.frequency.shape != shape:
        raise InputError(f"repeats has shape {value.frequency.shape}; expected {shape}, that of the graph")
    return value
