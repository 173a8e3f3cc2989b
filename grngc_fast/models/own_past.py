"""Targets that also read their own past, which is no candidate cause of theirs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class OwnPast(nn.Module):
    """y = network(causes), and for some targets y_i + sum_l w_il x_{t-l,i}: what a series makes of its own past.

    The baseline that a Granger cause has to improve on. It is no cause: neither penalised nor scored. The weights start at
    zero and learn beside the network: started at each series' autoregression they leave less to the causes than is theirs.

    Parameters
    ----------
    network : (N, L, C) -> (N, E).
    n_causes : C.
    targets : (E',) which outputs have it.
    n_lags : L.

    Shapes: x (N, L, C + E'), the causes and then the series of `targets`, oldest step first, to (N, E).
    """

    targets: Tensor

    def __init__(self, network: nn.Module, n_causes: int, targets: Tensor, n_lags: int) -> None:
        super().__init__()
        self.network, self.n_causes, self.n_lags = network, n_causes, n_lags
        self.register_buffer("targets", targets)
        self.weight = nn.Parameter(torch.zeros(n_lags, len(targets)))

    def forward(self, x: Tensor) -> Tensor:
        forecast: Tensor = self.network(x[..., : self.n_causes])
        own = (x[..., self.n_causes :] * self.weight).sum(1)
        return forecast.index_add(-1, self.targets, own.view(*forecast.shape[:-1], -1))

    def causal_part(self, x: Tensor) -> tuple[Any, Tensor]:
        """The network and the causes' windows (N, L, C): whose gradient is penalised and scored."""
        return self.network, x[..., : self.n_causes]
