"""What keeps a timing honest: threads set once, an idle machine, a warm start, and a right answer before any clock."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import psutil
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

# Load of other processes, in cores, above which figures are not to be trusted.
BUSY_CORES = 0.25


class WrongAnswerError(AssertionError):
    """A path was about to be timed that does not compute what the reference computes."""


class Timing(NamedTuple):
    """Seconds: median, 20th and 80th percentile."""

    median: float
    p20: float
    p80: float


def set_threads(count: int | None = None) -> int:
    """Fix torch's threads for the whole run, one to a physical core by default."""
    count = count or psutil.cpu_count(logical=False) or 1
    torch.set_num_threads(count)
    return count


def busy(seconds: float = 1.0) -> str:
    """Why the machine is too busy to time on, empty if it is not; our own process must be idle meanwhile."""
    own = psutil.Process()
    before = sum(own.cpu_times()[:2])
    share = psutil.cpu_percent(interval=seconds) / 100 * (psutil.cpu_count() or 1)
    others = share - (sum(own.cpu_times()[:2]) - before) / seconds
    return f"other processes use {others:.1f} cores" if others > BUSY_CORES else ""


def timed(function: Callable[[], object], repeats: int = 5, warmup: int = 1) -> Timing:
    """Time calls after `warmup` untimed ones; CUDA work is waited for."""
    for _ in range(warmup):
        function()
    seconds = []
    for _ in range(repeats):
        _wait()
        start = time.perf_counter()
        function()
        _wait()
        seconds.append(time.perf_counter() - start)
    return spread_of(seconds)


def spread_of(seconds: Sequence[float]) -> Timing:
    """Of calls that were timed."""
    if len(seconds) < 2:
        return Timing(seconds[0], seconds[0], seconds[0])
    fifths = statistics.quantiles(seconds, n=5, method="inclusive")
    return Timing(statistics.median(seconds), fifths[0], fifths[-1])


def in_turn(calls: Mapping[str, Callable[[], object]], repeats: int, warmup: int = 2) -> dict[str, list[float]]:
    """Seconds of calls, one after another and again, so that what else the machine does falls on each alike."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + warmup):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn >= warmup:
                taken[name].append(time.perf_counter() - start)
    return taken


def peak_memory(function: Callable[[], object]) -> int:
    """Most bytes that torch held at once for a call, beyond what it held before; from its own record of allocations."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        function()
    events = [e for e in recorded.profiler.kineto_results.events() if e.name() == "[memory]"]
    level = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        level += event.nbytes()
        peak = max(peak, level)
    return peak


def check(name: str, found: Sequence[Tensor], truth: Sequence[Tensor], tolerance: float) -> None:
    """Refuse to go on unless every tensor is within a relative L2 error of its reference."""
    for number, (f, t) in enumerate(zip(found, truth, strict=True)):
        error = float((f.double() - t.double()).norm() / t.double().norm().clamp_min(1e-300))
        if not error <= tolerance:
            raise WrongAnswerError(
                f"{name}: result {number} is off by {error:.1e} (allowed {tolerance:.0e}); not timed"
            )


def matmul_rate(dtype: torch.dtype = torch.float32, size: tuple[int, int, int] = (4096, 2048, 4096)) -> float:
    """Flop per second of one large square-like product, the rate that the op is held against."""
    m, k, n = size
    a, b, out = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype), torch.empty(m, n, dtype=dtype)
    return 2.0 * m * k * n / timed(lambda: torch.mm(a, b, out=out), repeats=5).median


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
