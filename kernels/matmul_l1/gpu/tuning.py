"""Opt-in tuning: time candidate configurations on the GPU at hand and use the fastest for the rest of the process.

from grngc_fast.kernels.matmul_l1.gpu import tuning
tuning.tune(shapes=[tuning.Shape(32000, 128, 5000)], precisions=["high"])
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass

import torch
from torch import Tensor

from ..results import Needs
from . import configs, launch

# Rows x columns, warps; stages; depths of the kernels that walk one. Tried around the baked-in choice; a candidate that
# spills loses by itself, one that does not fit on the chip is refused by the launch.
TILES = ((128, 128, 8), (128, 64, 8), (128, 64, 4), (64, 128, 4), (64, 64, 4), (64, 256, 8), (128, 256, 8))
STAGES = (2, 3, 4)
DEPTHS = (32, 64, 128)


@dataclass(frozen=True)
class Shape:
    """M x K x Q products of `windows` windows with a diagonal middle (0: none), with a bias and its gradient or without."""

    m: int
    k: int
    q: int
    windows: int = 0
    bias: bool = False


SHAPES = (
    Shape(32000, 128, 5000),
    Shape(32000, 64, 5000),
    Shape(32000, 256, 5000),
    Shape(256, 2048, 5000),
    Shape(1000, 1024, 1000, windows=64),
    Shape(1000, 128, 1000, windows=64),
    Shape(256, 128, 5000, windows=8, bias=True),
)


def tune(
    shapes: Iterable[Shape] | None = None,
    precisions: Iterable[str] = ("highest", "high", "medium"),
    *,
    device: str = "cuda",
    seconds: float = 120.0,
    repeats: int = 5,
    processes: int = 1,
) -> dict[str, list[object]]:
    """Time candidates and keep the best in `configs.overrides`; returns key: [config, ms, ms before].

    `processes` compile at once, into Triton's cache on disk. Ends after about `seconds`, with what was found until then.
    `configs.overrides.clear()` goes back to the baked-in ones.
    """
    end = time.monotonic() + seconds
    found: dict[str, list[object]] = {}
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) if processes > 1 else None
    try:
        for shape in shapes or SHAPES:
            for precision in precisions:
                for key in _keys(shape, precision, device):
                    if time.monotonic() > end:
                        return found
                    best = _best(shape, key, precision, device, end, repeats, pool)
                    if best is not None:
                        found[str(key)] = best
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)
    return found


def _keys(shape: Shape, precision: str, device: str) -> list[configs.Key]:
    terms = 2 if precision == "highest" else 1
    scale = shape.windows > 0
    rows = configs.Key("rows", configs.depth_of(shape.k), terms, scale, shape.bias)
    if shape.k <= configs.NARROW and not shape.bias and configs.choose(_architecture(device), rows) is not None:
        return [rows]
    product = configs.Key("biased" if shape.bias else "products", 0, terms, scale, shape.bias)
    return [product, configs.Key("gradients", 0, terms, scale)]


def _architecture(device: str) -> str:
    return configs.architecture(torch.empty(0, device=device))


def _candidates(key: configs.Key, baked: configs.Config) -> Iterator[configs.Config]:
    yield baked
    for rows, columns, warps in TILES:
        for stages in STAGES:
            for depth in (key.depth,) if key.depth else DEPTHS:
                yield configs.Config(rows, columns, depth, warps, stages)


def _best(
    shape: Shape,
    key: configs.Key,
    precision: str,
    device: str,
    end: float,
    repeats: int,
    pool: ProcessPoolExecutor | None,
) -> list[object] | None:
    name = (_architecture(device), str(key))
    baked = configs.choose(name[0], key)
    if baked is None:
        return None
    candidates = list(dict.fromkeys(_candidates(key, baked)))
    if pool is not None:
        others = dict(configs.overrides)
        work = [pool.submit(_runs, shape, precision, device, {**others, name: config}) for config in candidates]
        candidates = [c for c, runs in zip(candidates, work, strict=True) if runs.result()]
    given = _operands(shape, device)
    times: dict[configs.Config, float] = {}
    for config in candidates:
        if times and time.monotonic() > end:
            break
        configs.overrides[name] = config
        try:
            times[config] = _milliseconds(given, precision, repeats)
        except Exception as error:  # the compiler or the launch says no, and the next is tried
            if isinstance(error, torch.OutOfMemoryError):
                raise
    if not times:
        configs.overrides[name] = baked
        return None
    best = min(times, key=times.__getitem__)
    configs.overrides[name] = best
    return [list(astuple(best)), times[best], times.get(baked)]


def _runs(shape: Shape, precision: str, device: str, overrides: dict[tuple[str, str], configs.Config]) -> bool:
    """Compile and launch once, in a process beside the one that times."""
    configs.overrides.clear()
    configs.overrides.update(overrides)
    try:
        _call(_operands(shape, device), precision)
        _wait(device)
    except Exception:  # shared memory, registers, a compiler that gives up: not a candidate
        return False
    return True


def _operands(shape: Shape, device: str) -> list[Tensor | None]:
    sizes = ((1, shape.m, shape.k), (1, shape.k, shape.q), (1, shape.windows, shape.k), (1, shape.m, shape.q))
    wanted = (True, True, shape.windows > 0, shape.bias)
    return [torch.randn(size, device=device) if want else None for size, want in zip(sizes, wanted, strict=True)]


def _call(given: list[Tensor | None], precision: str) -> None:
    a, b, scale, bias = given
    assert a is not None and b is not None
    needs = Needs(a=True, b=True, scale=scale is not None, bias=bias is not None)
    launch.l1(a, b, scale, bias, needs, None, None, precision)


def _milliseconds(given: list[Tensor | None], precision: str, repeats: int) -> float:
    """Median of replays of a captured graph: from Python the launches would hide the kernels."""
    assert given[0] is not None
    times = []
    if given[0].device.type != "cuda":
        for _ in range(repeats + 1):
            start = time.perf_counter()
            _call(given, precision)
            times.append(1e3 * (time.perf_counter() - start))
        return statistics.median(times[1:])
    _call(given, precision)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        _call(given, precision)
    graph.replay()
    for _ in range(repeats):
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begun.record()
        graph.replay()
        ended.record()
        ended.synchronize()
        times.append(begun.elapsed_time(ended))
    return statistics.median(times)


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()
