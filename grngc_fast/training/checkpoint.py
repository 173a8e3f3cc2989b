"""A run's state on disk: one file, replaced whole, read without running code from it, and only by the run that it is of."""

from __future__ import annotations

import hashlib
import os
import pickle
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputError

FILE = "checkpoint.pt"
_PROGRAM = "grngc_fast checkpoint"
# 2: a plan beside the state, which may be none yet.
_FORMAT = 2
_SLAB = 2**22


@dataclass(frozen=True)
class Checkpoint:
    """Where a run keeps its state.

    Attributes
    ----------
    folder : made when first written to.
    run : what decides the run, names and plain values: a state is given back to no other run.
    minutes : time between two writes.
    plan : what was decided before the training, plain values, written with every state.
    added : what runs of older versions did without naming it.
    """

    folder: Path
    run: Mapping[str, Any]
    minutes: float = 5.0
    plan: Mapping[str, Any] | None = None
    added: Mapping[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.folder / FILE

    def read(self) -> dict[str, Any] | None:
        """The state last written; None without one.

        Raises
        ------
        InputError : a file that is no whole checkpoint, of a newer version, or of a run with other data or options.
        """
        saved = self._saved()
        state: dict[str, Any] | None = None if saved is None else saved["state"]
        return state

    def begun(self) -> tuple[dict[str, Any] | None, bool]:
        """The plan last written, and whether there is a state of the training too. Errors as `read`."""
        saved = self._saved(mmap=True)
        return (None, False) if saved is None else (saved.get("plan"), saved["state"] is not None)

    def probe(self) -> None:
        """Raise an `InputError` unless the folder can be made and written to."""
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"checkpoint={str(self.folder)!r} is a file; name a folder")
        with self._told():
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()

    def begin(self, state: Mapping[str, Any] | None) -> None:
        """Write and read back the first state, so that what cannot be kept is told before the training.

        Raises
        ------
        InputError : a folder that cannot be written to, a state that a checkpoint cannot hold.
        """
        with self._told():
            self.write(state)
        try:
            self.read()
        except InputError as error:
            self.file.unlink()
            raise InputError(
                "the model's state_dict holds more than tensors and plain values, which a checkpoint cannot hold;"
                " leave checkpoint=None"
            ) from error

    def write(self, state: Mapping[str, Any] | None) -> None:
        """Replace the state on disk, wholly or not at all.

        Raises
        ------
        OSError : it cannot be written; what was there before is left.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        saved = {"program": _PROGRAM, "format": _FORMAT, "run": dict(self.run), "plan": self.plan, "state": state}
        handle, name = tempfile.mkstemp(prefix=".writing-", dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                torch.save(saved, file)
                file.flush()
                os.fsync(handle)
            os.replace(name, self.file)
        except RuntimeError as error:  # torch's own word for it
            raise OSError(f"not written whole, as on a full disk: {error}") from error
        finally:
            Path(name).unlink(missing_ok=True)

    @contextmanager
    def understood(self) -> Iterator[None]:
        """Inside, what was read is taken over; an `InputError` says that another version wrote it."""
        try:
            yield
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(
                f"{self.file} does not fit this version of the library ({error}); name another folder"
            ) from error

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"checkpoint={str(self.folder)!r} cannot be written to ({error}); free space, mend permissions or name another"
                " folder"
            ) from error

    def _saved(self, mmap: bool = False) -> dict[str, Any] | None:
        saved = _load(self.file, mmap)
        if saved is None:
            return None
        before = {**self.added, **saved["run"]}
        differ = [name for name in {**before, **self.run} if before.get(name) != self.run.get(name)]
        if differ:
            changes = "; ".join(f"{name} was {before.get(name)!r}, now {self.run.get(name)!r}" for name in differ)
            raise InputError(
                f"{self.file} is of another run: {changes}; go on with what it was made with, or name another folder"
            )
        return saved


def recorded_run(folder: Path) -> dict[str, Any] | None:
    """What decided the run whose state the folder holds; None where it holds none. `InputError` as `Checkpoint.read`."""
    saved = _load(folder / FILE, mmap=True)
    return None if saved is None else saved["run"]


def plain(value: Any) -> Any:
    """A value as checkpoints compare it: numbers, text and lists as they are, arrays and modules by their digests."""
    if isinstance(value, np.generic):  # numpy's float is one of Python's too
        return plain(value.item())
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, torch.nn.Module):
        return f"{type(value).__qualname__} {digest([repr(value), *value.state_dict().items()])}"
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, (np.ndarray, torch.Tensor)) or hasattr(value, "to_numpy") or hasattr(value, "tocoo"):
        return digest([value])
    return f"{type(value).__module__}.{type(value).__qualname__}"


def digest(values: Any) -> str:
    """The first half of the SHA-256 of arrays, tensors, tables and text, one after another, with their shapes."""
    result = hashlib.sha256()
    for array in _arrays(values):
        result.update(f"{array.dtype}{array.shape}".encode())
        for part in _slabs(array):
            result.update(np.ascontiguousarray(part).data if part.dtype != object else repr(part.tolist()).encode())
    return result.hexdigest()[:32]


def _arrays(value: Any) -> Iterator[NDArray[Any]]:
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _arrays(item)
    elif isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, torch.Tensor):
        yield np.array(str(value.shape))
        yield value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    elif hasattr(value, "tocoo"):
        table = value.tocoo()
        yield from (table.data, table.row, table.col, np.array(table.shape))
    elif hasattr(value, "to_numpy"):
        yield from (np.array([str(name) for name in getattr(value, "columns", ())]), value.to_numpy())
    else:
        yield np.array(repr(value))


def _slabs(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Rows at a time: those that do not lie together are copied."""
    table = array.reshape(1) if array.ndim == 0 else array
    rows = max(1, _SLAB // max(1, table[:1].size))
    for start in range(0, len(table), rows):
        yield table[start : start + rows]


def _load(file: Path, mmap: bool = False) -> dict[str, Any] | None:
    if not file.exists():
        return None
    fix = "remove it, or name another folder"
    if not zipfile.is_zipfile(file):
        raise InputError(f"{file} is cut short or no checkpoint; {fix}")
    try:
        saved = torch.load(file, map_location="cpu", weights_only=True, mmap=mmap)
    except (RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise InputError(f"{file} is damaged or no checkpoint ({str(error).partition(chr(10))[0]}); {fix}") from error
    if not isinstance(saved, dict) or saved.get("program") != _PROGRAM:
        raise InputError(f"{file} is not a checkpoint of this library; {fix}")
    if saved["format"] > _FORMAT:
        raise InputError(
            f"{file} has format {saved['format']}, of a newer version; this one reads up to {_FORMAT}: upgrade grngc-fast,"
            " or name another folder"
        )
    if saved["format"] < _FORMAT:
        raise InputError(f"{file} has format {saved['format']}, of an older version; {fix}")
    return saved
