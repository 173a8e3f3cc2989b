"""A graph of gradients with other scores, and the gradients kept beside them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import CausalGraph

Array = NDArray[np.floating[Any]]


def by_lag(graph: CausalGraph) -> Array:
    """(E, C, L) scores."""
    scores: Array = graph.scores[:, :, None] if graph.lag_scores is None else graph.lag_scores
    return scores


def rescored(graph: CausalGraph, scores: Array, settings: dict[str, Any]) -> CausalGraph:
    """The graph with scores (E, C, L); `settings` are its `metadata["ranking"]`."""
    return dataclasses.replace(
        graph,
        scores=scores.max(-1),
        lag_scores=None if graph.lag_scores is None else scores,
        gradients=graph.scores,
        metadata={**graph.metadata, "ranking": settings},
    )
