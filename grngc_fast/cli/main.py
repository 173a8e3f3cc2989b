"""Entry point: parse, run, and turn what a user can mend into one line and exit status 2."""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..errors import CheckpointWarning, DataWarning, FitDivergedWarning, InputError, ProcessLostError
from .flags import in_flags
from .parser import build_parser

if TYPE_CHECKING:
    from ..distributed import World


def _refused(reason: str) -> int:
    print(f"grngc-fast: error: {in_flags(reason)}", file=sys.stderr)
    return 2


def _warn(message: str, told: list[str]) -> None:
    """Each warning once."""
    message = in_flags(message)
    if message not in told:
        told.append(message)
        print(f"grngc-fast: warning: {message}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, under torchrun as one process of several.

    Returns the exit status: 0 done, 1 another process was lost, 2 input that cannot be used, 130 interrupted, 143 terminated.
    """
    words = tuple(sys.argv[1:] if argv is None else argv)
    with _uncollected() if argv is None else contextlib.nullcontext():
        parser = build_parser(words)
    arguments = parser.parse_args(words)
    # What a command records of itself: its words, and what was warned of by then.
    arguments.argv, arguments.told = words, []
    # After the parsing: torch, which neither --help nor --version needs.
    from ..distributed import launched

    with launched() as world:
        return _run(arguments, world)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Nothing made meanwhile is looked at for garbage, then or later.

    For the imports of a process of the command's own: they stay to its end, and going through them takes .4 s of 3.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


class _Printed(logging.Handler):
    """Prints the notes that the library gives its logger; of what it warns of it gives warnings too."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING:
            print(record.getMessage())


@contextlib.contextmanager
def _notes_printed() -> Iterator[None]:
    logger, printed = logging.getLogger("grngc_fast"), _Printed(logging.INFO)
    before = logger.level
    logger.addHandler(printed)
    logger.setLevel(min(before or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        logger.removeHandler(printed)
        logger.setLevel(before)


def _run(arguments: argparse.Namespace, world: World) -> int:
    try:
        with warnings.catch_warnings(), contextlib.ExitStack() as stack:
            for category in (FitDivergedWarning, CheckpointWarning, DataWarning):
                warnings.simplefilter("always", category)
            warnings.showwarning = lambda message, *_: _warn(str(message), arguments.told)
            if world.rank > 0:  # process 0 speaks for all
                stack.enter_context(contextlib.redirect_stdout(None))
                stack.enter_context(contextlib.redirect_stderr(None))
            stack.enter_context(_notes_printed())
            arguments.run(arguments)
    except (InputError, FloatingPointError, OSError) as error:
        return _refused(str(error))
    except ProcessLostError as error:
        print(f"grngc-fast: error: {error}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        return _refused("the problem does not fit in memory; use fewer series, steps or hidden units")
    except (KeyboardInterrupt, SystemExit) as stopped:
        if world.rank == 0:
            print(f"grngc-fast: {str(stopped) or 'interrupted; nothing was written'}", file=sys.stderr)
        return int(stopped.code or 0) if isinstance(stopped, SystemExit) else 130
    return 0
