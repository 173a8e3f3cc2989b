"""Which fits compute in one thread: small ones, whose threads would wait for one another longer than they compute.

Threads that share an operation of microseconds wait for one another in a loop. Where another process has one of their cores they
wait for its turn to end: on two cores that others used, five series of 150 steps took 25 to 75 s in two threads, 1.1 s in one.
"""

from __future__ import annotations

import itertools

from ..series import PreparedSeries
from .options import FitOptions
from .plan import HIDDEN

# Targets times parameters, what a step costs for each window: of 32 series through one hidden layer a millisecond in one thread.
STEP_NUMBERS = 2 * 2**10 * HIDDEN
# Windows times targets times inputs, what one pass of a linear forecaster over all of them costs.
PASS_NUMBERS = 2**18


def fit_threads(options: FitOptions, data: PreparedSeries, members: int = 1) -> int | None:
    """One for a small fit on a CPU, those that were asked for, or None: as many as torch has. `members` are trained at once."""
    if options.threads is not None:
        return int(options.threads)
    n_targets, n_inputs = data.edges.n_effects, data.edges.n_causes * options.lags
    if data.windows.steps.device.type != "cpu" or len(data.windows) * n_targets * n_inputs > PASS_NUMBERS:
        return None
    module = options.own_module
    if module is not None:
        parameters = sum(parameter.numel() for parameter in module.parameters())
    else:
        widths = (n_inputs, *(options.hidden or (HIDDEN,)), n_targets)
        parameters = sum(a * b for a, b in itertools.pairwise(widths))
    return 1 if members * n_targets * parameters <= STEP_NUMBERS else None
