"""How work is dealt out to programs and launches, and how optional operands are handed to a kernel."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from torch import Tensor

from .operands import cdiv, multiprocessors


def parts(length: int, step: int, multiple: int) -> Iterator[slice]:
    """Slices of at most `step`, in multiples of `multiple` where there are several."""
    if step < length:
        step = max(multiple, step // multiple * multiple)
    return (slice(start, min(start + step, length)) for start in range(0, length, step))


def splits_of(x: Tensor, programs: int, n_windows: int, n_blocks: int) -> tuple[int, int]:
    """How many programs share the windows, and the blocks, of one owner: few owners leave the GPU empty."""
    return fewest_splits(multiprocessors(x.device), programs, n_windows, n_blocks)


@lru_cache(maxsize=1024)
def fewest_splits(slots: int, programs: int, n_windows: int, n_blocks: int) -> tuple[int, int]:
    """The smallest number that fills nine tenths of every wave; each split is one more partial gradient."""
    best, best_fill = 1, 0.0
    for splits in range(1, 17):
        if splits > n_windows * n_blocks:
            break
        fill = programs * splits / (cdiv(programs * splits, slots) * slots)
        if fill > best_fill + 0.02:
            best, best_fill = splits, fill
        if fill >= 0.9:
            break
    windows = min(best, n_windows)
    return windows, min(n_blocks, max(1, best // windows))


def given(x: Tensor | None, dims: int, stand_in: Tensor) -> tuple[Tensor | int, ...]:
    """An optional operand and its strides."""
    return (stand_in, *[0] * dims) if x is None else (x, *x.stride())


def or_stand_in(x: Tensor | None, stand_in: Tensor) -> tuple[Tensor]:
    return (stand_in if x is None else x,)
