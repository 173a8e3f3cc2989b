"""Rules that choose of candidates without the truth, the one that knows it, and means of several rankings."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from grngc_fast.ranking.combination import rank_evidence

from .candidates import Array, Candidate, strongest

# To a target, of those whose stability is looked at; a leave-one-out choice.
EDGES = (1, 2, 4)


@dataclass(frozen=True)
class Pick:
    """Scores (E, C), and of one candidate its name and strength."""

    scores: Array
    name: str = ""
    lam: float = math.nan

    @classmethod
    def of(cls, one: Candidate) -> Pick:
        return cls(one.scores, one.name, one.lam)


Rule = Callable[[Sequence[Candidate]], Pick]


def error(one: Candidate) -> float:
    return float(one.errors.mean())


def excess(one: Candidate, least: Candidate) -> float:
    """Standard errors, over windows, by which its held-out error is above the least."""
    difference = one.errors - least.errors
    spread = float(difference.std(ddof=1)) / math.sqrt(len(difference))
    return float(difference.mean()) / max(spread, 1e-12)


def disagreement(one: Candidate, per_target: int) -> float:
    """Share of the strongest pairs of one half of the windows that are not among those of the other."""
    first, second = (strongest(half, per_target) for half in one.halves)
    return 1 - float((first & second).sum()) / float(first.sum())


def least_error(pool: Sequence[Candidate]) -> Pick:
    return Pick.of(min(pool, key=error))


def one_standard_error(pool: Sequence[Candidate]) -> Pick:
    """The strongest penalty, of the network of the least error, whose error is within a standard error of it."""
    least = min(pool, key=error)
    own = [one for one in pool if one.network == least.network and one.ranking == least.ranking]
    return Pick.of(max((one for one in own if excess(one, least) <= 1), key=lambda one: one.lam))


def most_stable(per_target: int) -> Rule:
    """Of equal ones that of the least error."""
    return lambda pool: Pick.of(min(pool, key=lambda one: (disagreement(one, per_target), error(one))))


def least_refit_error(pool: Sequence[Candidate]) -> Pick:
    return Pick.of(min(pool, key=lambda one: one.refit))


def stable_within_one_error(per_target: int) -> Rule:
    """The most stable of those within a standard error of the least error."""

    def rule(pool: Sequence[Candidate]) -> Pick:
        least = min(pool, key=error)
        return most_stable(per_target)([one for one in pool if excess(one, least) <= 1])

    return rule


def error_and_stability(per_target: int) -> Rule:
    """The least sum of both ranks."""

    def rule(pool: Sequence[Candidate]) -> Pick:
        ranks = rankdata([error(one) for one in pool]) + rankdata([disagreement(one, per_target) for one in pool])
        return Pick.of(pool[int(np.argmin(ranks))])

    return rule


def mean_ranking(pool: Sequence[Candidate]) -> Pick:
    """The mean evidence by rank of all (`grngc_fast.ranking.combination`)."""
    return Pick(np.mean([rank_evidence(one.scores.ravel()).reshape(one.scores.shape) for one in pool], axis=0))


def mean_within_one_error(pool: Sequence[Candidate]) -> Pick:
    least = min(pool, key=error)
    return mean_ranking([one for one in pool if excess(one, least) <= 1])


# Of candidates ranked as the default ranks its own, which says whether evidence is combined.
RULES: dict[str, Rule] = {
    "held-out error": least_error,
    "held-out error, one standard error": one_standard_error,
    **{f"stability of {n} edges a target": most_stable(n) for n in EDGES},
    **{f"stability of {n} edges a target, within one standard error": stable_within_one_error(n) for n in EDGES},
    **{f"error and stability of {n} edges a target": error_and_stability(n) for n in EDGES},
    "refit error": least_refit_error,
    "mean of all": mean_ranking,
    "mean of those within one standard error": mean_within_one_error,
}
# Of all candidates, of either ranking: the same rules where they can tell rankings apart, and the error where it cannot.
OPEN: dict[str, Rule] = {
    **{f"stability of {n} edges a target, either ranking": most_stable(n) for n in EDGES},
    "refit error, either ranking": least_refit_error,
    "mean of all, either ranking": mean_ranking,
}
GRADIENTS: dict[str, Rule] = {"held-out error, by gradients": least_error}


def picks(pool: Sequence[Candidate], ranking: str) -> dict[str, Pick]:
    """By every rule; `ranking` is that of the default's fit."""
    same = [one for one in pool if one.ranking == ranking]
    gradients = [one for one in pool if one.ranking == "gradients"]
    sources = ((RULES, same), (OPEN, pool), (GRADIENTS, gradients))
    return {name: rule(of) for rules, of in sources for name, rule in rules.items()}


def oracle(pool: Sequence[Candidate], default: Pick, judged: Callable[[Array], dict[str, float]], metric: str) -> Pick:
    """The best of all and the default by a metric of the truth."""
    return max([default, *map(Pick.of, pool)], key=lambda one: judged(one.scores)[metric])
