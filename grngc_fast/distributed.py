"""Several processes that train one model: who they are, what each takes on, and what they tell one another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from .errors import InputError, ProcessLostError

T = TypeVar("T")

# Longer than any process computes between two meetings, a large checkpoint's writing included.
TIMEOUT = timedelta(minutes=10)
# Numbers below which a message costs its latency.
SMALL = 2**16


@dataclass(frozen=True)
class World:
    """The processes of a run, each of which holds the data and the whole model. Its methods are called by all alike.

    Attributes
    ----------
    rank : number of this process; 0 writes files and shows progress.
    size : how many there are.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> World:
        """That of torch's initialised process group; this process alone without one."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size())

    def share(self, index: Tensor) -> Tensor:
        """This process's part of (n,) indices, which may be none."""
        return index.tensor_split(self.size)[self.rank] if self.size > 1 else index

    def sum(self, value: Tensor) -> Tensor:
        """The sum over processes, written into `value`."""
        return self._reduced(value, dist.ReduceOp.SUM) if self.size > 1 else value

    def sum_each(self, values: Sequence[Tensor]) -> None:
        """`sum` of each; small ones travel together."""
        small = [value for value in values if value.numel() <= SMALL]
        for value in values:
            if value.numel() > SMALL:
                self.sum(value)
        if small and self.size > 1:
            sums = self.sum(torch.cat([value.flatten() for value in small])).split([value.numel() for value in small])
            for value, part in zip(small, sums, strict=True):
                value.copy_(part.view_as(value))

    def largest(self, value: Tensor) -> Tensor:
        """The largest over processes, elementwise, written into `value`."""
        return self._reduced(value, dist.ReduceOp.MAX) if self.size > 1 else value

    def assemble(self, part: Tensor, rows: Tensor, n_rows: int) -> Tensor:
        """(n_rows, ...) of which every process has the rows that are its share."""
        whole = part.new_zeros(n_rows, *part.shape[1:])
        whole[rows] = part
        return self.sum(whole)

    def gather(self, value: T) -> list[T]:
        """Every process's value, in their order."""
        found: list[Any] = [value] * self.size
        if self.size > 1:
            self._together(lambda: dist.all_gather_object(found, value))
        return found

    def first(self, value: T) -> T:
        """The value of process 0."""
        box = [value]
        if self.size > 1:
            self._together(lambda: dist.broadcast_object_list(box))
        return box[0]

    @contextmanager
    def refused_together(self) -> Iterator[None]:
        """An `InputError` of one process inside the block is raised in all, so that none waits for it."""
        own: InputError | None = None
        try:
            yield
        except InputError as error:
            own = error
        found = self.gather(None if own is None else str(own))
        if own is not None:
            raise own
        for rank, message in enumerate(found):
            if message is not None:
                raise InputError(f"process {rank} of {self.size}: {message}")

    def agree(self, run: Mapping[str, Any]) -> None:
        """Raise an `InputError` in every process unless all are about to do the same `run`: names and plain values."""
        runs = self.gather(dict(run))
        for rank, other in enumerate(runs):
            differ = [name for name in sorted({*runs[0], *other}) if runs[0].get(name) != other.get(name)]
            if differ:
                values = "; ".join(f"{name}: {runs[0].get(name)!r} and {other.get(name)!r}" for name in differ)
                raise InputError(
                    f"processes 0 and {rank} of {self.size} differ in {values}; give every process the same data and options"
                )

    def _reduced(self, value: Tensor, how: Any) -> Tensor:
        # Collectives want dense tensors, and those of nccl alone take no others than the device's.
        staged = value.cuda() if dist.get_backend() == "nccl" and not value.is_cuda else value.contiguous()
        self._together(lambda: dist.all_reduce(staged, how))
        return value if staged is value else value.copy_(staged)

    def _together(self, collective: Callable[[], object]) -> None:
        try:
            collective()
        except RuntimeError as error:
            reason = str(error).partition("\n")[0].partition(". ")[0]
            raise ProcessLostError(
                f"process {self.rank} of {self.size}: another process ended or did not answer ({reason}); start the run again:"
                " with a checkpoint it goes on from the last one"
            ) from error


@contextmanager
def launched() -> Iterator[World]:
    """The world that torchrun's environment variables describe, joined for the time of the block; else this process alone.

    Over gloo on CPUs, over nccl between CUDA devices, of which each process takes the one of its local rank.
    """
    if dist.is_available() and not dist.is_initialized() and {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=TIMEOUT)
        try:
            yield World.current()
        finally:
            dist.destroy_process_group()
    else:
        yield World.current()
