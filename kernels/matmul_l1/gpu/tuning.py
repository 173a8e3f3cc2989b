"""Opt-in tuning: time candidate configurations on the GPU at hand and use the fastest for the rest of the process.

from grngc_fast.kernels.matmul_l1.gpu import tuning
tuning.tune(shapes=[(32000, 128, 5000)], precisions=["high"])
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import astuple

import torch
from torch import Tensor

from ..results import Needs
from . import configs, launch

# Rows x columns, warps, stages tried around the baked-in choice; a spilling or oversized one loses by itself or is refused.
TILES = (
    (128, 128, 8),
    (128, 64, 8),
    (128, 64, 4),
    (128, 32, 8),
    (64, 128, 4),
    (64, 64, 4),
    (64, 64, 8),
    (64, 128, 8),
    (128, 256, 8),
)
STAGES = (2, 3, 4)
SHAPES = ((32000, 128, 5000), (32000, 64, 5000), (32000, 256, 5000), (256, 2048, 5000))


def tune(
    shapes: Iterable[tuple[int, int, int]] | None = None,
    precisions: Iterable[str] = ("highest", "high", "medium"),
    *,
    device: str = "cuda",
    seconds: float = 120.0,
    repeats: int = 5,
) -> dict[str, list[object]]:
    """Time candidates for M x K x Q products and keep the best in `configs.overrides`; returns key: [config, ms, ms before].

    Ends after about `seconds`, with what was found until then. `configs.overrides.clear()` goes back to the baked-in ones.
    """
    end = time.monotonic() + seconds
    found: dict[str, list[object]] = {}
    for m, k, q in shapes or SHAPES:
        a, b = torch.randn(1, m, k, device=device), torch.randn(1, k, q, device=device)
        for precision in precisions:
            for key in _keys(k, precision):
                if time.monotonic() > end:
                    return found
                best = _best(a, b, key, precision, end, repeats)
                if best is not None:
                    found[str(key)] = best
    return found


def _keys(width: int, precision: str) -> list[configs.Key]:
    terms = 2 if precision == "highest" else 1
    if width <= configs.NARROW:
        return [configs.Key("rows", configs.depth_of(width), terms)]
    return [configs.Key("products", 0, terms), configs.Key("gradients", 0, terms)]


def _candidates(key: configs.Key, baked: configs.Config) -> Iterator[configs.Config]:
    yield baked
    for rows, columns, warps in TILES:
        for stages in STAGES:
            for depth in (key.depth,) if key.depth else (32, 64, 128):
                yield configs.Config(rows, columns, depth, warps, stages)


def _best(a: Tensor, b: Tensor, key: configs.Key, precision: str, end: float, repeats: int) -> list[object] | None:
    name = (configs.architecture(a), str(key))
    baked = configs.choose(name[0], key)
    if baked is None:
        return None
    times: dict[configs.Config, float] = {}
    for config in dict.fromkeys(_candidates(key, baked)):
        if times and time.monotonic() > end:
            break
        configs.overrides[name] = config
        try:
            times[config] = _milliseconds(a, b, precision, repeats)
        except (
            Exception
        ) as error:  # shared memory or registers: the compiler or the launch says no, and the next is tried
            if isinstance(error, torch.OutOfMemoryError):
                raise
    best = min(times, key=times.__getitem__)
    configs.overrides[name] = best
    return [list(astuple(best)), times[best], times[baked]]


def _milliseconds(a: Tensor, b: Tensor, precision: str, repeats: int) -> float:
    needs = Needs(a=True, b=True)
    times = []
    for number in range(repeats + 1):
        _wait(a)
        start = time.perf_counter()
        launch.l1(a, b, None, None, needs, None, None, precision)
        _wait(a)
        if number:
            times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def _wait(x: Tensor) -> None:
    if x.device.type == "cuda":
        torch.cuda.synchronize(x.device)
