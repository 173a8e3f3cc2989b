"""Held-out evidence: which penalty strength, and whether working sets forecast better, before the fit on all windows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..series import Windows
from ..training.sparse_linear import SparseLinear, lam_max, sparse_linear
from ..training.working_sets import SetOptions, WorkingSets, find_sets

# Below these the tenth held out is too small to choose a strength of linear forecasters by, and to see that working sets win.
MIN_WINDOWS, MIN_SET_WINDOWS, MIN_HELD_OUT = 250, 150, 10
HELD_OUT = 0.1
# Enough to choose by: all targets share the strength. Working sets cost more.
MAX_TARGETS, MAX_SET_TARGETS = 128, 64
# From one strength to the next, and how many without a smaller error end the search.
FACTOR, PATIENCE, MAX_STRENGTHS = 0.5**0.5, 2, 24
# Standard errors by which working sets have to win, and besides either a share of the error or the agreement of their causes: the
# penalty shrinks what they find, so that they may forecast little better where they find far better. Where dependence is not
# linear they were ahead by a tenth to three quarters; with few windows (Lorenz-96, F = 40, 300 steps) by .02 to .07 at an
# agreement of .81 to .86; on DREAM3, where they forecast better and find worse, by .01 to .07 at .76 to .79.
MARGIN, MATERIAL, AGREEMENT = 2.0, 0.075, 0.81
# Among fewer inputs than this agreement is no news.
COMPARED_INPUTS, ENOUGH_INPUTS = 3, 8
# Fewer targets do not tell their spread.
FEW_TARGETS = 8
# Working sets are tried at the best strength of linear forecasters and above: they fit more, and need more of it. Where the last
# of these is best, at the next ones too.
SET_FACTORS = (1.0, 2**0.5, 2.0), (2**1.5, 4.0)
# A set holds so many times the causes that stand out in the linear forecasters: those with a weight of at least this share of the
# target's second largest. Lorenz-96 has 4 to 6 such, of 4; sums of 8, 12 and 30 causes 9, 13 and 28. Sets of 16 are faster than
# sets of 24 and rank better where causes are few, and of 20 inputs sets of 10 still better (P = 20, F = 40: AUPRC .993, .996,
# .997 for 24, 16, 10 at lam .2); with 12 causes they miss some.
STANDS_OUT, ROOM, SIZE_STEP = 0.25, 2.0, 4
# At least so many, half of all where they are few, and more where many inputs are to be looked through: at 5000 series sets of
# 12 find .9990 of the causes and sets of 16 .9994.
FEWEST_INPUTS, FEW_OF_MANY, MANY_INPUTS = 8, 12, 2000


@dataclass(frozen=True)
class Evidence:
    """Mean squared errors on held-out windows of some targets, in standardised units.

    Attributes
    ----------
    linear : (lam, error) of exact sparse linear forecasters, lam falling.
    sets : (lam, error) of small networks of each target's own inputs, found in rounds; empty where they were not tried.
    to_beat : the best linear forecasters' error on the targets of `sets`; NaN without them.
    margin : two standard errors of the difference of the two, over targets or, of a few, over windows; a smaller one is chance.
    set_size : inputs of each set that was tried; None without them.
    agreement : share of the three strongest inputs of a target that the networks of two strengths have in common; NaN without
    them.
    sets_lam : the largest strength of `sets` whose error is within a standard error of the least; NaN without them.
    """

    linear: tuple[tuple[float, float], ...]
    sets: tuple[tuple[float, float], ...] = ()
    to_beat: float = math.nan
    margin: float = 0.0
    set_size: int | None = None
    agreement: float = math.nan
    sets_lam: float = math.nan

    @property
    def prefers_sets(self) -> bool:
        if not self.sets:
            return False
        ahead = self.to_beat - min(error for _, error in self.sets)
        return ahead > self.margin and (ahead > MATERIAL * self.to_beat or self.agreement >= AGREEMENT)

    @property
    def model(self) -> str:
        """The forecaster that it speaks for."""
        return "sets" if self.prefers_sets else "mlp"

    @property
    def lam(self) -> float:
        """The strength for that."""
        return self.sets_lam if self.prefers_sets else min(self.linear, key=lambda pair: pair[1])[0]


def weigh(
    windows: Windows,
    lam: float | None,
    generator: torch.Generator,
    verbose: int = 0,
    set_options: SetOptions | None = None,
    set_size: int | None = None,
) -> Evidence | None:
    """Train on the first nine tenths, judge on the rest (`Windows.split`); None where they are too few, or nothing moves in them.

    With less than `MIN_WINDOWS` windows there is only evidence for working sets, or none.

    Parameters
    ----------
    windows : standardised windows of the fit.
    lam : the only strength to try; None searches down from where no linear forecaster beats the mean.
    generator : of the choice of targets and of batches.
    verbose : 1 counts the forecasters weighed.
    set_options : how working sets are found, to be tried too; None tries none.
    set_size : of them; None chooses by how many causes stand out.
    """
    training, held_out = windows.split(HELD_OUT)
    if held_out is None or len(held_out) < MIN_HELD_OUT:
        set_options = None
    if len(windows) < (MIN_WINDOWS if set_options is None else MIN_SET_WINDOWS) or held_out is None:
        return None
    chosen = _varying(training, torch.randperm(windows.n_targets, generator=generator).to(windows.steps.device))
    training, held_out = training.of_targets(chosen), held_out.of_targets(chosen)
    largest = lam_max(training.columns(), training.targets()) if len(chosen) else 0.0
    if not largest > 0:
        return None
    with tqdm(desc="held-out error", unit=" forecasters", disable=verbose < 1, dynamic_ncols=True) as bar:
        linear = (
            _linear_path(training, held_out, largest, bar)
            if lam is None
            else [(lam, _linear_error(training, held_out, lam))]
        )
        evidence = Evidence(tuple(linear))
        if set_options is None:
            return evidence
        some = torch.arange(min(len(chosen), MAX_SET_TARGETS), device=chosen.device)
        seed = int(torch.randint(2**31, (), generator=generator))
        pair = training.of_targets(some), held_out.of_targets(some)
        found = _with_sets(evidence, lam is None, *pair, set_options, set_size, seed, bar)
        return found if found.prefers_sets or len(windows) >= MIN_WINDOWS else None


def _with_sets(
    evidence: Evidence,
    several: bool,
    training: Windows,
    held_out: Windows,
    options: SetOptions,
    set_size: int | None,
    seed: int,
    bar: Any,
) -> Evidence:
    """The evidence with working sets, at the strength of the best linear forecasters or `several`."""
    linear = sparse_linear(training.columns(), training.targets(), evidence.lam)
    linear_errors = _errors(linear, held_out)
    rounds = options.among(linear.weight.shape[1]).short_rounds + 1
    # The few targets that need more rounds do not decide.
    options = replace(options, rounds=rounds, short_rounds=rounds - 1, set_size=set_size or _set_size(linear, options))
    strengths: list[float] = []
    errors: list[Tensor] = []
    sets: list[WorkingSets] = []
    for factors in SET_FACTORS if several else ((1.0,),):
        new = [evidence.lam * factor for factor in factors]
        for found in _sets_at(training, new, options, seed):
            sets.append(found)
            errors.append((found.forecast(held_out) - held_out.targets()).square())
        strengths += new
        bar.update(len(new))
        means = [float(e.mean()) for e in errors]
        best = means.index(min(means))
        if best < len(means) - 1:
            break
    tried = tuple(zip(strengths, means, strict=True))
    # The least error of forecasts is at a weaker penalty than the best graph: of those as good as equal the strongest.
    further = [i for i in range(len(means)) if _excess(errors[i], errors[best]) <= 1]
    return replace(
        evidence,
        sets=tried,
        to_beat=float(linear_errors.mean()),
        margin=MARGIN * _standard_error(linear_errors - errors[best]),
        set_size=options.set_size,
        sets_lam=max(strengths[i] for i in further),
        agreement=_agreement(sets[best], sets[best + 1 if best + 1 < len(sets) else best - 1])
        if len(sets) > 1
        else math.nan,
    )


def _excess(errors: Tensor, least: Tensor) -> float:
    """How many standard errors of the difference these are above others."""
    difference = errors - least
    return float(difference.mean()) / max(_standard_error(difference), 1e-12)


def _agreement(one: WorkingSets, other: WorkingSets) -> float:
    """Of the strongest inputs; NaN of sets too small to disagree."""
    if one.columns.shape[1] < ENOUGH_INPUTS:
        return math.nan
    count = COMPARED_INPUTS
    a, b = (s.columns.gather(1, s.strength.topk(count, dim=1).indices) for s in (one, other))
    return float((a[:, :, None] == b[:, None, :]).any(2).float().mean())


def _sets_at(training: Windows, strengths: list[float], options: SetOptions, seed: int) -> list[WorkingSets]:
    """Of each strength, found side by side: every strength has its own copy of the targets."""
    n_targets, device = training.n_targets, training.steps.device
    copies = torch.arange(n_targets, device=device).repeat(len(strengths))
    lam = torch.tensor(strengths, device=device).repeat_interleave(n_targets)
    return find_sets(training.of_targets(copies), lam, options, seed).split(n_targets)


def _set_size(linear: SparseLinear, options: SetOptions) -> int:
    """Room for the causes that stand out of linear forecasters, in steps of `SIZE_STEP`."""
    weights = linear.weight.abs()
    second = weights.topk(min(2, weights.shape[1]), dim=1).values[:, -1:]
    standing_out = ((weights >= STANDS_OUT * second) & (weights > 0)).sum(1).float().mean()
    size = SIZE_STEP * math.ceil(ROOM * float(standing_out) / SIZE_STEP)
    n_inputs = weights.shape[1]
    least = min(FEW_OF_MANY if n_inputs <= MANY_INPUTS else options.set_size, max(FEWEST_INPUTS, n_inputs // 2))
    return max(least, min(size, options.largest // 2))


def _standard_error(differences: Tensor) -> float:
    """Of the mean of these (N, E)."""
    means = differences.mean(0 if differences.shape[1] >= FEW_TARGETS else 1)
    return float(means.std()) / math.sqrt(len(means))


def _varying(training: Windows, targets: Tensor) -> Tensor:
    """The first `MAX_TARGETS` of the targets that change in the windows trained on."""
    found: list[Tensor] = []
    for part in targets.split(MAX_TARGETS):
        y = training.of_targets(part).targets()
        found.append(part[y.amax(0) > y.amin(0)])
        if sum(map(len, found)) >= MAX_TARGETS:
            break
    return torch.cat(found)[:MAX_TARGETS]


def _linear_path(training: Windows, held_out: Windows, largest: float, bar: Any) -> list[tuple[float, float]]:
    """Errors at strengths that fall from the largest, each solved from the one before, until they no longer fall."""
    x, y = training.columns(), training.targets()
    lam, start, since, best = largest * FACTOR, None, 0, math.inf
    path: list[tuple[float, float]] = []
    while since < PATIENCE and len(path) < MAX_STRENGTHS:
        found = sparse_linear(x, y, lam, start=start)
        path.append((lam, _error(found, held_out)))
        since = 0 if path[-1][1] < best else since + 1
        best, start, lam = min(best, path[-1][1]), found.weight, lam * FACTOR
        bar.update()
    return path


def _linear_error(training: Windows, held_out: Windows, lam: float) -> float:
    return _error(sparse_linear(training.columns(), training.targets(), lam), held_out)


def _error(found: SparseLinear, held_out: Windows) -> float:
    return float(_errors(found, held_out).mean())


def _errors(found: SparseLinear, held_out: Windows) -> Tensor:
    """(N, E) squared errors."""
    forecast = torch.addmm(found.intercept, held_out.columns(), found.weight.T)
    return (forecast - held_out.targets()).square()
