"""Scores of some effects at a time: what a block of them holds, and how blocks are made one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..errors import InputError
from .means import mean_over

# What a block may need, its temporaries counted.
BLOCK_BYTES = 2**28
# Arrays of the size of a block that exist together: two means, a batch's two, the op's own two, their spread.
BLOCK_COPIES = 7

Batches = Callable[[], Iterable[Tensor]]


class Processes(Protocol):
    """Processes that do one job together; `grngc_fast.distributed.World` is one."""

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
