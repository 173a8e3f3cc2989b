"""Missing values: which series have too many, how short gaps are filled, and what to do where no window is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..row_blocks import row_blocks
from .table import SeriesTable, some

Array = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

MISSING = ("error", "drop", "interpolate")
# A series with a larger share missing is refused.
MOST_MISSING = 0.5
# Of the windows that leaving series out gives back at best, what is enough to say how many series that takes.
MOST_BACK = 0.8
# Series to a block: the indices that interpolation needs are of 8 bytes.
BLOCK_SERIES = 64


def missing_counts(table: SeriesTable) -> NDArray[np.int64]:
    """(P,) how many values of each series are missing."""
    counts = np.zeros(table.n_series, dtype=np.int64)
    for trajectory in table.trajectories:
        for rows in row_blocks(trajectory.shape):
            counts += np.isnan(trajectory[rows]).sum(0)
    return counts


def refuse_too_many(table: SeriesTable, counts: NDArray[np.int64], read: NDArray[np.intp]) -> None:
    """`InputError` that names series, of the columns `read`, that lack more than `MOST_MISSING` of their values."""
    shares = counts / table.n_steps
    bad = [int(i) for i in np.unique(read) if shares[i] > MOST_MISSING]
    if bad:
        bad.sort(key=lambda i: -shares[i])
        listed = ", ".join(f"{table.names[i]!r} ({shares[i]:.0%})" for i in bad[:5])
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise InputError(
            f"more than {MOST_MISSING:.0%} of the values are missing of series {listed}{more}; leave them out"
        )


def interpolated(trajectories: Sequence[Array], max_gap: int) -> tuple[list[Array], list[Mask]]:
    """Each (T_r, P) with gaps of up to `max_gap` steps filled, linear in time, and where that was; ends stay as they are."""
    filled = [_interpolated(trajectory, max_gap) for trajectory in trajectories]
    return [values for values, _ in filled], [where for _, where in filled]


def _interpolated(values: Array, max_gap: int) -> tuple[Array, Mask]:
    where = np.isnan(values)
    wanting = np.flatnonzero(where.any(axis=0))
    result = values if not len(wanting) else np.array(values)
    for first in range(0, len(wanting), BLOCK_SERIES):
        columns = wanting[first : first + BLOCK_SERIES]
        part, gaps = values[:, columns], where[:, columns]
        steps, last = np.arange(len(part))[:, None], len(part)
        before = np.maximum.accumulate(np.where(gaps, -1, steps), axis=0)
        after = np.minimum.accumulate(np.where(gaps, last, steps)[::-1], axis=0)[::-1]
        short = gaps & (before >= 0) & (after < last) & (after - before <= max_gap + 1)
        row, column = np.nonzero(short)
        low, high = before[row, column], after[row, column]
        weight = (row - low) / (high - low)
        result[row, columns[column]] = (1 - weight) * part[low, column] + weight * part[high, column]
        where[:, columns] = short
    return result, where


def few_windows(
    table: SeriesTable, counts: NDArray[np.int64], inputs: NDArray[np.intp], span: int, left: int, max_gap: int
) -> str:
    """What to say where few windows or none have all of their inputs: the numbers, and what would leave more.

    Parameters
    ----------
    counts : (P,) missing values. inputs : columns that are read.
    span : steps that a window reads, those of its differences too. left : windows.
    max_gap : steps that may be interpolated.
    """
    possible = sum(max(0, len(t) - span) for t in table.trajectories)
    inputs = np.unique(inputs)
    ordered = inputs[np.argsort(-counts[inputs], kind="stable")]
    with_gaps = ordered[counts[ordered] > 0]
    share = counts[inputs].sum() / (len(inputs) * table.n_steps)
    most = some((table.names[i] for i in with_gaps), 3)
    said = (
        f"{left or 'none'} of {possible} windows {'are' if left > 1 else 'is'} left: in each other at least one of the"
        f" {len(inputs)} series that are read is missing ({share:.1%} of their values, most of {most})"
    )
    by_filling = _windows_without(interpolated([t[:, ordered] for t in table.trajectories], max_gap)[0], span)[0]
    by_leaving = _windows_without([t[:, ordered] for t in table.trajectories], span)
    fixes = []
    if by_filling > 2 * left:
        fixes.append(f"pass missing='interpolate' with max_gap={max_gap}, which leaves {by_filling} windows")
    # The fewest that give back most of the windows that there are without half of the series.
    enough = by_leaving[: min(len(inputs) // 2, len(with_gaps)) + 1]
    if enough.max() > 2 * left:
        k = int(np.argmax(enough >= MOST_BACK * enough.max()))
        names = some(table.names[i] for i in ordered[:k])
        fixes.append(f"leave out the {k} series with the most gaps ({names}), which leaves {enough[k]} windows")
    if not fixes:
        fixes.append("pass missing='interpolate' with a larger max_gap, use fewer lags, or leave series out")
    return said + "; " + ", or ".join(fixes)


def _windows_without(trajectories: Sequence[Array], span: int) -> NDArray[np.int64]:
    """(P,) how many windows are left without the first k columns, for k from 0 on."""
    total = np.zeros(trajectories[0].shape[1], dtype=np.int64)
    for trajectory in trajectories:
        if len(trajectory) <= span:
            continue
        # Whether a step misses any of the columns from k on.
        missing = np.logical_or.accumulate(np.isnan(trajectory)[:, ::-1], axis=1)[:, ::-1]
        sums = np.concatenate([np.zeros((1, missing.shape[1]), dtype=np.int64), missing.cumsum(0)])
        total += (sums[span:-1] == sums[: -span - 1]).sum(0)
    return total
