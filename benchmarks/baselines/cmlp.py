"""Component-wise perceptrons: of each series a network that reads the last L steps of all, and no weights in common.

    f_i(x) = b2_i + w2_i . relu(W1_i x + b1_i)          W1_i (H, P, L)

Objective of series i: mean squared error + ridge ||w2_i||^2 + lam Omega(W1_i), Omega one of `groups`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .groups import strength


class LoopedCMLP(nn.Module):
    """As published: a list of networks that are gone through one by one."""

    def __init__(self, n_series: int, n_lags: int, hidden: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(
            nn.Sequential(nn.Conv1d(n_series, hidden, n_lags), nn.ReLU(), nn.Conv1d(hidden, 1, 1))
            for _ in range(n_series)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, P) from windows (N, L, P), oldest step first."""
        return torch.cat([network(x.mT)[:, :, 0] for network in self.networks], 1)

    def penalised(self) -> list[Tensor]:
        """First weights, (H, P, L) of each network."""
        return [network[0].weight for network in self.networks]

    def ridge(self) -> Tensor:
        return torch.stack([network[2].weight.square().sum() for network in self.networks]).sum()

    @torch.no_grad()
    def scores(self) -> Tensor:
        """(P, P) [effect, cause]."""
        return torch.stack([strength(weights) for weights in self.penalised()])


class VectorisedCMLP(nn.Module):
    """The same networks side by side: one product for the first layers of all, one batched product for the second."""

    def __init__(self, n_series: int, n_lags: int, hidden: int) -> None:
        super().__init__()
        self._fill(LoopedCMLP(n_series, n_lags, hidden))

    @classmethod
    def of(cls, looped: LoopedCMLP) -> VectorisedCMLP:
        """With the weights of the other form."""
        first = looped.networks[0][0]
        own = cls(len(looped.networks), first.kernel_size[0], first.out_channels)
        own._fill(looped)
        return own

    def _fill(self, looped: LoopedCMLP) -> None:
        def stacked(layer: int, field: str) -> Tensor:
            return torch.stack([getattr(network[layer], field).detach() for network in looped.networks])

        self.first, self.first_bias = nn.Parameter(stacked(0, "weight")), nn.Parameter(stacked(0, "bias"))
        self.second, self.second_bias = nn.Parameter(stacked(2, "weight")[..., 0]), nn.Parameter(stacked(2, "bias"))

    def forward(self, x: Tensor) -> Tensor:
        """(N, P) from windows (N, L, P), oldest step first."""
        p, h = self.first_bias.shape
        # Causes before lags, as the weights have them.
        hidden = torch.addmm(self.first_bias.view(-1), x.mT.flatten(1), self.first.view(p * h, -1).T).relu_()
        rows = hidden.view(-1, p, h).transpose(0, 1)
        return torch.baddbmm(self.second_bias[:, None], rows, self.second.mT)[..., 0].T

    def penalised(self) -> list[Tensor]:
        """First weights of all, (P, H, P, L)."""
        return [self.first]

    def ridge(self) -> Tensor:
        return self.second.square().sum()

    @torch.no_grad()
    def scores(self) -> Tensor:
        return strength(self.first)
