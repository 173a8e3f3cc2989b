"""Files of a graph by their suffix: the whole of it as .npz, its edges as tables and networks that other programs read."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from numpy.typing import NDArray

from ..errors import InputError
from .file import atomic_writer

if TYPE_CHECKING:
    import networkx as nx

Columns = Mapping[str, "list[str] | NDArray[Any]"]
WHOLE = ".npz"
DELIMITERS = {".csv": ",", ".tsv": "\t"}
# What XML has no way to write.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def known_suffix(path: str | os.PathLike[str]) -> str:
    """The suffix that says what a graph is saved as, such as ".csv.gz", in small letters.

    Raises
    ------
    InputError : none, or one that no graph is saved as, with those that there are.
    """
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    last, ending = "".join(suffixes[-1:]), "".join(suffixes[-2:])
    found = ending if ending in SUFFIXES else last
    if found not in SUFFIXES:
        what = f"has the suffix {last!r}" if last else "has no suffix"
        edges = ", ".join(suffix for suffix in SUFFIXES if suffix != WHOLE)
        raise InputError(
            f"cannot save the graph as {os.fspath(path)!r}, which {what}: use {WHOLE} for the whole graph, which load_graph opens"
            f" again, or one of {edges} for its edges"
        )
    return found


def save_edges(path: str | os.PathLike[str], columns: Columns, network: Callable[[], nx.DiGraph]) -> None:
    """Write edges as the suffix says; an older file is replaced whole or not at all.

    Parameters
    ----------
    columns : source, target and what else is known of each edge.
    network : the same edges as a network, asked for where the file keeps one.

    Raises
    ------
    InputError : the file cannot be written, or cannot keep the names of the series.
    ImportError : a library that the format needs is not installed.
    """
    suffix = known_suffix(path)
    if suffix == ".parquet":
        write = _parquet(columns)
    elif suffix == ".graphml":
        write = _graphml(network())
    else:
        write = _text(columns, DELIMITERS[suffix.removesuffix(".gz")], suffix.endswith(".gz"))
    with atomic_writer(path) as file:
        write(file)


def _text(columns: Columns, delimiter: str, compressed: bool) -> Callable[[BinaryIO], None]:
    def write(file: BinaryIO) -> None:
        if not compressed:
            write_text(file, columns, delimiter)
            return
        # Without the time, so that the same edges are the same bytes.
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
            write_text(packed, columns, delimiter)

    return write


def write_text(file: Any, columns: Columns, delimiter: str = ",") -> None:
    """A header and a line for each edge, in UTF-8; empty where a number is not known."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(columns)
    lists = (column if isinstance(column, list) else column.tolist() for column in columns.values())
    writer.writerows(["" if value != value else value for value in row] for row in zip(*lists, strict=True))
    text.flush()
    text.detach()


def _parquet(columns: Columns) -> Callable[[BinaryIO], None]:
    if importlib.util.find_spec("pandas") is None or importlib.util.find_spec("pyarrow") is None:
        raise ImportError('a .parquet file needs pandas and pyarrow: pip install "grngc-fast[io]"')
    import pandas as pd

    text = dict.fromkeys(("source", "target"), "str")

    def write(file: BinaryIO) -> None:
        packed = io.BytesIO()
        pd.DataFrame(columns).astype(text).to_parquet(packed, engine="pyarrow", index=False)
        file.write(packed.getbuffer())

    return write


def _graphml(network: nx.DiGraph) -> Callable[[BinaryIO], None]:
    import networkx as nx

    for name in network:
        found = _NOT_XML.search(name)
        if found:
            raise InputError(
                f"the series name {name!r} holds the character {found[0]!r}, which a .graphml file cannot keep; rename the series"
                " or save the graph as .csv"
            )

    def write(file: BinaryIO) -> None:
        nx.write_graphml_xml(network, file)

    return write


SUFFIXES = (WHOLE, *DELIMITERS, *(suffix + ".gz" for suffix in DELIMITERS), ".parquet", ".graphml")
