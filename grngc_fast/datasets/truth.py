"""`read_truth`: a known network into a boolean array [effect, cause]."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ._arrays import load_arrays, sole_array
from ._lines import find_delimiter, is_number, read_lines, split_cells
from ._spelling import Spelling
from .table import TEXT_SUFFIXES, data_suffix, existing_file

Truth = NDArray[np.bool_]

_SOURCES = frozenset({"source", "cause", "from", "regulator", "tf", "parent", "gene1"})
_TARGETS = frozenset({"target", "effect", "to", "regulated", "gene", "child", "gene2"})


def read_truth(
    path: str | os.PathLike[str], names: Sequence[str], *, ignore_unknown: bool = False, ignore_case: bool = False
) -> Truth:
    """Read a known network of the series `names`.

    Text (`.csv`, `.tsv`, `.txt`, each also `.gz`) holds either edges, one per line, `source target [0/1]`, with tabs,
    commas, semicolons or blanks between and perhaps a header that tells which column is which (`target,source` is
    heeded); or a square 0/1 matrix, rows effects and columns causes, put into the order of `names` where labelled.
    `.npy`, or `.npz` under the key `truth`, holds (P, P) [effect, cause] or (P, P, L) [effect, cause, lag].

    Parameters
    ----------
    path : the file.
    names : the P series, in the order of the table.
    ignore_unknown : skip edges of series that are not in `names` rather than refuse them.
    ignore_case : in a list of edges tp53 is TP53, unless `names` has others that differ in nothing else.

    Returns
    -------
    (P, P) bool array [effect, cause], or (P, P, L) [effect, cause, lag].

    Raises
    ------
    InputError : a file that is missing or unreadable, unknown series, a weight other than 0 or 1, an edge listed both
        as present and absent, no edge of the series at all, a matrix of another shape.
    """
    path = existing_file(path)
    names = [str(n) for n in names]
    if len(set(names)) < len(names):
        raise InputError("the names of the series are not distinct, so the edges of the truth cannot be told apart")
    kind = data_suffix(path)
    if kind in (".npy", ".npz"):
        return _read_array(path, names)
    if kind not in TEXT_SUFFIXES:
        known = ", ".join((*TEXT_SUFFIXES, ".npy", ".npz"))
        raise InputError(f"{path} has the suffix {kind!r}, which is not read as a truth; save it as one of {known}")
    lines = _rows(path)
    rows = [row for _, row in lines]
    matrix = _matrix(rows, names)
    if matrix is not None:
        return matrix
    if len(rows[0]) > 3:
        raise InputError(
            f"{path}, line {lines[0][0]}: {len(rows[0])} cells; expected edges (source, target[, 0/1]) or a"
            f" {len(names)} x {len(names)} matrix of 0 and 1 for the {len(names)} series, with their names or without"
        )
    return _edges(path, lines, names, ignore_unknown, ignore_case)


def listed_edges(path: Path, names: Collection[str]) -> list[tuple[str, str]]:
    """(source, target) of the edges that a text file lists as present, of whatever series.

    Raises
    ------
    InputError : a file that is not text, a line that is not `source target [0/1]`.
    """
    source, target, rows = _without_header(_rows(path), names)
    _check_widths(path, rows)
    return [(row[source], row[target]) for line, row in rows if _is_edge(path, line, row)]


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    lines = [(number, line) for number, line in enumerate(read_lines(path), 1) if line.strip()]
    delimiter = find_delimiter([line for _, line in lines[:3]])
    return [(number, split_cells(line, delimiter)) for number, line in lines]


def _without_header(
    rows: list[tuple[int, list[str]]], names: Collection[str]
) -> tuple[int, int, list[tuple[int, list[str]]]]:
    head = rows[0][1][:2]
    roles = [cell.lower() for cell in head]
    if len(roles) < 2 or set(names) & set(head) or not set(roles) <= _SOURCES | _TARGETS:
        return 0, 1, rows
    return (1, 0, rows[1:]) if roles[0] in _TARGETS and roles[1] in _SOURCES else (0, 1, rows[1:])


def _read_array(path: Path, names: list[str]) -> Truth:
    arrays = load_arrays(path)
    array = sole_array(path, arrays, "truth")
    P = len(names)
    if array.ndim not in (2, 3) or array.shape[:2] != (P, P):
        raise InputError(
            f"{path} has shape {array.shape}; the {P} series need ({P}, {P}) [effect, cause] or ({P}, {P}, lags)"
        )
    if array.dtype.kind not in "fiub" or not np.isin(array, (0, 1)).all():
        raise InputError(f"{path} holds values other than 0 and 1; a truth is boolean: save (strength != 0)")
    if "names" in arrays:
        own = [str(n) for n in arrays["names"].ravel()]
        if sorted(own) != sorted(names):
            raise InputError(f"{path} is a truth of other series than the table's; its first names are {own[:3]}")
        array = _ordered(array, own, own, names)
    return array.astype(bool)


def _matrix(rows: list[list[str]], names: list[str]) -> Truth | None:
    """The rows as a 0/1 matrix in the order of `names`, or None if they are not one."""
    P, known = len(names), set(names)
    causes = next((h for h in (rows[0], rows[0][1:]) if len(h) == P and set(h) == known), None)
    body = rows if causes is None else rows[1:]
    if len(body) != P:
        return None
    effects = [row[0] for row in body]
    labelled = set(effects) == known and all(len(row) == P + 1 for row in body)
    body = [row[1:] for row in body] if labelled else body
    if any(len(row) != P for row in body):
        return None
    if not all(is_number(cell) and float(cell) in (0, 1) for row in body for cell in row):
        return None
    array = np.array([[float(cell) == 1 for cell in row] for row in body])
    return _ordered(array, effects if labelled else causes or names, causes or names, names).astype(bool)


def _ordered(array: NDArray[Any], effects: Sequence[str], causes: Sequence[str], names: Sequence[str]) -> NDArray[Any]:
    row = {name: i for i, name in enumerate(effects)}
    column = {name: i for i, name in enumerate(causes)}
    return array[np.ix_([row[n] for n in names], [column[n] for n in names])]


def _edges(
    path: Path, rows: list[tuple[int, list[str]]], names: list[str], ignore_unknown: bool, ignore_case: bool
) -> Truth:
    index = {name: i for i, name in enumerate(names)}
    spelling = Spelling(names, ignore_case)
    source, target, rows = _without_header(rows, index)
    _check_widths(path, rows)
    listed = np.full((len(names), len(names)), -1, dtype=np.int8)
    met: dict[str, str | None] = {}
    for line, row in rows:
        present = _is_edge(path, line, row)
        for name in row[:2]:
            met.setdefault(name, spelling.of(name))
        from_, to = met[row[source]], met[row[target]]
        if from_ is None or to is None:
            continue
        effect, cause = index[to], index[from_]
        if listed[effect, cause] == (not present):
            raise InputError(
                f"{path}, line {line}: the edge {row[source]} -> {row[target]} is listed both as present and as absent;"
                " keep one of the two lines"
            )
        listed[effect, cause] = present
    unknown = [name for name, known in met.items() if known is None]
    shown = ", ".join(repr(n) for n in unknown[:5])
    if unknown and not ignore_unknown:
        raise InputError(
            f"{path} names {len(unknown)} series that the table does not have: {shown} ({len(met) - len(unknown)} of {len(met)}"
            f" names were found); check the spelling, or pass ignore_unknown=True to skip their edges{spelling.hint(unknown)}"
        )
    if (listed < 0).all():
        raise InputError(
            f"{path} lists no edge between series of the table (it names {shown or 'none'}); check the names"
            + spelling.hint(unknown)
        )
    truth: Truth = listed == 1
    return truth


def _check_widths(path: Path, rows: list[tuple[int, list[str]]]) -> None:
    """A line without the 0 or 1 that all before it have is one that was cut off, and no edge."""
    for line, row in rows:
        if len(row) == 2 < len(rows[0][1]):
            raise InputError(
                f"{path}, line {line}: 2 cells where the lines before have {len(rows[0][1])}; write the 0 or 1 of this edge,"
                " or fetch the file again if it was cut short"
            )


def _is_edge(path: Path, line: int, row: list[str]) -> bool:
    """Whether a row `source target [0/1]` says that the edge is there."""
    if len(row) not in (2, 3):
        raise InputError(f"{path}, line {line}: {len(row)} cells; expected source, target and perhaps 0 or 1")
    if len(row) == 3 and not (is_number(row[2]) and float(row[2]) in (0, 1)):
        raise InputError(f"{path}, line {line}: the weight is {row[2]!r}; write 1 for an edge and 0 for none")
    return len(row) == 2 or float(row[2]) == 1
