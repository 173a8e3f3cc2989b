"""How well scores find the edges of a known network: area under the ROC and under the precision-recall curve."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataWarning, InputError
from .graph import CausalGraph, SparseCausalGraph

# A truth is doubted where the evidence against its direction, in standard deviations, and the area that its transpose gains
# exceed these. Of 341 rankings of public sets and simulations under their right truths none has more than 1.95 of evidence.
_EVIDENCE, _GAIN = 2.25, 0.05


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

    Warns
    -----
    DataWarning : where the transpose of the truth scores far better, as of one given as [cause, effect].

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
    found = _evaluation(scores, known, diagonal)
    _doubt_direction(scores, known, diagonal, found)
    return found


def _evaluation(scores: Any, known: NDArray[np.bool_], diagonal: bool) -> Evaluation:
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


def _doubt_direction(scores: Any, known: NDArray[np.bool_], diagonal: bool, found: Evaluation) -> None:
    """Warn where the scores speak for the other direction of the edges that run one way only.

    Were scores blind to direction, each difference of an edge's score and that of its reverse would have either sign alike, so
    their sum has the standard deviation of the root of their squares' sum. Few edges, as in a truth that is nearly symmetric,
    cannot reach the threshold: of n equal differences the sum is root n standard deviations.
    """
    graph = isinstance(scores, (CausalGraph, SparseCausalGraph))
    if known.shape[0] != known.shape[1] or (graph and scores.names != scores.causes):
        return
    pairs = known.any(-1) if known.ndim == 3 else known
    effect, cause = np.nonzero(pairs & ~pairs.T)
    if isinstance(scores, SparseCausalGraph):
        kept = scores.to_scipy(diagonal=False).tocsr()
        gap = np.asarray(kept[effect, cause] - kept[cause, effect], dtype=np.float64).ravel()
    else:
        array, _ = _scores(scores, known.ndim)
        right, wrong = (array[at].astype(np.float64) for at in ((effect, cause), (cause, effect)))
        gap = right - wrong if array.ndim == 2 else right.max(-1) - wrong.max(-1)
    spread = float(np.linalg.norm(gap))
    if -gap.sum() <= _EVIDENCE * spread:
        return
    turned = _evaluation(scores, known.swapaxes(0, 1), diagonal)
    if turned.auroc - found.auroc > _GAIN:
        warnings.warn(
            f"the truth may run the other way: AUROC is {found.auroc:.4f} as it is and {turned.auroc:.4f} with effects and causes"
            f" swapped, AUPRC {found.auprc:.4f} and {turned.auprc:.4f}. It is read as [effect, cause], a list of edges as source"
            " and target: check which it is",
            DataWarning,
            stacklevel=3,
        )


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
    from sklearn.metrics import average_precision_score, roc_auc_score

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
