"""The library's messages in the command's words: options that they call by their Python names."""

from __future__ import annotations

import re

_OPTIONS = re.compile(
    r"\b(transpose|drop_constant|ignore_unknown|ignore_case|time_column|trajectory_column|trajectory_length|early_stopping"
    r"|detrend)(=True\b|=(?!F)|\b)"
)
# Those that are words too.
_VALUES = re.compile(r"\b(missing|max_gap|difference)(=)")
_MARK = re.compile(r"missing_values=\['([^']*)'\]")


def in_flags(text: str) -> str:
    """`--drop-constant` for `drop_constant=True`, `--trajectory-length 5` for `trajectory_length=5`."""

    def flag(match: re.Match[str]) -> str:
        return "--" + match[1].replace("_", "-") + (" " if match[2] == "=" else "")

    text = _MARK.sub(r"--missing-value='\1'", text)
    return _VALUES.sub(flag, _OPTIONS.sub(flag, text))
