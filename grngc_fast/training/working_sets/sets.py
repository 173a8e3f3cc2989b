"""What is found: inputs of each target and its network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...kernels.small_networks import Networks
from ...series import CandidateEdges, Windows
from .data import SetData


@dataclass(frozen=True)
class WorkingSets:
    """Inputs of each target and its network.

    Attributes
    ----------
    columns : (E, K) of lag-major inputs (L C); -1 where a set is smaller, and the network's weights are 0.
    networks : of E networks; the last L of `skip` are those of own pasts that are no candidate causes, if any target has one.
    strength : (E, K) mean absolute gradients.
    excess : (E,) the strongest sign of an input outside of each set, 1 where noise ends; 0 where nothing is outside.
    path : of each round the steps of training so far, mean squared error, mean over targets of the summed absolute gradient, and
        pairs above a tenth of the strongest's.
    """

    columns: Tensor
    networks: Networks
    strength: Tensor
    excess: Tensor
    path: tuple[tuple[int, float, float, int], ...] = ()

    @property
    def rounds(self) -> int:
        return len(self.path)

    @property
    def own(self) -> Tensor:
        """(E, L) weights of own pasts; L = 0 without any."""
        return self.networks.skip[:, self.columns.shape[1] :]

    def forecast(self, windows: Windows, edges: CandidateEdges | None = None) -> Tensor:
        """(N, E), of windows with the series and candidates that the sets were found in."""
        data = SetData.of(windows, edges)
        z = data.read(torch.arange(len(self.columns), device=self.columns.device), self.columns)
        return self.networks.forecast_and_jacobian(z)[0].T

    def split(self, n_targets: int) -> list[WorkingSets]:
        """Of so many targets each."""
        networks = zip(*(t.split(n_targets) for t in self.networks.tensors()), strict=True)
        others = zip(*(t.split(n_targets) for t in (self.columns, self.strength, self.excess)), strict=True)
        return [
            WorkingSets(columns, Networks(*own), strength, excess, self.path)
            for own, (columns, strength, excess) in zip(networks, others, strict=True)
        ]
