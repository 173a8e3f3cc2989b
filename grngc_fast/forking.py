"""Forked workers: torch in one thread, because the threads of OpenMP do not come along.

A process that has run a parallel loop keeps its OpenMP workers for the next one. `fork` copies the memory that says so and not
the workers: the first parallel loop of the child, torch's indexing as much as a product, a convolution or a sum, waits for ever
for threads that are not there. With one thread no loop asks for them. Processes that are started by "spawn" or "forkserver",
joblib's default among them, have threads of their own and are left as they are.
"""

from __future__ import annotations

import os
import sys


class _Process:
    forked = False


def forked() -> bool:
    """Whether this process was forked after the library and torch were imported, and so computes in one thread."""
    return _Process.forked


def _one_thread() -> None:
    # Torch that this process imports itself has no threads to miss.
    torch = sys.modules.get("torch")
    if torch is None:
        return
    _Process.forked = True
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)


def survive_forks() -> None:
    """Have every process that is forked from this one compute in one thread."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_one_thread)
