"""Entry point: parse, run, and turn what a user can mend into one line and exit status 2."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

from ..errors import FitDivergedWarning, InputError
from .parser import build_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0 done, 2 input that cannot be used, 130 interrupted."""
    arguments = build_parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", FitDivergedWarning)
            warnings.showwarning = lambda message, *_: print(f"grngc-fast: warning: {message}", file=sys.stderr)
            arguments.run(arguments)
    except (InputError, FloatingPointError, OSError) as error:
        print(f"grngc-fast: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("grngc-fast: interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0
