"""Whether a table has windows enough for any conclusion, told before its edges are believed.

Over N windows the correlation r of two series that have nothing to do with one another follows a t distribution of N - 2 degrees
of freedom, t = r sqrt((N - 2) / (1 - r^2)). Of M pairs of a target and an input some reach a large one by chance: the largest is
near the r whose two-sided tail is 1 / M, for large N near sqrt(2 ln M / N), and in nineteen tables of twenty below the r whose
tail is 0.05 / M. A true influence has to pass that to stand out. Where even a correlation of .9 does not, a cause that accounts
for four fifths of what its effect does could not be told from chance.

Of vector autoregressions of 6, 20 and 60 series with one lag, four of each, the mean AUROC of a small MLP was .50 to .58 (once,
of 6 windows of 6 series, .68) where more than .9 would have to be reached, and .7 was not passed before half of that was enough.
Steps that resemble the one before count for less than one each, so that there can be reason for doubt where none is told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

# A correlation that stands out by chance in one table of twenty; how large a true one may have to be; one that is often met.
CHANCE, LARGEST, USUAL = 0.05, 0.9, 0.7


@dataclass(frozen=True)
class Doubt:
    """Too few windows.

    Attributes
    ----------
    n_windows, n_pairs : N; M, pairs of a target and one of its inputs.
    by_chance : correlation that one of so many pairs reaches by chance.
    needed : correlation above which one stands out.
    enough : windows for one of `USUAL` to stand out.
    """

    n_windows: int
    n_pairs: int
    by_chance: float
    needed: float
    enough: int

    def __str__(self) -> str:
        windows = "1 window is" if self.n_windows == 1 else f"{self.n_windows} windows are"
        return (
            f"{windows} too few for any conclusion about {self.n_pairs:,} pairs of a target and an input: by chance alone one of"
            f" them reaches a correlation of {_shown(self.by_chance)}, and {self._true()}; do not believe the edges without"
            f" more steps or trajectories (with {self.enough} windows a correlation of {USUAL} stands out), or fewer regulators,"
            " targets or lags"
        )

    def _true(self) -> str:
        if self.needed > 0.9995:
            return "no true influence could stand out"
        return f"a true influence stands out above {_shown(self.needed)} only"


def doubt_of(n_windows: int, n_pairs: int) -> Doubt | None:
    """Of N windows and M pairs of a target and an input; None where an influence can stand out."""
    needed = chance_correlation(n_windows, CHANCE / n_pairs)
    if needed <= LARGEST:
        return None
    by_chance = chance_correlation(n_windows, 1 / n_pairs)
    return Doubt(n_windows, n_pairs, by_chance, needed, _enough(n_windows, n_pairs))


def chance_correlation(n_windows: int, tail: float) -> float:
    """The size that the correlation of two independent normal series over N windows passes with probability `tail`."""
    free = n_windows - 2
    if free < 1:
        return 1.0
    t = float(special.stdtrit(free, min(tail, 1.0) / 2))
    return 1.0 if math.isinf(t) else abs(t) / math.sqrt(free + t * t)


def _enough(n_windows: int, n_pairs: int) -> int:
    """The fewest windows where a correlation of `USUAL` stands out."""

    def stands_out(count: int) -> bool:
        return chance_correlation(count, CHANCE / n_pairs) <= USUAL

    high = max(4, n_windows)
    while not stands_out(high):
        high *= 2
    low = n_windows
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if stands_out(middle) else (middle, high)
    return high


def _shown(correlation: float) -> str:
    return f"{correlation:.2f}" if correlation < 0.995 else f"{correlation:.3f}".rstrip("0").rstrip(".")
