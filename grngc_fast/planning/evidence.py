"""Held-out evidence: which penalty strength, and whether working sets forecast better, before the fit on all windows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..series import Windows
from ..training.known import known_mean
from ..training.sparse_linear import SparseLinear, lam_max, sparse_linear
from ..training.working_sets import SetOptions
from .set_evidence import SetEvidence, weigh_sets

# Below these the tenth held out is too small to choose a strength of linear forecasters by, and to see that working sets win.
MIN_WINDOWS, MIN_SET_WINDOWS, MIN_HELD_OUT = 250, 150, 10
HELD_OUT = 0.1
# Enough to choose by: all targets share the strength.
MAX_TARGETS = 128
# From one strength to the next, and how many without a smaller error end the search.
FACTOR, PATIENCE, MAX_STRENGTHS = 0.5**0.5, 2, 24


@dataclass(frozen=True)
class Evidence:
    """Mean squared errors on held-out windows of some targets, in standardised units.

    Attributes
    ----------
    linear : (lam, error) of exact sparse linear forecasters, lam falling.
    sets : what small networks of each target's own inputs do, None where they were not tried.
    """

    linear: tuple[tuple[float, float], ...]
    sets: SetEvidence | None = None

    @property
    def prefers_sets(self) -> bool:
        return self.sets is not None and self.sets.wins

    @property
    def model(self) -> str:
        """The forecaster that it speaks for."""
        return "sets" if self.prefers_sets else "mlp"

    @property
    def lam(self) -> float:
        """The strength for that."""
        if self.sets is not None and self.sets.wins:
            return self.sets.lam
        return min(self.linear, key=lambda pair: pair[1])[0]


def weigh(
    windows: Windows,
    lam: float | None,
    generator: torch.Generator,
    verbose: int = 0,
    set_options: SetOptions | None = None,
    set_size: int | None = None,
    n_splines: int | None = None,
) -> Evidence | None:
    """Train on the first nine tenths, judge on the rest (`Windows.split`); None where they are too few, or nothing moves in them.

    With less than `MIN_WINDOWS` windows there is only evidence for working sets, or none.

    Parameters
    ----------
    windows : standardised windows of the fit.
    lam : the only strength to try; None searches down from where no linear forecaster beats the mean.
    generator : of the choice of targets and of batches.
    verbose : 1 counts the forecasters weighed.
    set_options : how working sets are found, to be tried too; None tries none.
    set_size : of them; None chooses by how many causes stand out.
    n_splines : of each of their inputs; None tries them with and without.
    """
    training, held_out = windows.split(HELD_OUT)
    if held_out is None or len(held_out) < MIN_HELD_OUT:
        set_options = None
    if len(windows) < (MIN_WINDOWS if set_options is None else MIN_SET_WINDOWS) or held_out is None:
        return None
    chosen = _varying(training, torch.randperm(windows.n_targets, generator=generator).to(windows.steps.device))
    training, held_out = training.of_targets(chosen), held_out.of_targets(chosen)
    largest = lam_max(training.columns(), training.targets()) if len(chosen) else 0.0
    if not largest > 0:
        return None
    with tqdm(desc="held-out error", unit=" forecasters", disable=verbose < 1, dynamic_ncols=True) as bar:
        linear = (
            _linear_path(training, held_out, largest, bar)
            if lam is None
            else [(lam, _linear_error(training, held_out, lam))]
        )
        evidence = Evidence(tuple(linear))
        if set_options is None:
            return evidence
        seed = int(torch.randint(2**31, (), generator=generator))
        found = weigh_sets(training, held_out, evidence.lam, lam is None, set_options, set_size, n_splines, seed, bar)
        return Evidence(evidence.linear, found) if found.wins or len(windows) >= MIN_WINDOWS else None


def _varying(training: Windows, targets: Tensor) -> Tensor:
    """The first `MAX_TARGETS` of the targets that change in the windows trained on."""
    found: list[Tensor] = []
    for part in targets.split(MAX_TARGETS):
        y = training.of_targets(part).targets()
        missing = y.isnan()
        found.append(part[y.masked_fill(missing, -math.inf).amax(0) > y.masked_fill(missing, math.inf).amin(0)])
        if sum(map(len, found)) >= MAX_TARGETS:
            break
    return torch.cat(found)[:MAX_TARGETS]


def _linear_path(training: Windows, held_out: Windows, largest: float, bar: Any) -> list[tuple[float, float]]:
    """Errors at strengths that fall from the largest, each solved from the one before, until they no longer fall."""
    x, y = training.columns(), training.targets()
    lam, start, since, best = largest * FACTOR, None, 0, math.inf
    path: list[tuple[float, float]] = []
    while since < PATIENCE and len(path) < MAX_STRENGTHS:
        found = sparse_linear(x, y, lam, start=start)
        path.append((lam, _error(found, held_out)))
        since = 0 if path[-1][1] < best else since + 1
        best, start, lam = min(best, path[-1][1]), found.weight, lam * FACTOR
        bar.update()
    return path


def _linear_error(training: Windows, held_out: Windows, lam: float) -> float:
    return _error(sparse_linear(training.columns(), training.targets(), lam), held_out)


def _error(found: SparseLinear, held_out: Windows) -> float:
    return float(known_mean((found.forecast(held_out.columns()) - held_out.targets()).square()))
