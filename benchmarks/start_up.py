"""How long the command takes: its version, its help, what it imports, and a fit of five series of 150 steps with its picture.

Every row is a process of its own, called again and again by turns, with one thread; bytecode is kept, as after the first call
of an installed package. `fit beyond imports` is the fit's time less that of importing torch and scikit-learn, `fit alone` the
time of `GRNGC.fit` within a process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from grngc_fast import GRNGC
from grngc_fast.datasets import lorenz96

from . import guard
from .results import Row

N_SERIES, N_STEPS = 5, 150
IMPORTS = "import torch, sklearn.preprocessing"
MODULE = [sys.executable, "-m", "grngc_fast"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def run(args: argparse.Namespace) -> list[Row]:
    series = lorenz96(N_SERIES, N_STEPS, 10.0, seed=0).X
    size = {"P": N_SERIES, "L": 1, "H": 0, "N": N_STEPS - 1}
    with tempfile.TemporaryDirectory() as folder:
        table, out = Path(folder) / "data.csv", Path(folder) / "found"
        names = ",".join(f"x{i}" for i in range(N_SERIES))
        np.savetxt(table, series, delimiter=",", header=names, comments="")
        words = {
            "version": [*MODULE, "--version"],
            "help": [*MODULE, "--help"],
            "imports of torch and scikit-learn": [sys.executable, "-c", IMPORTS],
            "imports of GRNGC": [sys.executable, "-c", "from grngc_fast import GRNGC"],
            "fit command": [*MODULE, "fit", str(table), "--seed", "0", "--force", "--out", str(out)],
        }
        calls = {name: lambda given=given, at=folder: _process(given, at) for name, given in words.items()}
        taken = guard.in_turn(calls, args.repeats, warmup=1)
    taken["fit beyond imports"] = [
        fit - other for fit, other in zip(taken["fit command"], taken["imports of torch and scikit-learn"], strict=True)
    ]
    taken |= guard.in_turn({"fit alone": lambda: GRNGC(random_state=0).fit(series)}, args.repeats)
    rows = []
    for name, seconds in taken.items():
        time = guard.spread_of(seconds)
        spread = {"p20": time.p20, "p80": time.p80}
        rows.append(Row(f"start up: {name}", **size, metric="seconds", value=time.median, unit="s", **spread))
    return rows


def _process(words: list[str], folder: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": folder}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run(words, check=True, capture_output=True, env=environment, timeout=300)
