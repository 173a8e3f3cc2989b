"""Entry point: parse, run, and turn what a user can mend into one line and exit status 2."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Sequence

from ..errors import FitDivergedWarning, InputError
from .parser import build_parser

# Options that the library's messages call by their Python names.
_OPTIONS = re.compile(
    r"\b(transpose|drop_constant|ignore_unknown|trajectory_column|trajectory_length|early_stopping)(=True\b|=(?!F)|\b)"
)


def _refused(reason: str) -> int:
    def flag(match: re.Match[str]) -> str:
        return "--" + match[1].replace("_", "-") + (" " if match[2] == "=" else "")

    print(f"grngc-fast: error: {_OPTIONS.sub(flag, reason)}", file=sys.stderr)
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
