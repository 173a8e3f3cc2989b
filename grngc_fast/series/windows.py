"""Windows of L steps and the step after them, cut from trajectories without crossing from one into the next.

NaN is a missing value. A window whose inputs are not all known is left out; a target that is not known is NaN in `targets`, and
whoever compares it with a forecast leaves it out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from .table import Array

# From this many trajectories on, whole ones are held out: the tail of a short one is no fair sample of it.
HOLD_OUT_WHOLE_FROM = 5


@dataclass(frozen=True)
class LeftOut:
    """Steps that are in no window.

    Attributes
    ----------
    pieces : of a longer trajectory, too short for one window.
    windows, of_windows : with a missing input or with no target that is known, and how many there were.
    targets, of_targets : missing targets of the other windows, and how many targets these have.
    """

    pieces: int
    windows: int
    of_windows: int
    targets: int
    of_targets: int


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
    masked : whether a target may be missing.
    filled : (T, P) true where a value of `steps` was not measured but filled in, to be read but not forecast; None where none
        was.
    left_out : what was not made into windows; None where all was.
    """

    steps: Tensor
    starts: Tensor
    trajectory: Tensor
    n_lags: int
    input_columns: Tensor | None = None
    target_columns: Tensor | None = None
    masked: bool = False
    filled: Tensor | None = None
    left_out: LeftOut | None = None

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
        origin: Sequence[int] | None = None,
        filled: Sequence[NDArray[np.bool_]] | None = None,
        with_target: bool = True,
    ) -> Windows:
        """Cut every trajectory (T_r, P) into its T_r - L windows, of the columns named or all; there may be none left of them.

        Parameters
        ----------
        origin : of each trajectory the number of the longer one that it is a piece of; None where each is its own. Windows held
            out are the last of the longer ones.
        filled : (T_r, P) of each, see `Windows`.
        with_target : leave out windows of which no target is known, too.

        Raises
        ------
        InputError : a trajectory with too few steps for one window, unless it is a piece of a longer one and others are longer.
        """
        short = _short_pieces([len(t) for t in trajectories], n_lags, origin)
        kept = [number for number in range(len(trajectories)) if number not in short]
        lengths = [len(trajectories[number]) for number in kept]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        starts = [torch.arange(int(o), int(o) + n - n_lags) for o, n in zip(offsets, lengths, strict=False)]
        of = [number if origin is None else origin[number] for number in kept]
        numbers = [torch.full((len(s),), i) for i, s in zip(of, starts, strict=True)]
        steps = torch.as_tensor(np.concatenate([trajectories[number] for number in kept]), dtype=dtype)
        inputs, targets = (_columns(chosen, steps.shape[1]) for chosen in (input_columns, target_columns))
        windows = cls(steps, torch.cat(starts), torch.cat(numbers), n_lags, inputs, targets)
        if filled is not None:
            windows = replace(windows, filled=torch.as_tensor(np.concatenate([filled[number] for number in kept])))
        return windows._readable(len(short), with_target)._in_order()._on(device)

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
        """(n, E), the step after the window; NaN where it is missing or was filled in."""
        rows = self.starts[index] + self.n_lags
        found = self._of_targets(self.steps, rows)
        return found if self.filled is None else found.masked_fill(self._of_targets(self.filled, rows), torch.nan)

    def known_targets(self) -> Tensor | None:
        """(E,) share of the windows in which each target is known; None where none is missing."""
        if not self.masked:
            return None
        known = torch.zeros(self.n_targets, device=self.steps.device)
        for index in torch.arange(len(self), device=self.steps.device).split(4096):
            known += self.targets(index).isnan().logical_not_().sum(0)
        return known / len(self)

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
        trajectory = self.trajectory.unique_consecutive(return_inverse=True)[1]
        n_trajectories = int(trajectory[-1]) + 1
        if n_trajectories >= HOLD_OUT_WHOLE_FROM:
            held_out = trajectory >= n_trajectories - max(1, round(fraction * n_trajectories))
        else:
            counts = torch.bincount(trajectory, minlength=n_trajectories)
            ends = counts.cumsum(0)
            keep = ends - (fraction * counts).round().long()
            held_out = torch.arange(len(self), device=keep.device) >= keep[trajectory]
        if fraction <= 0 or not held_out.any() or held_out.all():
            return self, None
        return self._where(~held_out), self._where(held_out)

    def halves(self) -> tuple[Windows, Windows]:
        """Two parts that share no step: every other trajectory, or the first and the second half of each where there are few.

        Of a trajectory that is cut, the L windows after the cut are in neither.
        """
        trajectory = self.trajectory.unique_consecutive(return_inverse=True)[1]
        if int(trajectory[-1]) + 1 >= HOLD_OUT_WHOLE_FROM:
            return self._where(trajectory % 2 == 0), self._where(trajectory % 2 == 1)
        counts = torch.bincount(trajectory)
        place = torch.arange(len(self), device=trajectory.device) - (counts.cumsum(0) - counts)[trajectory]
        cut = (counts // 2)[trajectory]
        last = self.starts[torch.nonzero(place == cut - 1).flatten()][trajectory] if bool((counts > 1).all()) else None
        apart = place >= cut if last is None else self.starts > last + self.n_lags
        return self._where(place < cut), self._where((place >= cut) & apart)

    def resampled(self, generator: torch.Generator) -> Windows:
        """As many windows drawn with replacement: whole trajectories, or blocks of windows of each where there are few.

        Blocks of 2 N^(1/3) windows and no shorter than one reads (Kuensch, Annals of Statistics 17, 1989).
        """
        trajectory = self.trajectory.unique_consecutive(return_inverse=True)[1].cpu()
        parts = [torch.nonzero(trajectory == number).flatten() for number in range(int(trajectory[-1]) + 1)]
        if len(parts) >= HOLD_OUT_WHOLE_FROM:
            parts = [parts[k] for k in torch.randint(len(parts), (len(parts),), generator=generator).tolist()]
        else:
            parts = [part[_blocks(len(part), self.n_lags + 1, generator)] for part in parts]
        chosen = torch.cat(parts).to(self.starts.device)
        numbers = torch.cat([torch.full((len(part),), number) for number, part in enumerate(parts)])
        return replace(self, starts=self.starts[chosen], trajectory=numbers.to(self.trajectory.device))

    def previous(self) -> Tensor:
        """(N,) which window begins one step before each; -1 where none does."""
        before = torch.arange(len(self), device=self.starts.device) - 1
        follows = (self.starts[1:] == self.starts[:-1] + 1) & (self.trajectory[1:] == self.trajectory[:-1])
        return before.masked_fill(~F.pad(follows, (1, 0), value=False), -1)

    def _where(self, chosen: Tensor) -> Windows:
        return replace(self, starts=self.starts[chosen], trajectory=self.trajectory[chosen])

    def _of_targets(self, of: Tensor, rows: Tensor) -> Tensor:
        return of[rows] if self.target_columns is None else of[rows[:, None], self.target_columns]

    def _readable(self, n_short: int, with_target: bool) -> Windows:
        """Those whose inputs are all known."""
        whole, of_windows = self, len(self)
        missing = _rows_with_nan(self.steps, self.input_columns)
        if missing is not None:
            before = F.pad(missing.long().cumsum(0), (1, 0))
            whole = self._where(before[self.starts + self.n_lags] == before[self.starts])
        unknown = 0
        if self.filled is not None or _rows_with_nan(self.steps, self.target_columns) is not None:
            counts = torch.cat(
                [whole.targets(index).isnan().sum(1) for index in torch.arange(len(whole)).split(4096)]
                or [torch.empty(0, dtype=torch.long)]
            )
            if with_target:
                whole, counts = whole._where(counts < self.n_targets), counts[counts < self.n_targets]
            unknown = int(counts.sum())
        left = LeftOut(n_short, of_windows - len(whole), of_windows, unknown, len(whole) * self.n_targets)
        return replace(whole, masked=unknown > 0, left_out=left if n_short or left.windows or unknown else None)

    def _in_order(self) -> Windows:
        """Windows of a trajectory one after another, whatever lies between its pieces."""
        if bool((self.trajectory[1:] >= self.trajectory[:-1]).all()):
            return self
        return self._where(self.trajectory.argsort(stable=True))

    def _on(self, device: torch.device | str) -> Windows:
        moved: dict[str, Any] = {k: value.to(device) for k, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **moved)


def _blocks(count: int, shortest: int, generator: torch.Generator) -> Tensor:
    """(count,) numbers below `count`, in runs from random starts."""
    length = min(count, max(shortest, round(2 * count ** (1 / 3))))
    starts = torch.randint(count - length + 1, (-(-count // length),), generator=generator)
    return (starts[:, None] + torch.arange(length)).flatten()[:count]


def _columns(chosen: Sequence[int] | NDArray[np.intp] | None, count: int) -> Tensor | None:
    """None for all in their order, which needs no gathering."""
    columns = None if chosen is None else torch.as_tensor(np.asarray(chosen, dtype=np.int64))
    return None if columns is None or torch.equal(columns, torch.arange(count)) else columns


def _short_pieces(lengths: Sequence[int], n_lags: int, origin: Sequence[int] | None) -> set[int]:
    """Numbers of pieces too short for a window; `InputError` for a whole trajectory that short, or where all pieces are."""
    pieces = Counter(range(len(lengths)) if origin is None else origin)
    short = {number for number, length in enumerate(lengths) if length <= n_lags}
    whole = [number for number in sorted(short) if origin is None or pieces[origin[number]] == 1]
    if whole:
        where, length = f"trajectory {whole[0]}" if len(lengths) > 1 else "X", lengths[whole[0]]
        raise InputError(
            f"{where} has {length} time steps (n_samples={length}), but lags={n_lags} needs at least {n_lags + 1};"
            " use fewer lags or longer series"
        )
    if len(short) == len(lengths):
        raise InputError(
            f"all {len(lengths)} pieces between gaps in time are too short (at most {max(lengths)} steps), and"
            f" lags={n_lags} needs at least {n_lags + 1}; use fewer lags, or a table without gaps"
        )
    return short


def _rows_with_nan(steps: Tensor, columns: Tensor | None) -> Tensor | None:
    """(T,) which rows have a NaN in these columns; None where none has."""
    parts = [part if columns is None else part[:, columns] for part in steps.split(4096)]
    found = torch.cat([part.isnan().any(1) for part in parts])
    return found if bool(found.any()) else None
