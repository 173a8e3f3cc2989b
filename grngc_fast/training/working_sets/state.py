"""What is known between two rounds, and how the processes of a run tell one another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ...distributed import World
from ...kernels.small_networks import Networks
from .data import SetData
from .options import SetOptions


@dataclass(frozen=True)
class SetState:
    """Of some targets, E of all or T of a tile, with sets of up to K inputs.

    Attributes
    ----------
    columns : (E, K), -1 where a set is smaller.
    strength : (E, K) mean absolute gradients.
    offered : (E, K) the best inputs outside, best first, -1 where there are fewer.
    excess : (E,) see `WorkingSets`.
    error : (E,) mean squared error over all windows.
    networks : of each target's last round.
    """

    columns: Tensor
    strength: Tensor
    offered: Tensor
    excess: Tensor
    error: Tensor
    networks: Networks

    @classmethod
    def empty(cls, data: SetData, options: SetOptions) -> SetState:
        """Before the first round."""
        n, k, device = len(data.y), min(options.set_size, data.n_inputs), data.y.device
        none = torch.full((n, k), -1, device=device)
        networks = Networks.drawn(n, k, options.units, torch.Generator(), device, data.own.shape[1], options.splines)
        zeros = torch.zeros(n, k, device=device), torch.zeros(n, device=device), torch.zeros(n, device=device)
        return cls(none, zeros[0], none.clone(), *zeros[1:], networks)

    def tensors(self) -> list[Tensor]:
        return [self.columns, self.strength, self.offered, self.excess, self.error, *self.networks.tensors()]

    def widened(self, k: int) -> SetState:
        """With room for sets of k inputs."""
        own = self.columns.shape[1]
        more, net = k - own, self.networks
        if more <= 0:
            return self
        skip = torch.cat([F.pad(net.skip[:, :own], (0, more)), net.skip[:, own:]], 1)
        return SetState(
            F.pad(self.columns, (0, more), value=-1),
            F.pad(self.strength, (0, more)),
            F.pad(self.offered, (0, more), value=-1),
            self.excess,
            self.error,
            replace(net, skip=skip, **{f: F.pad(getattr(net, f), (0, 0, 0, more)) for f in ("splines", "encoder")}),
        )

    def after(self, found: dict[int, SetState], tiles: list[Tensor], world: World) -> SetState:
        """With what all processes found in a round, each of which had some tiles, or none where there are fewer.

        Parameters
        ----------
        found : of this process's tiles, by their number.
        tiles : targets of each, of all processes.
        """
        width = max([self.columns.shape[1], *(tile.columns.shape[1] for tile in found.values())])
        width = int(world.largest(torch.tensor(width, device=self.excess.device)))
        whole, rows = self.widened(width), torch.cat(tiles)
        mine = torch.cat([rows[:0], *(tiles[number] for number in found)])
        parts = zip(*(tile.widened(width).tensors() for tile in found.values()), strict=True)
        for known in whole.tensors():
            part = torch.cat([known[:0], *next(parts, ())])
            known[rows] = world.assemble(part, mine, len(known))[rows]
        return whole
