"""Which products a route is taken by, in pieces of what size: the one that costs the fewest multiplications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from . import general
from .route import Route

# What a number passing through memory costs, in multiplications of a matrix product.
ELEMENT_COST = 32


@dataclass(frozen=True)
class Recipe:
    """One way along a route.

    Attributes
    ----------
    products : "none" for a diagonal middle, "targets" for one vector-Jacobian product per output wanted, "units" for one per
        unit of h.
    to_encoder : products end at z, not at the windows.
    middle_left : the middle goes to the readout's side.
    width : K of the factors, 0 where rows are stored.
    n_windows, n_targets : of a piece.
    """

    products: Literal["none", "targets", "units"]
    to_encoder: bool
    middle_left: bool
    width: int
    n_windows: int
    n_targets: int


def choose(route: Route, n_windows: int, n_targets: int, n_inputs: int) -> Recipe:
    """The recipe of the fewest multiplications, its pieces within `CHUNK_ELEMENTS`."""
    encoder = route.encoder.width if route.encoder else 0
    readout = route.readout.width if route.readout else 0
    if route.diagonal:
        return Recipe("none", True, False, encoder, n_windows, n_targets)
    options: list[tuple[float, Recipe]] = []
    budget = general.CHUNK_ELEMENTS
    for to_encoder in (True, False):
        below = route.to_encoder if to_encoder else route.to_input
        if below is None or (to_encoder and not encoder):
            continue
        kept = max(1, below.elements + (encoder if to_encoder else n_inputs))
        product = ELEMENT_COST * kept + below.weights
        # One per output wanted: pieces of targets, from one pass unless that alone is too large.
        windows = n_windows if route.stateful else _at_most(n_windows, budget / kept)
        targets = _at_most(n_targets, budget / (windows * kept))
        op = encoder * n_inputs if to_encoder else ELEMENT_COST * n_inputs
        options.append(
            (n_targets * (product + op), Recipe("targets", to_encoder, True, encoder * to_encoder, windows, targets))
        )
        if not readout:
            continue
        # One per unit: pieces of windows, each from a pass of its own.
        for left in (True, False) if to_encoder else (False,):
            width = encoder if left else readout
            side = n_targets * encoder if left else readout * n_inputs
            windows = _at_most(n_windows, budget / (readout * kept + side))
            if route.stateful and windows < n_windows:
                continue
            merge = readout * encoder * (n_targets if left else n_inputs) if to_encoder else 0
            cost = readout * product + merge + n_targets * width * n_inputs
            options.append((cost, Recipe("units", to_encoder, left, width, windows, n_targets)))
    return min(options, key=lambda option: option[0])[1]


def _at_most(count: int, limit: float) -> int:
    return max(1, min(count, int(limit)))
