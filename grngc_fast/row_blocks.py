"""Arrays some rows at a time, so that what is made of them on the way stays small."""

from __future__ import annotations

import math
from collections.abc import Iterator

# Numbers looked at together, 64 MiB in float32.
BLOCK_ELEMENTS = 2**24


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of the rows of an array of this shape, in order, of `BLOCK_ELEMENTS` or of one row."""
    step = max(1, BLOCK_ELEMENTS // max(1, math.prod(shape[1:])))
    return (slice(start, min(start + step, shape[0])) for start in range(0, shape[0], step))
