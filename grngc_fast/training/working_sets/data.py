"""The windows of a fit as working sets read them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ...series import CandidateEdges, Windows
from .screen import Screen


@dataclass(frozen=True)
class SetData:
    """Inputs and targets, a row to each.

    Attributes
    ----------
    columns : (Q + L E' + 1, N): lag-major causes, own pasts of E' targets, and zeros, which is what column -1 reads.
    y : (E, N); what is missing is at the mean of what is known.
    own : (E, L) which columns a target's own past are, -1 for none; L = 0 where no target has one.
    edges : whose `allowed` limits the sets.
    n_inputs, n_lags : Q and L.
    smooth : whether inputs are screened for any smooth function of one.
    known : (E, N) which targets are; None for all.
    """

    columns: Tensor
    y: Tensor
    own: Tensor
    edges: CandidateEdges | None
    n_inputs: int
    n_lags: int
    smooth: bool = False
    known: Tensor | None = None
    _screens: dict[bool, Screen] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, windows: Windows, edges: CandidateEdges | None, smooth: bool = False) -> SetData:
        """Of windows whose input columns are those of `edges`; None for all series and all pairs."""
        x, y = windows.columns(), windows.targets().T.contiguous()
        known = y.isnan().logical_not_() if windows.masked else None
        if known is not None:
            y = torch.where(known, y, y.nanmean(1, keepdim=True).nan_to_num())
        n_lags, n_own = windows.n_lags, 0 if edges is None else len(edges.own_past)
        by_lag = x.unflatten(1, (n_lags, -1))
        n_causes = by_lag.shape[2] - n_own
        causes, own_past = by_lag[..., :n_causes].flatten(1), by_lag[..., n_causes:].flatten(1)
        own = torch.full((len(y), n_lags if n_own else 0), -1, device=y.device)
        if edges is not None and n_own:
            at = torch.arange(n_lags, device=y.device) * n_own + torch.arange(n_own, device=y.device)[:, None]
            own[torch.as_tensor(edges.own_past, device=y.device)] = causes.shape[1] + at
        columns = torch.cat([causes.T, own_past.T, torch.zeros_like(x[:, :1]).T])
        return cls(columns, y, own, edges, causes.shape[1], n_lags, smooth, known)

    @property
    def screen(self) -> Screen:
        """Of the causes; made once for all that share them, see `of_targets`."""
        if self.smooth not in self._screens:
            self._screens[self.smooth] = Screen(self.columns[: self.n_inputs], self.smooth)
        return self._screens[self.smooth]

    def make_screens(self) -> None:
        """Before several threads ask for them."""
        _ = self.screen

    def screen_of(self, targets: Tensor) -> Screen:
        """Of the causes that these read, row by row."""
        return self.screen

    def of_targets(self, chosen: Tensor, smooth: bool) -> SetData:
        """The same inputs with these targets, which may be repeated; of data where each may read all."""
        assert self.edges is None
        known = None if self.known is None else self.known[chosen]
        return replace(self, y=self.y[chosen], own=self.own[chosen], smooth=smooth, known=known)

    def read(self, targets: Tensor, columns: Tensor, windows: slice | Tensor = slice(None)) -> Tensor:
        """(T, n, K + L), each target's own inputs in some windows."""
        rows = torch.cat([columns, self.own[targets]], 1)
        if isinstance(windows, slice):
            return self.columns[:, windows][rows].mT.contiguous()
        return self.columns[rows[:, None], windows[:, None]]

    def wanted(self, targets: Tensor) -> Tensor:
        """(T, N) targets with NaN where they are missing."""
        y = self.y[targets]
        return y if self.known is None else y.masked_fill_(~self.known[targets], torch.nan)

    def share_known(self, targets: Tensor) -> Tensor | float:
        """(T,) of the windows; 1 of all targets where none is missing."""
        return 1.0 if self.known is None else self.known[targets].to(self.y.dtype).mean(1)

    def mean(self, targets: Tensor, values: Tensor) -> Tensor:
        """(T,) mean of values (T, N) over the windows in which the target is known."""
        if self.known is None:
            return values.mean(1)
        known = self.known[targets]
        return torch.where(known, values, 0.0).sum(1) / known.sum(1).clamp_min(1)

    def without_missing(self, targets: Tensor, residual: Tensor) -> Tensor:
        """Residuals (T, N), those of missing targets at the mean of the others.

        Such ones say nothing to a screen. Noise of the others has the spread that noise of all would have: of variance 1 over all
        windows, N_i of N known, the correlation is sqrt(N_i / N) times that of the known ones, and so is its bound.
        """
        if self.known is None:
            return residual
        return torch.where(self.known[targets], residual, self.mean(targets, residual)[:, None])

    def allowed(self, targets: Tensor) -> Tensor:
        """(T, Q) which inputs each target may read."""
        if self.edges is None or self.edges.allowed is None:
            return torch.ones(len(targets), self.n_inputs, dtype=torch.bool, device=targets.device)
        rows = torch.as_tensor(self.edges.allowed[targets.cpu().numpy()].toarray(), device=targets.device)
        return rows.repeat(1, self.n_lags)
