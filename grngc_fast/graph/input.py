"""What a graph is made from, checked once: arrays, names and settings."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..row_blocks import row_blocks

Array = NDArray[np.floating[Any]]


def as_float(what: str, value: Any) -> Array:
    """A read-only float32 or float64 array: a copy, unless nobody can write to what was given."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "fiub":
            raise TypeError(f"its values have the type {given.dtype}")
        small = given.dtype in (np.float16, np.float32)
        dtype = np.dtype(np.float32 if small else np.float64)
        array = given if given.dtype == dtype and _frozen(given) else np.array(given, dtype=dtype, order="C")
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} is not an array of real numbers ({error}); pass a float array") from error
    array.setflags(write=False)
    return array


def _frozen(array: NDArray[Any]) -> bool:
    base: Any = array
    while isinstance(base, np.ndarray):
        if base.flags.writeable:
            return False
        base = base.base
    return True


def as_names(names: Any, count: int, what: str = "names", side: str = "row") -> tuple[str, ...]:
    """`count` distinct names; x0, x1, ... for none."""
    if names is None or (not isinstance(names, str) and len(names) == 0):
        return tuple(f"x{i}" for i in range(count))
    if isinstance(names, str):
        raise InputError(f"{what} is the single text {names!r}; pass a sequence of {count} names")
    texts = tuple(str(name) for name in names)
    if len(texts) != count:
        raise InputError(f"{len(texts)} {what} were given for {count} series; pass one name per {side} of scores")
    if len(set(texts)) < count:
        seen: set[str] = set()
        twice = next(name for name in texts if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InputError(f"the series name {twice!r} is given more than once; make the names distinct")
    if any("\0" in name for name in texts):
        raise InputError("a series name holds the NUL character, which no file keeps; remove it")
    return texts


def as_causes(causes: Any, count: int, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the causes: those of the effects where none are given."""
    if causes is None or (not isinstance(causes, str) and len(causes) == 0):
        if count != len(names):
            raise InputError(
                f"{len(names)} effects by {count} causes are not the same series on both sides; pass the names of the"
                " causes as causes="
            )
        return names
    texts = as_names(causes, count, "causes", "column")
    return names if texts == names else texts


def own_causes(names: tuple[str, ...], causes: tuple[str, ...]) -> NDArray[np.int64]:
    """(E,): for each effect the column of the cause of the same name, -1 where there is none."""
    if names is causes:
        return np.arange(len(names))
    place = {name: j for j, name in enumerate(causes)}
    return np.array([place.get(name, -1) for name in names], dtype=np.int64)


def check_values(
    what: str, array: Array, names: tuple[str, ...], causes: tuple[str, ...], signed: bool = False
) -> None:
    """`InputError` for what is not finite or, unless `signed`, is negative."""
    for rows in row_blocks(array.shape):
        part = array[rows]
        bad = ~np.isfinite(part) if signed else ~(np.isfinite(part) & (part >= 0))
        if not bad.any():
            continue
        where = np.unravel_index(int(bad.argmax()), part.shape)
        value = float(part[where])
        fix = "scores are absolute values: pass signed ones as signed_scores" if value < 0 else "drop or repair the fit"
        if not math.isfinite(value):
            fix = "a fit that diverged cannot be used: lower the learning rate or check the data"
        effect, cause = names[rows.start + where[0]], causes[where[1]]
        raise InputError(f"{what} holds {value:g} for effect {effect!r}, cause {cause!r}; {fix}")


def as_json(metadata: Any) -> dict[str, Any]:
    """The metadata as JSON keeps them, so that a saved graph loads equal to the one in memory."""
    if not isinstance(metadata, dict):
        raise InputError(f"metadata is a {type(metadata).__name__}; pass a dict of settings")
    try:
        plain: dict[str, Any] = json.loads(json.dumps(metadata, default=_plain))
    except (TypeError, ValueError) as error:
        raise InputError(f"metadata cannot be kept as JSON ({error}); use text, numbers, lists and dicts") from error
    return plain


def _plain(value: object) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{value!r} is a {type(value).__name__}")
