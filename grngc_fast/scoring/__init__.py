"""From a network and its windows to scores: means of gradients, some effects at a time, and where they go."""

from .blocks import ScoreBlock, score_blocks
from .effects import EdgeEffect, edge_effects
from .forecasts import explained, forecasts
from .means import CausalScores, mean_gradients
from .network import ScoreOptions, score_graph
from .sinks import DenseScores, Graph, KeptEdges, ScoreFiles, dense_bytes
from .unit_shares import unit_shares

__all__ = [
    "CausalScores",
    "DenseScores",
    "EdgeEffect",
    "Graph",
    "KeptEdges",
    "ScoreBlock",
    "ScoreFiles",
    "ScoreOptions",
    "dense_bytes",
    "edge_effects",
    "explained",
    "forecasts",
    "mean_gradients",
    "score_blocks",
    "score_graph",
    "unit_shares",
]
