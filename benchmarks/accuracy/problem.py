"""What a method is given of a set, and how its scores are judged by either protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from grngc_fast import evaluate

from .cases import Case, joined

Protocol = Literal["strict", "published"]
PROTOCOLS = ("strict", "published")


@dataclass(frozen=True)
class Problem:
    """Series and the pairs that count.

    Attributes
    ----------
    series : (T_r, P) trajectories.
    truth : (P, P) or (P, P, L) bool [effect, cause(, lag)].
    lags : L.
    causes : columns of the only causes that the truth speaks of, None for all.
    diagonal : whether self-influence counts.
    family : of sets, which tells the settings of the authors' code.
    """

    series: list[NDArray[Any]]
    truth: NDArray[np.bool_]
    lags: int
    causes: list[int] | None
    diagonal: bool
    family: str

    @classmethod
    def of_case(cls, case: Case, seed: int, protocol: Protocol) -> Problem:
        """Strict: windows keep within trajectories and self-influence is not counted; else as the publications do."""
        data = case.load(seed)
        if data.truth is None:
            raise ValueError(f"{case.name} has no truth")
        strict = protocol == "strict"
        series = list(data.trajectories) if strict else joined(data)
        causes = None if data.regulators is None else [data.names.index(name) for name in data.regulators]
        return cls(series, data.truth, case.lags, causes, case.self_counted and not strict, case.family)

    @property
    def n_windows(self) -> int:
        return sum(max(0, len(part) - self.lags) for part in self.series)

    def judged(self, scores: NDArray[Any]) -> dict[str, float]:
        """AUROC and AUPRC of scores [effect, cause(, lag)], of the causes in question; per lag too where both have lags."""
        truth, P = self.truth, self.truth.shape[0]
        columns = np.arange(P) if self.causes is None else np.asarray(self.causes)
        if scores.shape[1] != len(columns):
            scores = scores[:, columns]
        truth = truth[:, columns]
        counted = np.ones((P, len(columns)), dtype=bool)
        if not self.diagonal:
            counted &= np.arange(P)[:, None] != columns
        pairs = scores if scores.ndim == 2 else scores.max(-1)
        edges = truth if truth.ndim == 2 else np.asarray(truth.any(-1))
        found = _figures(pairs[counted], edges[counted])
        if truth.ndim == scores.ndim == 3 and truth.shape == scores.shape:
            lagged = _figures(scores[counted].ravel(), truth[counted].ravel())
            found |= {f"{name} per lag": value for name, value in lagged.items()}
        return found


def _figures(scores: NDArray[Any], truth: NDArray[np.bool_]) -> dict[str, float]:
    # One row of pairs, all of which count.
    found = evaluate(scores[None], truth[None], diagonal=True)
    return {"AUROC": found.auroc, "AUPRC": found.auprc}
