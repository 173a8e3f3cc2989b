"""Calls in a process that is ended when one takes too long, and kept for the next when none does."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable
from multiprocessing.pool import Pool
from types import TracebackType
from typing import Any

import torch

from grngc_fast.errors import DataWarning


class Worker:
    """One process, of its own memory and as many threads as this one has; leave it by `with`."""

    def __init__(self) -> None:
        self._pool: Pool | None = None

    def __call__(self, function: Callable[..., Any], *arguments: Any, limit: float) -> Any:
        """The function's answer.

        Raises
        ------
        TimeoutError : it took more than `limit` seconds, not counting the start of a process. Else what the function raises.
        """
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = context.Pool(1, initializer=_begin, initargs=(torch.get_num_threads(),))
            self._pool.apply(_ready)
        try:
            return self._pool.apply_async(function, arguments).get(timeout=limit)
        except multiprocessing.TimeoutError:
            self.end()
            raise TimeoutError(f"nothing within {limit:g} s") from None

    def end(self) -> None:
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()
            self._pool = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()


def _begin(threads: int) -> None:
    torch.set_num_threads(threads)
    # Few windows and series that wander are what some sets are.
    warnings.simplefilter("ignore", DataWarning)


def _ready() -> None:
    pass
