"""Seconds of a fit, phase by phase."""

from __future__ import annotations

import time


class Stopwatch:
    """Runs from its making on; each lap is the time since the one before.

    Attributes
    ----------
    seconds : of each phase, by name, in order.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        """End a phase."""
        now = time.perf_counter()
        self.seconds[phase], self._last = now - self._last, now
