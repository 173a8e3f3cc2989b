"""Time and memory on a device: events around calls, replays of a captured graph, the allocator's peak."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from .. import guard


def seconds(call: Callable[[], object], device: str) -> float:
    """Median of calls between device events, after two to warm up and compile; at least five, half a second of them at most.

    Without a device, where kernels are interpreted, of one call: it tells that the line runs.
    """
    if device == "cpu":
        return guard.timed(call, repeats=1, warmup=0).median
    for _ in range(2):
        call()
    taken: list[float] = []
    begun = time.monotonic()
    while len(taken) < 5 or (time.monotonic() - begun < 0.5 and len(taken) < 50):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        end.synchronize()
        taken.append(start.elapsed_time(end) / 1e3)
    return statistics.median(taken)


def graphed(call: Callable[[], object], device: str) -> float | None:
    """Median seconds of replays of the call captured in a CUDA graph; None on a CPU or where torch cannot capture it."""
    if device == "cpu":
        return None
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            kept = call()
    except RuntimeError as error:
        print(f"not captured: {error!s:.120}")
        torch.cuda.synchronize()
        return None
    taken = seconds(graph.replay, device)
    del kept
    return taken


def extra_memory(call: Callable[[], object], given: dict[str, Tensor], device: str) -> float | None:
    """Peak allocated during a call over the bytes of inputs and gradients."""
    if device == "cpu":
        return None
    call()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    own = sum(x.numel() * x.element_size() for x in given.values())
    return (torch.cuda.max_memory_allocated() - before + own) / (2 * own)
