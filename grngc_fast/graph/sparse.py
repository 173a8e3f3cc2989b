"""A causal graph of which only the strongest edges were kept: what is left of scores too many to store."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ..errors import InputError
from .edges import EdgeArrays, Indices, check_selection
from .exports import EdgeExports
from .file import opened_graph, write_graph
from .input import Array, as_causes, as_float, as_json, as_names
from .p_values import PValues, as_p_values
from .repeats import Repeats, as_repeats
from .unit_shares import UnitShares, as_unit_shares

_TYPES = {"effect": np.int32, "cause": np.int32, "lag": np.int32, "sign": np.int8}


@dataclass(frozen=True, eq=False, repr=False)
class SparseCausalGraph(EdgeExports):
    """The kept edges of a causal graph, strongest first; selections and exports as of `CausalGraph`.

    Attributes, which are the parameters
    ------------------------------------
    effect, cause : (n,) row and column of each edge; no pair twice.
    score : (n,) positive scores.
    names : names of the E effects.
    causes : names of the C causes; default those of the effects.
    lag : (n,) lags counted from 1; default 1.
    sign : (n,) -1, 0 or +1; default 0, not known.
    n_lags : L, the number of lags told apart.
    metadata : settings of the fit; JSON values.
    unit_shares : optional UnitShares of these edges, of which units of the network their gradients are made.
    gradient : optional (n,) mean absolute gradients, not negative, where the scores are evidence of several kinds.
    p_values, repeats : optional PValues and Repeats of all pairs, kept or not.

    A selection returns no more than was kept: a pair that is not here has a score that is not known, and counts as 0.

    Raises
    ------
    InputError : columns of different lengths, indices, lags or signs out of range, scores that are not positive, a pair
        that is there twice, names as in `CausalGraph`.

    Example
    -------
    >>> SparseCausalGraph([0, 1], [1, 0], [0.5, 0.2], ("rain", "river")).edges(top_k=1)
    [Edge(source='river', target='rain', lag=1, score=0.5, sign=0)]
    """

    effect: NDArray[np.int32]
    cause: NDArray[np.int32]
    score: Array
    names: tuple[str, ...]
    causes: tuple[str, ...] = ()
    lag: NDArray[np.int32] | None = None
    sign: NDArray[np.int8] | None = None
    n_lags: int = 1
    metadata: dict[str, Any] = field(default_factory=dict)
    unit_shares: UnitShares | None = None
    p_values: PValues | None = None
    gradient: Array | None = None
    repeats: Repeats | None = None

    def __post_init__(self) -> None:
        score = as_float("score", self.score)
        if score.ndim != 1:
            raise InputError(f"score has shape {score.shape}; expected (n,), one score an edge")
        names = as_names(self.names, len(self.names), side="effect")
        causes = as_causes(self.causes, len(self.causes) or len(names), names)
        bounds = {
            "effect": (0, len(names) - 1),
            "cause": (0, len(causes) - 1),
            "lag": (1, self.n_lags),
            "sign": (-1, 1),
        }
        default: dict[str, NDArray[Any]] = {"lag": np.ones(score.size, np.int32), "sign": np.zeros(score.size, np.int8)}
        columns: dict[str, Any] = {"score": score}
        for name, (low, high) in bounds.items():
            given = getattr(self, name)
            column: NDArray[Any] = default[name] if given is None else np.asarray(given)
            if column.shape != score.shape or (column.dtype.kind not in "iu" and column.size):
                raise InputError(f"{name} has shape {column.shape}; expected {score.size} whole numbers, one an edge")
            if column.size and not (low <= column.min() and column.max() <= high):
                raise InputError(f"{name} holds {column.min()} to {column.max()}; expected {low} to {high}")
            columns[name] = column.astype(_TYPES[name])
        if not (np.isfinite(score) & (score > 0)).all():
            raise InputError("score holds values that are not positive and finite; leave out pairs without an edge")
        pair = columns["effect"].astype(np.int64) * len(causes) + columns["cause"]
        if self.gradient is not None:
            columns["gradient"] = self._checked_gradient(score.shape)
        order = np.lexsort((pair, -score))
        if np.unique(pair).size < pair.size:
            raise InputError("a pair of effect and cause is given more than once; keep one edge of each")
        for name, column in columns.items():
            ordered = column[order]
            ordered.setflags(write=False)
            object.__setattr__(self, name, ordered)
        shares = as_unit_shares(self.unit_shares, (len(names), len(causes)))
        head: dict[str, Any] = {
            "names": names,
            "causes": causes,
            "metadata": as_json(self.metadata),
            "unit_shares": shares,
        }
        head["p_values"] = as_p_values(self.p_values, (len(names), len(causes)))
        head["repeats"] = as_repeats(self.repeats, (len(names), len(causes)))
        for name, value in head.items():
            object.__setattr__(self, name, value)

    @property
    def n_edges(self) -> int:
        """Edges kept, influences of a series on itself included."""
        return int(self.score.size)

    def score_rows(self, rows: slice) -> Array:
        """Scores (n, C) of some effects, a new array; 0 where an edge was not kept."""
        every = csr_array((self.score, (self.effect, self.cause)), shape=self.shape)
        dense: Array = every[rows].toarray()
        return dense

    def gradients_at(self, effect: NDArray[np.integer[Any]], cause: NDArray[np.integer[Any]]) -> Array | None:
        """(n,) mean absolute gradient of each pair, by number, NaN where it was not kept; None where these are the scores."""
        if self.gradient is None:
            return None
        found = np.full(len(effect), np.nan, self.gradient.dtype)
        place, kept = self._places(effect, cause)
        found[kept] = self.gradient[place]
        return found

    def lags_at(self, effect: Indices, cause: Indices) -> Indices:
        """(n,) lag of each pair, by number; 0 where it was not kept."""
        assert self.lag is not None
        lags = np.zeros(len(effect), dtype=np.int64)
        place, kept = self._places(effect, cause)
        lags[kept] = self.lag[place]
        return lags

    def _places(self, effect: NDArray[np.integer[Any]], cause: NDArray[np.integer[Any]]) -> tuple[Indices, Indices]:
        """Where pairs are among the edges, and which of the pairs those are."""
        own = self.effect.astype(np.int64) * len(self.causes) + self.cause
        order = np.argsort(own)
        own, wanted = own[order], np.asarray(effect, dtype=np.int64) * len(self.causes) + cause
        place = np.searchsorted(own, wanted)
        # One more than there are, which nobody asks for.
        found = np.flatnonzero(np.append(own, -1)[place] == wanted)
        return order[place[found]], found

    def _checked_gradient(self, shape: tuple[int, ...]) -> Array:
        gradient = as_float("gradient", self.gradient)
        if gradient.shape != shape or (gradient < 0).any() or np.isinf(gradient).any():
            raise InputError(
                f"gradient: expected {shape[0]} finite numbers, none negative, one an edge; NaN where it is not known"
            )
        return gradient

    def described(self, effect: Indices, cause: Indices) -> EdgeArrays:
        """Score, lag and sign of pairs, by number; of one that was not kept the least positive number, lag 1 and sign 0."""
        assert self.lag is not None
        assert self.sign is not None
        lag, sign = np.ones(len(effect), self.lag.dtype), np.zeros(len(effect), self.sign.dtype)
        score = np.full(len(effect), np.finfo(self.score.dtype).tiny, self.score.dtype)
        place, kept = self._places(effect, cause)
        for column, own in ((lag, self.lag), (score, self.score), (sign, self.sign)):
            column[kept] = own[place]
        return EdgeArrays(effect, cause, lag, score, sign)

    def of_edges(self, chosen: EdgeArrays) -> SparseCausalGraph:
        """These edges alone, as a graph of all series."""
        return edges_of(self, chosen)

    def _chosen(self, threshold: float | None, top_k: int | None, density: float | None, diagonal: bool) -> EdgeArrays:
        check_selection(threshold, top_k, density)
        assert self.lag is not None
        assert self.sign is not None
        every = EdgeArrays(self.effect, self.cause, self.lag, self.score, self.sign)
        chosen = self.score > (threshold or 0)
        if not diagonal:
            chosen &= self.cause != self.own_causes[self.effect]
        return every.at(np.flatnonzero(chosen)[: self._limit(top_k, density, diagonal)])

    def _describe(self) -> str:
        return f"{super()._describe()}, {self.n_edges} edges kept"

    def _save_whole(self, path: str | os.PathLike[str]) -> None:
        arrays = {name: getattr(self, name) for name in ("effect", "cause", "score", "lag", "sign")}
        shares = {} if self.unit_shares is None else self.unit_shares.to_arrays()
        tested = {} if self.p_values is None else self.p_values.to_arrays()
        repeated = {} if self.repeats is None else self.repeats.to_arrays()
        rest = {"n_lags": np.array(self.n_lags), "gradient": self.gradient, **shares, **tested, **repeated}
        write_graph(path, {**arrays, **rest}, self.names, self.causes, self.metadata)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SparseCausalGraph:
        """Read a graph that `save` wrote as .npz.

        Raises
        ------
        InputError : the file is missing, truncated, not a saved graph of edges, or of a newer format.
        """
        with opened_graph(path) as arrays:
            if "effect" not in arrays:
                raise InputError(f"{os.fspath(path)!r} holds all scores; open it with CausalGraph.load or load_graph")
            return cls.from_arrays(arrays)

    @classmethod
    def from_arrays(cls, arrays: Any) -> SparseCausalGraph:
        """From the arrays of a file."""
        columns = {name: arrays[name] for name in ("effect", "cause", "score", "lag", "sign")}
        head = {name: arrays[name] for name in ("names", "causes", "metadata")}
        shape = len(head["names"]), len(head["causes"] or head["names"])
        further: dict[str, Any] = {
            "unit_shares": UnitShares.from_arrays(arrays, shape),
            "p_values": PValues.from_arrays(arrays),
            "repeats": Repeats.from_arrays(arrays),
        }
        return cls(**columns, **head, n_lags=int(arrays["n_lags"]), gradient=arrays.get("gradient"), **further)


def edges_of(graph: EdgeExports, chosen: EdgeArrays) -> SparseCausalGraph:
    """These edges of a graph, as a graph of all its series."""
    shares = None if graph.unit_shares is None else graph.unit_shares.among(chosen.effect, chosen.cause)
    return SparseCausalGraph(
        **chosen._asdict(),
        names=graph.names,
        causes=graph.causes,
        n_lags=graph.n_lags,
        metadata=graph.metadata,
        unit_shares=shares,
        p_values=graph.p_values,
        repeats=graph.repeats,
        gradient=graph.gradients_at(chosen.effect, chosen.cause),
    )
