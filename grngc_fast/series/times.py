"""Times of rows, and what was there where cells are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class Times:
    """Times of rows.

    Attributes
    ----------
    values : (T,) numbers in `unit`; of dates, seconds since the first.
    kind : whether they were written as numbers or as dates.
    unit : where it is known.
    dates : of each row, where they are dates.
    named_units : whether the unit or a letter stood in each cell, as in a header `10h`.
    notes : how they were read.
    warnings : what may be read wrongly.
    """

    values: NDArray[np.float64]
    kind: Literal["number", "date"]
    unit: str | None = None
    dates: pd.DatetimeIndex | None = None
    named_units: bool = False
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoTime:
    """Cells that are no times: the first such row, what it holds, and how many were times."""

    row: int
    cell: Any
    n_read: int
