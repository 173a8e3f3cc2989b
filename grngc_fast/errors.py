"""What the library raises: an error for input that cannot be used, warnings for a fit that diverged and for factors refuted."""

from __future__ import annotations


class InputError(ValueError):
    """Input that cannot be used: a table, a truth, an option or a file. The message names the cause and the fix."""


class FitDivergedWarning(RuntimeWarning):
    """Training met a non-finite loss and stopped; the last good state was kept."""


class FactorisationWarning(UserWarning):
    """Layers found in a module do not give its Jacobian; the slower general path was taken instead."""
