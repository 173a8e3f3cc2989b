"""How many threads torch computes with for a while, put back afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .forking import forked


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
