"""Memory that this machine has to give, and sizes as people write them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch

from ..errors import InputError

_UNITS = {"": 1, "B": 1, **{f"{p}{b}": f**n for n, p in enumerate("KMGT", 1) for b, f in (("B", 1000), ("iB", 1024))}}


def available_memory(device: torch.device) -> int:
    """Bytes that a process may still use on a CUDA device, or of the machine and its control group."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return min(size for size in (_machine_memory(), _group_memory()) if size is not None)


def _machine_memory() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _group_memory(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What the control group leaves, of version 2 or 1; None without a limit."""
    for limit, used, stat, cache in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
            "total_inactive_file",
        ),
    ):
        try:
            allowed, taken = (int((root / name).read_text(encoding="ascii")) for name in (limit, used))
            kept = dict(line.split() for line in (root / stat).read_text(encoding="ascii").splitlines())
        except (OSError, ValueError):
            continue
        # Files in the cache are given up for what is asked for.
        return None if allowed >= 2**60 else max(0, allowed - taken + int(kept.get(cache, 0)))
    return None


def as_bytes(limit: int | str) -> int:
    """Bytes from a whole number or a text such as "4GiB" or "500 MB".

    Raises
    ------
    InputError : neither.
    """
    if isinstance(limit, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?i?B?)\s*", limit)
        if match and match[2] in _UNITS:
            return int(float(match[1]) * _UNITS[match[2]])
    elif isinstance(limit, int) and not isinstance(limit, bool) and limit > 0:
        return limit
    raise InputError(f"memory_limit={limit!r}; pass a number of bytes, or a text such as '4GiB' or '500MB'")


def shown(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} TiB"
