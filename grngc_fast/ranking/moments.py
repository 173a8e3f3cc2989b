"""Correlations of inputs and targets over windows, and what is left of them once the own past of a target is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..series import Windows

# Of the variance of an input or a target, what its own past may leave at least.
LEAST_LEFT = 1e-6


@dataclass(frozen=True)
class Moments:
    """Correlations over the windows of a fit, float64; Q inputs that may be causes, lag-major, lag index 0 the most recent step.

    Attributes
    ----------
    inputs : (Q, Q) of inputs.
    targets : (E, Q) of each target with each input, over the windows in which it is known.
    known : (E,) how many these are.
    own : (E, L) columns of each target's own past among the inputs; -1 where it is none.
    past : (E, L, Q) of the own past of each target with each input, 0 where it is not read.
    square, along : (E, L, L) and (E, L) of the own past with itself, and with the target.
    columns : (N, Q) inputs. there : (E, N) where each target is known; None where all are. All that is of a target is over the
        windows in which it is known: with its own past of others little may be left of it, or less than nothing.
    """

    inputs: Tensor
    targets: Tensor
    known: Tensor
    own: Tensor
    past: Tensor
    square: Tensor
    along: Tensor
    columns: Tensor | None = None
    there: Tensor | None = None

    @classmethod
    def of(cls, windows: Windows, own: Tensor, n_causes: int | None = None) -> Moments:
        """Of all windows.

        Parameters
        ----------
        own : (E,) the series among those read that each target is, -1 for none.
        n_causes : how many of the series read may be causes, the first of them; default all.
        """
        x, y = windows.columns().double().cpu(), windows.targets().double().cpu()
        missing = y.isnan()
        known = (~missing).sum(0).double()
        x = standardised(x)
        y = (y - y.nanmean(0)).masked_fill(missing, 0.0)
        y = y / (y.square().sum(0) / known).sqrt().clamp_min(1e-12)

        n_lags, n_read = windows.n_lags, x.shape[1] // windows.n_lags
        n_causes = n_read if n_causes is None else n_causes
        causes = x.unflatten(1, (n_lags, n_read))[:, :, :n_causes].flatten(1)
        lags, there = torch.arange(n_lags), own[:, None] >= 0
        read = own[:, None].clamp_min(0) + lags * n_read
        places = torch.where(there & (own[:, None] < n_causes), own[:, None] + lags * n_causes, -1)
        past = (x.T @ causes / len(x))[read] * there[:, :, None]
        mine = x[:, read]
        square = torch.einsum("nel,nem->elm", mine, mine) / len(x)
        along = torch.einsum("nel,ne->el", mine, y) / known[:, None] * there
        targets = (y.T @ causes / known[:, None]).clamp(-1, 1)
        if not missing.any():
            return cls(causes.T @ causes / len(x), targets, known, places, past, square, along)
        which = torch.arange(x.shape[1]).view(n_lags, n_read)[:, :n_causes].flatten()
        for e in missing.any(0).nonzero()[:, 0].tolist():
            at = ~missing[:, e]
            some = standardised(x[at])
            mine = some[:, read[e]] * there[e]
            past[e], square[e] = mine.T @ some[:, which] / len(some), mine.T @ mine / len(some)
            along[e], targets[e] = mine.T @ y[at, e] / len(some), y[at, e] @ some[:, which] / len(some)
        shared = causes.T @ causes / len(x)
        return cls(shared, targets.clamp(-1, 1), known, places, past, square, along, causes, ~missing.T)

    @property
    def n_inputs(self) -> int:
        return len(self.inputs)

    def beside(self, rows: Tensor, columns: Tensor) -> Moments:
        """Of some targets (n,), of which further inputs (n, K) are known as their own past is; targets known in all windows."""
        cross = self.past[rows].gather(2, columns[:, None, :].expand(-1, self.own.shape[1], -1))
        square = torch.cat([self.square[rows], cross], 2)
        further = torch.cat([cross.mT, self.inputs[columns[:, :, None], columns[:, None, :]]], 2)
        return replace(
            self,
            targets=self.targets[rows],
            known=self.known[rows],
            own=torch.cat([self.own[rows], columns], 1),
            past=torch.cat([self.past[rows], self.inputs[columns]], 1),
            square=torch.cat([square, further], 1),
            along=torch.cat([self.along[rows], self.targets[rows].gather(1, columns)], 1),
        )

    def given_own_past(self, rows: Tensor) -> Partial:
        """Of some targets (n,)."""
        own, past, along = self.own[rows], self.past[rows], self.along[rows]
        square = self.square[rows] + LEAST_LEFT * torch.eye(own.shape[1], dtype=past.dtype)
        weights = torch.linalg.solve(square, past)
        shares = torch.linalg.solve(square, along[:, :, None])[:, :, 0]
        left = (1 - (past * weights).sum(1)).clamp_min(LEAST_LEFT)
        target_left = (1 - (along * shares).sum(1)).clamp_min(LEAST_LEFT)
        partial = (self.targets[rows] - (past * shares[:, :, None]).sum(1)) / (left * target_left[:, None]).sqrt()
        is_own = torch.zeros_like(left).scatter_reduce_(1, own.clamp_min(0), (own >= 0).to(left), "amax").bool()
        partial = partial.clamp(-1 + LEAST_LEFT, 1 - LEAST_LEFT).masked_fill(is_own, 0.0)
        at = None if self.there is None else self.there[rows]
        return Partial(partial, is_own, past, weights, left, self.inputs, self.columns, at)


@dataclass(frozen=True)
class Partial:
    """Partial correlations given the own past of each of n targets.

    Attributes
    ----------
    target : (n, Q) of the target with each input. own : (n, Q) which inputs are its own past.
    past, weights : (n, L, Q) of the own past with each input, and the coefficients by which it forecasts that.
    left : (n, Q) variance of each input that it leaves.
    inputs : (Q, Q) correlations of inputs. columns, there : as in `Moments`, of these targets.
    """

    target: Tensor
    own: Tensor
    past: Tensor
    weights: Tensor
    left: Tensor
    inputs: Tensor
    columns: Tensor | None
    there: Tensor | None

    def between(self, chosen: Tensor) -> Tensor:
        """(n, K, Q) float32: of inputs chosen for each target (n, K) with all inputs."""
        at = chosen[:, None, :].expand(-1, self.weights.shape[1], -1)
        explained = self.weights.gather(2, at).transpose(1, 2).float() @ self.past.float()
        scale = self.left.rsqrt().float()
        together = self.inputs.float()[chosen]
        if self.columns is not None and self.there is not None:
            for e in (~self.there).any(1).nonzero()[:, 0].tolist():
                some = standardised(self.columns[self.there[e]])
                together[e] = (some[:, chosen[e]].T @ some / len(some)).float()
        found = (together - explained) * scale.gather(1, chosen)[:, :, None] * scale[:, None, :]
        return found.clamp(-1, 1)


def standardised(x: Tensor) -> Tensor:
    """Columns of mean 0 and variance 1; constant ones stay 0."""
    x = x - x.mean(0)
    return x / x.square().mean(0).sqrt().clamp_min(1e-12)
