"""Of which units of a network a score is made: a linear path, functions of the cause alone, units that read other causes too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ..errors import InputError

KINDS = ("linear", "spline", "interaction")
# How far from 1 three shares may sum, as they are rounded to float32.
_ROUNDING = 1e-3
_PREFIX = "unit_shares_"


@dataclass(frozen=True, eq=False)
class UnitShares:
    """What an edge's gradient is made of at the edge's lag, as shares that sum to 1.

    "linear" is the slope that is the same in all windows, "spline" what the spline of the cause alone makes it vary by, and
    "interaction" what the units make it vary by that read all inputs; each a mean absolute value over windows.

    Attributes
    ----------
    linear, spline, interaction : (E, C) sparse arrays `[effect, cause]` with the same entries, float32. An entry that is there
        is known, also where it is 0: a pair without one has no score, or was not kept.

    Raises
    ------
    InputError : arrays of different entries, shares that are negative, not finite or do not sum to 1.

    Example
    -------
    >>> shares = UnitShares.of_pairs([0], [1], [[0.25, 0.75, 0.0]], (2, 2))
    >>> shares.at([0, 1], [1, 0]).tolist()
    [[0.25, 0.75, 0.0], [nan, nan, nan]]
    """

    linear: csr_array
    spline: csr_array
    interaction: csr_array

    def __post_init__(self) -> None:
        parts = [csr_array(getattr(self, kind), dtype=np.float32, copy=True) for kind in KINDS]
        for part in parts:
            part.check_format(full_check=True)
            part.sum_duplicates()
        first, *others = parts
        if any(
            part.shape != first.shape
            or not np.array_equal(part.indptr, first.indptr)
            or not np.array_equal(part.indices, first.indices)
            for part in others
        ):
            raise InputError("the shares of the kinds of units are not of the same edges; give each edge all three")
        values = np.stack([part.data for part in parts])
        if not ((values >= 0) & np.isfinite(values)).all() or (np.abs(values.sum(0) - 1) > _ROUNDING).any():
            raise InputError("shares of the kinds of units are not negative and sum to 1; divide them by their sum")
        for kind, part in zip(KINDS, parts, strict=True):
            kept = csr_array((part.data, first.indices, first.indptr), shape=first.shape)
            for array in (kept.data, kept.indices, kept.indptr):
                array.setflags(write=False)
            object.__setattr__(self, kind, kept)

    @classmethod
    def of_pairs(cls, effect: Any, cause: Any, shares: Any, shape: tuple[int, int]) -> UnitShares:
        """From shares (n, 3) of n different pairs, by number, among `shape` (E, C)."""
        columns = np.asarray(shares, dtype=np.float32).reshape(-1, len(KINDS)).T
        return cls(*(csr_array((column, (effect, cause)), shape=shape) for column in columns))

    @property
    def shape(self) -> tuple[int, int]:
        """(E, C): effects and causes."""
        rows, columns = self.linear.shape
        return int(rows), int(columns)

    def at(self, effect: Any, cause: Any) -> NDArray[np.float32]:
        """(n, 3): linear, spline and interaction of pairs, by number; NaN where they are not known."""
        n_causes = self.shape[1]
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.linear.indptr))
        known = rows * n_causes + self.linear.indices
        wanted = np.asarray(effect, dtype=np.int64) * n_causes + np.asarray(cause, dtype=np.int64)
        place = np.searchsorted(known, wanted)
        # One more than there are, which nobody asks for.
        found = np.flatnonzero(np.append(known, -1)[place] == wanted)
        result = np.full((len(wanted), len(KINDS)), np.nan, dtype=np.float32)
        for column, kind in enumerate(KINDS):
            result[found, column] = getattr(self, kind).data[place[found]]
        return result

    def among(self, effect: Any, cause: Any) -> UnitShares:
        """Of these pairs alone."""
        shares = self.at(effect, cause)
        known = ~np.isnan(shares[:, 0])
        return UnitShares.of_pairs(np.asarray(effect)[known], np.asarray(cause)[known], shares[known], self.shape)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """For a file: which entries there are, and the three shares of each."""
        values = np.stack([getattr(self, kind).data for kind in KINDS])
        entries = {"indptr": self.linear.indptr, "indices": self.linear.indices, "values": values}
        return {_PREFIX + name: array for name, array in entries.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], shape: tuple[int, int]) -> UnitShares | None:
        """Of a file; None where it has none."""
        if _PREFIX + "values" not in arrays:
            return None
        indptr, indices, values = (arrays[_PREFIX + name] for name in ("indptr", "indices", "values"))
        return cls(*(csr_array((part, indices, indptr), shape=shape) for part in values))


def as_unit_shares(value: Any, shape: tuple[int, int]) -> UnitShares | None:
    """Checked to go with a graph of this shape."""
    if value is None:
        return None
    if not isinstance(value, UnitShares):
        raise InputError(f"unit_shares is a {type(value).__name__}; pass a UnitShares")
    if value.shape != shape:
        raise InputError(f"unit_shares has shape {value.shape}; expected {shape}, that of the graph")
    return value
