"""Threads of torch: how many it computes with for a while, and pieces of work with one to each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

from .forking import forked

Given = TypeVar("Given")
Found = TypeVar("Found")


class _Callers:
    """Python threads that compute with another number of torch's, which is of the whole process: the last puts it back."""

    lock = threading.Lock()
    count = 0
    before = 1


@contextmanager
def computing_threads(count: int | None) -> Iterator[None]:
    """Have torch compute with `count` threads; None leaves it as it is.

    A process that was forked stays with its one thread (`grngc_fast.forking`).
    """
    if count is None or forked():
        yield
        return
    with _Callers.lock:
        if not _Callers.count:
            _Callers.before = torch.get_num_threads()
        _Callers.count += 1
        torch.set_num_threads(count)
    try:
        yield
    finally:
        with _Callers.lock:
            _Callers.count -= 1
            torch.set_num_threads(count if _Callers.count else _Callers.before)


def in_threads(work: Callable[[Given], Found], pieces: list[Given], device: torch.device) -> list[Found]:
    """What `work` makes of each piece, in their order; one after another where the device is no CPU."""
    # One thread of torch's to a piece: threads that share a small product wait for one another, a hundredfold where another
    # process has their core.
    threads = torch.get_num_threads()
    count = threads if device.type == "cpu" else 1
    with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            return list(pool.map(work, pieces))
        except BaseException:
            # Of an interrupt too: pieces that have not begun are not waited for.
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            # What the threads set is torch's default for every thread to come.
            torch.set_num_threads(threads)
