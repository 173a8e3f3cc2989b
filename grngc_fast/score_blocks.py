"""Mean gradients of some effects at a time: what a block of scores holds, and how it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from .errors import InputError
from .jacobian import FactorPieces, Pieces, jacobian_pieces, lag_major, means

# What a block may need, its temporaries counted.
BLOCK_BYTES = 2**28
# Arrays of the size of a block that exist together: two means, a batch's two, the op's own two, their spread.
BLOCK_COPIES = 7

Batches = Callable[[], Iterable[Tensor]]


class Processes(Protocol):
    """Processes that do one job together; `grngc_fast.training.World` is one."""

    @property
    def size(self) -> int: ...

    def share(self, index: Tensor) -> Tensor:
        """This process's part of (n,) indices."""
        ...

    def assemble(self, part: Tensor, rows: Tensor, n_rows: int) -> Tensor:
        """(n_rows, ...) of which every process has the rows that are its share."""
        ...


@dataclass(frozen=True)
class ScoreBlock:
    """Mean gradients over windows of some effects, [effect, cause, lag], lag index 0 the most recent step.

    Attributes
    ----------
    first : place of the first effect among those asked for.
    absolute, signed : (n, C, L), mean absolute and mean signed gradient.
    error : (n, C), standard error of the score over the sample of windows, None where none was asked for.
    """

    first: int
    absolute: Tensor
    signed: Tensor
    error: Tensor | None = None

    @property
    def scores(self) -> Tensor:
        """(n, C): the largest over lags."""
        return self.absolute.amax(-1)

    @property
    def signs(self) -> Tensor:
        """(n, C): the mean signed gradient at the lag of the largest absolute one."""
        return self.signed.gather(-1, self.absolute.argmax(-1, keepdim=True)).squeeze(-1)


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


def score_blocks(
    model: nn.Module,
    batches: Batches,
    n_targets: int | None,
    n_inputs: int,
    *,
    targets: Tensor | None = None,
    population: int | None = None,
    block_bytes: int = BLOCK_BYTES,
    world: Processes | None = None,
    **options: Any,
) -> Iterator[ScoreBlock]:
    """Scores of all causes for some effects at a time, each block from a pass over all windows.

    The model's factors are taken anew for every block; a block's products outweigh them by its number of effects. Nothing
    larger than a block is made, whatever the numbers of windows and effects.

    Parameters
    ----------
    batches : gives the batches (N, L, C) of windows from the start, once for each block.
    n_targets, n_inputs : E effects asked for, None to take all together, and numbers in a window, L * C.
    targets : indices of the effects asked for; None for all outputs.
    population : number of windows of which the batches are a random sample, for standard errors; None for none.
    block_bytes : memory of a block.
    world : processes that share out the effects of every block, and all get it whole; None for this one alone.
    options : `encoder`, `readout`, `backend`, `precision` of `causal_scores`.

    Raises
    ------
    InputError : `block_bytes` is too little for one effect. ValueError : no windows.
    """
    itemsize = next(iter(batches())).element_size()
    rows = block_bytes // (BLOCK_COPIES * itemsize * n_inputs)
    if rows < 1:
        raise InputError(
            f"the scores of one effect by {n_inputs} inputs need {BLOCK_COPIES * itemsize * n_inputs} bytes of memory, more than"
            f" the {block_bytes} allowed; allow more"
        )
    alone = world is None or world.size == 1
    if n_targets is None or (alone and rows >= n_targets):
        yield _block(model, batches, 0, targets, population, options)
        return
    for first in range(0, n_targets, rows):
        span = slice(first, min(first + rows, n_targets))
        part = torch.arange(span.start, span.stop) if targets is None else targets[span]
        if world is None or len(part) < world.size:
            yield _block(model, batches, first, part, population, options)
            continue
        mine = world.share(torch.arange(len(part)))
        found = _block(model, batches, first, part[mine.to(part.device)], population, options)
        yield ScoreBlock(
            first,
            world.assemble(found.absolute, mine, len(part)),
            world.assemble(found.signed, mine, len(part)),
            None if found.error is None else world.assemble(found.error, mine, len(part)),
        )


def _block(
    model: nn.Module,
    batches: Batches,
    first: int,
    targets: Tensor | None,
    population: int | None,
    options: dict[str, Any],
) -> ScoreBlock:
    found = mean_over(model, batches(), targets, spread=population is not None, **options)
    assert found.absolute is not None
    assert found.signed is not None
    error = None if population is None else found.error(population)
    return ScoreBlock(first, found.absolute, found.signed, error)


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
            absolute, signed = (_by_lag(t, pieces) for t in means(pieces, backend, precision))
            found.add(absolute, signed, len(x))
    if found.absolute is None:
        raise ValueError("no windows to average gradients over")
    return found


def _by_lag(columns: Tensor, pieces: Pieces) -> Tensor:
    """(E, Q) -> (effect, cause, lag), most recent first."""
    if isinstance(pieces, FactorPieces):
        return lag_major(columns, pieces.model.n_lags)
    if len(pieces.window_shape) == 1:
        return columns.unsqueeze(-1)
    # In the order of the windows: (E, L, C), oldest step first.
    return torch.unflatten(columns, 1, pieces.window_shape).flatten(2).flip(1).movedim(1, -1)
