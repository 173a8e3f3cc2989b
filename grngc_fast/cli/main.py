"""Entry point: parse, run, and turn what a user can mend into one line and exit status 2."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

from ..errors import FitDivergedWarning, InputError
from .parser import build_parser


def _refused(reason: str) -> int:
    print(f"grngc-fast: error: {reason}", file=sys.stderr)
    return 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0 done, 2 input that cannot be used, 130 interrupted."""
    arguments = build_parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", FitDivergedWarning)
            warnings.showwarning = lambda message, *_: print(f"grngc-fast: warning: {message}", file=sys.stderr)
            arguments.run(arguments)
    except (InputError, FloatingPointError, OSError) as error:
        return _refused(str(error))
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        return _refused("the problem does not fit in memory; use fewer series, steps or hidden units")
    except KeyboardInterrupt:
        print("grngc-fast: interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0
