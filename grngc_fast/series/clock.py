"""Times of the day."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

CLOCK = re.compile(r"(\d{1,3})[:.](\d{2})(?:[:.](\d{2}(?:[.,]\d+)?))?")
_OF_MINUTES = re.compile(r"(\d{1,3}):(\d{2}[.,]\d+)")
_HALF_DAY = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?(?:[:.](\d{2}))? ?([ap])\.?m\.?", re.IGNORECASE)


def seconds_of_day(text: pd.Series[Any]) -> NDArray[np.float64] | None:
    """Seconds of `HH:MM`, `HH:MM:SS`, `HH.MM.SS`, `HH:MM PM` or `MM:SS.s`."""
    halves = [_HALF_DAY.fullmatch(cell) for cell in text]
    if halves and all(halves):
        found = [match for match in halves if match is not None]
        if any(not 1 <= int(match[1]) <= 12 or int(match[2] or 0) > 59 for match in found):
            return None
        hours = [int(match[1]) % 12 + 12 * (match[4].lower() == "p") for match in found]
        return np.array(
            [h * 3600 + int(m[2] or 0) * 60 + int(m[3] or 0) for h, m in zip(hours, found, strict=True)], float
        )
    short = [_OF_MINUTES.fullmatch(cell) for cell in text]
    if short and all(short):
        return np.array(
            [int(match[1]) * 60 + float(match[2].replace(",", ".")) for match in short if match is not None]
        )
    matches = [CLOCK.fullmatch(cell) for cell in text]
    if not matches or not all(matches):
        return None
    parts = [match.groups(default="0") for match in matches if match is not None]
    if any(int(minutes) > 59 for _, minutes, _ in parts):
        return None
    return np.array([int(h) * 3600 + int(m) * 60 + float(s.replace(",", ".")) for h, m, s in parts])
