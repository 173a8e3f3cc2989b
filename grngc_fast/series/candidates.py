"""Which series may cause which: regulators, targets and candidate pairs of a table, resolved to columns and checked."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from ..errors import InputError
from .table import some

Columns = NDArray[np.intp]


@dataclass(frozen=True)
class CandidateEdges:
    """The pairs (effect, cause) that a fit considers, of the P series of a table.

    Attributes
    ----------
    causes : (C,) columns of the table that may be causes.
    effects : (E,) columns that are forecast.
    allowed : (E, C) boolean, the pairs that may be edges; None for all.
    own_past : positions among the effects of those that read their own past though they are no candidate causes of theirs.
    """

    causes: Columns
    effects: Columns
    allowed: csr_array | None
    own_past: Columns

    @property
    def n_causes(self) -> int:
        return len(self.causes)

    @property
    def n_effects(self) -> int:
        return len(self.effects)

    @property
    def n_pairs(self) -> int:
        return self.n_effects * self.n_causes if self.allowed is None else int(self.allowed.nnz)

    @property
    def inputs(self) -> Columns:
        """Columns that a network reads: the causes, then the effects that read their own past beside them."""
        return np.concatenate([self.causes, self.effects[self.own_past]])

    def places(
        self, pairs: Iterable[tuple[Any, Any]], names: Sequence[str], what: str = "edges"
    ) -> list[tuple[int, int]]:
        """(row, column) of pairs (source, target), by name or column of the table, among the effects and the causes.

        `what` : what an error calls them.

        Raises
        ------
        InputError : a series that is unknown, a target that is not forecast, a source that is no candidate cause.
        """
        column = {name: i for i, name in enumerate(names)}
        row_of, cause_of = ({int(c): k for k, c in enumerate(side)} for side in (self.effects, self.causes))
        found = []
        for pair in pairs:
            source, target = (_column(what, item, column, len(names)) for item in pair)
            row, cause = row_of.get(target), cause_of.get(source)
            if row is None:
                raise InputError(
                    f"{what}: {names[target]!r} is not among the targets, so it has no forecast; name a target"
                )
            if cause is None or (self.allowed is not None and not self.allowed[row, cause]):
                raise InputError(
                    f"{what}: {names[source]!r} is no candidate cause of {names[target]!r}; name one that the fit may find"
                )
            found.append((row, cause))
        return found


def candidate_edges(
    names: Sequence[str],
    regulators: Any = None,
    targets: Any = None,
    candidates: Any = None,
    own_past: bool = True,
) -> CandidateEdges:
    """Resolve what a user names.

    Parameters
    ----------
    names : of the P series.
    regulators, targets : names or column indices; None for all series (regulators with `candidates`: all that are a
        candidate of some target).
    candidates : (P, P) boolean or 0/1 array or sparse array [effect, cause], or a DataFrame with effects in the index and
        causes in the columns; None for all pairs.
    own_past : whether effects that are no candidate causes of their own read their own past.

    Raises
    ------
    InputError : a series that is unknown or named twice, nothing named, candidates of another shape or with other values, a
        target without a candidate.
    """
    effects = _columns("targets", targets, names)
    causes = _columns("regulators", regulators, names)
    allowed = None
    if candidates is not None:
        allowed = _pairs(candidates, names)[effects]
        if regulators is None:
            causes = np.unique(allowed.indices).astype(np.intp)
        allowed = allowed[:, causes]
        allowed.sort_indices()
        _refuse_empty_rows(allowed, [names[i] for i in effects], regulators is not None)
        allowed = None if allowed.nnz == np.prod(allowed.shape) else allowed
    own = _without_own_past(causes, effects, allowed) if own_past else np.empty(0, dtype=np.intp)
    return CandidateEdges(causes, effects, allowed, own)


def _without_own_past(causes: Columns, effects: Columns, allowed: csr_array | None) -> Columns:
    at = {int(column): i for i, column in enumerate(causes)}
    own = np.array([at.get(int(column), -1) for column in effects], dtype=np.intp)
    seen = own >= 0
    if allowed is not None:
        rows = np.flatnonzero(seen)
        seen[rows] = [bool(allowed[row, own[row]]) for row in rows]
    return np.flatnonzero(~seen)


def _refuse_empty_rows(allowed: csr_array, effects: Sequence[str], among_regulators: bool) -> None:
    empty = np.flatnonzero(np.diff(allowed.indptr) == 0)
    if len(empty):
        among = " among the regulators" if among_regulators else ""
        raise InputError(
            f"empty candidate set: {some(effects[int(i)] for i in empty)} {'has' if len(empty) == 1 else 'have'} no"
            f" candidate cause{among}; give candidates, or leave such series out of targets"
        )


def suggestion(unknown: str, names: Iterable[str]) -> str:
    """What an unknown name may have been meant for."""
    folded = {name.casefold(): name for name in names}
    close = [folded[name] for name in difflib.get_close_matches(unknown.casefold(), folded, n=3)]
    return f"did you mean {', '.join(map(repr, close))}?" if close else "check the names of the table"


def _columns(what: str, wanted: Any, names: Sequence[str]) -> Columns:
    """Names or indices as columns, in the order given."""
    if wanted is None:
        return np.arange(len(names))
    if isinstance(wanted, (str, bytes)) or not isinstance(wanted, Iterable):
        raise InputError(f"{what}={wanted!r}; pass a list of series names or column indices")
    column = {name: i for i, name in enumerate(names)}
    found = [_column(what, item, column, len(names)) for item in wanted]
    if not found:
        raise InputError(f"{what} is empty; name at least one series, or leave it None for all")
    twice = [names[i] for i in dict.fromkeys(found) if found.count(i) > 1] if len(set(found)) < len(found) else []
    if twice:
        raise InputError(f"{what} has {some(twice)} more than once; name each series once")
    return np.array(found, dtype=np.intp)


def _column(what: str, item: Any, column: dict[str, int], n_series: int) -> int:
    if isinstance(item, str):
        if item not in column:
            raise InputError(f"{what} names {item!r}, which is no series of the table; {suggestion(item, column)}")
        return column[str(item)]
    if isinstance(item, (int, np.integer)) and not isinstance(item, bool):
        if not 0 <= int(item) < n_series:
            raise InputError(f"{what} has the column {item}, but the table has the columns 0 to {n_series - 1}")
        return int(item)
    raise InputError(f"{what} has {item!r}; pass series names or column indices")


def _pairs(candidates: Any, names: Sequence[str]) -> csr_array:
    """(P, P) boolean, sorted, without stored zeros."""
    rows = columns = None
    if hasattr(candidates, "columns") and hasattr(candidates, "index"):
        rows = _columns("the index of candidates", list(candidates.index), names)
        columns = _columns("the columns of candidates", list(candidates.columns), names)
        candidates = np.asarray(candidates)
    elif hasattr(candidates, "detach"):
        candidates = candidates.detach().cpu().numpy()
    try:
        values = csr_array(candidates) if issparse(candidates) else np.asarray(candidates)
        kind = values.dtype.kind
    except (TypeError, ValueError) as error:
        raise InputError(
            f"candidates is not an array ({error}); pass a (P, P) boolean array [effect, cause]"
        ) from error
    P = len(names)
    if rows is None and values.shape != (P, P):
        raise InputError(
            f"candidates has shape {values.shape}; the {P} series need a ({P}, {P}) boolean array [effect, cause], or a"
            " DataFrame of the series' names"
        )
    if kind not in "fiub" or not np.isin(values.data if issparse(values) else values, (0, 1)).all():
        raise InputError("candidates holds values other than True and False; pass a boolean array, as in (prior > 0)")
    found = csr_array(values, dtype=bool)
    if rows is not None and columns is not None:
        entries = found.tocoo()
        found = csr_array((entries.data, (rows[entries.row], columns[entries.col])), shape=(P, P))
    found.sum_duplicates()
    found.eliminate_zeros()
    return found
