"""The inputs of half of the windows, as the tests read them: standardised, ranked, and as features of each cause."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..series import Windows
from ..training.working_sets.features import ranks as ranks_of
from ..training.working_sets.features import standard

# Cosines of a cause's rank that are looked at besides itself: what bends, and what waves. With several lags fewer.
FREQUENCIES, FREQUENCIES_OF_LAGS = (2, 3, 4, 5), (2, 3)
# Of a feature as steady as this only what its value a step before does not tell is looked at: r r', where r is its correlation
# with that value and r' the correlation that most series have with theirs. Estimates of what steady series do to one another
# spread more than their errors tell: of independent ones of memory .95, 200 steps, 12 % of the p-values were below .05, and 5 %
# are so. Power is what it costs, as if of the windows 1 - r^2 were left.
STEADY = 0.55
# Of a half, windows from which on that is done whatever the correlation: what functions miss of an effect is as steady as the
# series, weighs more the more windows there are, and power is not short there. Products of two causes, 20 series, 1000 steps:
# .079 of the edges at q = .05 are false without, .051 so; of all true edges of linear ones .982 are found either way, but of 300
# steps .912 and .835.
MANY_WINDOWS = 350
# Of features, up to which they are float64.
FEW_NUMBERS = 2**21


@dataclass(frozen=True)
class HalfInputs:
    """Of N windows.

    Attributes
    ----------
    standard : (N, Q) inputs of mean 0 and variance 1, lag-major, most recent first. ranks : (N, Q) of them, between 0 and 1.
    n_series, n_lags : inputs to a lag, Q / L, and L.
    base : (B, C, N) features of each cause: its L inputs, then cosines of their ranks; less what their values a step before tell
        where they are steady. In float32 where they are many.
    """

    standard: Tensor
    ranks: Tensor
    n_series: int
    n_lags: int
    base: Tensor

    @classmethod
    def of(cls, windows: Windows, n_causes: int) -> HalfInputs:
        """`n_causes`: inputs to a lag that may be causes, the first ones."""
        # Rows of one input are read together: they lie together.
        x = standard(windows.columns().double()).T.contiguous().T
        n_series, previous = x.shape[1] // windows.n_lags, windows.previous()
        ranks = ranks_of(x.T).T
        steady = _steadiness(x, previous)
        usual, limit = (
            float(steady[:n_series].quantile(0.9).clamp(0, 1)),
            STEADY if len(windows) < MANY_WINDOWS else 0.0,
        )

        frequencies = FREQUENCIES if windows.n_lags == 1 else FREQUENCIES_OF_LAGS
        features = [x, *(standard(torch.cos(torch.pi * f * ranks)) for f in frequencies)]
        dtype = torch.float64 if len(features) * x.numel() <= FEW_NUMBERS else torch.float32

        def of_causes(columns: Tensor) -> Tensor:
            fresh = _fresh(columns, previous, usual, limit)
            return fresh.T.reshape(windows.n_lags, n_series, -1)[:, :n_causes].to(dtype)

        return cls(x, ranks, n_series, windows.n_lags, torch.cat([of_causes(columns) for columns in features]))


def _steadiness(x: Tensor, previous: Tensor) -> Tensor:
    """(Q,) correlation of columns of variance 1 with their values a window before."""
    follows = previous >= 0
    return (x[follows] * x[previous[follows]]).mean(0) if bool(follows.any()) else x.new_zeros(x.shape[1])


def _fresh(x: Tensor, previous: Tensor, usual: float, limit: float) -> Tensor:
    """Columns without what their values a step before tell, where these correlations are above the limit."""
    r = _steadiness(x, previous)
    before = x[previous.clamp_min(0)] * (previous >= 0)[:, None]
    return x - before * (r * (r * usual > limit))
