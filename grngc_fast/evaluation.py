"""How well scores find the edges of a known network: area under the ROC and under the precision-recall curve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from .errors import InputError
from .graph import CausalGraph, SparseCausalGraph


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What `evaluate` returns.

    Attributes
    ----------
    auroc : area under the receiver operating characteristic; chance is 0.5.
    auprc : average precision; chance is `n_edges / n_pairs`.
    n_edges : true edges counted.
    n_pairs : (effect, cause) pairs counted, each lag apart if there are lags.
    """

    auroc: float
    auprc: float
    n_edges: int
    n_pairs: int

    def __repr__(self) -> str:
        chance = self.n_edges / self.n_pairs
        return (
            f"Evaluation(auroc={self.auroc:.4f}, auprc={self.auprc:.4f} (chance {chance:.4f}),"
            f" n_edges={self.n_edges}, n_pairs={self.n_pairs})"
        )


def evaluate(scores: Any, truth: Any, diagonal: bool = False) -> Evaluation:
    """Compare scores with a known network.

    AUROC and average precision as scikit-learn's `roc_auc_score` and `average_precision_score` define them.

    Parameters
    ----------
    scores : (E, C) [effect, cause] or (E, C, L) [effect, cause, lag]; array, tensor or DataFrame; higher is likelier.
        A graph also tells which series they are: of a `CausalGraph` its scores, or `lag_scores` for a truth with lags;
        of a `SparseCausalGraph` the kept edges, all others tied below them.
    truth : of the same shape, boolean or 0/1.
    diagonal : whether effect == cause is counted (at every lag).

    Raises
    ------
    InputError : shapes that differ, arrays that are not square where the diagonal has to be left out (a graph knows it),
        NaN or infinite scores, a truth that is not 0/1, or one with no edge or no absent edge among the pairs counted.

    Examples
    --------
    >>> evaluate([[0.0, 0.9], [0.1, 0.0]], [[1, 1], [0, 1]]).auroc
    1.0
    """
    known = _array(truth, "truth")
    if known.dtype != bool and not np.isin(known, (0, 1)).all():
        raise InputError("the truth holds values other than 0 and 1; pass booleans, as in (strength != 0)")
    known = known.astype(bool, copy=False)
    if isinstance(scores, SparseCausalGraph):
        return _of_kept(scores, known, diagonal)
    found, own = _scores(scores, known.ndim)
    _check_shapes(found.shape, known.shape)
    if not np.isfinite(found).all():
        effect, cause = (int(v) for v in np.argwhere(~np.isfinite(found))[0][:2])
        raise InputError(
            f"the scores hold NaN or inf, first at effect {effect}, cause {cause}; a fit that diverged cannot be"
            " ranked: train with a lower learning rate"
        )
    if not diagonal:
        off = _off_diagonal(found.shape[:2], own)
        found, known = found[off], known[off]
    known = known.reshape(-1)
    return _ranked(known, found.reshape(-1), int(known.sum()), int(known.size), diagonal)


def _scores(scores: Any, n_dimensions: int) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """The array to judge, and each effect's own cause where that is known."""
    if not isinstance(scores, CausalGraph):
        return _array(scores, "scores"), None
    with_lags = n_dimensions == 3 and scores.lag_scores is not None
    return _array(scores.lag_scores if with_lags else scores.scores, "scores"), scores.own_causes


def _off_diagonal(shape: tuple[int, ...], own: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    if own is None:
        if shape[0] != shape[1]:
            raise InputError(
                f"scores of {shape[0]} effects by {shape[1]} causes do not tell which pairs are a series and itself; pass the"
                " CausalGraph, or diagonal=True to count every pair"
            )
        own = np.arange(shape[0])
    off, mine = np.ones(shape, dtype=bool), np.flatnonzero(own >= 0)
    off[mine, own[mine]] = False
    return off


def _of_kept(graph: SparseCausalGraph, known: NDArray[np.bool_], diagonal: bool) -> Evaluation:
    """All pairs that were not kept count as one score below the others: two weighted samples, not E * C."""
    if known.shape != graph.shape:
        raise InputError(
            f"the graph has the shape {graph.shape} and the truth {known.shape}; pass one of the same series"
        )
    edges, counted = graph.to_scipy(diagonal=diagonal).tocoo(), known
    if not diagonal:
        counted = known & _off_diagonal(graph.shape, graph.own_causes)
    own = 0 if diagonal else int((graph.own_causes >= 0).sum())
    n_edges, n_pairs = int(counted.sum()), math.prod(graph.shape) - own
    kept = counted[edges.row, edges.col]
    rest = n_edges - int(kept.sum())
    weights = np.concatenate([np.ones(kept.size), [rest, n_pairs - kept.size - rest]])
    found = np.concatenate([edges.data.astype(np.float64), [0.0, 0.0]])
    return _ranked(np.concatenate([kept, [True, False]]), found, n_edges, n_pairs, diagonal, weights)


def _ranked(
    known: NDArray[np.bool_],
    found: NDArray[Any],
    n_edges: int,
    n_pairs: int,
    diagonal: bool,
    weights: NDArray[np.float64] | None = None,
) -> Evaluation:
    if n_edges in (0, n_pairs):
        what = "no edge" if n_edges == 0 else "every possible edge"
        where = "" if diagonal else " off the diagonal"
        raise InputError(
            f"the truth has {what}{where} ({n_edges} of {n_pairs}), so a ranking cannot be judged;"
            " check that it is the right network" + ("" if diagonal else ", or pass diagonal=True to count self-edges")
        )
    auroc = roc_auc_score(known, found, sample_weight=weights)
    return Evaluation(
        float(auroc), float(average_precision_score(known, found, sample_weight=weights)), n_edges, n_pairs
    )


def _array(values: Any, what: str) -> NDArray[Any]:
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.double() if values.is_floating_point() else values
    try:
        array = np.asarray(values)
        return array if array.dtype.kind == "b" else array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the {what} are not an array of numbers ({error}); pass an (E, C) or (E, C, L) array"
        ) from error


def _check_shapes(scores: tuple[int, ...], truth: tuple[int, ...]) -> None:
    for what, shape in (("scores", scores), ("truth", truth)):
        if len(shape) not in (2, 3):
            raise InputError(f"the {what} have shape {shape}; expected (E, C) [effect, cause] or (E, C, L) with lags")
    if len(scores) < len(truth) and scores == truth[:2]:
        raise InputError(
            f"the scores have no lags {scores} but the truth has {truth}; pass truth.any(-1) to judge pairs"
        )
    if len(scores) > len(truth) and truth == scores[:2]:
        raise InputError(f"the scores have lags {scores} but the truth has none {truth}; pass scores.max(-1)")
    if scores != truth:
        raise InputError(
            f"the scores have shape {scores} and the truth {truth}; both must be of the same series and lags"
        )
