"""Held-out evidence: which penalty strength, and whether what is non-linear is local, before the fit on all windows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..jacobian import lag_major
from ..models import LocalMLP
from ..scoring.means import mean_gradients
from ..series import Windows
from ..training.loop import train
from ..training.options import TrainingOptions
from ..training.sparse_linear import SparseLinear, lam_max, sparse_linear
from ..training.working_sets import SetOptions, find_sets
from .refit import refitted_errors, squared_errors

# Below this the tenth held out is too small to choose by.
MIN_WINDOWS = 250
HELD_OUT = 0.1
# Enough to choose by: all targets share the strength. Local units cost more.
MAX_TARGETS, MAX_LOCAL_TARGETS = 128, 64
# From one strength to the next, and how many without a smaller error end the search.
FACTOR, PATIENCE, MAX_STRENGTHS = 0.5**0.5, 2, 24
# Standard errors by which local units have to win. Refitted they were ahead by at most 0.3 on linear systems, noise and genes, by
# 2.3 to 7 on Lorenz-96 with F = 40 and 300 or 500 series.
MARGIN = 2.0
# Fewer targets do not tell their spread.
FEW_TARGETS = 8
# Local units are tried at the best strength of linear forecasters and at twice that: they fit more, and need more of it.
LOCAL_FACTORS = (1.0, 2.0)


@dataclass(frozen=True)
class Evidence:
    """Mean squared errors on held-out windows of some targets, in standardised units.

    Attributes
    ----------
    linear : (lam, error) of exact sparse linear forecasters, lam falling.
    local : (lam, error) of networks with local hidden units that start there; empty where they were not tried.
    sets : (lam, error) of small networks of each target's own causes, found in rounds; empty where they were not tried.
    to_beat : the best linear forecasters' error on the targets of `local` or `sets`; NaN without them.
    margin : two standard errors of the difference of the two, over targets or, of a few, over windows; a smaller one is chance.
    refitted : where `local` did not win so, the errors of the best of it and of the linear forecasters once more, the first from
        its strongest causes alone (`refitted_errors`), the second so or as they are, whichever is less, and the margin;
        None where it was not looked at.
    """

    linear: tuple[tuple[float, float], ...]
    local: tuple[tuple[float, float], ...] = ()
    to_beat: float = math.nan
    margin: float = 0.0
    refitted: tuple[float, float, float] | None = None
    sets: tuple[tuple[float, float], ...] = ()

    @property
    def prefers_sets(self) -> bool:
        return bool(self.sets) and min(error for _, error in self.sets) < self.to_beat - self.margin

    @property
    def prefers_local(self) -> bool:
        if not self.local:
            return False
        if min(error for _, error in self.local) < self.to_beat - self.margin:
            return True
        return self.refitted is not None and self.refitted[0] < self.refitted[1] - self.refitted[2]

    @property
    def model(self) -> str:
        """The forecaster that it speaks for."""
        return "local" if self.prefers_local else "sets" if self.prefers_sets else "mlp"

    @property
    def lam(self) -> float:
        """The strength of the smallest error."""
        preferred = self.local if self.prefers_local else self.sets if self.prefers_sets else self.linear
        return min(preferred, key=lambda pair: pair[1])[0]

    @property
    def sets_lam(self) -> float:
        """That of the smallest error of `sets`."""
        return min(self.sets, key=lambda pair: pair[1])[0]


def weigh(
    windows: Windows,
    lam: float | None,
    build_local: Callable[[int], LocalMLP] | None,
    options: TrainingOptions,
    generator: torch.Generator,
    verbose: int = 0,
    set_options: SetOptions | None = None,
) -> Evidence | None:
    """Train on the first nine tenths, judge on the rest (`Windows.split`); None where they are too few, or nothing moves in them.

    Parameters
    ----------
    windows : standardised windows of the fit.
    lam : the only strength to try; None searches down from where no linear forecaster beats the mean.
    build_local : makes a network with local units for some number of targets, to be tried too; None tries linear ones only.
    options : how to train it.
    generator : of the choice of targets and of batches.
    verbose : 1 counts the forecasters weighed.
    set_options : how working sets are found, to be tried too; None tries none.
    """
    training, held_out = windows.split(HELD_OUT)
    if len(windows) < MIN_WINDOWS or held_out is None:
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
        if build_local is None and set_options is None:
            return evidence
        some = torch.arange(min(len(chosen), MAX_LOCAL_TARGETS), device=chosen.device)
        factors = LOCAL_FACTORS if lam is None else LOCAL_FACTORS[:1]
        strengths = [evidence.lam * factor for factor in factors]
        training, held_out = training.of_targets(some), held_out.of_targets(some)
        if build_local is None:
            seed = int(torch.randint(2**31, (), generator=generator))
            return _with_sets(evidence, strengths, training, held_out, set_options or SetOptions(), seed, bar)
        return _with_local(evidence, strengths, training, held_out, build_local, options, generator, bar)


def _with_sets(
    evidence: Evidence,
    strengths: list[float],
    training: Windows,
    held_out: Windows,
    options: SetOptions,
    seed: int,
    bar: Any,
) -> Evidence:
    """The evidence with working sets at these strengths, the first of which is the best of linear forecasters."""
    linear_errors = _errors(sparse_linear(training.columns(), training.targets(), strengths[0]), held_out)
    errors = []
    for strength in strengths:
        found = find_sets(training, strength, options, seed)
        errors.append((found.forecast(held_out) - held_out.targets()).square())
        bar.update()
    return _held_against(evidence, "sets", strengths, errors, linear_errors)


def _held_against(
    evidence: Evidence, kind: str, strengths: list[float], errors: list[Tensor], linear_errors: Tensor
) -> Evidence:
    """The evidence with the (N, E) errors of networks of a kind at these strengths, and those of the best linear forecasters."""
    means = [float(e.mean()) for e in errors]
    margin = _margin(linear_errors - errors[_least(errors)])
    tried = {kind: tuple(zip(strengths, means, strict=True))}
    return replace(evidence, **tried, to_beat=float(linear_errors.mean()), margin=margin)  # type: ignore[arg-type]


def _least(errors: list[Tensor]) -> int:
    return min(range(len(errors)), key=lambda i: float(errors[i].mean()))


def _with_local(
    evidence: Evidence,
    strengths: list[float],
    training: Windows,
    held_out: Windows,
    build_local: Callable[[int], LocalMLP],
    options: TrainingOptions,
    generator: torch.Generator,
    bar: Any,
) -> Evidence:
    """The evidence with local units at these strengths, the first of which is the best of linear forecasters."""
    starts = [sparse_linear(training.columns(), training.targets(), strength) for strength in strengths]
    linear_errors = _errors(starts[0], held_out)
    networks, errors = [], []
    for strength, start in zip(strengths, starts, strict=True):
        network = build_local(training.n_targets)
        network.start_linear(start.weight, start.intercept)
        train(network, training, replace(options, lam=strength), generator)
        errors.append(squared_errors(network, held_out))
        networks.append(network)
        bar.update()
    found = _held_against(evidence, "local", strengths, errors, linear_errors)
    if found.prefers_local:
        return found
    refitted = _refitted(networks[_least(errors)], starts[0], linear_errors, training, held_out, generator)
    return replace(found, refitted=refitted)


def _refitted(
    network: LocalMLP,
    linear: SparseLinear,
    linear_errors: Tensor,
    training: Windows,
    held_out: Windows,
    generator: torch.Generator,
) -> tuple[float, float, float]:
    """`Evidence.refitted` of these two forecasters."""
    found = mean_gradients(network, training.batches()).summary
    weights = lag_major(linear.weight.abs(), network.n_lags).amax(-1)
    local, refit = (refitted_errors(s, training, held_out, generator) for s in (found, weights))
    other = min(linear_errors, refit, key=lambda errors: float(errors.mean()))
    return float(local.mean()), float(other.mean()), _margin(other - local)


def _margin(differences: Tensor) -> float:
    """What the mean of these (N, E) has to exceed."""
    means = differences.mean(0 if differences.shape[1] >= FEW_TARGETS else 1)
    return MARGIN * float(means.std()) / math.sqrt(len(means))


def _varying(training: Windows, targets: Tensor) -> Tensor:
    """The first `MAX_TARGETS` of the targets that change in the windows trained on."""
    found: list[Tensor] = []
    for part in targets.split(MAX_TARGETS):
        y = training.of_targets(part).targets()
        found.append(part[y.amax(0) > y.amin(0)])
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
    return float(_errors(found, held_out).mean())


def _errors(found: SparseLinear, held_out: Windows) -> Tensor:
    """(N, E) squared errors."""
    forecast = torch.addmm(found.intercept, held_out.columns(), found.weight.T)
    return (forecast - held_out.targets()).square()
