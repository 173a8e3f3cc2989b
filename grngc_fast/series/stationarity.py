"""Whether series look as if their mean moved: by a random walk, or along a straight line.

A forecaster of series that drift learns that everything goes with everything else. Two tests, at a chance of `WALK_CHANCE` and
`LINE_CHANCE` of one false alarm in a whole table (Bonferroni):

random walk. In the augmented Dickey-Fuller regression, within each trajectory,

    x_t = m + rho x_{t-1} + sum_k g_k (x_{t-k} - x_{t-k-1}) + e_t,    k up to (T - 1)^(1/3)

(Said and Dickey, Biometrika 71, 1984; so many lags as R's tseries::adf.test), a unit root is taken for likely where rho is larger
than `STEADY` by a one-sided test, normal under that hypothesis, and (rho - 1) / se does not fall below Dickey and Fuller's
critical value of 5 %, -2.86 (Fuller, Introduction to Statistical Time Series, 1976, table 8.5.2); of R trajectories -1.47 less
the root of 1.5 R (Levin, Lin and Chu, Journal of Econometrics 108, 2002). That a unit root is not rejected says little by itself:
of few steps no series that is slow rejects it.

straight line. It explains more than half of the variance of a trajectory, and its slope over the standard error that residuals of
an autoregression have (variance times (1 + r) / (1 - r), r their lag-1 correlation, corrected for its bias as in Kendall,
Biometrika 41, 1954) is larger than chance by a two-sided t-test. Only of long trajectories: short ones settle.

Measured: of tables of autoregressions of order 1 with .9, 200 steps, .2, .5 and 1 % are spoken of (5, 20 and 100 series), of 500
steps none of 200; random walks: 73 % of 20 series of 200 steps are recognised, 95 % of 500, so that every table is spoken of;
lines that explain .6 of the variance: 96 %, .8: all. Lorenz-96, vector autoregressions and the families: none of 504 tables.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from .table import SeriesTable, some

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

# What is estimated of few steps is not quite distributed as assumed, lines less so: a tenth of the chance holds for them.
WALK_CHANCE, LINE_CHANCE = 0.01, 0.001
# The persistence that is thought of as stationary, and the critical value of a unit root with a constant.
STEADY, UNIT_ROOT = 0.9, -2.86
# Of the variance, what a straight line has to explain.
EXPLAINED = 0.5
# Residuals that are slower than this make lines of nothing.
SLOW = 0.75
# Fewer steps tell nothing; more lags cost more than they tell.
FEWEST_ROWS, FEWEST_STEPS, MOST_LAGS = 50, 50, 12
# Series that are looked at, evenly spaced, and numbers of a block of them.
MOST_SERIES, BLOCK_NUMBERS = 1000, 2**16


@dataclass(frozen=True)
class Drifting:
    """Which of the series drift.

    Attributes
    ----------
    columns : (S,) series looked at.
    walks, lines : (S,) bool, by either test; a line may be taken for a walk too.
    """

    columns: NDArray[np.intp]
    walks: Mask
    lines: Mask

    @property
    def either(self) -> Mask:
        return self.walks | self.lines


def drifting(table: SeriesTable, columns: NDArray[np.intp]) -> Drifting:
    """Test some series of a table, all or `MOST_SERIES` of them evenly spaced."""
    chosen = np.unique(columns)
    if len(chosen) > MOST_SERIES:
        chosen = chosen[np.linspace(0, len(chosen) - 1, MOST_SERIES).round().astype(np.intp)]
    walks, lines = (np.zeros(len(chosen), dtype=bool) for _ in range(2))
    size = max(1, BLOCK_NUMBERS // max(1, table.n_steps))
    for first in range(0, len(chosen), size):
        block = slice(first, first + size)
        parts = _standard([np.asarray(t[:, chosen[block]], dtype=np.float64) for t in table.trajectories])
        walks[block] = _walks(parts, WALK_CHANCE / len(chosen))
        lines[block] = _lines(parts, LINE_CHANCE / len(chosen))
    return Drifting(chosen, walks, lines)


def doubt(table: SeriesTable, columns: NDArray[np.intp], differenced: bool, detrended: bool) -> str | None:
    """What to say of series that drift, among those that are read or forecast; None if none does."""
    found = drifting(table, columns)
    either = found.either
    count = int(either.sum())
    if not count:
        return None
    of = f"{len(found.columns)} series" + (" looked at" if len(found.columns) < len(np.unique(columns)) else "")
    named = some((table.names[i] for i in found.columns[either]), 3)
    n_lines = int(found.lines.sum())
    kinds = [f"{int((found.walks & ~found.lines).sum())} like random walks", f"{n_lines} along straight lines"]
    kind = ", ".join(text for text in kinds if not text.startswith("0 "))
    if differenced:
        fix = "after differences are taken still: look at the series"
    else:
        fix = "fit changes (difference=1)"
        fix += ", or take straight lines off (detrend=True)" if n_lines and not detrended else ""
    why = "Series that drift together seem to cause one another"
    return f"{count} of {of} do not look stationary ({kind}): {named}. {why}; {fix}"


def _standard(parts: list[Vector]) -> list[Vector]:
    """Of mean 0 within each trajectory, and of one variance, over what is known."""
    with np.errstate(invalid="ignore", divide="ignore"):
        known = [np.maximum((~np.isnan(t)).sum(0), 1) for t in parts]
        parts = [t - np.nansum(t, axis=0) / n for t, n in zip(parts, known, strict=True)]
        variance = np.sum([np.nansum(t**2, axis=0) for t in parts], axis=0) / np.sum(known, axis=0)
    scale = np.sqrt(np.where(variance > 0, variance, 1.0))
    return [t / scale for t in parts]


def _walks(parts: list[Vector], chance: float) -> Mask:
    n_series = parts[0].shape[1]
    n_lags = min(MOST_LAGS, int(max(1.0, np.mean([len(t) for t in parts]) - 1) ** (1 / 3)))
    gram, moment = np.zeros((n_series, n_lags + 1, n_lags + 1)), np.zeros((n_series, n_lags + 1))
    total, rows = np.zeros(n_series), np.zeros(n_series)
    for x in parts:
        if len(x) < n_lags + 3:
            continue
        change = np.diff(x, axis=0)
        n = len(x) - n_lags - 1
        inputs = np.stack([x[n_lags:-1], *(change[n_lags - k : n_lags - k + n] for k in range(1, n_lags + 1))])
        y = x[n_lags + 1 :]
        known = ~(np.isnan(y) | np.isnan(inputs).any(0))
        count = known.sum(0)
        if not known.all():
            inputs, y = (np.where(known, t, 0.0) for t in (inputs, y))
        inputs = (inputs - inputs.sum(1, keepdims=True) / np.maximum(count, 1)) * known
        inputs = np.ascontiguousarray(inputs.transpose(2, 0, 1))
        y = ((y - y.sum(0) / np.maximum(count, 1)) * known).T
        gram += inputs @ inputs.transpose(0, 2, 1)
        moment += (inputs @ y[..., None])[..., 0]
        total += (y**2).sum(1)
        rows += np.maximum(count - 1, 0)
    left = rows - n_lags - 1
    # What does not change has no inverse; it does not drift.
    gram += 1e-9 * np.eye(n_lags + 1)
    inverse = np.linalg.inv(gram)
    coefficients = (inverse @ moment[..., None])[..., 0]
    variance = np.maximum(total - (coefficients * moment).sum(1), 0) / np.maximum(left, 1)
    error = np.sqrt(variance * inverse[:, 0, 0])
    rho, enough = coefficients[:, 0], (rows >= FEWEST_ROWS) & (left > 0) & (error > 0)
    above = rho - STEADY > stats.norm.isf(chance) * error
    n_used = sum(len(x) >= n_lags + 3 for x in parts)
    found: Mask = enough & above & (rho - 1 > min(UNIT_ROOT, -1.47 - (1.5 * n_used) ** 0.5) * error)
    return found


def _lines(parts: list[Vector], chance: float) -> Mask:
    found = np.zeros(parts[0].shape[1], dtype=bool)
    long = [x for x in parts if len(x) >= FEWEST_STEPS]
    for x in long:
        known = ~np.isnan(x)
        count = known.sum(0)
        time = np.where(known, np.arange(len(x))[:, None] - (np.arange(len(x)) @ known) / np.maximum(count, 1), 0.0)
        values = np.where(known, x, 0.0)
        spread = (time**2).sum(0)
        slope = (time * values).sum(0) / np.maximum(spread, 1.0)
        residual = np.where(known, values - slope * time, 0.0)
        rest, whole = (residual**2).sum(0), (values**2).sum(0)
        pairs = (known[1:] & known[:-1]).sum(0)
        scale = rest / np.maximum(count, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            r = (residual[1:] * residual[:-1]).sum(0) / (np.maximum(pairs, 1) * scale)
            r = np.clip(np.nan_to_num(r) + (2 + 4 * np.nan_to_num(r)) / np.maximum(count, 1), 0.0, 0.999)
            freedom = count * (1 - r) / (1 + r) - 2
            t = np.abs(slope) * np.sqrt(spread / (scale * (1 + r) / (1 - r)))
            critical = stats.t.isf(chance / (2 * len(long)), np.maximum(freedom, 1.0))
            found |= (r < SLOW) & (freedom > 1) & (rest < (1 - EXPLAINED) * whole) & ~(t <= critical)
    return found
