"""Where blocks of scores go: arrays in memory, files on disk, or the strongest edges alone."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError
from ..graph import CausalGraph, SparseCausalGraph
from ..graph.edges import EdgeArrays, Indices, StrongestEdges, strongest
from ..graph.file import atomic_writer
from ..graph.input import own_causes
from .blocks import ScoreBlock

Graph = CausalGraph | SparseCausalGraph
# Of a number that is kept.
FLOAT = 4


class ScoreSink(AbstractContextManager["ScoreSink"]):
    """Takes the blocks of E effects by C causes in order, inside a `with` block, and makes a graph of them.

    Parameters
    ----------
    names, causes : of the E effects and the C causes.
    """

    def __init__(self, names: tuple[str, ...], causes: tuple[str, ...]) -> None:
        self.names, self.causes = names, causes
        self.own = own_causes(names, causes)

    def __exit__(self, *error: object) -> None:
        return None

    @abstractmethod
    def add(self, block: ScoreBlock) -> None:
        """Take the next effects."""

    @abstractmethod
    def graph(self, metadata: dict[str, Any]) -> Graph:
        """The graph of all blocks, after the `with` block."""

    def take(self, blocks: Iterable[ScoreBlock], to_the_end: bool = False) -> float | None:
        """Take all blocks. Returns the median over effects of their strongest cause's relative standard error.

        `to_the_end`: a block that cannot be written is told of after the last one, which other processes help to make.
        """
        relative: list[NDArray[Any]] = []
        failed: OSError | InputError | None = None
        with self:
            for block in blocks:
                try:
                    if failed is None:
                        self.add(block)
                except (OSError, InputError) as error:
                    if not to_the_end:
                        raise
                    failed = error
                if block.error is not None:
                    scores = self._between(block)
                    best = scores.argmax(axis=1)[:, None]
                    score, spread = (np.take_along_axis(t, best, 1)[:, 0] for t in (scores, _array(block.error)))
                    relative.append(spread[score > 0] / score[score > 0])
            if failed is not None:
                raise failed
        found = np.concatenate(relative) if relative else np.empty(0)
        return float(np.median(found)) if found.size else None

    def _between(self, block: ScoreBlock) -> NDArray[Any]:
        """Scores (n, C) of a block, those of series on themselves set to 0."""
        scores = np.array(_array(block.scores))
        own = self.own[block.first : block.first + len(scores)]
        mine = np.flatnonzero(own >= 0)
        scores[mine, own[mine]] = 0
        return scores


class DenseScores(ScoreSink):
    """All scores in arrays."""

    def __init__(self, names: tuple[str, ...], causes: tuple[str, ...]) -> None:
        super().__init__(names, causes)
        self._arrays: dict[str, Any] = {}

    def add(self, block: ScoreBlock) -> None:
        for name, rows in _dense(block).items():
            if name not in self._arrays:
                self._arrays[name] = np.empty((len(self.names), *rows.shape[1:]), rows.dtype)
            self._arrays[name][block.first : block.first + len(rows)] = rows

    def graph(self, metadata: dict[str, Any]) -> CausalGraph:
        for array in self._arrays.values():
            array.setflags(write=False)
        return CausalGraph(**self._arrays, names=self.names, causes=self.causes, metadata=metadata)


class ScoreFiles(ScoreSink):
    """All scores in `.npy` files, written as they come and in their place only once all are whole; read as memory maps.

    Parameters
    ----------
    path : of the scores, `found.npy`; beside it come `found.signed_scores.npy` and, where there are any, `found.lag_scores.npy`
        and `found.standard_error.npy`.
    writes : whether this process writes them; else they are read once another one has.
    """

    def __init__(
        self, names: tuple[str, ...], causes: tuple[str, ...], path: str | os.PathLike[str], writes: bool = True
    ) -> None:
        super().__init__(names, causes)
        self.path, self._writes = Path(path), writes
        self._stack, self._files, self._found = ExitStack(), dict[str, BinaryIO](), set[str]()

    def add(self, block: ScoreBlock) -> None:
        parts = _dense(block)
        self._found.update(parts)
        # The first that is entered is the last to be put in its place.
        for name, rows in parts.items() if self._writes else ():
            if name not in self._files:
                self._files[name] = self._stack.enter_context(atomic_writer(self._place(name)))
                shape = (len(self.names), *rows.shape[1:])
                head = {"descr": rows.dtype.str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(self._files[name], head)
            self._files[name].write(np.ascontiguousarray(rows).data)

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def graph(self, metadata: dict[str, Any]) -> CausalGraph:
        try:
            arrays: dict[str, Any] = {name: np.load(self._place(name), mmap_mode="r") for name in self._found}
        except OSError as error:
            raise InputError(
                f"scores_file={str(self.path)!r}, written by process 0, cannot be read here ({error}); name a place that all"
                " processes see"
            ) from error
        return CausalGraph(**arrays, names=self.names, causes=self.causes, metadata=metadata)

    def _place(self, name: str) -> Path:
        return self.path if name == "scores" else self.path.with_suffix(f".{name}.npy")


class KeptEdges(ScoreSink):
    """The strongest edges between different series, and every series' influence on itself.

    Parameters
    ----------
    per_target, overall : how many of each effect, or of all together; one of the two.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        causes: tuple[str, ...],
        per_target: int | None = None,
        overall: int | None = None,
    ) -> None:
        if (per_target is None) == (overall is None):
            raise InputError(
                "give one of k_per_target and k: how many edges to keep of each target, or of all together"
            )
        super().__init__(names, causes)
        self._per_target, self._strongest = per_target, StrongestEdges(overall)
        self._parts: list[EdgeArrays] = []
        self._n_lags = 1

    def add(self, block: ScoreBlock) -> None:
        absolute, signed, scores = _array(block.absolute), _array(block.signed), self._between(block)
        self._n_lags = absolute.shape[2]

        def describe(row: Indices, cause: Indices) -> tuple[Indices, Indices]:
            lag = absolute[row, cause].argmax(axis=1)
            return lag + 1, np.sign(signed[row, cause, lag]).astype(np.int64)

        own = self.own[block.first : block.first + len(scores)]
        mine = np.flatnonzero(own >= 0)
        found = absolute[mine, own[mine]].max(axis=1)
        self._keep(block.first, mine[found > 0], own[mine][found > 0], found[found > 0], describe)
        if self._per_target is None:
            self._strongest.add(block.first, scores, describe)
            return
        for row, values in enumerate(scores):
            cause = strongest(values, self._per_target)
            self._keep(block.first, np.full(cause.size, row), cause, values[cause], describe)

    def _keep(self, first: int, row: Indices, cause: Indices, score: NDArray[Any], describe: Any) -> None:
        lag, sign = describe(row, cause)
        self._parts.append(EdgeArrays(row + first, cause, lag, score, sign))

    def graph(self, metadata: dict[str, Any]) -> SparseCausalGraph:
        parts = self._parts if self._per_target is not None else [*self._parts, self._strongest.edges()]
        edges = EdgeArrays.joined(parts)
        return SparseCausalGraph(
            **edges._asdict(), names=self.names, causes=self.causes, n_lags=self._n_lags, metadata=metadata
        )


def dense_bytes(n_effects: int, n_causes: int, n_lags: int, sampled: bool) -> int:
    """Of all scores and their signs, those of every lag where there are several, and of a sample the standard errors."""
    return FLOAT * n_effects * n_causes * (2 + (n_lags if n_lags > 1 else 0) + sampled)


def _dense(block: ScoreBlock) -> dict[str, NDArray[Any]]:
    """What a dense graph keeps of a block, by the names it has there. One lag is what the scores are already."""
    tensors = {"scores": block.scores, "signed_scores": block.signs}
    if block.absolute.shape[2] > 1:
        tensors["lag_scores"] = block.absolute
    if block.error is not None:
        tensors["standard_error"] = block.error
    return {name: _array(tensor) for name, tensor in tensors.items()}


def _array(tensor: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array
