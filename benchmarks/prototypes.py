"""Plain torch scripts to time against, which are not part of this repository: how they are called and what they print.

Told apart by their names: `working_set.py`, small networks of each target's own inputs, of any Lorenz-96; any other is a shared
hidden layer, at the settings that were found best for it at a size, of Lorenz-96 with F = 10 and 1000 steps.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

# Hidden width, steps, windows and targets of the penalty, learning rate, by the number of series.
SHARED = {
    300: ("64", "1000", "8", "32", "2e-3"),
    1000: ("256", "1000", "1", "256", "4e-3"),
    5000: ("128", "700", "1", "256", "6e-3"),
    10000: ("128", "500", "1", "256", "8e-3"),
}
# What the shared hidden layer simulates.
SHARED_STEPS, SHARED_FORCING = 1000, 10.0
# Hidden units of a target.
UNITS = 16
NUMBER = re.compile(r"(AUROC|AUPRC|training|total|peak) (\S+)")
SECONDS = re.compile(r"  (\S+) s, peak")
Found = dict[tuple[str, str], float]


def label(prototype: Path) -> str:
    return "working-set prototype" if prototype.stem == "working_set" else "prototype"


def width(prototype: Path, n_series: int) -> int:
    """Hidden units, of a target where they are its own."""
    return UNITS if prototype.stem == "working_set" else int(SHARED[n_series][0])


def arguments(
    prototype: Path, n_series: int, n_steps: int, system: str, forcing: float, seed: int, threads: int
) -> list[str] | None:
    """Of its command line; None for data that it does not simulate."""
    if system != "lorenz96":
        return None
    if prototype.stem == "working_set":
        options = {"series": n_series, "steps": n_steps, "forcing": forcing, "seed": seed, "threads": threads}
        return [part for name, value in options.items() for part in (f"--{name}", f"{value:g}")]
    if (n_steps, forcing) != (SHARED_STEPS, SHARED_FORCING) or n_series not in SHARED:
        return None
    return [str(n_series), *SHARED[n_series]]


def run(prototype: Path, given: list[str], threads: int) -> Found:
    """What it prints, by metric and unit; `total` in seconds without the simulation."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, str(prototype), *given]
    printed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    last = (printed.splitlines() or [""])[-1]
    units = {"AUROC": "1", "AUPRC": "1", "peak": "GiB"}
    found: Found = {(name, units.get(name, "s")): float(value) for name, value in NUMBER.findall(last)}
    seconds = SECONDS.search(last)
    if seconds is not None:
        found["total", "s"] = float(seconds[1])
    if not {("AUROC", "1"), ("AUPRC", "1"), ("total", "s")} <= found.keys():
        raise ValueError(f"{prototype} printed no line of results: {printed!r}")
    return found
