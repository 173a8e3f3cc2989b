"""Roofline of the op: its rate over the rate of one large product, by contraction width and precision, on a CPU or GPU.

    python -m profiling roofline [--plot roofline.png]

6 M K Q flop a call (value and both gradients) whatever the path spends, against a float32 product in the same run: more
than 1 is possible where gradients run on smaller numbers than the product.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks import guard, op
from grngc_fast.kernels import matmul_l1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=8000, help="M (%(default)s)")
    parser.add_argument("--columns", type=int, default=2000, help="Q (%(default)s)")
    parser.add_argument(
        "--widths", type=int, nargs="+", default=[16, 32, 64, 128, 256, 512, 1024], help="K (%(default)s)"
    )
    parser.add_argument("--precision", nargs="+", default=["highest", "medium"], help="(%(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--plot", type=Path, help="write a picture here (needs matplotlib)")


def run(args: argparse.Namespace) -> str:
    guard.set_threads()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    lines = [f"{'K':>6}{'precision':>11}{'GFLOP/s':>10}{'product':>10}{'fraction':>10}{'flop/byte':>11}"]
    curves: dict[str, list[float]] = {precision: [] for precision in args.precision}
    for width in args.widths:
        given = [x.detach().to(device).requires_grad_() for x in op.operands(0, args.rows, width, args.columns)]
        flop = 6.0 * args.rows * width * args.columns
        # Operands read and gradients written once.
        intensity = flop / (8.0 * width * (args.rows + args.columns))
        for precision in args.precision:

            def call(given: list[torch.Tensor] = given, precision: str = precision) -> object:
                return torch.autograd.grad(matmul_l1(*given, precision=precision), given)

            product = product_rate(device)
            rate = flop / guard.timed(call, args.repeats).median
            product = max(product, product_rate(device))
            curves[precision].append(rate / product)
            lines.append(
                f"{width:6}{precision:>11}{rate / 1e9:10.0f}{product / 1e9:10.0f}{rate / product:10.2f}{intensity:11.0f}"
            )
    if args.plot is not None:
        _plot(args, curves, device)
        lines.append(f"wrote {args.plot}")
    return "\n".join(lines)


def product_rate(device: str) -> float:
    """Flop per second of one large float32 product."""
    if device == "cpu":
        return guard.matmul_rate()
    a, b = torch.randn(8192, 8192, device=device), torch.randn(8192, 8192, device=device)
    return 2.0 * 8192**3 / guard.timed(lambda: a @ b, 5).median


def _plot(args: argparse.Namespace, curves: dict[str, list[float]], device: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for precision, fractions in curves.items():
        axes.plot(args.widths, fractions, marker="o", label=precision)
    axes.axhline(1.0, color="0.6", linewidth=1, linestyle="--", label="one float32 product")
    axes.set(
        xscale="log",
        xticks=args.widths,
        xticklabels=args.widths,
        ylim=(0, None),
        xlabel="contraction width K",
        ylabel="rate of value and gradients / rate of a product",
        title=f"{args.rows} x K x {args.columns}, {torch.cuda.get_device_name() if device == 'cuda' else 'CPU'}",
    )
    axes.minorticks_off()
    axes.legend(frameon=False)
    figure.savefig(args.plot, dpi=150)
