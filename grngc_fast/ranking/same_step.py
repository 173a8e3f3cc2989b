"""Evidence of the same step, for series that are sampled more slowly than they act on one another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..series import Windows
from .combination import Array, rank_evidence
from .innovations import Innovations

# Standard errors above chance below which nothing moves together within a step.
CLEARLY = 2.0
# Share of the same step in what statistics exceed chance by, from which on it counts: twice what lags have. Simulated systems
# seen at each of their steps .0 to .4, at every 5th .4 to .7, at every 20th .6 to 1, of imaging .9; with noise that is shared
# apart from the graph, where it misleads, .5 to .7. DREAM .0 to .65, NetSim .9 to .98.
FROM = 2 / 3
# A little of it helps nobody and ranks the reverse of clear edges higher: pooled NetSim 3, AUPRC .788 without, .772 with .04.
LEAST_WEIGHT, MOST_WEIGHT = 0.1, 0.9
# What lagged statistics exceed chance by where that is halved: half of them is chance there. One subject of NetSim has .2 to .5,
# fifty have 5 to 11: there AUPRC is .79 and 1.00 without the same step, .52 and .69 where it counts in full. Simulated imaging of
# one and of 8 subjects has AUROC .67 and .69 without, .80 and .76 with 1, .81 and .79 with 2, which five genes of many short
# experiments pay for.
CLEAR_LAGS = 1.0


@dataclass(frozen=True)
class SameStep:
    """How much of what is known lies within a step, and of which pairs.

    Attributes
    ----------
    evidence : (E, C), the same of both directions; None where it has no weight.
    weight : its share in a combination.
    statistic, lagged : mean statistics of pairs, 1 by chance: N r^2 of innovations, and t^2 of the best lag given the own past.
    """

    evidence: Array | None
    weight: float
    statistic: float = 1.0
    lagged: float = 1.0

    @classmethod
    def of(cls, windows: Windows, lagged: Tensor, pairs: NDArray[np.bool_], effect_of: Tensor) -> SameStep:
        """Of the windows of a fit.

        Where a sampling interval covers many of a system's own steps, a cause has acted by the next sample: what is new in both
        moves together, and lags tell little (Granger 1969; Breitung and Swanson 2002). With s and l the two mean statistics and
        share = (s - 1) / (s - 1 + l - 1), the weight is (share - 2/3) / (1 - 2/3), over 1 + (l - 1)^2, and 0 below .1. So
        it fades where the same step is not most of what is known, and where lags, which have a direction, are clear.

        Parameters
        ----------
        lagged : (E, C, L) t statistics given the own past.
        pairs : (E, C, L) what is ranked.
        effect_of : (C,) which effect each cause is; -1 for none, and then nothing is known of its innovations.
        """
        ranked = torch.from_numpy(pairs.any(-1))
        innovations = Innovations.of(windows) if (effect_of >= 0).all() else None
        if innovations is None or not ranked.any():
            return cls(None, 0.0)
        n, r = innovations.windows, innovations.correlations()[:, effect_of]
        moved = (-n * torch.log1p(-r.square()))[ranked]
        statistic = float(moved.mean())
        t = lagged[ranked].square()
        of_lags = float((len(windows) * torch.log1p(t / len(windows))).mean(0).max())
        clear = (statistic - 1) * math.sqrt(len(moved) / 4) >= CLEARLY
        weight = _weight(statistic, of_lags) if clear else 0.0
        if weight == 0:
            return cls(None, 0.0, statistic, of_lags)
        alone = np.zeros(ranked.shape)
        for found in (r, innovations.partial()[:, effect_of]):
            alone[ranked.numpy()] += rank_evidence(found.abs()[ranked].numpy())
        return cls(alone, weight, statistic, of_lags)

    def settings(self) -> dict[str, Any]:
        """As JSON takes them."""
        return {name: round(getattr(self, name), 4) for name in ("weight", "statistic", "lagged")}


def _weight(statistic: float, lagged: float) -> float:
    more, beyond = max(statistic - 1, 0.0), max(lagged - 1, 0.0)
    share = more / (more + beyond) if more > 0 else 0.0
    weight = (share - FROM) / (1 - FROM) / (1 + (beyond / CLEAR_LAGS) ** 2)
    return min(MOST_WEIGHT, weight) if weight >= LEAST_WEIGHT else 0.0
