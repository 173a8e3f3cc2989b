"""What a fit needs of memory, part by part, and whether it may have it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from ..errors import InputError
from ..models import FORECASTERS, SetMLP, build
from ..models.sets import SCORE_ELEMENTS
from ..scoring.blocks import BLOCK_BYTES, BLOCK_COPIES
from ..scoring.sinks import FLOAT, dense_bytes
from ..series import PreparedSeries
from ..training.sparse_linear import BLOCK_ELEMENTS
from ..training.working_sets import SetOptions
from ..training.working_sets.search import TILE, TILE_NUMBERS
from .evidence import MIN_SET_WINDOWS
from .machine import as_bytes, available_memory, shown
from .options import FitOptions
from .plan import HIDDEN, SET_HIDDEN, SKIP_ABOVE_INPUTS, Plan

# Arrays as large as all parameters that exist together in training.
GRADIENTS = 1
OPTIMIZER = 2
KEPT = 1
# What a step makes besides: the gradients of forecast and penalty before they are added.
STEP = 1
# Arrays of a block of targets, and of its inputs, that the linear start works on; freed before the first step.
LINEAR_START = 10
# Arrays of a batch's activations in a step, the backward pass counted.
ACTIVATIONS = 4
# A block of scores while it is made and put in its place, in its own bytes, and in arrays of E x Q where all are one block.
BLOCK_SHARE, BLOCK_ARRAYS = 1.8, 4.7
# Tiles, buffers and the code that torch loads on its first use, whatever the size.
FIXED, SETS_FIXED = 125 * 2**20, 80 * 2**20
# Of working sets: how far the largest grow; arrays of the windows while they are prepared, and of a tile's evidence.
GROWTH, WINDOW_ARRAYS, TILE_ARRAYS = 3, 8, 8
# Numbers that a step keeps of one input's splines.
SPLINE_STEP = 40


@dataclass(frozen=True, repr=False)
class MemoryEstimate:
    """Bytes that a fit needs at its peak, beyond the table it is given.

    Attributes
    ----------
    data : standardised series.
    linear_start : what the linear start of a training works on, beside data and parameters.
    parameters, gradients, optimizer, kept_parameters : of training.
    step : what a training step makes besides.
    evaluation : what an evaluation of the training makes besides: the parameters that it keeps, while those before are.
    scores : what is kept of the scores in memory, as arrays or as edges.
    score_block : a block of scores while it is made.
    fixed : what does not depend on sizes.
    training, scoring, total : peaks of the two phases, and the larger.
    """

    data: int
    linear_start: int
    parameters: int
    gradients: int
    optimizer: int
    kept_parameters: int
    step: int
    evaluation: int
    scores: int
    score_block: int
    fixed: int

    @property
    def training(self) -> int:
        held = self.data + self.parameters + self.gradients + self.optimizer + self.kept_parameters
        steps = held + max(self.step, self.evaluation)
        return max(steps, self.data + self.parameters + self.linear_start) + self.fixed

    @property
    def scoring(self) -> int:
        return self.data + self.parameters + self.scores + self.score_block + self.fixed

    @property
    def total(self) -> int:
        return max(self.training, self.scoring)

    def __repr__(self) -> str:
        parts = ", ".join(f"{name} {shown(size)}" for name, size in dataclasses.asdict(self).items())
        return f"MemoryEstimate(total {shown(self.total)}: {parts})"


def estimate_memory(
    n_series: int,
    lags: int = 1,
    hidden: int | Sequence[int] | None = None,
    *,
    n_targets: int | None = None,
    n_causes: int | None = None,
    n_steps: int = 1000,
    model: str = "auto",
    skip: bool | None = None,
    model_options: Mapping[str, Any] | None = None,
    batch_size: int = 64,
    edges_per_target: int | None = None,
    scores_file: bool = False,
    score_windows: int | None = None,
) -> MemoryEstimate:
    """What a fit of `GRNGC` with these options will need of memory, before there is one.

    Parameters
    ----------
    n_series : P. n_targets, n_causes : series that are forecast, and that may be causes; default all.
    n_steps : time steps of all trajectories.
    scores_file : whether scores go to a file.
    lags, hidden, model, skip, model_options, batch_size, edges_per_target, score_windows : as of `GRNGC`; of "auto" the need of
        the forecaster that needs most among those it may choose.

    Raises
    ------
    InputError : a model or an option that does not exist.

    Example
    -------
    >>> estimate_memory(20_000, edges_per_target=100).scoring < estimate_memory(20_000).scoring
    True
    """
    effects, causes = n_targets or n_series, n_causes or n_series
    if model not in ("auto", *FORECASTERS):
        raise InputError(f"model={model!r} is unknown; use one of 'auto', {', '.join(map(repr, FORECASTERS))}")
    chosen: list[tuple[str, int | Sequence[int] | None]] = [("mlp" if model == "auto" else model, hidden)]
    open_to_sets = model == "auto" and hidden is None and not model_options and skip is not False
    if open_to_sets and n_steps > MIN_SET_WINDOWS:
        chosen.append(("sets", SET_HIDDEN))
    estimates = []
    for name, given in chosen:
        widths = (
            (SET_HIDDEN if name == "sets" else HIDDEN,)
            if given is None
            else (given,)
            if isinstance(given, int)
            else tuple(given)
        )
        linear = (name == "sets" or causes * lags > SKIP_ABOVE_INPUTS) if skip is None else skip
        with torch.device("meta"):
            network = build(
                name, causes, effects, None, lags, widths, None, linear, model_options or {}, torch.Generator("cpu")
            )
        estimates.append(
            memory_of(
                network,
                effects,
                causes,
                lags,
                n_steps,
                batch_size=batch_size,
                dense=edges_per_target is None and not scores_file,
                edges_per_target=edges_per_target,
                sampled=score_windows is not None,
                linear_start=linear and name == "mlp",
            )
        )
    return max(estimates, key=lambda estimate: estimate.total)


def memory_of(
    network: nn.Module,
    n_effects: int,
    n_causes: int,
    n_lags: int,
    n_steps: int,
    *,
    batch_size: int,
    dense: bool = True,
    edges_per_target: int | None = None,
    sampled: bool = False,
    linear_start: bool = False,
) -> MemoryEstimate:
    """Of training a network and scoring it.

    Parameters
    ----------
    network : with the parameters that it will have; they may be on the meta device.
    n_effects, n_causes, n_lags : E, C, L.
    n_steps : time steps of all trajectories.
    batch_size : windows to a step.
    dense : all scores are kept in memory.
    edges_per_target : kept of each effect, where not all scores are.
    sampled : scores have standard errors.
    linear_start : training begins from a linear forecaster.
    """
    n_inputs = n_causes * n_lags
    entries = FLOAT * n_effects * n_inputs
    if isinstance(network, SetMLP):
        needs, linear_start = _sets(network, n_effects, n_inputs, n_steps), True
    else:
        needs = _shared(network, n_effects, n_inputs, n_steps)
    parameters = needs.parameters
    arrays = dense_bytes(n_effects, n_causes, n_lags, sampled)
    # Edges are columns of 8, 8, 8, 4 and 8 bytes while they are collected, and once more when the graph is made.
    edges = 0 if edges_per_target is None else 2 * 36 * n_effects * min(n_causes, edges_per_target + 1)
    return MemoryEstimate(
        data=FLOAT * n_steps * max(n_effects, n_causes),
        linear_start=needs.start if linear_start else 0,
        parameters=parameters,
        gradients=GRADIENTS * parameters,
        optimizer=OPTIMIZER * parameters,
        kept_parameters=KEPT * parameters,
        step=STEP * parameters + FLOAT * batch_size * needs.window,
        evaluation=KEPT * parameters,
        scores=arrays if dense else edges,
        score_block=int(min(BLOCK_SHARE * BLOCK_BYTES, BLOCK_ARRAYS * entries)) + needs.scored,
        fixed=needs.fixed,
    )


class _Needs(NamedTuple):
    """Bytes of parameters, of a training's start, of what is scored at a time and of any size; numbers of a window in a step."""

    parameters: int
    start: int
    window: int
    scored: int
    fixed: int


def _shared(network: nn.Module, n_effects: int, n_inputs: int, n_steps: int) -> _Needs:
    """Of networks that all targets share: their start is that of a linear forecaster."""
    parameters = FLOAT * sum(parameter.numel() for parameter in network.parameters())
    entries = FLOAT * n_effects * n_inputs
    start = entries + LINEAR_START * min(entries, FLOAT * BLOCK_ELEMENTS) + 3 * FLOAT * n_steps * (n_inputs + n_effects)
    activations = sum(math.prod(p.shape[:1]) for p in network.parameters() if p.dim() > 1) + n_inputs
    return _Needs(parameters, start, ACTIVATIONS * activations, 0, FIXED)


def _sets(network: SetMLP, n_effects: int, n_inputs: int, n_steps: int) -> _Needs:
    """Of working sets, some of which grow: the windows, standardised, squared and cut; tiles of inputs and of evidence."""
    units, size = network.readout.shape[1], network.skip.shape[1]
    width, tile = min(n_inputs, GROWTH * size), min(TILE, n_effects)
    splines = 0 if network.splines is None else network.splines.shape[2]
    parameters = FLOAT * n_effects * (width * (units + splines + 1) + 2 * units + 1)
    tile = min(tile, max(1, TILE_NUMBERS // n_steps))
    drawn = min(n_steps, SetOptions.steps * SetOptions.batch_size)
    # Where splines are looked up are numbers of 8 bytes.
    read = (4 if splines else 2) * width * drawn
    tiles = torch.get_num_threads() * tile * (read + TILE_ARRAYS * n_inputs)
    start = FLOAT * (n_steps * (WINDOW_ARRAYS * n_inputs + 2 * n_effects) + tiles)
    rows = min(n_effects, max(1, BLOCK_BYTES // (BLOCK_COPIES * FLOAT * n_inputs)))
    window = n_effects * ((3 + (SPLINE_STEP if splines else 0)) * width + 4 * units)
    return _Needs(parameters, start, window, FLOAT * SCORE_ELEMENTS * rows, SETS_FIXED)


def check_fit(network: nn.Module, plan: Plan, options: FitOptions, data: PreparedSeries) -> None:
    """`InputError` where a fit with this network of the plan needs more memory than it may use, with what would help."""
    edges, device = data.edges, data.windows.steps.device
    dense = options.edges_per_target is None and options.scores_file is None
    estimate = memory_of(
        network,
        edges.n_effects,
        edges.n_causes,
        options.lags,
        data.table.n_steps,
        batch_size=plan.batch_size,
        dense=dense,
        edges_per_target=options.edges_per_target,
        sampled=options.score_windows is not None,
        linear_start=plan.linear_start,
    )
    limit = available_memory(device) if options.memory_limit is None else as_bytes(options.memory_limit)
    check_memory(estimate, limit, dense)


def check_memory(estimate: MemoryEstimate, limit: int, dense: bool) -> None:
    """`InputError` where the estimate is over the limit, with what would help."""
    if estimate.total <= limit:
        return
    advice = "a smaller hidden, or regulators= and targets= that leave series out"
    if estimate.scoring > estimate.training and dense:
        advice = "edges_per_target= for the strongest edges alone, scores_file= for scores on disk, or regulators= and targets="
    raise InputError(
        f"this fit needs about {shown(estimate.total)} of memory, and {shown(limit)} may be used ({estimate!r}); use {advice},"
        " or raise memory_limit"
    )
