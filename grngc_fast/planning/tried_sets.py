"""Working sets of one kind at several strengths: their held-out errors beside linear forecasters, and what follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..series import Windows
from ..training.known import known_mean
from ..training.working_sets import SetData, SetOptions, WorkingSets, search_sets

# Among fewer inputs than this agreement is no news.
COMPARED_INPUTS, ENOUGH_INPUTS = 3, 8
# Fewer targets do not tell their spread.
FEW_TARGETS = 8
# Standard errors above the least error that a strength with splines may be: their errors hardly differ where windows are few
# (sums of tanh 2x, 300 steps: .034 and .135 by 1.0, AUPRC .84 and .98).
SPLINED_EXCESS = 1.5


@dataclass
class TriedSets:
    """Working sets of one kind at several strengths.

    Attributes
    ----------
    linear : (N, E) forecasts on the held-out windows.
    lams : tried. errors : (N, E) squared ones of each beside linear forecasters. alone : without these. clarity : of each.
    sets : found.
    """

    training: SetData
    held_out: Windows
    linear: Tensor
    options: SetOptions
    seed: int
    bar: Any
    lams: list[float] = field(default_factory=list)
    errors: list[Tensor] = field(default_factory=list)
    alone: list[Tensor] = field(default_factory=list)
    clarity: list[float] = field(default_factory=list)
    sets: list[WorkingSets] = field(default_factory=list)

    def at(self, lams: list[float]) -> None:
        """Try these side by side: every strength has its own copy of the targets."""
        n_targets, device = len(self.training.y), self.training.y.device
        copies = torch.arange(n_targets, device=device).repeat(len(lams))
        strengths = torch.tensor(lams, device=device).repeat_interleave(n_targets)
        data = self.training.of_targets(copies, smooth=self.options.splines > 0)
        found = search_sets(data, strengths, self.options, self.seed).split(n_targets)
        self.lams += lams
        self.sets += found
        left = self.held_out.targets() - self.linear
        for one in found:
            beyond = one.forecast(self.held_out) - self.linear
            along = left * beyond
            moved = beyond.square() if not self.held_out.masked else beyond.square() * ~along.isnan()
            share = (_sum(along) / moved.sum().clamp_min(1e-12)).clamp(0, 1)
            self.errors.append((left - share * beyond).square())
            self.alone.append((left - beyond).square())
            self.clarity.append(_clarity(along))
        self.bar.update(len(lams))

    @property
    def means(self) -> list[float]:
        return [float(known_mean(e)) for e in self.errors]

    @property
    def path(self) -> tuple[tuple[float, float], ...]:
        return tuple(sorted(zip(self.lams, self.means, strict=True)))

    @property
    def best(self) -> int:
        return self.means.index(min(self.means))

    def ahead_of(self, other: TriedSets) -> bool:
        """By more than a standard error."""
        return excess(other.errors[other.best], self.errors[self.best]) > 1

    def strongest(self) -> float:
        """The least error of forecasts is at a weaker penalty than the best graph: of those as good as equal the strongest.

        Of units alone by their own errors: beside linear forecasters a strong penalty does less harm (Lorenz-96, P = 20, F = 40,
        500 steps: strengths of .197 and .139, AUPRC .981 and .992).
        """
        splined = self.options.splines > 0
        errors, allowed = (self.errors, SPLINED_EXCESS) if splined else (self.alone, 1.0)
        means = [float(known_mean(e)) for e in errors]
        least = errors[means.index(min(means))]
        return max(lam for lam, own in zip(self.lams, errors, strict=True) if excess(own, least) <= allowed)

    def agreement(self) -> float:
        """Of the strongest inputs at the best strength and at the next, by strength; NaN of sets too small to disagree."""
        order = sorted(range(len(self.lams)), key=self.lams.__getitem__)
        if len(order) < 2 or self.sets[0].columns.shape[1] < ENOUGH_INPUTS:
            return math.nan
        place = order.index(self.best)
        pair = self.best, order[place + 1 if place + 1 < len(order) else place - 1]
        a, b = (
            self.sets[i].columns.gather(1, self.sets[i].strength.topk(COMPARED_INPUTS, dim=1).indices) for i in pair
        )
        return float((a[:, :, None] == b[:, None, :]).any(2).float().mean())


def excess(errors: Tensor, least: Tensor) -> float:
    """How many standard errors of the difference these are above others."""
    difference = errors - least
    return float(known_mean(difference)) / max(standard_error(difference), 1e-12)


def _clarity(along: Tensor) -> float:
    """The mean of these (N, E) over its standard error, over windows or over targets, the smaller one."""
    ways = [_means(along, 1)] + ([_means(along, 0)] if along.shape[1] >= FEW_TARGETS else [])
    return min(float(m.mean()) / max(float(m.std()) / math.sqrt(len(m)), 1e-12) for m in ways)


def standard_error(differences: Tensor) -> float:
    """Of the mean of these (N, E)."""
    means = _means(differences, 0 if differences.shape[1] >= FEW_TARGETS else 1)
    return float(means.std()) / math.sqrt(len(means))


def _means(values: Tensor, dim: int) -> Tensor:
    """Over a dimension, of what is known, where anything is."""
    means = known_mean(values, dim)
    unknown = means.isnan() & values.isnan().all(dim)
    return means[~unknown] if bool(unknown.any()) else means


def _sum(values: Tensor) -> Tensor:
    """Of what is known, where that is anything."""
    total = values.sum()
    return values.nansum() if bool(total.isnan()) and not bool(values.isnan().all()) else total
