"""Options that say how a table is read, and the table that they read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..datasets import read_table
from ..series import SeriesTable

READ_OPTIONS = (
    "delimiter",
    "decimal",
    "time_column",
    "trajectory_column",
    "trajectory_length",
    "transpose",
    "drop_constant",
    "missing_values",
    "gaps",
    "sheet",
    "comment",
)


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """The file, and how it is read."""
    parser.add_argument(
        "file",
        type=Path,
        help="CSV, TSV or other text, XLSX, Parquet, NPY, NPZ or H5AD; rows are time steps, columns series; a column called"
        " time, date, ... orders the rows and is no series",
    )
    parser.add_argument("--delimiter", help="of a text table; recognised if not given")
    parser.add_argument(
        "--decimal", choices=[".", ","], help="mark of decimals in a text table; recognised if not given"
    )
    parser.add_argument("--comment", metavar="C", help="what starts a line of text that is no row (#)")
    parser.add_argument(
        "--sheet", metavar="NAME", help="sheet of a workbook, by name or number from 0 (the first with numbers)"
    )
    parser.add_argument("--transpose", action="store_true", help="rows are series (genes) and columns time steps")
    parser.add_argument("--time-column", metavar="NAME", help="column that tells the time; recognised if not given")
    parser.add_argument("--drop-constant", action="store_true", help="leave out series that never change")
    parser.add_argument(
        "--missing-value",
        dest="missing_values",
        action="append",
        default=[],
        metavar="V",
        help="stands for a missing value, as -999; several times for several",
    )
    parser.add_argument(
        "--gaps",
        choices=["cut", "ignore"],
        default="cut",
        help="where steps of a regular time axis are missing, let windows end there or run across (%(default)s)",
    )
    split = parser.add_mutually_exclusive_group()
    split.add_argument("--trajectory-column", metavar="NAME", help="column that tells trajectories apart")
    split.add_argument("--trajectory-length", type=int, metavar="N", help="every N rows are one trajectory")


def read(args: argparse.Namespace) -> tuple[SeriesTable, dict[str, Any]]:
    """The table, and the options that it was read with."""
    options = {name: getattr(args, name) for name in READ_OPTIONS}
    missing: Any = getattr(args, "missing", "error")
    return read_table(args.file, **options, missing=missing), {**options, "missing": missing}
