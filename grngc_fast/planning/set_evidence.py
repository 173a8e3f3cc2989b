"""Held-out evidence for working sets: their errors beside those of linear forecasters, with splines and without."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..series import Windows
from ..training.known import known_mean
from ..training.sparse_linear import SparseLinear, sparse_linear
from ..training.working_sets import SetData, SetOptions
from ..training.working_sets.options import FEW_INPUTS
from .tried_sets import TriedSets, excess, standard_error

# Enough targets to choose by; with few windows more of them make up for few that are held out.
MAX_TARGETS, MAX_OF_FEW_WINDOWS, FEW_WINDOWS = 64, 128, 500
# Standard errors by which working sets have to win, and besides either a share of the error or the agreement of their causes: the
# penalty shrinks what they find, so that they may forecast little better where they find far better. Where dependence is not
# linear they were ahead by a tenth to three quarters; with few windows (Lorenz-96, F = 40, 300 steps) by .02 to .07 at an
# agreement of .81 to .86; on DREAM3, where they forecast better and find worse, by .01 to .07 at .76 to .79.
MARGIN, MATERIAL, AGREEMENT = 2.0, 0.1, 0.81
# With splines their inputs agree less, and the margin, over targets of very unequal gains, is large. They win where what they
# forecast beyond linear forecasters goes with what happens by so many standard errors: of 300 steps of sums of sin 2x 2.6 to 6,
# of tanh 2x 3 to 4; of noise, of autoregressions and of what linear forecasters do as well 2 and less.
CLEARLY, SPLINED_AGREEMENT = 2.5, 0.7
# So clear that it needs no agreement: of sums of sin 2x, 300 series and 300 steps, 4 to 6, at an agreement of .67 to .74.
BEYOND_DOUBT = 4.0
# Times the best strength of linear forecasters: units fit more, and need more of it; splines may have to be steep, which a strong
# one forbids. Where the last of these is best, at the next ones too; where the first is, at weaker ones.
PLAIN, STRONGER = (1.0, 2**0.5, 2.0), (2**1.5, 4.0)
SPLINED, WEAKER = (0.5, 1.0, 2.0), (0.25, 0.125)
# Where targets are enough to keep every core busy by one strength, others are tried only where what was tried leaves doubt:
# beyond a stronger penalty that is worse by so many standard errors no still stronger one, and of splines that are behind units
# by so many at the middle strength no other. Of Lorenz-96, 100 series and 1000 steps, 9 (F = 10) and 2 (F = 40), 6 and 4; where
# splines win in the end they were never behind by more than .5.
ONE_BY_ONE, WORSE, BEHIND = 32, 4.0, 3.0
# A set holds so many times the causes that stand out in the linear forecasters: those with a weight of at least this share of the
# target's second largest. Lorenz-96 has 4 to 6 such, of 4; sums of 8, 12 and 30 causes 9, 13 and 28. Sets of 16 are faster than
# sets of 24 and rank better where causes are few, and of 20 inputs sets of 12 still better (P = 20, F = 40: AUPRC .993, .996,
# .997 for 24, 16, 12 at lam .2); sets of 10 may miss a cause at a strong penalty (.981).
STANDS_OUT, ROOM, SIZE_STEP = 0.25, 2.0, 4
# At least so many, a share of all where they are few, and more where many inputs are to be looked through: at 5000 series sets of
# 12 find .9990 of the causes and sets of 16 .9994.
FEWEST_INPUTS, SHARE_OF_FEW, FEW_OF_MANY, MANY_INPUTS = 8, 0.6, 12, 2000
# Splines of an input where they are tried, and of few inputs so many in each set then: linear forecasters do not show the causes
# that need them.
# Sums of sin 4x, P = 20: AUPRC .77, .97 with 10 and 20 splines; sums of squares, P = 100: .789, .801 of sets of 16 and 24.
# Half as many where they forecast as well: sums of squares, P = 100, 16 inputs: AUPRC .806 with 10.
# Larger sets forecast worse and rank no better where what is outside is ranked too (P = 300, 1000 steps, sets of 24, 50, 100:
# sums of steps AUPRC .930, .925, .912, of sin 2x .998, .992, .978, of squares .736, .741, .758), in two and six times the time.
SPLINES, COARSE_SPLINES, SPLINED_INPUTS = 20, 10, 24


@dataclass(frozen=True)
class SetEvidence:
    """Mean squared errors of small networks of each target's own inputs on held-out windows, in standardised units.

    Of linear forecasters and the networks together: as much of what networks forecast beyond the linear ones, one share for all
    targets between 0 and 1, as leaves the least error. Networks that find the right inputs with few windows fit noise too, and
    their errors alone would not show it.

    Attributes
    ----------
    plain, splined, coarse : (lam, error) without splines, with, and with half as many; empty where they were not tried.
    n_splines : of each input in those that were chosen; 0 for none.
    error : their least.
    clarity : standard errors by which the covariance of what the better kind forecasts beyond linear forecasters, and what
    happens
        beyond them, is above 0.
    to_beat : the best linear forecasters' error on the same targets.
    margin : two standard errors of the difference of the two, over targets or, of a few, over windows; a smaller one is chance.
    set_size : inputs of each set.
    agreement : share of the three strongest inputs of a target that the networks of two strengths have in common; NaN with one.
    lam : the largest strength whose error is within a standard error of the least, with splines one and a half.
    """

    plain: tuple[tuple[float, float], ...]
    splined: tuple[tuple[float, float], ...]
    coarse: tuple[tuple[float, float], ...]
    n_splines: int
    error: float
    clarity: float
    to_beat: float
    margin: float
    set_size: int
    agreement: float
    lam: float

    def settings(self) -> dict[str, Any]:
        """As JSON takes them."""
        return {**vars(self), "agreement": None if math.isnan(self.agreement) else self.agreement}

    @property
    def wins(self) -> bool:
        ahead = self.to_beat - self.error
        if ahead > self.margin and (ahead > MATERIAL * self.to_beat or self.agreement >= AGREEMENT):
            return True
        agreed = self.agreement >= SPLINED_AGREEMENT or self.clarity >= BEYOND_DOUBT
        return self.n_splines > 0 and self.clarity >= CLEARLY and agreed


def weigh_sets(
    training: Windows,
    held_out: Windows,
    lam: float,
    several: bool,
    options: SetOptions,
    set_size: int | None,
    n_splines: int | None,
    seed: int,
    bar: Any,
) -> SetEvidence:
    """Search on the training windows, judge on those held out.

    Parameters
    ----------
    lam : the best strength of linear forecasters. several : whether others are tried too.
    options : of the search. set_size, n_splines : None to be chosen.
    seed : of networks and batches. bar : told of each strength that was tried.
    """
    most = MAX_OF_FEW_WINDOWS if len(training) + len(held_out) < FEW_WINDOWS else MAX_TARGETS
    some = torch.arange(min(training.n_targets, most), device=training.steps.device)
    training, held_out = training.of_targets(some), held_out.of_targets(some)
    linear = sparse_linear(training.columns(), training.targets(), lam)
    linear_forecast = linear.forecast(held_out.columns())
    linear_errors = (linear_forecast - held_out.targets()).square()
    n_inputs = linear.weight.shape[1]
    rounds = options.among(n_inputs).short_rounds + 1
    data = SetData.of(training, None)
    # The few targets that need more rounds do not decide.
    options = replace(options, rounds=rounds, short_rounds=rounds - 1)
    size, splines = set_size or _set_size(linear, options), SPLINES if n_splines is None else n_splines
    plain = TriedSets(data, held_out, linear_forecast, replace(options, set_size=size, splines=0), seed, bar)
    wide = set_size or max(size, min(SPLINED_INPUTS, n_inputs) if n_inputs <= FEW_INPUTS else options.set_size)
    splined = TriedSets(data, held_out, linear_forecast, replace(options, set_size=wide, splines=splines), seed, bar)
    one_by_one = several and len(some) >= ONE_BY_ONE
    if not n_splines:
        _try_plain(plain, lam, several, one_by_one)
    if n_splines != 0:
        _try_splined(splined, lam, several, one_by_one, plain if plain.errors else None, linear_errors)
    better = plain if not splined.errors or (plain.errors and plain.ahead_of(splined)) else splined
    coarse = TriedSets(data, held_out, linear_forecast, replace(splined.options, splines=COARSE_SPLINES), seed, bar)
    if better is splined and n_splines is None:
        coarse.at(sorted({splined.lams[splined.best], splined.strongest()}))
        better = splined if splined.ahead_of(coarse) else coarse
    return SetEvidence(
        plain=plain.path,
        splined=splined.path,
        coarse=coarse.path,
        n_splines=better.options.splines,
        error=better.means[better.best],
        clarity=max(kind.clarity[kind.best] for kind in ((plain,) if better is plain else (splined, better))),
        to_beat=float(known_mean(linear_errors)),
        margin=MARGIN * standard_error(linear_errors - better.errors[better.best]),
        set_size=better.options.set_size,
        agreement=(plain if better is plain else splined).agreement(),
        lam=better.strongest(),
    )


def _try_plain(plain: TriedSets, lam: float, several: bool, one_by_one: bool) -> None:
    """Units at rising strengths, for as long as the strongest is best."""
    first, rest = (PLAIN[:-1], PLAIN[-1:]) if one_by_one else (PLAIN, ())
    plain.at([lam * factor for factor in (first if several else (1.0,))])
    if rest and excess(plain.errors[-1], plain.errors[0]) <= WORSE:
        plain.at([lam * factor for factor in rest])
    if several and plain.best == len(PLAIN) - 1:
        plain.at([lam * factor for factor in STRONGER])


def _try_splined(
    splined: TriedSets, lam: float, several: bool, one_by_one: bool, plain: TriedSets | None, linear_errors: Tensor
) -> None:
    """Splines at strengths about that of linear forecasters, and beyond the one that is best if it is the last to one side."""
    if not several or (one_by_one and plain is not None):
        splined.at([lam])
        if not several or (plain is not None and excess(splined.errors[0], plain.errors[plain.best]) > BEHIND):
            return
    splined.at([strength for factor in SPLINED if (strength := lam * factor) not in splined.lams])
    best, gains = splined.lams[splined.best], excess(linear_errors, splined.errors[splined.best]) > 1
    if best == lam * SPLINED[0] and gains and not (plain is not None and plain.ahead_of(splined)):
        splined.at([lam * factor for factor in WEAKER])
    elif best == lam * SPLINED[-1]:
        splined.at([lam * factor for factor in STRONGER[1:]])


def _set_size(linear: SparseLinear, options: SetOptions) -> int:
    """Room for the causes that stand out of linear forecasters, in steps of `SIZE_STEP`."""
    weights = linear.weight.abs()
    second = weights.topk(min(2, weights.shape[1]), dim=1).values[:, -1:]
    standing_out = ((weights >= STANDS_OUT * second) & (weights > 0)).sum(1).float().mean()
    size = SIZE_STEP * math.ceil(ROOM * float(standing_out) / SIZE_STEP)
    n_inputs = weights.shape[1]
    least = min(
        FEW_OF_MANY if n_inputs <= MANY_INPUTS else options.set_size, max(FEWEST_INPUTS, round(SHARE_OF_FEW * n_inputs))
    )
    return max(least, min(size, options.largest // 2))
