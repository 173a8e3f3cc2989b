"""Signs and unit shares at the lags that edges are ranked at, which need not be those of the largest gradient."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import nn

from ..graph import CausalGraph
from ..planning import scored_part
from ..scoring import score_blocks, unit_shares
from ..series import PreparedSeries

# Windows at a time.
BATCH = 256


def at_ranked_lags(graph: CausalGraph, before: CausalGraph, network: nn.Module, data: PreparedSeries) -> CausalGraph:
    """The graph with the mean signed gradient, and of sets the unit shares, at the lag of each pair's largest score.

    Parameters
    ----------
    graph : ranked anew. before : by gradients, with the signs and shares of its own lags.
    network, data : of the fit. Of a sample of the windows as many are read, evenly over all there are.
    """
    if graph.lag_scores is None or before.lag_scores is None or before.signed_scores is None:
        return graph
    lags = graph.lag_scores.argmax(-1)
    moved = lags != before.lag_scores.argmax(-1)
    if not moved.any():
        return graph
    part, windows = scored_part(network, data)
    n_read = min(len(windows), graph.metadata.get("score_windows", len(windows)))
    read = torch.linspace(0, len(windows) - 1, n_read, dtype=torch.float64).round().long()
    chosen = read.to(windows.steps.device).split(getattr(part, "score_batch", BATCH))
    signed = np.array(before.signed_scores)
    n_inputs = graph.lag_scores[0].size
    for block in score_blocks(part, lambda: (windows.inputs(index) for index in chosen), len(signed), n_inputs):
        rows = slice(block.first, block.first + len(block.signed))
        at = np.take_along_axis(block.signed.cpu().numpy(), lags[rows, :, None], -1)[:, :, 0]
        signed[rows] = np.where(moved[rows], at, signed[rows])
    graph = dataclasses.replace(graph, signed_scores=signed)
    shares = unit_shares(part, windows, graph)
    return graph if shares is None else graph.with_unit_shares(shares)
