"""Causal scores of a trained model: the mean absolute gradient over windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .jacobian import FactorPieces, Pieces, check_targets, check_windows, jacobian_pieces, lag_major, means


class CausalScores(NamedTuple):
    """Mean gradients over windows, [effect, cause, lag], lag index 0 the most recent step.

    absolute : (P, P, L), the causal scores.
    signed : (P, P, L), the mean signed gradient; its sign is that of the influence.
    """

    absolute: Tensor
    signed: Tensor

    @property
    def summary(self) -> Tensor:
        """(P, P): the largest score over lags."""
        return self.absolute.amax(-1)


def causal_scores(
    model: nn.Module,
    x: Tensor,
    *,
    per_lag: bool = False,
    signed: bool = False,
    targets: Tensor | Sequence[int] | None = None,
    encoder: nn.Module | str | None = None,
    readout: nn.Module | str | None = None,
    batch_size: int = 256,
    backend: str = "auto",
    precision: str | None = "highest",
) -> Tensor:
    """Mean over windows of |d f_i(x_n) / d x_nj|: `scores[effect, cause]`.

    Parameters
    ----------
    model : maps (N, L, P) to (N, P), each window by itself; evaluated as it is, so call `model.eval()` before.
    x : (N, L, P), oldest step first. A module without factors may take (N, Q) too, which counts as one lag.
    per_lag : keep the lags: (P, P, L), lag index 0 the most recent step. Otherwise the largest over lags.
    signed : the mean signed gradient instead (with `per_lag=False`, at the lag of the largest absolute one).
    targets : effects wanted, in this order; default all.
    encoder, readout : see `grngc_fast.gradient_l1`.
    batch_size : windows at a time, fewer where memory asks for it.
    backend, precision : of the op, see `grngc_fast.kernels.matmul_l1`; scores are float32-accurate unless asked otherwise.

    Returns
    -------
    (P, P), or (P, P, L) with `per_lag`; a row for each of `targets`. Detached.
    """
    check_windows(x)
    scores = mean_gradients(
        model,
        x.split(batch_size),
        targets=check_targets(targets, x.device),
        encoder=encoder,
        readout=readout,
        backend=backend,
        precision=precision,
    )
    if per_lag:
        return scores.signed if signed else scores.absolute
    if signed:
        return strongest_lag(scores)
    return scores.summary


def strongest_lag(scores: CausalScores) -> Tensor:
    """(P, P): the mean signed gradient at the lag of the largest mean absolute one."""
    return scores.signed.gather(-1, scores.absolute.argmax(-1, keepdim=True)).squeeze(-1)


def mean_gradients(
    model: nn.Module,
    batches: Iterable[Tensor],
    *,
    targets: Tensor | None = None,
    encoder: nn.Module | str | None = None,
    readout: nn.Module | str | None = None,
    backend: str = "auto",
    precision: str | None = "highest",
) -> CausalScores:
    """Mean absolute and mean signed gradient over all windows of all batches, each (N, L, P), one batch at a time."""
    absolute: Tensor | None = None
    signed: Tensor | None = None
    count = 0
    for x in batches:
        with torch.no_grad():
            pieces = jacobian_pieces(model, x, targets, encoder=encoder, readout=readout)
            part_absolute, part_signed = (_by_lag(t, pieces) for t in means(pieces, backend, precision))
        count += len(x)
        weight = len(x) / count
        absolute = part_absolute if absolute is None else absolute.lerp_(part_absolute, weight)
        signed = part_signed if signed is None else signed.lerp_(part_signed, weight)
    if absolute is None or signed is None:
        raise ValueError("no windows to average gradients over")
    return CausalScores(absolute, signed)


def _by_lag(columns: Tensor, pieces: Pieces) -> Tensor:
    """(E, Q) -> (effect, cause, lag), most recent first."""
    if isinstance(pieces, FactorPieces):
        return lag_major(columns, pieces.model.n_lags)
    if len(pieces.window_shape) == 1:
        return columns.unsqueeze(-1)
    # In the order of the windows: (E, L, C), oldest step first.
    return torch.unflatten(columns, 1, pieces.window_shape).flatten(2).flip(1).movedim(1, -1)
