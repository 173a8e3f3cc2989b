"""The file that keeps a graph: an .npz without pickle, replaced whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

_VERSION_KEY = "grngc_fast_graph"
# 1: square dense graphs. 2: also causes of their own, standard errors, graphs of kept edges only, and shares of units.
_VERSION = 2
# Forms that a graph is saved in for other programs.
_EDGES_ALONE = (".csv", ".tsv", ".parquet", ".graphml")
_FIRST = {"scores", "names", "metadata", "lag_scores", "signed_scores"}


def write_graph(
    path: str | os.PathLike[str],
    arrays: Mapping[str, NDArray[Any] | None],
    names: tuple[str, ...],
    causes: tuple[str, ...],
    metadata: dict[str, Any],
) -> None:
    """Write the arrays that are not None; in the first format, which older versions read, where that holds them all.

    Raises
    ------
    InputError : the file cannot be written.
    """
    kept = {key: array for key, array in arrays.items() if array is not None}
    kept |= {"names": np.array(names), "metadata": np.array(json.dumps(metadata))}
    if causes != names:
        kept["causes"] = np.array(causes)
    version = np.array(1 if kept.keys() <= _FIRST else _VERSION)
    with atomic_writer(path) as file:
        np.savez(file, **{_VERSION_KEY: version}, **kept)  # type: ignore[arg-type]


@contextmanager
def opened_graph(path: str | os.PathLike[str]) -> Iterator[Mapping[str, Any]]:
    """The arrays of a file that `write_graph` wrote; `names` and `causes` as tuples of text, `metadata` as a dict.

    Raises
    ------
    InputError : the file is missing, truncated, not a saved graph, or of a newer format.
    """
    name = os.fspath(path)
    try:
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile) or _VERSION_KEY not in loaded:
                raise InputError(f"{name!r} is not a saved CausalGraph; pass a file written by CausalGraph.save")
            with loaded:
                version = int(loaded[_VERSION_KEY])
                if version > _VERSION:
                    raise InputError(
                        f"{name!r} has graph format {version}, this grngc_fast reads up to {_VERSION};"
                        " upgrade grngc-fast to open it"
                    )
                arrays: dict[str, Any] = {key: loaded[key] for key in loaded.files}
                arrays["names"] = tuple(arrays["names"].tolist())
                arrays["causes"] = tuple(arrays["causes"].tolist()) if "causes" in arrays else ()
                arrays["metadata"] = json.loads(arrays["metadata"].item())
                for array in arrays.values():
                    if isinstance(array, np.ndarray):
                        array.setflags(write=False)
                yield arrays
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot read the graph file {name!r}: {error.strerror or error}; check the path") from error
    except (
        ValueError,
        TypeError,
        KeyError,
        EOFError,
        NotImplementedError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        if name.lower().removesuffix(".gz").endswith(_EDGES_ALONE):
            raise InputError(
                f"{name!r} is no saved CausalGraph: a file of edges alone is not opened as a graph again; save the graph as .npz"
                " to load it later"
            ) from error
        raise InputError(
            f"{name!r} is not a whole saved CausalGraph ({error}): it is cut off, damaged or another kind of file;"
            " save the graph again"
        ) from error


@contextmanager
def atomic_writer(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` only once it is written whole."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            if not file.closed:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise InputError(
            f"cannot write {os.fspath(path)!r}: {error.strerror or error}; choose a file in a writable folder"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
