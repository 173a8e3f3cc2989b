"""Several tables of one shape whose sets are found side by side: tiles of many targets where each table has few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .data import SetData
from .screen import Screen


@dataclass(frozen=True)
class JoinedData(SetData):
    """Targets of B tables, E of each, one table after another; a target reads the columns of its own.

    Attributes
    ----------
    parts : the tables.
    """

    parts: tuple[SetData, ...] = ()

    @classmethod
    def of_parts(cls, parts: Sequence[SetData]) -> JoinedData:
        """Tables with the same series, candidates and number of windows."""
        first = parts[0]
        stacked = torch.cat([part.columns for part in parts])
        known = None
        if any(part.known is not None for part in parts):
            known = torch.cat([torch.ones_like(p.y, dtype=torch.bool) if p.known is None else p.known for p in parts])
        y, own = torch.cat([part.y for part in parts]), torch.cat([part.own for part in parts])
        head = stacked, y, own, first.edges, first.n_inputs, first.n_lags, first.smooth, known
        return cls(*head, parts=tuple(parts))

    def read(self, targets: Tensor, columns: Tensor, windows: slice | Tensor = slice(None)) -> Tensor:
        """(T, n, K + L), each target's own inputs in some windows; `columns` are numbers in its table."""
        rows = torch.cat([columns, self.own[targets]], 1)
        first = self._part(targets)[:, None] * len(self.parts[0].columns)
        # The last row is zeros in every table.
        rows = torch.where(rows < 0, -1, rows + first)
        if isinstance(windows, slice):
            return self.columns[:, windows][rows].mT.contiguous()
        return self.columns[rows[:, None], windows[:, None]]

    def allowed(self, targets: Tensor) -> Tensor:
        """(T, Q) which inputs each target may read."""
        return self.parts[0].allowed(targets % len(self.parts[0].y))

    def make_screens(self) -> None:
        """Before several threads ask for them."""
        for part in self.parts:
            part.make_screens()

    def screen_of(self, targets: Tensor) -> Screen:
        """Of the causes that these read, row by row."""
        return _JoinedScreen([part.screen for part in self.parts], self._part(targets))

    def _part(self, targets: Tensor) -> Tensor:
        return targets // len(self.parts[0].y)


class _JoinedScreen(Screen):
    """Evidence of rows of which each belongs to one of several screens."""

    def __init__(self, screens: Sequence[Screen], part: Tensor) -> None:
        numbers = part.unique().tolist()
        self._mine: list[tuple[Screen, Tensor]] = [
            (screens[number], torch.nonzero(part == number).flatten()) for number in numbers
        ]

    def __call__(
        self,
        residual: Tensor,
        partners: Tensor,
        outside: Tensor | None = None,
        both: bool = False,
        pairs: bool = False,
    ) -> Tensor:
        def of(screen: Screen, rows: Tensor) -> Tensor:
            return screen(residual[rows], partners[rows], None if outside is None else outside[rows], both, pairs)

        return self._joined(of)

    def pairs_alone(self, residual: Tensor, partners: Tensor, outside: Tensor) -> Tensor:
        return self._joined(lambda screen, rows: screen.pairs_alone(residual[rows], partners[rows], outside[rows]))

    def linear(self, residual: Tensor) -> Tensor:
        return self._joined(lambda screen, rows: screen.linear(residual[rows]))

    def alone(self, residual: Tensor) -> Tensor:
        return self._joined(lambda screen, rows: screen.alone(residual[rows]))

    def excess(self, evidence: Tensor, outside: Tensor, n_partners: int, pairs: bool = False) -> Tensor:
        return self._mine[0][0].excess(evidence, outside, n_partners, pairs)

    def _joined(self, of: Callable[[Screen, Tensor], Tensor]) -> Tensor:
        found = torch.cat([of(screen, rows) for screen, rows in self._mine])
        order: Tensor = torch.cat([rows for _, rows in self._mine]).argsort()
        return found[order]
