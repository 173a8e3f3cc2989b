"""How a table was understood: which way it runs, what its time axis is, what was left out of it, what was noted."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Any, Literal

Orientation = Literal["steps in rows", "series in rows"]


@dataclass(frozen=True)
class TimeAxis:
    """What tells the order of the steps.

    Attributes
    ----------
    name : of the column or index; None of an index without a name.
    kind : what its cells are: numbers, dates, or the headers of the columns of a table with series in rows.
    order : whether the steps lay in the order of time, were sorted by it, or by what could only be guessed.
    step : the usual difference of two steps, in `unit`; None of an axis without one.
    unit : of `step`, such as "days" or "h"; None where it is not known.
    """

    name: str | None
    kind: Literal["number", "date", "header"]
    order: Literal["as found", "sorted", "guessed"]
    step: float | None = None
    unit: str | None = None


@dataclass(frozen=True)
class Reading:
    """How a table was understood.

    Attributes
    ----------
    source : the file; None of an object in memory.
    orientation : whether steps or series were in the rows.
    n_rows, n_columns : as found, labels and times included.
    time : what tells the order of the steps; None where the order of the rows does.
    trajectory : name of the column or index level that tells trajectories apart, or None.
    n_trajectories : as found, before any was cut at a gap.
    n_pieces : trajectories of the table, which windows do not cross.
    dropped : (column, why) of each column that is no series.
    n_missing : values that are missing.
    notes : what a person may want to know.
    warnings : what a person should look at.
    """

    source: str | None
    orientation: Orientation
    n_rows: int
    n_columns: int
    time: TimeAxis | None = None
    trajectory: str | None = None
    n_trajectories: int = 1
    n_pieces: int = 1
    dropped: tuple[tuple[str, str], ...] = ()
    n_missing: int = 0
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def settings(self) -> dict[str, Any]:
        """As JSON takes it."""
        found = asdict(self)
        listed = {"dropped": [list(pair) for pair in self.dropped]}
        return found | listed | {"notes": list(self.notes), "warnings": list(self.warnings)}

    def tell(self) -> None:
        """Give the notes to the logger "grngc_fast"."""
        for note in self.notes:
            logging.getLogger("grngc_fast").info(note)
