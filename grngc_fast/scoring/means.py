"""Mean gradients over windows, one batch at a time: what scores are, and what training looks at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..jacobian import FactorPieces, Pieces, jacobian_pieces, lag_major, means


class CausalScores(NamedTuple):
    """Mean gradients over windows, [effect, cause, lag], lag index 0 the most recent step.

    absolute : (E, C, L), the causal scores.
    signed : (E, C, L), the mean signed gradient; its sign is that of the influence.
    """

    absolute: Tensor
    signed: Tensor

    @property
    def summary(self) -> Tensor:
        """(E, C): the largest score over lags."""
        return self.absolute.amax(-1)


def mean_gradients(
    model: nn.Module, batches: Iterable[Tensor], *, targets: Tensor | None = None, **options: Any
) -> CausalScores:
    """Mean absolute and mean signed gradient over all windows of all batches, each (N, L, C), one batch at a time.

    `options` are `encoder`, `readout`, `backend` and `precision` of `causal_scores`. All effects asked for at once, so that
    memory is a few times that of the result.
    """
    found = mean_over(model, batches, targets, **options)
    assert found.absolute is not None
    assert found.signed is not None
    return CausalScores(found.absolute, found.signed)


class GradientMeans:
    """Means over batches of windows, weighted by their sizes, and the variance of the mean between them.

    With m_b the mean of batch b, w_b its share of the windows and m the mean of all, sum_b w_b (m_b - m)^2 / (B - 1) is an
    unbiased estimate of S^2 / n, the squared standard error of a sample of n, whatever the batches' sizes.
    """

    def __init__(self, spread: bool = False) -> None:
        self.absolute: Tensor | None = None
        self.signed: Tensor | None = None
        self._squares: Tensor | None = None
        self._spread, self.count, self.n_batches = spread, 0, 0

    def add(self, absolute: Tensor, signed: Tensor, n_windows: int) -> None:
        """(n, C, L) each; the tensors are taken over."""
        self.count, self.n_batches = self.count + n_windows, self.n_batches + 1
        if self.absolute is None or self.signed is None:
            self.absolute, self.signed = absolute, signed
            self._squares = torch.zeros_like(absolute) if self._spread else None
            return
        weight = n_windows / self.count
        self.signed.lerp_(signed, weight)
        if self._squares is None:
            self.absolute.lerp_(absolute, weight)
            return
        absolute.sub_(self.absolute)
        self.absolute.add_(absolute, alpha=weight)
        # sum_b n_b (m_b - m)^2 grows by n_b (1 - weight) delta^2.
        self._squares.addcmul_(absolute, absolute, value=n_windows * (1 - weight))

    def error(self, population: int) -> Tensor:
        """(n, C): standard error of the largest mean over lags, of a sample without replacement from the population."""
        assert self.absolute is not None
        assert self._squares is not None
        left_out = 1 - self.count / population
        squares = self._squares.gather(-1, self.absolute.argmax(-1, keepdim=True)).squeeze(-1)
        return squares.mul_(left_out / (self.count * max(1, self.n_batches - 1))).sqrt_()


def mean_over(
    model: nn.Module,
    batches: Iterable[Tensor],
    targets: Tensor | None = None,
    *,
    spread: bool = False,
    encoder: nn.Module | str | None = None,
    readout: nn.Module | str | None = None,
    backend: str = "auto",
    precision: str | None = "highest",
) -> GradientMeans:
    """Mean gradients over all windows of all batches, each (N, L, C), one batch at a time."""
    found = GradientMeans(spread)
    for x in batches:
        with torch.no_grad():
            rows = None if targets is None else targets.to(x.device)
            pieces = jacobian_pieces(model, x, rows, encoder=encoder, readout=readout)
            absolute, signed = (by_lag(t, pieces) for t in means(pieces, backend, precision))
            found.add(absolute, signed, len(x))
    if found.absolute is None:
        raise ValueError("no windows to average gradients over")
    return found


def by_lag(columns: Tensor, pieces: Pieces) -> Tensor:
    """(..., E, Q) -> (..., effect, cause, lag), most recent first."""
    if isinstance(pieces, FactorPieces):
        return lag_major(columns, pieces.model.n_lags)
    if len(pieces.window_shape) == 1:
        return columns.unsqueeze(-1)
    # In the order of the windows: (E, L, C), oldest step first.
    n_steps = pieces.window_shape[0]
    return torch.unflatten(columns, -1, (n_steps, -1)).flip(-2).movedim(-2, -1)
