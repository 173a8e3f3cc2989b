"""Where a call's time on the device goes, kernel by kernel, from torch's profiler."""

from __future__ import annotations

import torch
from torch.profiler import ProfilerActivity, profile

from ..results import Row
from .cases import Case, operands, value_and_gradients

CALLS = 5
LONGEST = 10


def times(case: Case, precision: str, device: str) -> list[Row]:
    """Microseconds a call of each of the longest kernels of value and gradients; none on a CPU, which has no kernels."""
    if device == "cpu":
        return []
    given = operands(case, device)
    for _ in range(2):
        value_and_gradients(given, backend="triton", precision=precision)
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as recorded:
        for _ in range(CALLS):
            value_and_gradients(given, backend="triton", precision=precision)
        torch.cuda.synchronize()
    found = sorted(recorded.key_averages(), key=lambda event: -event.self_device_time_total)[:LONGEST]
    size = {"P": case.q, "L": 1, "H": case.k, "N": max(1, case.batch) * max(1, case.windows) * case.m}
    return [
        Row(f"{event.key[:80]}: {case.regime} {precision}", **size, metric="device time", value=us / CALLS, unit="us")
        for event in found
        if (us := event.self_device_time_total) > 0
    ]
