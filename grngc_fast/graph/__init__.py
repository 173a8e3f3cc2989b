"""The result of a fit: who causes whom, how strongly, at which lag and with which sign, and the ways out of it."""

from .dense import CausalGraph, load_graph
from .edges import Edge, EdgeArrays, EdgeExports, StrongestEdges, check_selection
from .sparse import SparseCausalGraph

__all__ = [
    "CausalGraph",
    "Edge",
    "EdgeArrays",
    "EdgeExports",
    "SparseCausalGraph",
    "StrongestEdges",
    "check_selection",
    "load_graph",
]
