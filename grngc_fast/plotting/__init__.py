"""Figures from arrays and names: scores, lag profiles of edges, a page with both; errors along a path; effects of causes.

They are matplotlib Figures, made without pyplot, so no display and no global state is touched; `fig.savefig("file.png")` writes
them.
"""

from .effects import DrawnEffect, plot_edge_effects
from .lags import plot_lags
from .matrix import plot_scores
from .page import plot_summary
from .path import plot_path
from .style import GRADIENT

__all__ = ["GRADIENT", "DrawnEffect", "plot_edge_effects", "plot_lags", "plot_path", "plot_scores", "plot_summary"]
