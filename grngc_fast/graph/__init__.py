"""The result of a fit: who causes whom, how strongly, at which lag and with which sign, and the ways out of it."""

from .dense import CausalGraph, load_graph
from .edges import Edge, EdgeArrays, StrongestEdges, check_selection
from .exports import EdgeExports
from .p_values import PValues, check_rate
from .repeats import Repeats
from .sparse import SparseCausalGraph
from .unit_shares import UnitShares

__all__ = [
    "CausalGraph",
    "Edge",
    "EdgeArrays",
    "EdgeExports",
    "PValues",
    "Repeats",
    "SparseCausalGraph",
    "StrongestEdges",
    "UnitShares",
    "check_rate",
    "check_selection",
    "load_graph",
]
