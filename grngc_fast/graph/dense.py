"""The result of a fit: who causes whom, how strongly, at which lag and with which sign, and the ways out of it.

graph = CausalGraph(scores, names=("a", "b", "c"))      # scores[effect, cause]
graph.edges(top_k=10)                                   # [Edge(source="b", target="a", lag=1, score=0.53, sign=0)]
graph.to_csv("edges.csv", density=0.05)
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..row_blocks import row_blocks
from .edges import EdgeArrays, Indices, StrongestEdges, check_selection
from .exports import EdgeExports
from .file import opened_graph, write_graph
from .input import Array, as_causes, as_float, as_json, as_names, check_values
from .p_values import PValues, as_p_values
from .repeats import Repeats, as_repeats
from .sparse import SparseCausalGraph, edges_of
from .unit_shares import UnitShares, as_unit_shares

# Beside the scores.
_ARRAYS = ("lag_scores", "signed_scores", "standard_error", "gradients")


@dataclass(frozen=True, eq=False, repr=False)
class CausalGraph(EdgeExports):
    """Causal scores of E effects by C causes, oriented `[effect, cause]` throughout; often the same P series on both sides.

    Arrays are read-only, and copied unless they are read-only already, as memory maps of mode "r" are.

    Parameters
    ----------
    scores : (E, C) non-negative array, what edges are ranked by: the mean absolute gradient of each effect by each cause unless
        `gradients` are given.
    names : E distinct names of the effects; default x0, x1, ...
    lag_scores : optional (E, C, L) non-negative array `[effect, cause, lag]`; lag index 0 is lag 1, the latest step.
    signed_scores : optional (E, C) array, the mean signed gradient; its sign is the sign of the influence.
    metadata : settings of the fit; JSON values (numpy numbers and arrays are turned into plain ones).
    causes : C distinct names of the causes; default those of the effects, which a square array allows.
    standard_error : optional (E, C) non-negative array, of gradients that are means over a sample of the windows.
    gradients : optional (E, C) non-negative array, the mean absolute gradients, where the scores are evidence of several kinds.
    unit_shares : optional UnitShares, of which units of the network the scores are made.
    p_values : optional PValues, how surely each pair is more than chance.
    repeats : optional Repeats, how often each pair is found in repeated fits.

    The diagonal of a graph is where effect and cause have the same name, wherever that is. Every export takes the same
    selection, at most one of `threshold`, `top_k`, `density`, and `diagonal`; see `edges`.

    Attributes
    ----------
    scores, names, lag_scores, signed_scores, metadata, causes, standard_error, unit_shares, p_values, gradients,
        repeats : as given; None where not.
    shape : (E, C). series, n_series : every series once, and their number. n_lags : L, 1 without `lag_scores`.
    own_causes : (E,) the column of each effect's influence on itself, -1 where it is no cause.

    Raises
    ------
    InputError : shapes that disagree, NaN or infinite or negative scores, duplicate or unusable names, no names for
        causes that cannot be the effects, metadata that is not JSON.

    Examples
    --------
    >>> graph = CausalGraph([[0.9, 0.5], [0.0, 0.8]], names=("rain", "river"))
    >>> graph.edges()
    [Edge(source='river', target='rain', lag=1, score=0.5, sign=0)]
    """

    scores: Array
    names: tuple[str, ...] = ()
    lag_scores: Array | None = None
    signed_scores: Array | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    causes: tuple[str, ...] = ()
    standard_error: Array | None = None
    unit_shares: UnitShares | None = None
    p_values: PValues | None = None
    gradients: Array | None = None
    repeats: Repeats | None = None

    def __post_init__(self) -> None:
        scores = as_float("scores", self.scores)
        if scores.ndim != 2 or not scores.size:
            raise InputError(f"scores has shape {scores.shape}; expected an (E, C) array [effect, cause]")
        names = as_names(self.names, scores.shape[0])
        causes = as_causes(self.causes, scores.shape[1], names)
        check_values("scores", scores, names, causes)
        values: dict[str, Any] = {"scores": scores, "names": names, "causes": causes}
        for what in _ARRAYS:
            given = getattr(self, what)
            array = None if given is None else as_float(what, given)
            if array is not None:
                self._check_shape(what, array, scores.shape)
                check_values(what, array, names, causes, signed=what == "signed_scores")
            values[what] = array
        values["unit_shares"] = as_unit_shares(self.unit_shares, scores.shape)
        values["p_values"] = as_p_values(self.p_values, scores.shape)
        values["repeats"] = as_repeats(self.repeats, scores.shape)
        for attribute, value in {**values, "metadata": as_json(self.metadata)}.items():
            object.__setattr__(self, attribute, value)

    @staticmethod
    def _check_shape(what: str, array: Array, shape: tuple[int, ...]) -> None:
        if what == "lag_scores":
            if array.ndim != 3 or array.shape[:2] != shape or not array.size:
                raise InputError(
                    f"lag_scores has shape {array.shape}; expected ({shape[0]}, {shape[1]}, L)"
                    " [effect, cause, lag] to go with the scores"
                )
        elif array.shape != shape:
            raise InputError(f"{what} has shape {array.shape}; expected {shape}, the shape of scores")

    @property
    def n_lags(self) -> int:
        """L, the number of lags told apart; 1 without `lag_scores`."""
        return 1 if self.lag_scores is None else int(self.lag_scores.shape[2])

    def score_rows(self, rows: slice) -> Array:
        """Scores (n, C) of some effects, a new array."""
        return np.array(self.scores[rows])

    def kept(
        self,
        threshold: float | None = None,
        top_k: int | None = None,
        density: float | None = None,
        diagonal: bool = False,
    ) -> SparseCausalGraph:
        """The selected edges alone, as a graph that needs no room for the others."""
        chosen = self._chosen(threshold, top_k, density, diagonal)
        return self.of_edges(chosen)

    def described(self, effect: Indices, cause: Indices) -> EdgeArrays:
        """Score, lag and sign of pairs, by number; a score of 0 as the least positive number."""
        scores = self.scores[effect, cause]
        lag, sign = self._lag_and_sign(0, effect, cause)
        return EdgeArrays(effect, cause, lag, np.maximum(scores, np.finfo(scores.dtype).tiny), sign)

    def of_edges(self, chosen: EdgeArrays) -> SparseCausalGraph:
        """These edges alone, as a graph of all series."""
        return edges_of(self, chosen)

    def gradients_at(self, effect: NDArray[np.integer[Any]], cause: NDArray[np.integer[Any]]) -> Array | None:
        """(n,) mean absolute gradient of each pair, by number; None where these are the scores."""
        return None if self.gradients is None else self.gradients[effect, cause]

    def lags_at(self, effect: Indices, cause: Indices) -> Indices:
        """(n,) lag of the largest lag score of each pair, by number; 1 where lags are not resolved."""
        if self.lag_scores is None:
            return np.ones(len(effect), dtype=np.int64)
        lags: Indices = self.lag_scores[effect, cause].argmax(axis=1) + 1
        return lags

    def _chosen(self, threshold: float | None, top_k: int | None, density: float | None, diagonal: bool) -> EdgeArrays:
        check_selection(threshold, top_k, density)
        found, own = StrongestEdges(self._limit(top_k, density, diagonal), threshold or 0.0), self.own_causes
        for rows in row_blocks(self.shape):
            scores = self.scores[rows]
            if not diagonal:
                scores, mine = np.array(scores), np.flatnonzero(own[rows] >= 0)
                scores[mine, own[rows][mine]] = 0
            found.add(rows.start, scores, partial(self._lag_and_sign, rows.start))
        return found.edges()

    def _lag_and_sign(self, first: int, row: Indices, cause: Indices) -> tuple[Indices, Indices]:
        effect = row + first
        sign = np.zeros(effect.size, dtype=np.int64)
        if self.signed_scores is not None:
            sign = np.sign(self.signed_scores[effect, cause]).astype(np.int64)
        return self.lags_at(effect, cause), sign

    def _save_whole(self, path: str | os.PathLike[str]) -> None:
        arrays = {name: getattr(self, name) for name in ("scores", *_ARRAYS)}
        shares = {} if self.unit_shares is None else self.unit_shares.to_arrays()
        tested = {} if self.p_values is None else self.p_values.to_arrays()
        repeated = {} if self.repeats is None else self.repeats.to_arrays()
        write_graph(path, {**arrays, **shares, **tested, **repeated}, self.names, self.causes, self.metadata)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CausalGraph:
        """Read a graph that `save` wrote as .npz.

        Raises
        ------
        InputError : the file is missing, truncated, not a saved graph, one of kept edges only, or of a newer format.
        """
        graph = load_graph(path)
        if isinstance(graph, SparseCausalGraph):
            raise InputError(
                f"{os.fspath(path)!r} holds the strongest edges only; open it with SparseCausalGraph.load or load_graph"
            )
        return graph


def load_graph(path: str | os.PathLike[str]) -> CausalGraph | SparseCausalGraph:
    """Read what `CausalGraph.save` or `SparseCausalGraph.save` wrote as .npz.

    Raises
    ------
    InputError : the file is missing, truncated, not a saved graph, or of a newer format.
    """
    with opened_graph(path) as arrays:
        if "effect" in arrays:
            return SparseCausalGraph.from_arrays(arrays)
        return CausalGraph(
            arrays["scores"],
            arrays["names"],
            metadata=arrays["metadata"],
            causes=arrays["causes"],
            unit_shares=UnitShares.from_arrays(arrays, arrays["scores"].shape),
            p_values=PValues.from_arrays(arrays),
            repeats=Repeats.from_arrays(arrays),
            **{part: arrays.get(part) for part in _ARRAYS},
        )
