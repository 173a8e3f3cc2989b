"""Windows of L steps and the step after them, cut from trajectories without crossing from one into the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError
from .table import Array

# From this many trajectories on, whole ones are held out: the tail of a short one is no fair sample of it.
HOLD_OUT_WHOLE_FROM = 5


@dataclass(frozen=True)
class Windows:
    """Windows as starting rows of one long table, so that no step is stored twice.

    Attributes
    ----------
    steps : (T, P), the trajectories end to end.
    starts : (N,) first row of each window.
    trajectory : (N,) number of the trajectory it lies in.
    n_lags : L.
    input_columns, target_columns : (C,) and (E,) columns of `steps` that are inputs and forecast; None for all.
    """

    steps: Tensor
    starts: Tensor
    trajectory: Tensor
    n_lags: int
    input_columns: Tensor | None = None
    target_columns: Tensor | None = None

    @classmethod
    def from_trajectories(
        cls,
        trajectories: Sequence[Array],
        n_lags: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        *,
        input_columns: Sequence[int] | NDArray[np.intp] | None = None,
        target_columns: Sequence[int] | NDArray[np.intp] | None = None,
    ) -> Windows:
        """Cut every trajectory (T_r, P) into its T_r - L windows, of the columns named or all.

        Raises
        ------
        InputError : a trajectory with too few steps for one window.
        """
        lengths = [len(t) for t in trajectories]
        for number, length in enumerate(lengths):
            if length <= n_lags:
                where = f"trajectory {number}" if len(lengths) > 1 else "X"
                raise InputError(
                    f"{where} has {length} time steps (n_samples={length}), but lags={n_lags} needs at least {n_lags + 1};"
                    " use fewer lags or longer series"
                )
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        starts = [torch.arange(int(o), int(o) + n - n_lags) for o, n in zip(offsets, lengths, strict=False)]
        numbers = [torch.full((len(s),), i) for i, s in enumerate(starts)]
        steps = torch.as_tensor(np.concatenate(list(trajectories)), dtype=dtype)
        whole = torch.cat(starts).to(device), torch.cat(numbers).to(device), n_lags
        columns = (_columns(chosen, steps.shape[1]) for chosen in (input_columns, target_columns))
        return cls(steps.to(device), *whole, *(None if c is None else c.to(device) for c in columns))

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def n_targets(self) -> int:
        """E, series forecast."""
        return self.steps.shape[1] if self.target_columns is None else len(self.target_columns)

    def inputs(self, index: Tensor | slice = slice(None)) -> Tensor:
        """(n, L, C), oldest step first."""
        rows = self.starts[index, None] + torch.arange(self.n_lags, device=self.steps.device)
        return self.steps[rows] if self.input_columns is None else self.steps[rows[..., None], self.input_columns]

    def targets(self, index: Tensor | slice = slice(None)) -> Tensor:
        """(n, E), the step after the window."""
        rows = self.starts[index] + self.n_lags
        return self.steps[rows] if self.target_columns is None else self.steps[rows[:, None], self.target_columns]

    def columns(self) -> Tensor:
        """(N, L * C), inputs of all windows as a linear forecaster reads them: lag-major, most recent step first."""
        return self.inputs().flip(1).flatten(1)

    def of_targets(self, chosen: Tensor) -> Windows:
        """The same windows with some of the targets, by their position among them."""
        given = self.target_columns
        return replace(self, target_columns=chosen if given is None else given[chosen])

    def batches(self, size: int = 256) -> Iterator[Tensor]:
        """Inputs of all windows in order, (up to `size`, L, C) at a time."""
        for index in torch.arange(len(self), device=self.steps.device).split(size):
            yield self.inputs(index)

    def split(self, fraction: float) -> tuple[Windows, Windows | None]:
        """Training and validation windows in time order: the last trajectories, or the tail of each where there are few."""
        n_trajectories = int(self.trajectory[-1]) + 1
        if n_trajectories >= HOLD_OUT_WHOLE_FROM:
            held_out = self.trajectory >= n_trajectories - max(1, round(fraction * n_trajectories))
        else:
            counts = torch.bincount(self.trajectory, minlength=n_trajectories)
            ends = counts.cumsum(0)
            keep = ends - (fraction * counts).round().long()
            held_out = torch.arange(len(self), device=keep.device) >= keep[self.trajectory]
        if fraction <= 0 or not held_out.any() or held_out.all():
            return self, None
        return self._where(~held_out), self._where(held_out)

    def _where(self, chosen: Tensor) -> Windows:
        return replace(self, starts=self.starts[chosen], trajectory=self.trajectory[chosen])


def _columns(chosen: Sequence[int] | NDArray[np.intp] | None, count: int) -> Tensor | None:
    """None for all in their order, which needs no gathering."""
    columns = None if chosen is None else torch.as_tensor(np.asarray(chosen, dtype=np.int64))
    return None if columns is None or torch.equal(columns, torch.arange(count)) else columns
