"""The inputs of half of the windows, as the tests read them: standardised, ranked, and as features of each cause."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..series import Windows
from ..training.working_sets.features import ranks as ranks_of
from ..training.working_sets.features import standard

# Cosines of a cause's rank that are looked at besides itself: what bends, and what waves. With several lags fewer.
FREQUENCIES, FREQUENCIES_OF_LAGS = (2, 3, 4, 5), (2, 3)
# A feature as steady as this leaves too few independent values: its change is looked at. Windows times 1 - r r', where r is its
# correlation with its value a step before and r' that of most series, to a function of the condition.
INDEPENDENT = 3


@dataclass(frozen=True)
class HalfInputs:
    """Of N windows.

    Attributes
    ----------
    standard : (N, Q) inputs of mean 0 and variance 1, lag-major, most recent first. ranks : (N, Q) of them, between 0 and 1.
    n_series : inputs to a lag, Q / L.
    linear : (C, L, N) the inputs of each cause, less what their values a step before tell where they are steady; float32.
    curves : (C, F, N) cosines of their ranks, likewise.
    """

    standard: Tensor
    ranks: Tensor
    n_series: int
    linear: Tensor
    curves: Tensor

    @staticmethod
    def rank_of(column: Tensor) -> Tensor:
        """(N,) of one column."""
        return ranks_of(column[None].contiguous())[0]

    @classmethod
    def of(cls, windows: Windows, n_causes: int, n_functions: int) -> HalfInputs:
        """`n_causes`: inputs to a lag that may be causes, the first ones. `n_functions`: of a condition, about."""
        x = standard(windows.columns().double())
        n_series, previous = x.shape[1] // windows.n_lags, windows.previous()
        ranks = ranks_of(x.T.contiguous()).T
        steady = _steadiness(x, previous)
        usual = float(steady[:n_series].quantile(0.9).clamp(0, 1))

        def of_causes(columns: Tensor) -> Tensor:
            fresh = _fresh(columns, previous, usual, n_functions)
            return fresh.T.reshape(windows.n_lags, n_series, -1)[:, :n_causes].transpose(0, 1).float()

        frequencies = FREQUENCIES if windows.n_lags == 1 else FREQUENCIES_OF_LAGS
        curves = [of_causes(standard(torch.cos(torch.pi * f * ranks))) for f in frequencies]
        return cls(x, ranks, n_series, of_causes(x).contiguous(), torch.cat(curves, 1))

    def at(self, rows: Tensor) -> HalfInputs:
        """Of some windows, which are not standardised or ranked again."""
        return replace(
            self,
            standard=self.standard[rows],
            ranks=self.ranks[rows],
            linear=self.linear[..., rows],
            curves=self.curves[..., rows],
        )


def _steadiness(x: Tensor, previous: Tensor) -> Tensor:
    """(Q,) correlation of columns of variance 1 with their values a window before."""
    follows = previous >= 0
    return (x[follows] * x[previous[follows]]).mean(0) if bool(follows.any()) else x.new_zeros(x.shape[1])


def _fresh(x: Tensor, previous: Tensor, usual: float, n_functions: int) -> Tensor:
    """Columns without what their values a step before tell, where they are steady."""
    r = _steadiness(x, previous)
    steady = len(x) * (1 - (r * usual).clamp_min(0)) < INDEPENDENT * n_functions
    before = x[previous.clamp_min(0)] * (previous >= 0)[:, None]
    return x - before * (r * steady)
