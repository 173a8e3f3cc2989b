"""What a ridge vector autoregression makes of the same windows and pairs, to print beside a fit."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..estimator import GRNGC
from ..evaluation import Evaluation, evaluate
from ..graph import CausalGraph
from ..series import SeriesTable, Windows
from ..yardsticks import ridge_scores


def ridge_evaluation(found: GRNGC, table: SeriesTable, truth: NDArray[Any]) -> Evaluation:
    """Of the fit's targets by its regulators and within its candidates, truth (E, C) [effect, cause]."""
    edges = found.candidates_
    windows = Windows.from_trajectories(
        [found.scaler_.transform(t) for t in table.trajectories],
        found.lags,
        input_columns=edges.causes,
        target_columns=edges.effects,
    )
    scores = ridge_scores(windows).max(-1)
    if edges.allowed is not None:
        scores *= edges.allowed.toarray()
    return evaluate(CausalGraph(scores, found.graph_.names, causes=found.graph_.causes), truth)
