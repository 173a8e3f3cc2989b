"""What no working set holds, ranked below what one does: by its evidence, where the gradient is 0 of all of it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..graph import CausalGraph
from ..models import OwnPast, SetMLP
from ..series import PreparedSeries
from ..training.working_sets import SetData
from ..training.working_sets.outside import evidence_outside
from .rescored import by_lag, rescored

# All pairs up to so many in a graph, and above it so many causes of each effect, or those of these pairs. Of Lorenz-96, P = 1000,
# 300 steps, AUROC .889 without, .935, .944 and .962 with 64, 128 and all.
PAIRS, FEWEST = 1_000_000, 64
# The largest of these scores, of the smallest one inside of a set.
BELOW = 0.999


def with_outside(graph: CausalGraph, network: nn.Module, data: PreparedSeries) -> CausalGraph:
    """The graph with positive scores of inputs outside of each set too, if there are any.

    `metadata["ranking"]["outside"]` says how many "pairs" and lags have such a score, and the "largest" evidence, in units of a
    correlation.

    Parameters
    ----------
    graph : mean absolute gradients, with a "ranking" in its metadata. network : of sets. data : that it was fitted to.
    """
    own = network.network if isinstance(network, OwnPast) else network
    assert isinstance(own, SetMLP)
    read = SetData.of(data.windows, data.edges)
    with torch.no_grad():
        forecast = torch.cat([network(x).T for x in data.windows.batches()], 1)
    residual = read.without_missing(torch.arange(len(read.y), device=read.y.device), read.y - forecast)
    evidence = _strongest(evidence_outside(read, own.columns, residual), max(FEWEST, PAIRS // max(1, len(read.y))))
    lagged = evidence.unflatten(1, (data.windows.n_lags, -1)).movedim(1, 2).cpu().numpy()
    gradients = by_lag(graph)
    outside = (gradients == 0) & (lagged > 0)
    if not outside.any() or not gradients.any():
        return graph
    largest = float(lagged[outside].max())
    scale = BELOW * gradients[gradients > 0].min() / largest
    ranked = np.where(outside, scale * lagged, gradients).astype(graph.scores.dtype)
    found = {"pairs": int(outside.sum()), "largest": round(largest, 4)}
    return rescored(graph, ranked, {**graph.metadata["ranking"], "outside": found})


def _strongest(evidence: Tensor, count: int) -> Tensor:
    """Of each target, the others 0."""
    if count >= evidence.shape[1]:
        return evidence
    least = evidence.topk(count, dim=1).values[:, -1:]
    return evidence.masked_fill_(evidence < least, 0.0)
