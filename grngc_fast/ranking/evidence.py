"""What the windows say of each pair without a network: cheap evidence whose errors are others than a network's."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .moments import Moments

# Pairs of causes that hold one of so many inputs, the most strongly correlated ones, are weighed; of fewer where there would be
# more than so many pairs, a second or two, of all targets.
SHORTLIST, LEAST_SHORTLIST, MOST_PAIRS = 32, 8, 2**25
# Log odds above which they are taken from the sets without an input.
CERTAIN = 10.0
# Numbers made at a time.
BLOCK = 2**22


def pairwise(moments: Moments) -> Tensor:
    """(E, Q): t statistic, without sign, of the partial correlation of target and input given the target's own past.

    Bivariate Granger causality: what an input adds to the own past, all others left alone.
    """
    found = []
    for rows in _blocks(len(moments.targets), moments.own.shape[1] * moments.n_inputs):
        r = moments.given_own_past(rows).target
        freedom = (moments.known[rows] - moments.own.shape[1] - 2).clamp_min(1)[:, None]
        found.append(r.abs() * (freedom / (1 - r.square())).sqrt())
    return torch.cat(found)


def association(moments: Moments) -> Tensor:
    """(E, Q): correlation of target and input, without sign."""
    return moments.targets.abs()


def inclusion(moments: Moments, allowed: Tensor | None = None) -> Tensor:
    """(E, Q) posterior log odds that an input is a cause, over all sets of at most two causes beside the target's own past.

    Linear models with Zellner's prior (g = windows), in which a set of k causes has R^2 = R_k^2 beyond the own past:
    log marginal likelihood = (n - k) / 2 log(1 + g) - n / 2 log(1 + g (1 - R_k^2)) + constant, prior odds Q^-k (Hill et al. 2012,
    Bayesian inference of signalling network topology, with k up to 2). A confounded input is explained away by a better one,
    and with few windows nothing is made of more than two inputs at once.

    Parameters
    ----------
    allowed : (E, Q) which inputs may be causes; all but the own past by default.
    """
    found, n_inputs = [], moments.n_inputs
    affordable = MOST_PAIRS // (len(moments.targets) * n_inputs)
    n_partners = min(n_inputs, SHORTLIST, max(LEAST_SHORTLIST, affordable))
    for rows in _blocks(len(moments.targets), n_partners * n_inputs):
        partial = moments.given_own_past(rows)
        usable = ~partial.own if allowed is None else allowed[rows] & ~partial.own
        n = (moments.known[rows] - moments.own.shape[1] - 1).clamp_min(1)[:, None]
        g = moments.known[rows][:, None]
        prior = -usable.sum(1, keepdim=True).clamp_min(1).double().log()

        r = partial.target.masked_fill(~usable, 0.0)
        single = (_log_evidence(r.square(), 1, n, g) + prior).masked_fill(~usable, -math.inf)
        chosen = r.abs().topk(n_partners, dim=1).indices
        both = _pairs(r, partial.between(chosen), chosen, n, g, prior)
        ruled_out = ~usable[:, None, :] | ~usable.gather(1, chosen)[:, :, None]
        both.masked_fill_(ruled_out, -math.inf).scatter_(2, chosen[:, :, None], -math.inf)
        found.append(_log_odds(single, both, chosen).masked_fill(~usable, -math.inf))
    return torch.cat(found)


def _pairs(r: Tensor, between: Tensor, chosen: Tensor, n: Tensor, g: Tensor, prior: Tensor) -> Tensor:
    """(n, K, Q) log weight of each set of a chosen input and another, in float32."""
    one, other = r.gather(1, chosen).float()[:, :, None], r.float()[:, None, :]
    explained = one.square() + other.square() - 2 * one * other * between
    explained = (explained / (1 - between.square()).clamp_min(1e-3)).clamp(0, 1 - 1e-6)
    scale = (n.float()[:, :, None], g.float()[:, :, None])
    return _log_evidence(explained, 2, *scale) + 2 * prior.float()[:, :, None]


def _log_evidence(explained: Tensor, size: int, n: Tensor, g: Tensor) -> Tensor:
    """Of a set beside that of no cause."""
    return -0.5 * size * torch.log1p(g) - 0.5 * n * (torch.log1p(g * (1 - explained)) - torch.log1p(g))


def _log_odds(single: Tensor, both: Tensor, chosen: Tensor) -> Tensor:
    """(n, Q) from log weights of single inputs (n, Q) and of pairs with a chosen one (n, K, Q); that of no cause is 0."""
    inside = torch.zeros_like(single, dtype=torch.bool).scatter_(1, chosen, True)
    with_chosen = torch.logsumexp(both, 1).double()
    outside = both.masked_fill(inside[:, None, :], -math.inf).logsumexp(2).double()
    of_chosen = torch.full_like(single, -math.inf).scatter_(1, chosen, outside)
    including = torch.stack([single, with_chosen, of_chosen]).logsumexp(0)
    # A pair of two chosen inputs is there twice.
    twice = with_chosen.masked_fill(~inside, -math.inf).logsumexp(1) - math.log(2)
    none = torch.zeros_like(twice)
    total = torch.stack([none, single.logsumexp(1), outside.logsumexp(1), twice]).logsumexp(0)[:, None]
    share = (including - total).clamp_max(-1e-12)
    odds = share - torch.log(-torch.expm1(share))
    # What is left of the total is rounding where an input is nearly certain.
    certain = odds.gather(1, chosen)
    exact = including.gather(1, chosen) - _without(single, both, chosen)
    return odds.scatter(1, chosen, torch.where(certain > CERTAIN, exact, certain))


def _without(single: Tensor, both: Tensor, chosen: Tensor) -> Tensor:
    """(n, K) log weight of all sets without each chosen input, those of two chosen ones counted twice."""
    at = chosen[:, None, :].expand(-1, chosen.shape[1], -1)
    pairs = _less(both, both.gather(2, at), both.argmax(2, keepdim=True), at).double()
    pairs.diagonal(dim1=1, dim2=2).fill_(-math.inf)
    alone = _less(single, single.gather(1, chosen), single.argmax(1, keepdim=True), chosen)
    return torch.stack([torch.zeros_like(alone), alone, pairs.logsumexp(1)]).logsumexp(0)


def _less(weights: Tensor, one: Tensor, largest: Tensor, columns: Tensor) -> Tensor:
    """(..., K) log of the sum of exp of weights (..., Q) without each one (..., K), at columns (..., K), without cancellation."""
    total, rest = weights.logsumexp(-1, True), weights.scatter(-1, largest, -math.inf).logsumexp(-1, True)
    left = total + torch.log1p(-torch.exp((one - total).clamp_max(-1e-6)))
    return torch.where(columns == largest, rest, left).nan_to_num(-math.inf, neginf=-math.inf)


def _blocks(n_rows: int, elements: int) -> tuple[Tensor, ...]:
    """Numbers of rows, in parts of about `BLOCK` elements."""
    parts: tuple[Tensor, ...] = torch.arange(n_rows).split(max(1, BLOCK // max(1, elements)))
    return parts
