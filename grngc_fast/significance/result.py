"""What tests and repeated fits say of a graph: p-values or frequencies, the graph that is left, pictures of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..graph import CausalGraph, PValues, Repeats, SparseCausalGraph
from . import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Significance:
    """Of the edges of a graph.

    Attributes
    ----------
    whole : the graph that was tested, with its `p_values`.
    """

    whole: CausalGraph | SparseCausalGraph

    @property
    def p_values(self) -> NDArray[np.float64]:
        """(E, C) `[effect, cause]`; NaN where a pair was not tested."""
        return self._tested.p

    @property
    def q_values(self) -> NDArray[np.float64]:
        """(E, C) the smallest false discovery rate at which each pair is found; NaN where it was not tested."""
        return self._tested.q

    @property
    def metadata(self) -> dict[str, Any]:
        """What was tested and how, and what is taken for granted."""
        return self._tested.metadata

    def graph(self, q: float = 0.05) -> SparseCausalGraph:
        """The edges found at a false discovery rate of `q`; see `CausalGraph.threshold`."""
        return self.whole.threshold("auto", q)

    def plot(self, kind: Literal["p_values", "scores", "graph", "summary"] = "summary", q: float = 0.05) -> Figure:
        """Draw and return the matplotlib Figure. Needs matplotlib, "graph" and "summary" networkx too.

        "p_values": their histogram, which is flat where nothing is to be found. "scores": each pair's score and p-value, with the
        cut. "graph": the edges found at a false discovery rate of `q`, the wider the surer. "summary": all three.

        Raises
        ------
        InputError : another kind, a rate that is none.
        """
        return drawing.plot(self.whole, kind, q)

    @property
    def _tested(self) -> PValues:
        assert self.whole.p_values is not None
        return self.whole.p_values

    def __repr__(self) -> str:
        return f"Significance({int(self._tested.significant(0.05).sum())} edges at q = 0.05; {self._tested})"


@dataclass(frozen=True, eq=False)
class Stability:
    """Of the edges of a graph, over repeated fits.

    Attributes
    ----------
    whole : the graph whose fit was repeated, with its `repeats`.
    """

    whole: CausalGraph | SparseCausalGraph

    @property
    def frequency(self) -> NDArray[np.float64]:
        """(E, C) `[effect, cause]`, the share of the fits in which each is among the `n_edges` strongest ones."""
        return self._repeats.frequency

    @property
    def score(self) -> NDArray[np.float64]:
        """(E, C) mean of each score over the fits."""
        return self._repeats.score

    @property
    def standard_error(self) -> NDArray[np.float64]:
        """(E, C) standard deviation of each score over the fits."""
        return self._repeats.standard_error

    @property
    def n_fits(self) -> int:
        """How many fits there were."""
        return int(self._repeats.metadata["fits"])

    @property
    def n_edges(self) -> int:
        """The strongest edges of a fit that count as found in it."""
        return int(self._repeats.metadata["edges"])

    @property
    def names(self) -> tuple[str, ...]:
        """Of the E effects."""
        return self.whole.names

    @property
    def causes(self) -> tuple[str, ...]:
        """Of the C causes."""
        return self.whole.causes

    def graph(self, frequency: float = drawing.HALF) -> SparseCausalGraph:
        """The edges that are among the strongest in at least this share of the fits; their scores are these shares.

        Raises
        ------
        InputError : a share that is not above 0 and at most 1.
        """
        if isinstance(frequency, bool) or not isinstance(frequency, (int, float)) or not 0 < frequency <= 1:
            raise InputError(f"frequency={frequency!r}; expected a share of the fits, 0 < frequency <= 1")
        kept = np.where(self.frequency >= frequency, self.frequency, 0.0)
        whole = CausalGraph(kept, self.names, causes=self.causes, repeats=self._repeats)
        return whole.kept(diagonal=False)

    def plot(self, kind: Literal["frequencies", "scores", "graph", "summary"] = "summary", top_k: int = 40) -> Figure:
        """Draw and return the matplotlib Figure. Needs matplotlib, "graph" and "summary" networkx too.

        "frequencies": how many pairs are found how often. "scores": the `top_k` strongest scores with their standard errors.
        "graph": the edges found in half of the fits, the wider the more often. "summary": all three.

        Raises
        ------
        InputError : another kind.
        """
        return drawing.plot_repeats(self.whole, self.graph(), kind, top_k)

    @property
    def _repeats(self) -> Repeats:
        assert self.whole.repeats is not None
        return self.whole.repeats

    def __repr__(self) -> str:
        always = int((self.frequency == 1).sum())
        return f"Stability({self.n_fits} fits, of the {self.n_edges} strongest edges {always} in all of them)"
