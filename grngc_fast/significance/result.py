"""What tests say of a fitted graph: p-values, the graph at a false discovery rate, pictures of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..graph import CausalGraph, PValues, SparseCausalGraph
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
