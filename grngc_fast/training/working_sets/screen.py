"""Which inputs outside of a target's set would lower its residual: by any function of one, or by its product with another."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .features import Products, cosine, ranks, standard

# The first 2, 4, 8 and 16 cosines of an input's rank together are a test of any smooth function of it.
SMOOTHNESS = (2, 4, 8, 16)
# Independent normal numbers whose maximum is distributed as that of the evidence of an input alone: correlations with it and with
# its square; with smooth tests besides at the median 4.1, at a chance of 1e-4 4.5 (400,000 pairs of noise).
ALONE, ALONE_SMOOTH = 2, 4
# Up to so many inputs all products of two of them are looked at, N Q^2 operations a target: below the first always, below the
# second where `pairs_matter`. Where there are more, those of so many inputs with all others.
ALWAYS_PAIRS, MOST_FOR_PAIRS, SHORTLIST = 400, 1500, 64
# Inputs to a block of pairs, of which each is looked at once.
PAIR_BLOCK = 256
# Times noise: what pairs alone show.
CLEARLY = 1.1
# Chance that the largest of all correlations with noise is taken for more.
CHANCE = 0.05
# Inputs from which their own spread is known.
FEW_INPUTS = 32
# Of few windows correlations are bounded, and their median is less than that of normal numbers.
LEAST_SPREAD = 0.9


class Screen:
    """The evidence that x_j would help to forecast residuals, in units of a correlation.

    The largest of |corr(r, x_j)|, |corr(r, x_j^2)|, Neyman's smooth tests (Skandinavisk Aktuarietidskrift 20, 1937) by the
    cosines of x_j's rank up to 16, at the correlation of the same probability, and mean products r x_j x_k. Which k depends on
    whether pairs are looked for:

    - not: the target's strongest inputs, and as many outside that have the largest evidence. An input that matters by its product
      with one that shows no sign itself is missed.
    - among few inputs: all.
    - among many: besides those, the `SHORTLIST` inputs whose squares |r| depends on most. Two inputs that matter by one another,
      and change neither the mean of the target nor its spread, are missed.

    Parameters
    ----------
    rows : (Q, N) inputs of mean 0 and variance 1, or 0 where they do not change.
    smooth : whether smooth tests are among the evidence.
    """

    def __init__(self, rows: Tensor, smooth: bool = False) -> None:
        self._rows, self._product = rows, Products(rows.shape[1], rows.device)
        cut, self._alone_features = self._product.cut, ALONE_SMOOTH if smooth else ALONE
        self._inputs, self._squares = cut(standard(rows.T).T), cut(standard(rows.square().T).T)
        self._cosines = list[Tensor]()
        if smooth:
            rank = ranks(rows)
            self._cosines = [cut(cosine(rank, m)) for m in range(1, SMOOTHNESS[-1] + 1)]

    def __call__(
        self,
        residual: Tensor,
        partners: Tensor,
        outside: Tensor | None = None,
        both: bool = False,
        pairs: bool = False,
    ) -> Tensor:
        """(E, Q) evidence for residuals (E, N) with partners (E, M), of which -1 is none.

        Products are not brought to variance 1: an input counts for what it adds to the forecast.

        Parameters
        ----------
        outside : (E, Q) inputs of which some are partners too: so is found what matters by one another alone.
        both : whether a partner has the evidence of its products too; those of `outside` have.
        pairs : whether pairs are looked for.
        """
        r = standard(residual.T).T.contiguous()
        best = self._alone(self._product.cut(r))
        if not (pairs and self._all_pairs):
            self._with_products(best, r, partners, both)
            if outside is not None:
                self._with_products(best, r, strongest(best, outside, partners.shape[1]), both=True)
        return self._with_pairs(best, r, outside) if pairs else best

    def pairs_alone(self, residual: Tensor, partners: Tensor, outside: Tensor) -> Tensor:
        """(E,) whether products of pairs show an input outside that nothing else shows, for residuals (E, N)."""
        cheap, n_partners = self(residual, partners, outside), 2 * partners.shape[1]
        dear = self._with_pairs(cheap.clone(), standard(residual.T).T.contiguous(), outside)
        hidden = outside & (cheap <= self._noise(cheap, outside, n_partners)[:, None])
        clear = dear > CLEARLY * self._noise(dear, outside, self._n_partners(n_partners))[:, None]
        return (clear & hidden).any(1)

    def linear(self, residual: Tensor) -> Tensor:
        """(E, Q) absolute correlations of residuals (E, N) with the inputs alone."""
        own = self._product.cut(standard(residual.T).T)
        return self._product(own, self._inputs).float().div_(self._product.unit)

    def alone(self, residual: Tensor) -> Tensor:
        """(E, Q) evidence of each input without any other for residuals (E, N)."""
        return self._alone(self._product.cut(standard(residual.T).T))

    def excess(self, evidence: Tensor, outside: Tensor, n_partners: int, pairs: bool = False) -> Tensor:
        """(E,): the largest evidence outside of the set over the largest that noise would show; 1 is where noise ends.

        0 where nothing is outside.

        Parameters
        ----------
        evidence, outside : (E, Q), as returned by the call, and which inputs might still be taken.
        n_partners : M. pairs : as in the call.
        """
        n_partners = self._n_partners(n_partners) if pairs else n_partners
        return evidence.masked_fill(~outside, 0.0).amax(1) / self._noise(evidence, outside, n_partners)

    @property
    def _all_pairs(self) -> bool:
        return len(self._rows) <= MOST_FOR_PAIRS

    def _n_partners(self, n_partners: int) -> int:
        """Where pairs are looked for."""
        return len(self._rows) if self._all_pairs else n_partners + SHORTLIST

    def _noise(self, evidence: Tensor, outside: Tensor, n_partners: int) -> Tensor:
        """(E,) the largest of (M + ALONE) Q independent normal correlations at a chance of `CHANCE`.

        Of the spread that the median of the evidence has: residuals of unequal variance widen it.
        """
        n_features, n_windows = n_partners + self._alone_features, self._rows.shape[1]
        n_outside = outside.sum(1)
        noise = (2 * (n_features * n_outside.clamp_min(1) / CHANCE).log() / n_windows).sqrt()
        # Inputs that do not change say nothing of the spread.
        moving = outside & (evidence > 0)
        middle = evidence.masked_fill(~moving, math.nan).nanmedian(1).values
        # Of the largest of as many absolute normal numbers.
        expected = math.sqrt(2 / n_windows) * float(torch.erfinv(torch.tensor(0.5 ** (1 / n_features))))
        spread = torch.where(moving.sum(1) >= FEW_INPUTS, (middle / expected).clamp_min(LEAST_SPREAD), 1.0)
        return noise * spread

    def _alone(self, own: Tensor) -> Tensor:
        """(E, Q) evidence of each input alone for cut residuals."""
        unit, n_windows = self._product.unit, self._rows.shape[1]
        best = torch.maximum(self._product(own, self._inputs), self._product(own, self._squares)).float().div_(unit)
        total = torch.zeros_like(best) if self._cosines else best
        for m, feature in enumerate(self._cosines, 1):
            found = self._product(own, feature).float().div_(unit)
            total.addcmul_(found, found)
            if m in SMOOTHNESS:
                torch.maximum(best, _as_correlation(total, m, n_windows), out=best)
        return best

    def _with_products(self, best: Tensor, r: Tensor, partners: Tensor, both: bool) -> None:
        """Raise the evidence of inputs, `both` that of partners too, to that of their products."""
        for partner in partners.T:
            product = r * self._rows[partner] * (partner >= 0)[:, None]
            product -= product.mean(1, keepdim=True)
            found = self._product(self._product.cut(product), self._inputs).float().div_(self._product.unit)
            if both:
                at = partner.clamp_min(0)[:, None]
                best.scatter_(1, at, torch.maximum(best.gather(1, at), found.amax(1, keepdim=True)))
            torch.maximum(best, found, out=best)

    def _with_pairs(self, best: Tensor, r: Tensor, outside: Tensor | None) -> Tensor:
        """Raise the evidence of inputs to that of their products with all others, or with those of the shortlist."""
        if self._all_pairs:
            return torch.maximum(best, self._all_products(r), out=best)
        spread = self._product(self._product.cut(standard(r.abs().T).T), self._squares).float()
        self._with_products(best, r, strongest(spread, outside, SHORTLIST), both=True)
        return best

    def _all_products(self, r: Tensor) -> Tensor:
        """(E, Q) the largest of each input's products with all others."""
        best = r.new_zeros(len(r), len(self._rows))
        for own, of_target in zip(best, r, strict=True):
            products = self._product.cut(self._rows * of_target)
            for start in range(0, len(own), PAIR_BLOCK):
                block = slice(start, start + PAIR_BLOCK)
                found = self._product(products[block], self._inputs[start:])
                found.fill_diagonal_(0)
                own[block] = torch.maximum(own[block], found.amax(1))
                own[start:] = torch.maximum(own[start:], found.amax(0))
        return best.div_(self._product.unit)


def strongest(evidence: Tensor, among: Tensor | None, count: int) -> Tensor:
    """(E, count) the inputs with the largest evidence, best first; -1 where there are fewer."""
    found = (evidence if among is None else evidence.masked_fill(~among, -1.0)).topk(
        min(count, evidence.shape[1]), dim=1
    )
    return F.pad(found.indices.masked_fill(found.values < 0, -1), (0, count - found.indices.shape[1]), value=-1)


def _as_correlation(squares: Tensor, count: int, n_windows: int) -> Tensor:
    """The correlation of N windows that is as improbable as this sum of squares of `count` independent ones.

    N times the sum is chi-squared; its cube root is all but normal (Wilson and Hilferty, PNAS 17, 1931), and a normal number z
    that is as improbable as one of either sign is sqrt(z^2 + 2 log 2), for z of 1 to 8 to a hundredth. 0 of what does not change.
    """
    spread = 2 / (9 * count)
    z = (squares * (n_windows / count)).pow_(1 / 3).sub_(1 - spread).div_(math.sqrt(spread)).clamp_min_(0.0)
    return z.square_().add_(2 * math.log(2)).div_(n_windows).sqrt_().mul_(squares > 0)
