"""What a ridge vector autoregression makes of the same windows and pairs, to print beside a fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from ..estimator import GRNGC
from ..evaluation import Evaluation, evaluate
from ..graph import CausalGraph
from ..series import SeriesTable
from ..series.prepared import windows_of
from ..series.treatment import Treatment
from ..yardsticks import ridge_scores


def ridge_evaluation(found: GRNGC, table: SeriesTable, truth: NDArray[Any]) -> Evaluation:
    """Of the fit's targets by its regulators and within its candidates, truth (E, C) [effect, cause]."""
    edges = found.candidates_
    treated = Treatment(found.missing, found.max_gap, found.difference, found.detrend)(table, found.lags)
    alone = replace(edges, own_past=edges.own_past[:0])
    windows = windows_of(found.scaler_, treated, found.lags, alone, "cpu")
    scores = ridge_scores(windows).max(-1)
    if edges.allowed is not None:
        scores *= edges.allowed.toarray()
    return evaluate(CausalGraph(scores, found.graph_.names, causes=found.graph_.causes), truth)
