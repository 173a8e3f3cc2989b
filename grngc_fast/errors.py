"""What the library raises: errors for input that cannot be used and for a process lost, warnings for what a fit survives."""

from __future__ import annotations


class InputError(ValueError):
    """Input that cannot be used: a table, a truth, an option or a file. The message names the cause and the fix."""


class ProcessLostError(RuntimeError):
    """Another process of a distributed run ended or did not answer in time."""


class CheckpointWarning(RuntimeWarning):
    """A checkpoint could not be written; training went on and the one before was kept."""


class FitDivergedWarning(RuntimeWarning):
    """Training met a non-finite loss and stopped; the last good state was kept."""


class FactorisationWarning(UserWarning):
    """Layers found in a module do not give its Jacobian; the slower general path was taken instead."""


class DataWarning(UserWarning):
    """A table was read, but something about it should be looked at."""
