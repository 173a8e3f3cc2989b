"""The op: rate of value and all gradients over the sgemm rate just before or after, the larger, and memory beyond its results.

6 N M K Q flop: three products, for the value, the left and the right gradient. The bytes are negligible beside them, so
the sgemm rate is the floor. `memory` is the peak that torch allocates during the call less what it returns, from the
profiler's record of every allocation; `product` is what storing the N M Q product once would take.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from grngc_fast.kernels import PRECISIONS, matmul_l1
from grngc_fast.kernels.matmul_l1 import int8

from . import guard
from .results import Row

# (windows of scale or 0 for none, M, K, Q)
SHAPES = (
    (0, 32000, 64, 5000),
    (0, 32000, 128, 5000),
    (0, 32000, 256, 5000),
    (1000, 32, 64, 5000),
    (64, 1000, 1024, 1000),
    (999, 100, 512, 100),
)
# A product of more bytes is not materialised for comparison.
LARGEST_STORED = 2 * 2**30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--shape",
        type=int,
        nargs=4,
        action="append",
        metavar=("N", "M", "K", "Q"),
        help="windows (0: no scale) and sizes",
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="highest", help="of the op (%(default)s)")
    parser.add_argument(
        "--without-int8", action="store_true", help="gradients in float32, as where there is no int8 product"
    )


def run(args: argparse.Namespace) -> list[Row]:
    if args.without_int8:
        int8.available = lambda: False
    how = ("" if args.precision == "highest" else f", {args.precision}") + (", float32" if args.without_int8 else "")
    rows = []
    for shape in args.shape or SHAPES:
        rows += measure(*shape, args.repeats, args.precision, how)
    return rows


def operands(windows: int, m: int, k: int, q: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(m, k), (k, q)] + ([(windows, k)] if windows else [])
    return [torch.randn(s, generator=generator, dtype=dtype).requires_grad_() for s in shapes]


def value_and_gradients(given: list[Tensor], backend: str = "auto", precision: str = "highest") -> list[Tensor]:
    value = matmul_l1(*given, backend=backend, precision=precision)
    return [value.detach(), *torch.autograd.grad(value, given)]


def check(windows: int, m: int, k: int, q: int, precision: str = "highest") -> None:
    """Against float64 at a ragged piece of the shape, and by <x, dx> = value at its full size."""
    small = operands(min(windows, 3), min(m, 37), k, min(q, 129))
    exact = [x.detach().double().requires_grad_() for x in small]
    guard.check("matmul_l1", value_and_gradients(small), value_and_gradients(exact, "reference"), 1e-4)
    given = operands(windows, m, k, q)
    value, *grads = value_and_gradients(given, precision=precision)
    sums = [(x.detach().double() * g.double()).sum() for x, g in zip(given, grads, strict=True)]
    guard.check("identity", sums, [value] * len(sums), 1e-2 if precision == "medium" else 1e-4)


def measure(
    windows: int, m: int, k: int, q: int, repeats: int = 5, precision: str = "highest", how: str = ""
) -> list[Row]:
    check(windows, m, k, q, precision)
    given = operands(windows, m, k, q)
    n = max(windows, 1)
    flop = 6.0 * n * m * k * q
    sgemm = guard.matmul_rate()
    ours = guard.timed(lambda: value_and_gradients(given, precision=precision), repeats)
    sgemm = max(sgemm, guard.matmul_rate())
    size = {"P": q, "L": 1, "H": k, "N": n * m}
    rates = [flop / seconds / 1e9 for seconds in (ours.median, ours.p80, ours.p20)]
    method = "matmul_l1" + (" scale" if windows else "") + how
    rows = [
        Row(method, **size, metric="rate", value=rates[0], unit="GFLOP/s", p20=rates[1], p80=rates[2]),
        Row(method, **size, metric="fraction of sgemm", value=rates[0] * 1e9 / sgemm, unit="1"),
        Row(method, **size, metric="memory", value=extra_memory(given, precision=precision) / 2**20, unit="MiB"),
        Row(method, **size, metric="product", value=4.0 * n * m * q / 2**20, unit="MiB"),
    ]
    if not how and 4 * n * m * max(q, k if windows else 0) <= LARGEST_STORED:
        stored = guard.timed(lambda: value_and_gradients(given, "reference"), repeats)
        rows.append(Row("stored product", **size, metric="time over ours", value=stored.median / ours.median, unit="1"))
    return rows


def extra_memory(given: list[Tensor], backend: str = "auto", precision: str = "highest") -> int:
    """Peak bytes allocated during value and gradients, less those of the results."""
    sizes: list[int] = []

    def call() -> list[Tensor]:
        results = value_and_gradients(given, backend, precision)
        sizes.append(sum(x.numel() * x.element_size() for x in results))
        return results

    return max(0, guard.peak_memory(call) - sizes[-1])
