"""Which inputs outside of a target's set would lower its residual: correlations with inputs, their squares and products."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# In int8 a standardised number is cut to multiples of 1/16, below 8 standard deviations. A ranking needs no more: the rounding
# adds 3e-4 to a variance of 1.
STEPS, LARGEST = 16.0, 127.0
# Up to so many inputs all products of two of them are looked at, 2 N Q^2 flop a target.
MOST_FOR_PAIRS = 400
# Chance that the largest of all correlations with noise is taken for more.
CHANCE = 0.05
# Inputs from which their own spread is known.
FEW_INPUTS = 32
# Of few windows correlations are bounded, and their median is less than that of normal numbers.
LEAST_SPREAD = 0.9


class Screen:
    """The largest absolute correlation of residuals with x_j, x_j^2 and x_j x_k.

    Up to `MOST_FOR_PAIRS` inputs k is any other; above, it is one of the target's strongest inputs, or one of as many outside
    that have the largest evidence: an input that matters by its product with one that shows no sign itself is missed there.
    Each k is one product E x N x Q. On CPUs with AVX512 they are products of int8, four times as fast as float32 where it has
    VNNI (125 x 1000 x 5000: 345 against 85 GFLOP/s on one core of an EPYC); elsewhere of float32.

    Parameters
    ----------
    rows : (Q, N) inputs of mean 0 and variance 1, or 0 where they do not change.
    """

    def __init__(self, rows: Tensor) -> None:
        self._rows, self._pairs = rows, len(rows) <= MOST_FOR_PAIRS
        # Sums of more windows than this do not fit int32.
        self._int8 = rows.device.type == "cpu" and rows.shape[1] < 2**31 / LARGEST**2 and _fast_int8()
        self._unit = rows.shape[1] * (STEPS * STEPS if self._int8 else 1.0)
        self._inputs, self._squares = self._cut(standard(rows.T).T), self._cut(standard(rows.square().T).T)

    def __call__(self, residual: Tensor, partners: Tensor, outside: Tensor | None = None, both: bool = False) -> Tensor:
        """(E, Q) correlations of residuals (E, N) with partners (E, M), of which -1 is none.

        Products are not brought to variance 1: an input counts for what it adds to the forecast.

        Parameters
        ----------
        outside : (E, Q) inputs of which some are partners too: so is found what matters by one another alone.
        both : whether a partner has the evidence of its products too; those of `outside` have.
        """
        r = standard(residual.T).T.contiguous()
        own = self._cut(r)
        best = torch.maximum(self._product(own, self._inputs), self._product(own, self._squares))
        if self._pairs:
            self._with_all_products(best, r)
            return best.float().div_(self._unit)
        self._with_products(best, r, partners, both)
        if outside is not None:
            further = best.masked_fill(~outside, -1).topk(min(partners.shape[1], best.shape[1]), dim=1)
            self._with_products(best, r, further.indices.masked_fill(further.values < 0, -1), both=True)
        return best.float().div_(self._unit)

    def linear(self, residual: Tensor) -> Tensor:
        """(E, Q) absolute correlations of residuals (E, N) with the inputs alone."""
        return self._product(self._cut(standard(residual.T).T), self._inputs).float().div_(self._unit)

    def excess(self, evidence: Tensor, outside: Tensor, n_partners: int) -> Tensor:
        """(E,): the largest evidence outside of the set over the largest that noise would show; 1 is where noise ends.

        Noise: the maximum of (M + 2) Q independent normal correlations at a chance of `CHANCE`, of the spread that the median of
        the evidence has: residuals of unequal variance widen it. 0 where nothing is outside.

        Parameters
        ----------
        evidence, outside : (E, Q), as returned by the call, and which inputs might still be taken.
        n_partners : M.
        """
        n_features, n_windows = (len(self._rows) if self._pairs else n_partners) + 2, self._rows.shape[1]
        n_outside = outside.sum(1)
        noise = (2 * (n_features * n_outside.clamp_min(1) / CHANCE).log() / n_windows).sqrt()
        # Inputs that do not change say nothing of the spread.
        moving = outside & (evidence > 0)
        middle = evidence.masked_fill(~moving, math.nan).nanmedian(1).values
        # Of the largest of as many absolute normal numbers.
        expected = math.sqrt(2 / n_windows) * float(torch.erfinv(torch.tensor(0.5 ** (1 / n_features))))
        spread = torch.where(moving.sum(1) >= FEW_INPUTS, (middle / expected).clamp_min(LEAST_SPREAD), 1.0)
        return evidence.masked_fill(~outside, 0.0).amax(1) / (noise * spread)

    def _with_products(self, best: Tensor, r: Tensor, partners: Tensor, both: bool) -> None:
        """Raise the evidence of inputs, `both` that of partners too, to that of their products."""
        for partner in partners.T:
            product = r * self._rows[partner] * (partner >= 0)[:, None]
            product -= product.mean(1, keepdim=True)
            found = self._product(self._cut(product), self._inputs)
            if both:
                at = partner.clamp_min(0)[:, None]
                best.scatter_(1, at, torch.maximum(best.gather(1, at), found.amax(1, keepdim=True)))
            torch.maximum(best, found, out=best)

    def _with_all_products(self, best: Tensor, r: Tensor) -> None:
        for own, of_target in zip(best, r, strict=True):
            products = self._product(self._cut(self._rows * of_target), self._inputs)
            torch.maximum(own, products.fill_diagonal_(0).amax(1), out=own)

    def _cut(self, x: Tensor) -> Tensor:
        if not self._int8:
            return x.contiguous()
        # A new array: of a single row torch's product reads the strides that `contiguous` leaves as they are.
        return torch.empty(x.shape, dtype=torch.int8).copy_((x * STEPS).round_().clamp_(-LARGEST, LARGEST))

    def _product(self, a: Tensor, b: Tensor) -> Tensor:
        product: Tensor = torch._int_mm(a, b.T) if self._int8 else a @ b.T
        return product.abs_()


def standard(x: Tensor) -> Tensor:
    """Columns of mean 0 and variance 1; constant ones stay 0."""
    centred = x - x.mean(0)
    return centred.div_(centred.square().mean(0).sqrt_().clamp_min_(1e-6))


def _fast_int8() -> bool:
    return hasattr(torch, "_int_mm") and torch.backends.cpu.get_cpu_capability() == "AVX512"
