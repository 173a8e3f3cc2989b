"""How well scores find the edges of a known network: area under the ROC and under the precision-recall curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from .errors import InputError


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
    scores : (P, P) [effect, cause] or (P, P, L) [effect, cause, lag]; array, tensor or DataFrame; higher is likelier.
    truth : of the same shape, boolean or 0/1.
    diagonal : whether effect == cause is counted (at every lag).

    Raises
    ------
    InputError : shapes that differ or are not square, NaN or infinite scores, a truth that is not 0/1, or one with no
        edge or no absent edge among the pairs counted.

    Examples
    --------
    >>> evaluate([[0.0, 0.9], [0.1, 0.0]], [[1, 1], [0, 1]]).auroc
    1.0
    """
    found, known = _array(scores, "scores"), _array(truth, "truth")
    _check_shapes(found.shape, known.shape)
    if not np.isfinite(found).all():
        effect, cause = (int(v) for v in np.argwhere(~np.isfinite(found))[0][:2])
        raise InputError(
            f"the scores hold NaN or inf, first at effect {effect}, cause {cause}; a fit that diverged cannot be"
            " ranked: train with a lower learning rate"
        )
    if not np.isin(known, (0, 1)).all():
        raise InputError("the truth holds values other than 0 and 1; pass booleans, as in (strength != 0)")
    known = known.astype(bool)
    if not diagonal:
        off = ~np.eye(len(known), dtype=bool)
        found, known = found[off], known[off]
    found, known = found.reshape(-1), known.reshape(-1)
    n_edges, n_pairs = int(known.sum()), int(known.size)
    if n_edges in (0, n_pairs):
        what = "no edge" if n_edges == 0 else "every possible edge"
        where = "" if diagonal else " off the diagonal"
        raise InputError(
            f"the truth has {what}{where} ({n_edges} of {n_pairs}), so a ranking cannot be judged;"
            " check that it is the right network" + ("" if diagonal else ", or pass diagonal=True to count self-edges")
        )
    return Evaluation(
        float(roc_auc_score(known, found)), float(average_precision_score(known, found)), n_edges, n_pairs
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
            f"the {what} are not an array of numbers ({error}); pass a (P, P) or (P, P, L) array"
        ) from error


def _check_shapes(scores: tuple[int, ...], truth: tuple[int, ...]) -> None:
    for what, shape in (("scores", scores), ("truth", truth)):
        if len(shape) not in (2, 3) or shape[0] != shape[1]:
            raise InputError(f"the {what} have shape {shape}; expected (P, P) [effect, cause] or (P, P, L) with lags")
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
