"""What a cause's other effects say of one more: few regulators with many targets, learned from all pairs and never assumed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# Standard errors by which the numbers of effects have to vary more than by chance. Of 100 genes and more DREAM's have 3 to 15,
# simulated ones of uneven out-degree 2 to 44; of even out-degree, Lorenz-96 and autoregressions less than 0. Of 1484 genes and 21
# windows -5 and -7; beside a Poisson distribution it would be 25 and 212.
CLEARLY = 1.645
FEWEST_CAUSES = 3


@dataclass(frozen=True)
class CausePrior:
    """A gamma-Poisson model of how many effects each cause has.

    Attributes
    ----------
    log_odds : (C,) by which a cause has more effects than the mean, shrunk; 0 where nothing speaks for uneven causes.
    mean, variance : of the expected numbers of effects.
    excess : standard errors by which the variance is above what chance gives it: the mean, that of a Poisson distribution, or
        more where effects are alike.
    """

    log_odds: Tensor
    mean: float
    variance: float
    excess: float

    @classmethod
    def of(cls, effects: Tensor, by_chance: float = 0.0) -> CausePrior:
        """From expected numbers of effects (C,): sums of posterior probabilities.

        Where effects are alike, as thousands of genes in few windows, a cause that resembles one by chance resembles many: then
        `by_chance`, the variance that this gives (`variance_by_chance`), is what has to be exceeded.

        With mean m and variance v above m, rates are gamma-distributed with shape k = m^2 / (v - m), and a cause with c effects
        is expected to have (c + k) / (m + k) times the mean (negative binomial, empirical Bayes; Robbins 1956).
        """
        n = len(effects)
        mean, variance = float(effects.mean()), float(effects.var()) if n > 1 else 0.0
        excess = (variance / max(mean, by_chance) - 1) * math.sqrt((n - 1) / 2) if mean > 0 else 0.0
        if n < FEWEST_CAUSES or excess <= CLEARLY:
            return cls(torch.zeros_like(effects), mean, variance, excess)
        shape = mean**2 / (variance - mean)
        return cls(torch.log((effects + shape) / (mean + shape)), mean, variance, excess)

    @property
    def used(self) -> bool:
        return self.excess > CLEARLY and len(self.log_odds) >= FEWEST_CAUSES

    def settings(self) -> dict[str, Any]:
        """As JSON takes them."""
        numbers = {"mean_effects": self.mean, "variance": self.variance, "excess": self.excess}
        return {"used": self.used, **{name: round(value, 4) for name, value in numbers.items()}}


def variance_by_chance(posterior: Tensor, left: Tensor) -> float:
    """Of numbers of effects of causes that have none.

    The squared correlations of n values of chance with two series are correlated by (n r^2 - 1) / (n - 1), r that of the series;
    so the variance of a sum over effects is that of one times the sum of that over all pairs of effects.

    Parameters
    ----------
    posterior : (E, Q) probabilities. left : (N, E) effects given their own past, standardised.
    """
    n = len(left) - 1
    alike = (n * (left.T @ left / len(left)).square() - 1).sum() / (n - 1)
    return float(posterior.var() * alike)
