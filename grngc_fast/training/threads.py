"""Pieces of work that do not wait for one another, a thread of torch's to each."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Given = TypeVar("Given")
Found = TypeVar("Found")


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
