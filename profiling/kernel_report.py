"""What the compiler makes of every kernel and baked-in configuration, for GPUs that need not be here.

    python -m profiling kernels [--arch sm_90] [--all] [--json FILE]

A line for each: registers, spilled bytes, shared memory against the limit of a block, tensor-core instructions, occupancy by
registers, shared memory and warps, and the floor of its regime's reference shape at the rate a large product reaches on
such a GPU; for the spline kernels, which have no dot, the time of their bytes at 3 TB/s; for the steps of small networks, whose
products are in float32, one step of 10,000 of them at 67 TFLOP/s. Ends with an error if anything spills,
exceeds shared memory, or has a dot that missed the tensor cores.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from grngc_fast.kernels.matmul_l1 import gpu
from grngc_fast.kernels.matmul_l1.gpu import configs

from . import spline_report, steps_report
from .kernel_choice import choose, table
from .kernel_compile import GPUS, OPERANDS, compile_variant, keys, variants


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--arch", choices=GPUS, action="append", help="one architecture; may be given again (default: all)"
    )
    parser.add_argument("--all", action="store_true", help="every variant, not only the plain and the fullest")
    parser.add_argument("--choose", action="store_true", help="search the configurations and print baked.py (minutes)")
    parser.add_argument("--json", type=Path, help="also write the lines as JSON")


def run(args: argparse.Namespace) -> int:
    if gpu.INTERPRETED:
        raise SystemExit("TRITON_INTERPRET is set: there is nothing to compile. Unset it and run again")
    archs = args.arch or list(GPUS)
    with ProcessPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        if args.choose:
            pairs = [(arch, key) for arch in archs for key in keys()]
            print(table(pairs, [config for _, config in pool.map(choose, *zip(*pairs, strict=True))]))
            return 0
        work = [
            (arch, variant)
            for arch in archs
            for variant in [
                *(v for key in keys() if configs.choose(arch, key) is not None for v in variants(key, args.all)),
                *OPERANDS,
                *spline_report.variants(args.all),
                *steps_report.variants(args.all),
            ]
        ]
        found = list(pool.map(compile_variant, *zip(*work, strict=True), chunksize=4))
    print(
        f"{'arch':7}{'kernel, depth, terms, extras':46}{'i x j x k, warps, stages':26}"
        f"{'regs':>5}{'spill':>6}{'shared / limit':>17}{'tensor':>7}{'occup.':>7}{'floor us':>9}"
    )
    for r in found:
        tile = f"{r.config[0]} x {r.config[1]} x {r.config[2]}, {r.config[3]}, {r.config[4]}"
        print(
            f"{r.arch:7}{r.key:46}{tile:26}{r.registers:5}{r.spilled:6}"
            f"{r.shared:9} / {r.shared_limit}{r.tensor_instructions:6}{r.occupancy:7.2f}{r.floor_us:9.1f}  {r.fault}"
        )
    if args.json:
        args.json.write_text(json.dumps([asdict(r) for r in found], indent=1))
    faults = [r for r in found if r.fault]
    print(f"{len(found)} kernels compiled, {len(faults)} at fault", file=sys.stderr if faults else sys.stdout)
    return 1 if faults else 0
