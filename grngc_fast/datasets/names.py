"""`read_names`: series of a table, from a list in a file, a side of an edge list, or a text with commas."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..errors import InputError
from ..series.candidates import suggestion
from ..series.table import some
from ._lines import read_lines
from ._spelling import Spelling
from .truth import listed_edges


def read_names(
    given: str,
    names: Sequence[str],
    role: Literal["source", "target"],
    *,
    ignore_unknown: bool = False,
    ignore_case: bool = False,
) -> list[str]:
    """Series that a file or a text names, each once, in its order.

    Parameters
    ----------
    given : path of a text file with a name on each line, or an edge list as `read_truth` reads it, whose sources or targets
        are taken; or the names themselves, separated by commas.
    names : of the table.
    role : which side of an edge list.
    ignore_unknown : leave out names that the table does not have rather than refuse them.
    ignore_case : tp53 is TP53, unless the table has names that differ in nothing else.

    Raises
    ------
    InputError : a file that cannot be read, names that the table does not have, none that it has, names that may be any of
        several.
    """
    spelling = Spelling(names, ignore_case)
    path, place = Path(given), {"source": 0, "target": 1}[role]
    where = str(path)
    if path.is_file():
        found = [line.strip() for line in read_lines(path)]
        if not any(spelling.of(name) for name in found):
            found = [edge[place] for edge in listed_edges(path, names)]
    else:
        found, where = [name.strip() for name in given.split(",")], f"{given!r}, which is no file,"
    listed = [name for name in dict.fromkeys(found) if name]
    known = list(dict.fromkeys(name for name in map(spelling.of, listed) if name is not None))
    unknown = [name for name in listed if spelling.of(name) is None]
    if not known:
        raise InputError(
            f"{where} names no series of the table, but {', '.join(map(repr, listed[:3])) or 'nothing'}; check the names"
            + spelling.hint(unknown)
        )
    if unknown and not ignore_unknown:
        raise InputError(
            f"{where} names {len(listed)} series, {len(listed) - len(unknown)} of the table and {len(unknown)} that it does not"
            f" have: {some(unknown)}; {suggestion(unknown[0], names)} To skip them pass ignore_unknown=True"
            + spelling.hint(unknown)
        )
    return known
