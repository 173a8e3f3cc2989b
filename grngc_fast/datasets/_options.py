"""Checks of numeric options."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from ..errors import InputError

_REAL = (int, float, np.integer, np.floating)


def whole(name: str, value: object, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise InputError(f"{name} is {value!r}; expected a whole number of at least {low}")


def real(name: str, value: object, low: float, high: float = np.inf, *, open_low: bool = False) -> None:
    """A finite number in [low, high), or (low, high) with `open_low`."""
    number = np.nan if isinstance(value, bool) or not isinstance(value, _REAL) else float(value)
    if not (np.isfinite(number) and low <= number < high) or (open_low and number == low):
        bounds = f"above {low:g}" if open_low else f"of at least {low:g}" if np.isfinite(low) else "that is finite"
        below = f" and below {high:g}" if high < np.inf else ""
        raise InputError(f"{name} is {value!r}; expected a number {bounds}{below}")
