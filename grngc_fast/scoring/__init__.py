"""From a network and its windows to scores: means of gradients, some effects at a time, and where they go."""

from .blocks import ScoreBlock, score_blocks
from .means import CausalScores, mean_gradients
from .network import ScoreOptions, score_graph
from .sinks import DenseScores, Graph, KeptEdges, ScoreFiles, dense_bytes

__all__ = [
    "CausalScores",
    "DenseScores",
    "Graph",
    "KeptEdges",
    "ScoreBlock",
    "ScoreFiles",
    "ScoreOptions",
    "dense_bytes",
    "mean_gradients",
    "score_blocks",
    "score_graph",
]
