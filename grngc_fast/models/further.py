"""Further arguments of the forecasters, checked by name, kind and range before anything is built of them."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..kernels.spline.basis import BASES, LARGEST_ORDER
from .sets import FEWEST_SPLINES


class _Rule(NamedTuple):
    holds: Callable[[Any], bool]
    expected: str


def _is_whole(value: Any, least: int = 1, most: float = math.inf) -> bool:
    return not isinstance(value, bool) and isinstance(value, numbers.Integral) and least <= int(value) <= most


def _is_finite(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, numbers.Real) and math.isfinite(value)


def _rises(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2 or not all(map(_is_finite, value)):
        return False
    return 0 < float(value[1]) - float(value[0]) < math.inf


_SWITCH = _Rule(lambda v: isinstance(v, (bool, np.bool_)), "True or False")
_COUNT = _Rule(_is_whole, "a whole number, 1 or more")
_RULES: dict[str, dict[str, _Rule]] = {
    "mlp": {
        "residual": _SWITCH,
        "layer_norm": _SWITCH,
        "dropout": _Rule(lambda v: _is_finite(v) and 0 <= v < 1, "a share from 0 to below 1"),
        "weight_norm": _SWITCH,
    },
    "sets": {
        "set_size": _COUNT,
        "n_splines": _Rule(
            lambda v: _is_whole(v, 0, 0) or _is_whole(v, FEWEST_SPLINES),
            f"a whole number, {FEWEST_SPLINES} or more, or 0 for none",
        ),
    },
    "kan": {
        "grid": _COUNT,
        "order": _Rule(lambda v: _is_whole(v, 1, LARGEST_ORDER), f"a whole number from 1 to {LARGEST_ORDER}"),
        "grid_range": _Rule(_rises, "two finite numbers, the smaller first"),
        "base": _Rule(lambda v: isinstance(v, str) and v in BASES, f"one of {', '.join(map(repr, BASES))}"),
    },
    "lstm": {},
    "tcn": {
        "kernel_size": _Rule(lambda v: _is_whole(v, 2), "a whole number, 2 or more"),
        "n_levels": _Rule(lambda v: v is None or _is_whole(v), "None or a whole number, 1 or more"),
    },
}


def checked_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Further arguments of the forecaster called `name`, as plain numbers and tuples.

    Raises
    ------
    InputError : one that it does not have, or of another kind or range, with what it may be.
    """
    rules = _RULES[name]
    unknown = [key for key in options if key not in rules]
    if unknown:
        raise InputError(
            f"model_options has {', '.join(map(repr, unknown))}, which model={name!r} does not know;"
            f" it takes {', '.join(map(repr, rules)) or 'none'}"
        )
    for key, value in options.items():
        if not rules[key].holds(value):
            raise InputError(f"model_options has {key}={value!r}; it must be {rules[key].expected}")
    return {key: _plain(value) for key, value in options.items()}


def _plain(value: Any) -> Any:
    value = value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value
    return tuple(map(float, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value
