"""Peak memory of value and gradients as the product grows: ours against the product stored, a table and a picture.

    python -m profiling memory [--plot memory.png]

What a call allocates beyond its results, from the allocator's own record (CPU) or its peak counter (GPU).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import op


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, nargs="+", default=[500, 1000, 2000, 4000, 8000], help="M (%(default)s)")
    parser.add_argument("--columns", type=int, default=2000, help="Q (%(default)s)")
    parser.add_argument("--width", type=int, default=64, help="K (%(default)s)")
    parser.add_argument("--plot", type=Path, help="write a picture here (needs matplotlib)")


def run(args: argparse.Namespace) -> str:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    lines = [f"{'M':>7}{'operands + gradients':>22}{'ours, beyond':>14}{'stored, beyond':>16}   MiB"]
    curves: dict[str, list[float]] = {"ours": [], "product stored": []}
    for rows in args.rows:
        given = [x.detach().to(device).requires_grad_() for x in op.operands(0, rows, args.width, args.columns)]
        own = 2 * sum(x.numel() * x.element_size() for x in given) / 2**20
        ours, stored = (extra(given, backend) / 2**20 for backend in ("auto", "reference"))
        curves["ours"].append(ours)
        curves["product stored"].append(stored)
        lines.append(f"{rows:7}{own:22.1f}{ours:14.1f}{stored:16.1f}")
    if args.plot is not None:
        _plot(args, curves)
        lines.append(f"wrote {args.plot}")
    return "\n".join(lines)


def extra(given: list[Tensor], backend: str) -> float:
    """Bytes allocated at the peak beyond the results."""
    if given[0].device.type == "cpu":
        return float(op.extra_memory(given, backend))
    call: Callable[[], list[Tensor]] = lambda: op.value_and_gradients(given, backend)  # noqa: E731
    call()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    kept = sum(x.numel() * x.element_size() for x in call())
    return float(torch.cuda.max_memory_allocated() - before - kept)


def _plot(args: argparse.Namespace, curves: dict[str, list[float]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, values in curves.items():
        axes.plot(args.rows, values, marker="o", label=name)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="rows M",
        ylabel="MiB beyond operands and gradients",
        title=f"M x {args.width} x {args.columns}",
    )
    axes.legend(frameon=False)
    figure.savefig(args.plot, dpi=150)
