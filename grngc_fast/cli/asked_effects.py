"""`--effects`: a number of edges, or edges by name."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator
from itertools import islice

from ..errors import InputError

Pair = tuple[str, str]
_FORM = "is not a number of edges, nor of the form CAUSE:EFFECT,CAUSE:EFFECT"


def asked_effects(text: str) -> int | str:
    """K, or CAUSE:EFFECT,... as it was written: where a name ends the table tells."""
    if text.isdecimal() and int(text) > 0:
        return int(text)
    if not all(part.strip() for part in text.split(":")) or ":" not in text:
        raise argparse.ArgumentTypeError(f"{text!r} {_FORM}")
    return text


def named_effects(text: str, names: Collection[str]) -> list[Pair]:
    """(cause, effect) of each edge that is named; names of the table may hold `:` and `,`.

    Raises
    ------
    InputError : another form, or names that can be told apart in several ways.
    """
    plain = [[name.strip() for name in pair.split(":")] for pair in text.split(",")]
    pairs = [(pair[0], pair[1]) for pair in plain if len(pair) == 2 and all(pair)]
    if len(pairs) == len(plain) and {name for pair in pairs for name in pair} <= set(names):
        return pairs
    found = list(islice(_readings(text, {name.strip(): name for name in names}), 2))
    if len(found) > 1:
        either, other = ("; ".join(f"{cause!r} -> {effect!r}" for cause, effect in reading) for reading in found)
        raise InputError(f"--effects {text!r} may be {either} or {other}; rename the series, or pass a number of edges")
    if found:
        return found[0]
    if len(pairs) < len(plain):
        raise InputError(f"--effects {text!r} {_FORM}")
    return pairs


def _readings(text: str, known: dict[str, str], start: int = 0) -> Iterator[list[Pair]]:
    """Ways to cut the text from `start` on into names that are known."""
    for colon in _places(text, ":", start):
        cause = known.get(text[start:colon].strip())
        if cause is None:
            continue
        for end in (*_places(text, ",", colon), len(text)):
            effect = known.get(text[colon + 1 : end].strip())
            if effect is not None and end == len(text):
                yield [(cause, effect)]
            elif effect is not None:
                yield from ([(cause, effect), *rest] for rest in _readings(text, known, end + 1))


def _places(text: str, mark: str, start: int) -> list[int]:
    return [k for k in range(start, len(text)) if text[k] == mark]
