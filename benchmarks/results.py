"""The one table that every figure is drawn from: `benchmarks/results/results.csv`, a row to a measured value."""

from __future__ import annotations

import argparse
import csv
import datetime
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch

RESULTS = Path(__file__).parent / "results" / "results.csv"


@dataclass(frozen=True)
class Row:
    """One measured value; P series, L lags, H hidden width (or contraction width), N windows."""

    method: str
    P: int
    L: int
    H: int
    N: int
    metric: str
    value: float
    unit: str
    p20: float | None = None
    p80: float | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Circumstances:
    """What all rows of a run share."""

    device: str
    threads: int
    versions: str
    commit: str
    date: str
    busy: str


COLUMNS = [f.name for f in fields(Row)] + [f.name for f in fields(Circumstances)]


def circumstances(busy: str = "") -> Circumstances:
    """Read off this machine and this checkout."""
    versions = f"python {platform.python_version()}; torch {torch.__version__}; numpy {np.__version__}"
    return Circumstances(
        device=torch.cuda.get_device_name() if torch.cuda.is_available() else _processor(),
        threads=torch.get_num_threads(),
        versions=versions,
        commit=_commit(),
        date=datetime.date.today().isoformat(),
        busy=busy,
    )


def add_plot_argument(parser: argparse.ArgumentParser, picture: str, what: str) -> None:
    """`--plot [FILE]`, by default a picture of this name beside the results."""
    place = RESULTS.with_name(picture)
    parser.add_argument("--plot", type=Path, nargs="?", const=place, metavar="FILE", help=f"draw {what} (%(const)s)")


def record(rows: Iterable[Row], shared: Circumstances, path: Path = RESULTS) -> None:
    """Append rows; a table of other columns is refused."""
    if path.exists():
        with path.open(newline="") as file:
            header = next(csv.reader(file), [])
        if header != COLUMNS:
            raise ValueError(f"{path} has the columns {header}; expected {COLUMNS}. Move it away to start a new table")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if fresh:
            writer.writeheader()
        for row in rows:
            numbers = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in asdict(row).items()}
            writer.writerow({**numbers, **asdict(shared)})


def of_draws(
    label: str, size: dict[str, int], found: Sequence[Sequence[float]], metrics: Sequence[str], units: Sequence[str]
) -> list[Row]:
    """Means over draws of what `metrics` name, and of several draws the standard deviations of the first two."""
    means = np.mean(found, axis=0)
    rows = [
        Row(label, **size, metric=metric, value=float(value), unit=unit)
        for metric, value, unit in zip(metrics, means, units, strict=True)
    ]
    if len(found) > 1:
        spread = np.std(found, axis=0, ddof=1)
        rows += [
            Row(label, **size, metric=f"{metric} sd", value=float(value), unit="1")
            for metric, value in zip(metrics[:2], spread, strict=False)
        ]
    return rows


def read(path: Path = RESULTS) -> list[dict[str, str]]:
    """All rows, as text."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def show(rows: Sequence[Row]) -> str:
    """An aligned table for the terminal."""
    head = ["method", "P", "L", "H", "N", "metric", "value", "p20..p80", "unit"]
    lines = [head]
    for r in rows:
        spread = "" if r.p20 is None or r.p80 is None else f"{r.p20:.4g}..{r.p80:.4g}"
        lines.append([r.method, str(r.P), str(r.L), str(r.H), str(r.N), r.metric, f"{r.value:.4g}", spread, r.unit])
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=RESULTS.parents[2], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        dirty = git("status", "--porcelain", "--", ".", ":!benchmarks/results")
        return git("rev-parse", "--short", "HEAD") + ("+" if dirty else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
