"""Of which units of a network of sets the scores of its edges are made."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ..graph import UnitShares
from ..models import SetMLP
from ..series import Windows
from .sinks import Graph

# Evenly over all there are: shares are read to a percent or so.
WINDOWS = 256
# Numbers kept of the targets looked at together, and how many there are of an input in a window.
CHUNK_ELEMENTS, INPUT_NUMBERS = 2**22, 8


def unit_shares(network: nn.Module, windows: Windows, graph: Graph) -> UnitShares | None:
    """Of each kind of unit, at the lag of the edge's strongest score; None of a network whose units are of one kind.

    Nothing is made of all effects by all causes: an edge is an input of a set, and only those that the graph keeps have shares.
    """
    if not isinstance(network, SetMLP):
        return None
    columns = network.columns.cpu().numpy()
    effect, place = np.nonzero(columns >= 0)
    lag, cause = np.divmod(columns[effect, place], network.n_series)
    chosen = lag + 1 == graph.lags_at(effect, cause)
    effect, place, cause = effect[chosen], place[chosen], cause[chosen]

    at = torch.linspace(0, len(windows) - 1, min(len(windows), WINDOWS), dtype=torch.float64).round().long()
    x = windows.inputs(at.to(windows.steps.device))
    step = max(1, CHUNK_ELEMENTS // (INPUT_NUMBERS * len(x) * max(1, columns.shape[1])))
    targets = torch.arange(len(columns), device=x.device)
    parts = torch.cat([network.gradient_parts(x, some).cpu() for some in targets.split(step)]).numpy()[effect, place]
    total = parts.sum(1)
    known = total > 0
    shares = parts[known] / total[known, None]
    return UnitShares.of_pairs(effect[known], cause[known], shares, graph.shape)
