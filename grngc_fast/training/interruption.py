"""Signals that ask a run to stop, kept until it is between two steps."""

from __future__ import annotations

import signal
import threading
from types import TracebackType
from typing import Any

_STOPPING = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While entered, notes the first SIGINT or SIGTERM instead of obeying it; a second one acts as it did before.

    One that is ignored on entering stays ignored: so a shell starts what is to go on in the background.
    Does nothing outside the main thread, where signals cannot be taken.

    Attributes
    ----------
    received : number of the signal, 0 for none.
    """

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            heeded = [number for number in _STOPPING if signal.getsignal(number) != signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._note) for number in heeded}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._restore()
        if self.received and kind is None:
            signal.raise_signal(self.received)

    def _note(self, number: int, frame: object) -> None:
        self.received = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before = {}


def stop(number: int, message: str) -> BaseException:
    """What a signal obeyed would have raised: `KeyboardInterrupt`, or `SystemExit` with the status of SIGTERM."""
    if number == signal.SIGINT:
        return KeyboardInterrupt(message)
    error = SystemExit(message)
    error.code = 128 + number
    return error
