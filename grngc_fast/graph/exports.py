"""What every graph offers, whichever of its edges it keeps: series, selection, and the ways out."""

from __future__ import annotations

import copy
import logging
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ..errors import InputError
from . import drawing
from .edges import Edge, EdgeArrays, Indices, is_number
from .file import atomic_writer
from .input import Array, own_causes
from .p_values import COLUMNS, PValues, as_p_values
from .repeats import COLUMNS_OF_REPEATS, Repeats, as_repeats
from .saving import WHOLE, known_suffix, save_edges, write_text
from .unit_shares import KINDS, UnitShares, as_unit_shares

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    from matplotlib.figure import Figure
    from typing_extensions import Self

    from .sparse import SparseCausalGraph

_LOG = logging.getLogger("grngc_fast")
# Decimals of a share that are exported.
_SHARE_DIGITS = 4


class EdgeExports(ABC):
    """What every graph offers: series, selection, exports. Selections are those of `edges`.

    Attributes
    ----------
    names, causes : names of the E effects and of the C causes.
    metadata : settings of the fit.
    unit_shares : of which units of the network the gradients are made; None where that is not known.
    p_values : how surely each pair is more than chance; None where it was not tested.
    repeats : how often each pair is found in repeated fits; None where there were none.
    """

    names: tuple[str, ...]
    causes: tuple[str, ...]
    metadata: dict[str, Any]
    unit_shares: UnitShares | None
    p_values: PValues | None
    repeats: Repeats | None

    @property
    def shape(self) -> tuple[int, int]:
        """(E, C): effects and causes."""
        return len(self.names), len(self.causes)

    @property
    def series(self) -> tuple[str, ...]:
        """Every series once: the effects, then those that are causes only."""
        return self.names if self.causes is self.names else tuple(dict.fromkeys((*self.names, *self.causes)))

    @property
    def n_series(self) -> int:
        """The number of series, those that are effects only or causes only included."""
        return len(self.series)

    @property
    def own_causes(self) -> Indices:
        """(E,): the column of each effect's influence on itself, -1 where it is not among the causes."""
        return own_causes(self.names, self.causes)

    @property
    @abstractmethod
    def n_lags(self) -> int:
        """L, the number of lags told apart."""

    @abstractmethod
    def score_rows(self, rows: slice) -> Array:
        """Scores (n, C) of some effects, a new array; 0 where an edge was not kept."""

    @abstractmethod
    def gradients_at(self, effect: NDArray[np.integer[Any]], cause: NDArray[np.integer[Any]]) -> Array | None:
        """(n,) mean absolute gradient of each pair, by number; None where these are the scores."""

    @abstractmethod
    def lags_at(self, effect: Indices, cause: Indices) -> Indices:
        """(n,) lag of the strongest score of each pair, by number, counted from 1; 0 where an edge was not kept."""

    def with_unit_shares(self, shares: UnitShares) -> Self:
        """The same graph, whose arrays are not copied or checked again, with these shares."""
        graph = copy.copy(self)
        object.__setattr__(graph, "unit_shares", as_unit_shares(shares, self.shape))
        return graph

    def with_p_values(self, p_values: PValues) -> Self:
        """The same graph, whose arrays are not copied or checked again, with these p-values."""
        graph = copy.copy(self)
        object.__setattr__(graph, "p_values", as_p_values(p_values, self.shape))
        return graph

    def with_repeats(self, repeats: Repeats) -> Self:
        """The same graph, whose arrays are not copied or checked again, with what repeated fits found."""
        graph = copy.copy(self)
        object.__setattr__(graph, "repeats", as_repeats(repeats, self.shape))
        return graph

    def threshold(self, cut: float | Literal["auto"] = "auto", q: float = 0.05) -> SparseCausalGraph:
        """The graph above a cut.

        Parameters
        ----------
        cut : a score, as of `edges`, without influences of series on themselves; or "auto", the pairs found at a false discovery
            rate of `q`, which needs `p_values`. Where none are found the graph has no edges and the logger "grngc_fast" is told.
            A pair that is found though its score is 0 has the least positive number for a score.
        q : between 0 and 1.

        Raises
        ------
        InputError : "auto" without p-values, a cut or a rate that is none.
        """
        if cut != "auto":
            return self.of_edges(self._chosen(float(cut) if is_number(cut) else cut, None, None, False))
        if self.p_values is None:
            raise InputError(
                "the graph has no p-values, which say where to cut it; call GRNGC.significance(X) after the fit, or pass a number"
            )
        effect, cause = np.nonzero(self.p_values.significant(q))
        if not len(effect):
            _LOG.warning("no edge is significant at a false discovery rate of %g: %s", q, self.p_values)
        return self.of_edges(self.described(effect, cause))

    @abstractmethod
    def of_edges(self, chosen: EdgeArrays) -> SparseCausalGraph:
        """These edges alone, as a graph of all series."""

    @abstractmethod
    def described(self, effect: Indices, cause: Indices) -> EdgeArrays:
        """Score, lag and sign of pairs, by number; of a pair without a score the least positive number, lag 1, sign 0."""

    @abstractmethod
    def _chosen(self, threshold: float | None, top_k: int | None, density: float | None, diagonal: bool) -> EdgeArrays:
        """The selected edges, strongest first."""

    def _limit(self, top_k: int | None, density: float | None, diagonal: bool) -> int | None:
        if density is None:
            return top_k
        possible = math.prod(self.shape) - (0 if diagonal else int((self.own_causes >= 0).sum()))
        return max(1, round(density * possible))

    def edges(
        self,
        threshold: float | None = None,
        top_k: int | None = None,
        density: float | None = None,
        diagonal: bool = False,
    ) -> list[Edge]:
        """The selected edges, strongest first; equal scores in the order of effect, then cause.

        Parameters
        ----------
        threshold : keep scores strictly greater than this; not negative.
        top_k : keep the k strongest edges of the whole graph.
        density : keep the strongest fraction, in (0, 1], of the possible edges (E*C, without the diagonal those between
            different series), rounded to the nearest number of edges, at least one.
        diagonal : whether a series' influence on itself counts: effect and cause of one name.

        With none of the three, every edge with a score. A score of exactly zero is never an edge, so `top_k` and
        `density` return fewer where fewer scores are above zero or fewer edges were kept.

        Raises
        ------
        InputError : more than one of the three, or a value out of its range.
        """
        columns = self._columns(threshold, top_k, density, diagonal)
        return list(map(Edge, *(_plain(columns[name]) for name in Edge._fields)))

    def adjacency(
        self,
        threshold: float | None = None,
        top_k: int | None = None,
        density: float | None = None,
        diagonal: bool = False,
    ) -> NDArray[np.bool_]:
        """The selected edges as an (E, C) boolean array `[effect, cause]`."""
        chosen = self._chosen(threshold, top_k, density, diagonal)
        present = np.zeros(self.shape, dtype=bool)
        present[chosen.effect, chosen.cause] = True
        return present

    def to_pandas(
        self,
        threshold: float | None = None,
        top_k: int | None = None,
        density: float | None = None,
        diagonal: bool = False,
    ) -> pd.DataFrame:
        """The selected edges as a DataFrame with the columns source, target, lag, score, sign. Needs pandas.

        Also gradient where edges are ranked by more than that; with `unit_shares` linear, spline, interaction, with `p_values`
        p_value, q_value, NaN where they are not known; with `repeats` frequency, standard_error.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError('to_pandas needs pandas: pip install "grngc-fast[io]"') from error
        return pd.DataFrame(self._columns(threshold, top_k, density, diagonal))

    def to_networkx(
        self,
        threshold: float | None = None,
        top_k: int | None = None,
        density: float | None = None,
        diagonal: bool = False,
    ) -> nx.DiGraph:
        """A DiGraph of all series with the selected edges, cause to effect. Needs networkx.

        Edge attributes: score, lag, sign, weight, which is the score again, and gradient where edges are ranked by more than
        that; with `unit_shares` also linear, spline, interaction, with `p_values` p_value, q_value, with `repeats` frequency,
        standard_error.
        """
        try:
            import networkx as nx
        except ImportError as error:
            raise ImportError('to_networkx needs networkx: pip install "grngc-fast[plot]"') from error
        graph = nx.DiGraph()
        graph.add_nodes_from(self.series)
        columns = {name: _plain(c) for name, c in self._columns(threshold, top_k, density, diagonal).items()}
        ends = zip(columns.pop("source"), columns.pop("target"), strict=True)
        columns["weight"] = columns["score"]
        for (source, target), values in zip(ends, zip(*columns.values(), strict=True), strict=True):
            graph.add_edge(source, target, **dict(zip(columns, values, strict=True)))
        return graph

    def to_scipy(
        self,
        threshold: float | None = None,
        top_k: int | None = None,
        density: float | None = None,
        diagonal: bool = False,
    ) -> csr_array:
        """The scores of the selected edges as an (E, C) sparse array `[effect, cause]`."""
        chosen = self._chosen(threshold, top_k, density, diagonal)
        return csr_array((chosen.score, (chosen.effect, chosen.cause)), shape=self.shape)

    def to_csv(
        self,
        path: str | os.PathLike[str],
        threshold: float | None = None,
        top_k: int | None = None,
        density: float | None = None,
        diagonal: bool = False,
    ) -> None:
        """Write the selected edges as a UTF-8 CSV file with the header source,target,lag,score,sign.

        Also gradient where edges are ranked by more than that; with `unit_shares` linear,spline,interaction, with `p_values`
        p_value,q_value, empty where they are not known; with `repeats` frequency,standard_error.

        Raises
        ------
        InputError : the file cannot be written.
        """
        columns = self._columns(threshold, top_k, density, diagonal)
        with atomic_writer(path) as file:
            write_text(file, columns)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the graph in the form that the suffix of `path` names; an older file is replaced whole or not at all.

        ".npz" keeps the whole graph, without pickle, and is the only one that `load` and `load_graph` open again. The others
        are for other programs and keep the edges between different series alone, strongest first: ".csv" as `to_csv`, ".tsv"
        with tabs, both also as ".gz"; ".parquet" as `to_pandas` (needs pandas and pyarrow); ".graphml" as `to_networkx`
        (needs networkx).

        Raises
        ------
        InputError : a suffix that is none of these, a file that cannot be written, a name that it cannot keep.
        ImportError : a library that the form needs is not installed.
        """
        if known_suffix(path) == WHOLE:
            self._save_whole(path)
        else:
            save_edges(path, self._columns(None, None, None, False), self.to_networkx)

    @abstractmethod
    def _save_whole(self, path: str | os.PathLike[str]) -> None:
        """All that the graph holds, as an .npz file."""

    def plot(self, kind: Literal["scores", "lags", "summary"] = "scores", **options: Any) -> Figure:
        """Draw the graph and return the matplotlib Figure; `fig.savefig("graph.png")` writes it. Needs matplotlib.

        `kind` names a function of `grngc_fast.graph.drawing` that takes the `options`: "scores" is `plot_scores`, "lags"
        is `plot_lags`, "summary" is `plot_graph_summary`.
        """
        draw: dict[str, Callable[..., Figure]] = {
            "scores": drawing.plot_scores,
            "lags": drawing.plot_lags,
            "summary": drawing.plot_graph_summary,
        }
        if kind not in draw:
            raise InputError(f"unknown plot kind {kind!r}; choose one of {', '.join(map(repr, draw))}")
        return draw[kind](self, **options)

    def __repr__(self) -> str:
        strongest_edges = self.edges(top_k=5)
        head = f"{type(self).__name__}({self._describe()}"
        if not strongest_edges:
            return f"{head}, no edges)"
        lines = [f"  {e.source} -> {e.target} ({self._describe_edge(e)})" for e in strongest_edges]
        doubt = ", in doubt: too few windows" if self.metadata.get("doubt") else ""
        return "\n".join([f"{head}; strongest edges{doubt}:", *lines]) + ")"

    def _describe(self) -> str:
        same = self.causes is self.names
        text = f"{self.n_series} series" if same else f"{self.shape[0]} effects of {self.shape[1]} causes"
        return text if self.n_lags == 1 else f"{text}, {self.n_lags} lags"

    def _describe_edge(self, edge: Edge) -> str:
        lag = "" if self.n_lags == 1 else f"lag {edge.lag}, "
        return f"{lag}{('', '+', '-')[edge.sign]}{edge.score:.3g}"

    def _columns(
        self, threshold: float | None, top_k: int | None, density: float | None, diagonal: bool
    ) -> dict[str, list[str] | NDArray[Any]]:
        """The fields of `Edge` and the shares, of the selected edges, strongest first."""
        chosen = self._chosen(threshold, top_k, density, diagonal)
        source = [self.causes[j] for j in chosen.cause.tolist()]
        target = [self.names[i] for i in chosen.effect.tolist()]
        lag, sign = chosen.lag.astype(np.int64), chosen.sign.astype(np.int64)
        values: tuple[list[str] | NDArray[Any], ...] = (source, target, lag, chosen.score, sign)
        columns = dict(zip(Edge._fields, values, strict=True))
        gradients = self.gradients_at(chosen.effect, chosen.cause)
        if gradients is not None:
            columns["gradient"] = gradients
        if self.unit_shares is not None:
            shares = self.unit_shares.at(chosen.effect, chosen.cause).astype(np.float64).round(_SHARE_DIGITS)
            columns |= zip(KINDS, shares.T, strict=True)
        if self.p_values is not None:
            columns |= zip(COLUMNS, self.p_values.at(chosen.effect, chosen.cause), strict=True)
        if self.repeats is not None:
            columns |= zip(COLUMNS_OF_REPEATS, self.repeats.at(chosen.effect, chosen.cause), strict=True)
        return columns


def _plain(column: list[str] | NDArray[Any]) -> list[Any]:
    return column if isinstance(column, list) else column.tolist()
