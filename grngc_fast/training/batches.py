"""Which windows a step sees."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Batches:
    """Shuffled passes over the windows; a batch holds no window twice."""

    def __init__(self, n_windows: int, size: int, generator: torch.Generator) -> None:
        self.n_windows, self.size, self.generator = n_windows, min(size, n_windows), generator
        self.order, self.used = torch.empty(0, dtype=torch.long), 0

    def next(self) -> Tensor:
        if self.used + self.size > len(self.order):
            self.order, self.used = torch.randperm(self.n_windows, generator=self.generator), 0
        self.used += self.size
        return self.order[self.used - self.size : self.used]

    def state_dict(self) -> dict[str, Any]:
        """Order and position of the pass, and the generator's state."""
        return {"order": self.order, "used": self.used, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.order, self.used = state["order"], state["used"]
        self.generator.set_state(state["generator"])
