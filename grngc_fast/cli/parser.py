"""The commands by name; the options of one, and all that they import, are made once it is asked for."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

from .. import __version__

COMMANDS = {
    "demo": "simulate Lorenz-96, fit, evaluate against the truth, write the results",
    "fit": "infer the causal graph of a table of series",
    "inspect": "say what a table was understood as, and the command that would fit it",
    "path": "fit a path of penalty strengths at once and choose one by held-out error",
    "evaluate": "AUROC and AUPRC of a result against known edges",
    "datasets": "list the published data sets that are read by name",
    "simulate": "write a simulated table and its true edges",
}


def build_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Parser of these words, whose result carries `run`, the command to call with it.

    Torch and scikit-learn, of two seconds and more, are imported where the words name a command.
    """
    parser = argparse.ArgumentParser(
        prog="grngc-fast",
        allow_abbrev=False,
        description="Neural Granger causality from a table of time series (GRNGC, arXiv 2507.11178).",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    asked = next((word for word in words if not word.startswith("-")), None)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, allow_abbrev=False, help=text)
        if name == asked:
            getattr(importlib.import_module(".options", __package__), name)(command)
    return parser
