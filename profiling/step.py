"""Training steps under torch.profiler: a table of operators by their own time, and a trace on request."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile, record_function

from grngc_fast import gradient_l1
from grngc_fast.models import MLP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--series", type=int, default=100, help="(%(default)s)")
    parser.add_argument("--lags", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--hidden", type=int, default=128, help="(%(default)s)")
    parser.add_argument("--windows", type=int, default=64, help="in a batch (%(default)s)")
    parser.add_argument("--steps", type=int, default=10, help="profiled, after three to warm up (%(default)s)")
    parser.add_argument("--rows", type=int, default=15, help="of the table (%(default)s)")
    parser.add_argument("--trace", type=Path, help="write a Chrome trace here")


def run(args: argparse.Namespace) -> str:
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    model = MLP(args.series, args.lags, args.hidden).to(device)
    x = torch.randn(args.windows, args.lags, args.series, device=device)
    y = torch.randn(args.windows, args.series, device=device)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def step() -> None:
        with record_function("## forecast"):
            forecast = F.mse_loss(model(x), y)
        with record_function("## penalty"):
            penalty = gradient_l1(model, x) / args.series
        with record_function("## backward"):
            optimizer.zero_grad()
            (forecast + 0.1 * penalty).backward()
        with record_function("## optimiser"):
            optimizer.step()

    for _ in range(3):
        step()
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if cuda else [])
    with profile(activities=activities) as recorded:
        for _ in range(args.steps):
            step()
    if args.trace is not None:
        recorded.export_chrome_trace(str(args.trace))
    order = "self_cuda_time_total" if cuda else "self_cpu_time_total"
    return str(recorded.key_averages().table(sort_by=order, row_limit=args.rows, max_name_column_width=40))
