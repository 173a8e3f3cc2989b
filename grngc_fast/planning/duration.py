"""How long a fit will take, roughly: what was measured of Lorenz-96, fitted to the sizes of a table."""

from __future__ import annotations

# Seconds on two cores of a whole fit with the defaults, T = 1000: 1.9, 4.5, 12 and 63 of 20, 100, 1000 and 5000 series
# (`python -m benchmarks accuracy`, `scale`). What any fit takes; a target, and more of it while these are few; a target with 1000
# inputs over 1000 windows.
FIXED, TARGET, FEW_TARGET, FEW, PRODUCT = 2.0, 0.009, 0.025, 100, 0.0009
MEASURED = ("auto", "sets", "mlp")


def rough_seconds(model: object, n_targets: int, n_inputs: int, n_windows: int) -> float | None:
    """Seconds of a fit with the defaults on two cores, right within a factor of about three; None of models not measured so."""
    if model not in MEASURED:
        return None
    products = PRODUCT * n_targets * n_inputs * n_windows / 1e6
    return FIXED + FEW_TARGET * min(n_targets, FEW) + TARGET * n_targets + products


def shown_seconds(seconds: float) -> str:
    """Seconds, minutes or hours, as rough as they are."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1g} {unit}" if seconds < 9.5 * size else f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
