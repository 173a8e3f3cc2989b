"""What a fit does with the options that were left to the library: the network, its width, the penalty, the steps."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..distributed import World
from ..models import options_of
from ..series import CandidateEdges, Windows
from ..training import TrainingOptions
from ..training.working_sets import SetOptions
from .evidence import Evidence, weigh
from .kan_grid import KANGrid
from .options import FitOptions
from .set_evidence import SetEvidence

DEFAULT_LAM = 0.1
# A hidden layer alone has to grow with the inputs where each series moves by itself; above this it has help of a linear path.
SKIP_ABOVE_INPUTS = 200
HIDDEN = 128
# Of each network where the candidates of targets differ: on 100 genes of DREAM4 with 20 decoys to a target 8, 32 and 128 units
# gave AUPRC .42, .35 and .30 among the candidates, in a third of the time.
GROUP_HIDDEN = 8
# Steps, learning rate and windows to a step: from random weights, of what is left to learn after a linear start.
COLD, WARM, WARM_LARGE = (1000, 2e-3, 64), (300, 5e-4, 64), (100, 5e-4, 512)
# Of networks of working sets, which are trained as these are found: what is left is to see that they stay there.
SETS, SET_HIDDEN = (2, 1e-4, 64), 16
# Above so many inputs thin products are slow: a step of 64 windows of 1000 series took .35 of the time that its flops take at the
# sgemm rate, one of 512 windows .71, and 100 of these find what 300 of those find.
LARGE_INPUTS = 500
# Above so many inputs steps grow fewer and shorter: each costs as their number, and its noise adds up over a row.
FULL_INPUTS, FEWEST_STEPS = 1000, 16
# Of few steps, each of many flops: an evaluation costs as much.
FEW_EVALUATIONS = 5


@dataclass(frozen=True)
class Choice:
    """Forecasters that were trained on the first nine tenths of the windows and judged on the rest.

    Attributes
    ----------
    tried : (name, mean squared error), in standardised units, as they were named.
    margin : standard error, over windows, of the difference between the one chosen and that of the least error: the first named
        within one is chosen.
    """

    tried: tuple[tuple[str, float], ...]
    margin: float


@dataclass(frozen=True)
class Plan:
    """Those options decided.

    Attributes
    ----------
    model, lam, hidden, skip, max_steps, learning_rate, batch_size : as of `GRNGC`; `model` the forecaster's name.
    linear_start : train from the best penalised linear forecaster. Of "sets" training starts at what was found with them.
    evidence : what was held against one another, None where nothing was.
    set_size, n_splines : of "sets", inputs of each target to begin with and splines of each input; None of others.
    kan_grid : of "kan"; None of others, and where it was given.
    choice : how the model was chosen of several that were named; None where one was.
    """

    model: str
    lam: float
    hidden: tuple[int, ...]
    skip: bool
    max_steps: int
    learning_rate: float
    batch_size: int
    linear_start: bool
    evidence: Evidence | None = None
    set_size: int | None = None
    n_splines: int | None = None
    kan_grid: KANGrid | None = None
    choice: Choice | None = None

    @property
    def evaluate_every(self) -> int | None:
        """Steps between evaluations without held-out windows; None for the trainer's own choice."""
        large = self.linear_start and self.max_steps <= WARM_LARGE[0]
        return max(1, self.max_steps // FEW_EVALUATIONS) if large else None

    def state(self) -> dict[str, Any]:
        """As a checkpoint keeps it."""
        return dataclasses.asdict(self)

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Plan:
        """The plan whose `state` it is; TypeError for that of another version."""
        found, grid, choice = state["evidence"], state.get("kan_grid"), state.get("choice")
        if found is not None:
            sets = found["sets"]
            found = Evidence(found["linear"], None if sets is None else SetEvidence(**sets))
        grid, choice = (None if kept is None else kind(**kept) for kind, kept in ((KANGrid, grid), (Choice, choice)))
        return cls(**{**state, "evidence": found, "kan_grid": grid, "choice": choice})

    def settings(self) -> dict[str, Any]:
        """As JSON takes them."""
        chosen = {name: value for name, value in vars(self).items() if name != "evidence"}
        found = self.evidence
        weighed = found and {"linear": found.linear, "sets": found.sets and found.sets.settings()}
        kept = {name: getattr(self, name) for name in ("kan_grid", "choice")}
        plain = {name: value and dataclasses.asdict(value) for name, value in kept.items()}
        return {**chosen, "hidden": list(self.hidden), "evidence": weighed, **plain}

    def model_options(self, options: FitOptions) -> dict[str, Any]:
        """Further arguments of the forecaster: those given, and what was decided of them."""
        decided: dict[str, Any] = {"set_size": self.set_size, "n_splines": self.n_splines}
        decided |= {} if self.kan_grid is None else self.kan_grid.model_options
        return {**(options.model_options or {}), **{k: v for k, v in decided.items() if v is not None}}

    def search_options(self, n_inputs: int, brief: bool = False) -> SetOptions:
        """How the sets of "sets" are found among so many inputs; `brief` for which inputs matter alone, see `refitted`."""
        assert self.set_size is not None and self.n_splines is not None
        sizes = SetOptions(set_size=min(self.set_size, n_inputs), units=self.hidden[0], splines=self.n_splines)
        search = sizes.among(n_inputs)
        return replace(search, steps=search.steps // 2) if brief else search

    def training_options(self, options: FitOptions) -> TrainingOptions:
        """Of the training that follows."""
        stopping = options.early_stopping
        return TrainingOptions(
            lam=self.lam,
            max_steps=self.max_steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            validation_fraction=options.validation_fraction if stopping else 0.0,
            patience=options.patience if stopping else None,
            evaluate_every=None if stopping else self.evaluate_every,
            penalty_windows=options.penalty_windows,
            penalty_targets=options.penalty_targets,
        )


def recorded(plan: Plan, options: FitOptions, edges: CandidateEdges) -> dict[str, Any]:
    """Options and plan as JSON takes them; series and pairs that were chosen as their number, the graph has the names."""
    plain = (str, int, float, bool, type(None))
    given = {k: os.fspath(v) if isinstance(v, os.PathLike) else v for k, v in vars(options).items()}
    settings = {k: v if isinstance(v, plain) else repr(v) for k, v in given.items()}
    counts = {"regulators": edges.n_causes, "targets": edges.n_effects, "candidates": edges.n_pairs}
    settings |= {name: count for name, count in counts.items() if getattr(options, name) is not None}
    if options.own_module is not None:
        decided = {"lam": plan.lam, "max_steps": plan.max_steps, "learning_rate": plan.learning_rate}
        return {**settings, **decided, "model": type(options.own_module).__qualname__}
    further = {**options_of(plan.model), **plan.model_options(options)}
    shown = {k: v if isinstance(v, plain) else repr(v) for k, v in further.items()}
    return {**settings, **plan.settings(), "model_options": shown}


def _set_options(options: FitOptions) -> SetOptions:
    """As the network that is built of the same options will have it."""
    chosen = SetOptions() if options.hidden is None else SetOptions(units=options.hidden[0])
    given = options.model_options or {}
    set_size, n_splines = given.get("set_size", chosen.set_size), given.get("n_splines", 0)
    return dataclasses.replace(chosen, set_size=int(set_size), splines=int(n_splines))


def decide(options: FitOptions, edges: CandidateEdges, windows: Windows, seed: int, world: World) -> Plan:
    """Fill in what the `options` of `GRNGC` leave open (None, or model="auto").

    Working sets or a shared hidden layer beside a linear path, and the penalty strength, are chosen by the error on held-out
    windows where there are enough of them and every target reads all causes; see `weigh`.
    """
    named = options.model if isinstance(options.model, str) else ""
    given_lam = None if options.lam is None else float(options.lam)
    n_inputs = edges.n_causes * options.lags
    given = options.hidden
    whole = edges.allowed is None and not len(edges.own_past)
    starts = whole and named in ("auto", "mlp", "sets") and options.skip in (None, True) and given_lam != 0
    open_to_sets = named == "auto" and starts and given is None and not options.model_options
    open_to_sets = open_to_sets and options.activation in (None, "silu")
    set_options = _set_options(options) if open_to_sets or named == "sets" else None
    evidence, verbose = None, options.verbose if world.rank == 0 else 0
    chosen = options.model_options or {}
    if starts and (open_to_sets or given_lam is None):
        generator = torch.Generator().manual_seed(seed)
        sizes = chosen.get("set_size"), chosen.get("n_splines")
        evidence = world.first(weigh(windows, given_lam, generator, verbose, set_options, *sizes))
    model = named
    if named == "auto":
        model = "mlp" if evidence is None else evidence.model
    lam = given_lam if given_lam is not None else DEFAULT_LAM if evidence is None else evidence.lam
    weighed = None if evidence is None else evidence.sets
    if named == "sets" and given_lam is None and weighed is not None:
        lam = weighed.lam
    if model == "sets" and weighed is not None and set_options is not None:
        set_options = dataclasses.replace(set_options, set_size=weighed.set_size, splines=weighed.n_splines)
    skip = options.skip
    if skip is None:
        skip = model == "sets" or n_inputs > SKIP_ABOVE_INPUTS or (named == "auto" and evidence is not None)
    linear_start = starts and skip and model != "sets"
    if given is not None:
        hidden = given
    elif model == "sets":
        hidden = (SET_HIDDEN,)
    elif edges.allowed is not None:
        hidden = (GROUP_HIDDEN,)
    else:
        hidden = (HIDDEN if linear_start else max(HIDDEN, edges.n_causes // 4),)
    steps, rate, batch = COLD
    if model == "sets":
        steps, rate, batch = SETS
    elif linear_start:
        steps, rate, batch = WARM if n_inputs <= LARGE_INPUTS else WARM_LARGE
        share = min(1.0, FULL_INPUTS / n_inputs)
        steps, rate = max(FEWEST_STEPS, round(steps * share)), rate * share**0.5
    return Plan(
        model,
        lam,
        tuple(hidden),
        bool(skip),
        int(options.max_steps or steps),
        float(options.learning_rate or rate),
        int(options.batch_size or batch),
        bool(linear_start),
        evidence,
        set_options.set_size if model == "sets" and set_options is not None else None,
        set_options.splines if model == "sets" and set_options is not None else None,
    )
