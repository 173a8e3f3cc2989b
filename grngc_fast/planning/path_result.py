"""What a path of penalty strengths found: how the graph grows as the penalty falls, and which strength forecasts best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import plotting
from ..errors import InputError
from ..graph import CausalGraph
from ..training.history import ACTIVE_SHARE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class LambdaPath:
    """Graphs along a path of penalty strengths; K strengths, strongest first, S seeds, E effects, C causes, L lags.

    Attributes
    ----------
    lams : (K,) strengths, falling.
    seed_scores : (S, K, E, C) scores `[effect, cause]` of every run, the largest over lags; NaN where it diverged.
    lag_scores : (K, E, C, L) mean over seeds; NaN where all diverged.
    signed_scores : (K, E, C) mean over seeds of the mean signed gradient, at the lag of the largest mean score.
    training_error : (K,) mean squared error on the windows trained on, in standardised units, mean over seeds.
    validation_error : (K,) the same on the held-out windows, which are the last in time; infinite where all seeds diverged.
    validation_se : (K,) its standard error over ten blocks of neighbouring held-out windows.
    excess_se : (K,) the same of the difference from the least error; what is hard to forecast for all strengths cancels.
    diverged : (S, K) runs that did not end in finite forecasts; they count nowhere.
    names, causes : E names of the effects, C of the causes.
    settings : what repeats the path; JSON values.
    """

    lams: NDArray[np.float64]
    seed_scores: NDArray[Any]
    lag_scores: NDArray[Any]
    signed_scores: NDArray[Any]
    training_error: NDArray[np.float64]
    validation_error: NDArray[np.float64]
    validation_se: NDArray[np.float64]
    excess_se: NDArray[np.float64]
    diverged: NDArray[np.bool_]
    names: tuple[str, ...]
    causes: tuple[str, ...]
    settings: dict[str, Any]

    @property
    def scores(self) -> NDArray[Any]:
        """(K, E, C) mean over seeds, the largest over lags."""
        largest: NDArray[Any] = self.lag_scores.max(-1)
        return largest

    @property
    def best_index(self) -> int:
        """The strength of the least validation error."""
        return int(self.validation_error.argmin())

    @property
    def one_se_index(self) -> int:
        """The largest strength whose validation error exceeds the least by no more than that difference's standard error."""
        excess = self.validation_error - self.validation_error[self.best_index]
        return int((excess <= self.excess_se).argmax())

    @property
    def best_lam(self) -> float:
        return float(self.lams[self.best_index])

    @property
    def one_se_lam(self) -> float:
        return float(self.lams[self.one_se_index])

    @property
    def threshold(self) -> float:
        """Score above which an edge counts as active: a tenth of the strongest mean score at the best strength."""
        return float(ACTIVE_SHARE * self.scores[self.best_index].max())

    @property
    def edge_counts(self) -> NDArray[np.int64]:
        """(K,) active edges of the mean scores, self-influence not counted."""
        counts: NDArray[np.int64] = self._active(self.scores).sum((-2, -1))
        return counts

    def stability(self) -> NDArray[np.float64]:
        """(E, C) share of the (seed, strength) runs in which an edge is active: 1 for edges that no penalty removes."""
        share: NDArray[np.float64] = self._active(self.seed_scores)[~self.diverged].mean(0)
        return share

    def graph(self, index: int | None = None) -> CausalGraph:
        """The graph at strength number `index`, mean over seeds; default the one of the least validation error.

        Raises
        ------
        InputError : a number outside the path, or a strength at which every seed diverged.
        """
        k = self.best_index if index is None else index
        if not -len(self.lams) <= k < len(self.lams):
            raise InputError(
                f"index={k} is not on the path of {len(self.lams)} strengths; use 0 to {len(self.lams) - 1}"
            )
        if self.diverged[:, k].all():
            raise InputError(
                f"every fit with lam={self.lams[k]:g} diverged, so it has no graph; choose another strength, or lower"
                " learning_rate"
            )
        return CausalGraph(
            scores=self.scores[k],
            names=self.names,
            causes=self.causes,
            lag_scores=self.lag_scores[k],
            signed_scores=self.signed_scores[k],
            metadata={**self.settings, "lam": float(self.lams[k])},
        )

    def plot(self) -> Figure:
        """Validation error with its standard error and number of edges along the path, the chosen strengths marked."""
        marks = {"least error": self.best_lam, "one standard error": self.one_se_lam}
        return plotting.plot_path(self.lams, self.validation_error, self.validation_se, self.edge_counts, marks)

    def __repr__(self) -> str:
        n_seeds, n_lams = self.diverged.shape
        return (
            f"LambdaPath({n_lams} strengths {self.lams[0]:.3g} to {self.lams[-1]:.3g}, {n_seeds} seed{'s' * (n_seeds > 1)};"
            f" best lam {self.best_lam:.3g}, one-standard-error lam {self.one_se_lam:.3g})"
        )

    def _active(self, scores: NDArray[Any]) -> NDArray[np.bool_]:
        """Where scores (..., E, C) are above the threshold; NaN is not."""
        active: NDArray[np.bool_] = np.asarray(scores > self.threshold)
        active[..., np.array(self.names)[:, None] == np.array(self.causes)] = False
        return active
