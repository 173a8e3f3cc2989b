"""What a peer is: a function from series to scores, with a line that says which settings it has."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

Scores = NDArray[Any]


class PeerMissingError(ImportError):
    """A package that is not installed."""


@dataclass(frozen=True)
class Peer:
    """A method.

    Attributes
    ----------
    name : in tables. score : of series (T, P), lags L and a seed to scores (P, P) [effect, cause]; what needs no package takes a
        list of (T_r, P) too. settings : in words.
    """

    name: str
    score: Callable[[Scores, int, int], Scores]
    settings: str


def needs(module: str) -> ModuleType:
    """The module, or the reason why its method has no row."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise PeerMissingError(f'{package} is not installed: pip install "grngc-fast[peers]"') from error
