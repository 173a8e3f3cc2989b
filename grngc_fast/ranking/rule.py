"""When edges are ranked by more than the gradients of the network that was fitted."""

from __future__ import annotations

from typing import Any

from ..planning import FitOptions, Plan

# What networks of sets explain beyond linear forecasters, as a share of what these explain. From here on dependence is not
# linear, and linear evidence misleads: Lorenz-96 .22 to 5.7, sums of waves, squares and products .14 to 1.5, gates .04 to .17
# (of one with .043 AUROC is .9999 by gradients, .87 by evidence); DREAM3 and simulated gene networks .002 to .027.
NOT_LINEAR = 0.035
# Every pair of inputs is correlated with every other. Windows are counted beyond the lags of an own past, less one: where that
# takes up all of them nothing is left to tell causes by. Of 5 series, 12 lags and 14 windows AUROC .80, by gradients .99.
MOST_INPUTS, FEWEST_WINDOWS = 4096, 10
# Share of the two causes that a set may hold that targets are expected to have. From here on, and with so many windows, estimates
# given all inputs are better: autoregressions with several parents at several lags .8 and more, DREAM .6 to .65.
SATURATED, MANY_WINDOWS = 0.75, 250
# Up to so many inputs, and with fewer windows than many, plain association is evidence too. With many it misleads:
# autoregressions of 5 to 20 series, 2000 to 10,000 windows, AUPRC .995 without it and .976 with.
FEW_INPUTS = 20
# Up to so many inputs, and with many windows, clear causes are conditioned on, which takes tenths of a second.
CONDITIONED_INPUTS = 64


def gradients_alone(options: FitOptions, plan: Plan, n_windows: int, n_inputs: int) -> str | None:
    """Why, before anything is computed; None where there is no reason."""
    if options.ranking == "gradients":
        return "asked for"
    if options.edges_per_target is not None or options.scores_file is not None:
        return "the strongest edges only, or files, are kept"
    if options.ranking == "auto" and options.model != "auto":
        return "the model was named"
    if n_inputs > MOST_INPUTS:
        return f"more than {MOST_INPUTS} inputs"
    fewest = FEWEST_WINDOWS + options.lags - 1
    if n_windows < fewest:
        return f"fewer than {fewest} windows"
    if options.ranking == "auto" and _beyond_linear(plan) > NOT_LINEAR:
        return "the network explains what linear forecasters do not"
    return None


def saturated(options: FitOptions, expected: float, n_windows: int) -> bool:
    """Whether targets have more causes that stand out than the two of a set; `expected` of a target among such sets."""
    return options.ranking == "auto" and n_windows >= MANY_WINDOWS and expected > 2 * SATURATED


def few(n_inputs: int, n_windows: int) -> bool:
    """Whether series and windows are so few that evidence which conditions on nothing helps."""
    return n_inputs <= FEW_INPUTS and n_windows < MANY_WINDOWS


def many(n_inputs: int, n_windows: int) -> bool:
    """Whether windows are so many beside the inputs that a target's clear causes can be conditioned on."""
    return n_inputs <= CONDITIONED_INPUTS and n_windows >= MANY_WINDOWS


def _beyond_linear(plan: Plan) -> float:
    sets = None if plan.evidence is None else plan.evidence.sets
    if plan.model != "sets" or sets is None:
        return 0.0
    return (sets.to_beat - sets.error) / max(1 - sets.to_beat, 1e-9)


def described(reason: str) -> dict[str, Any]:
    """For the metadata, of a graph that is ranked by gradients alone."""
    return {"by": "gradients", "reason": reason}
