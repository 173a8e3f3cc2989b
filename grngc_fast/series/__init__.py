"""Series as every door takes them: tables, trajectories, which series may cause which, and the windows cut from them."""

from .candidates import CandidateEdges, candidate_edges
from .prepared import PreparedSeries, prepare
from .reading import Reading, TimeAxis
from .table import SeriesTable, as_series_table
from .windows import Windows

__all__ = [
    "CandidateEdges",
    "PreparedSeries",
    "Reading",
    "SeriesTable",
    "TimeAxis",
    "Windows",
    "as_series_table",
    "candidate_edges",
    "prepare",
]
