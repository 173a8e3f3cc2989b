"""Which columns and index levels of a frame are series, and which tell time, trajectories or the names of rows."""

from __future__ import annotations

from collections.abc import Hashable

from ..errors import InputError
from .columns import Layout, Sorting
from .frame import Frame, is_missing_mark, shown
from .long_format import refuse_long
from .numbers import is_plain
from .row_labels import take_index, take_labels
from .time_column import drop_other_times, find_time, take_time
from .trajectory_column import find_trajectory, take_trajectory


def lay_out(
    frame: Frame, time: Hashable | None = None, trajectory: Hashable | None = None, *, guess: bool = True
) -> Layout:
    """Tell series from what labels the rows.

    Without `guess` trajectories are known already, and none are sought among columns and labels.

    Raises
    ------
    InputError : a column named that is not there, times that cannot be read, labels that are missing or that are in the place
        of series, a table in long format, no column left.
    """
    sorting = Sorting(frame, guess)
    if trajectory is not None:
        take_trajectory(sorting, str(trajectory))
    if time is not None:
        take_time(sorting, sorting.named(str(time), "time"))
    else:
        find_time(sorting)
    refuse_long(sorting, sorting.found.time_name)
    drop_other_times(sorting)
    take_index(sorting)
    take_labels(sorting)
    if guess:
        find_trajectory(sorting)
    return _layout(sorting)


def _layout(sorting: Sorting) -> Layout:
    found = sorting.found
    if not sorting.left:
        raise InputError(
            f"{sorting.frame.source} has no column of numbers beside its labels, times and dates{_first_label(sorting)}"
        )
    for position in sorting.left:
        if not sorting.names[position]:
            raise InputError(
                f"{sorting.frame.source}{sorting.frame.place(-1, position)}: column {position + 1} has no name; name it, or drop"
                " it if it is a row index (pandas: to_csv(..., index=False))"
            )
    found.series, found.names = sorting.left, [sorting.names[p] for p in sorting.left]
    return found


def _first_label(sorting: Sorting) -> str:
    """A cell that was taken for a label, and what may have made it one."""
    labels = [p for p in range(len(sorting.names)) if not is_plain(sorting.dtypes[p])]
    cells = [str(cell) for cell in sorting.frame.cells.iloc[:1, labels].to_numpy().ravel() if not is_missing_mark(cell)]
    cell = next((cell for cell in cells if any(map(str.isdigit, cell))), None)
    if cell is None:
        return ""
    mend = "; if numbers are in it, check the delimiter and the quotes" if sorting.frame.from_file else ""
    return f": it holds cells such as {shown(cell)}{mend}"
