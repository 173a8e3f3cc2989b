"""What the library raises: one error for input that cannot be used, one warning for a fit that diverged."""

from __future__ import annotations


class InputError(ValueError):
    """Input that cannot be used: a table, a truth, an option or a file. The message names the cause and the fix."""


class FitDivergedWarning(RuntimeWarning):
    """Training met a non-finite loss and stopped; the last good state was kept."""
