"""Options that say how a table is read, and the table that they read."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path
from typing import Any

from ..datasets import Dataset, load, read_table
from ..errors import InputError

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


_NOT_GIVEN: tuple[Any, ...] = (None, False, [], "cut")


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """The file, and how it is read."""
    parser.add_argument(
        "file",
        type=Path,
        help="CSV, TSV or other text, XLSX, Parquet, NPY, NPZ or H5AD; rows are time steps, columns series; a column called"
        " time, date, ... orders the rows and is no series. With --dataset the folder that holds its files",
    )
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help="read a published data set, its truth and its regulators, as dream4-100-1 or sos; `grngc-fast datasets` lists them",
    )
    parser.add_argument(
        "--dataset-option",
        dest="dataset_options",
        action="append",
        default=[],
        type=named_value,
        metavar="NAME=VALUE",
        help="of a data set that has some, as subject=7 of netsim-3; several times for several",
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


def named_value(text: str) -> tuple[str, Any]:
    """NAME=VALUE, the value a Python literal where it is one."""
    name, equals, value = text.partition("=")
    if not (name.isidentifier() and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def read(args: argparse.Namespace) -> tuple[Dataset, dict[str, Any]]:
    """The table, of a published data set with its truth and regulators, and the options that it was read with."""
    options = {name: getattr(args, name) for name in READ_OPTIONS}
    if args.dataset is not None:
        given = [name for name, value in options.items() if value not in _NOT_GIVEN]
        if given:
            raise InputError(f"{given[0]} is of tables; how {args.dataset} is read is known: leave it out")
        return load(args.dataset, args.file, **dict(args.dataset_options)), {
            "dataset": args.dataset,
            "dataset_options": dict(args.dataset_options),
        }
    if args.dataset_options:
        raise InputError("--dataset-option is of a published data set; name it with --dataset")
    missing: Any = getattr(args, "missing", "error")
    table = read_table(args.file, **options, missing=missing)
    return Dataset(table, None, str(args.file), files=(args.file,)), {**options, "missing": missing}
