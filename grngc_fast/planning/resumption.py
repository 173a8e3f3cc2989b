"""Which run a fit is, so that only the same one is taken up again, by processes that all do the same, and where it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..distributed import World
from ..series import PreparedSeries
from ..series.treatment import Treatment
from ..training import Checkpoint
from ..training.checkpoint import digest, plain, recorded_run
from .options import FitOptions
from .plan import Plan

# A run may be taken up again, or shared between processes, with other values of these.
_OF_A_PROCESS = ("verbose", "checkpoint_minutes", "threads")
# What they change is not what is learned.
_AFTER_TRAINING = ("checkpoint", "score_windows", "edges_per_target", "scores_file", "ranking", "memory_limit")


def settle(options: FitOptions, data: PreparedSeries, seed: int, world: World) -> tuple[int, Checkpoint | None]:
    """The seed of the run, and its checkpoint if `options` has one.

    Parameters
    ----------
    data : of the fit; the run is that of its values and of the pairs that the options mean.
    seed : of the generator, drawn from `options.random_state`; where that is None the checkpoint's, or that of process 0.

    Raises
    ------
    InputError : processes that differ in data or options, a checkpoint that cannot be read, a folder that cannot be written to.
    """
    place = options.checkpoint
    if place is None and world.size == 1:
        return seed, None
    drawn = options.random_state is None
    edges = data.edges
    meant = {"regulators": edges.causes, "targets": edges.effects, "candidates": edges.allowed}
    meant["device"] = data.windows.steps.device.type
    run = {name: plain(value) for name, value in {**vars(options), **meant}.items() if name not in _OF_A_PROCESS}
    cut = [] if data.table.origin is None else [str(data.table.origin)]
    run |= {
        "data": digest([data.table.names, *data.table.trajectories, *cut]),
        "generator_seed": None if drawn else seed,
    }
    world.agree(run)
    if drawn:
        with world.refused_together():
            recorded = _recorded_seed(place) if world.rank == 0 else None
        run |= world.first(recorded or {"generator_seed": seed})
    seed = run["generator_seed"]
    if place is None:
        return seed, None
    decides = {name: value for name, value in run.items() if name not in _AFTER_TRAINING}
    checkpoint = Checkpoint(Path(place), decides, float(options.checkpoint_minutes), added=vars(Treatment()))
    with world.refused_together():
        if world.rank == 0:
            checkpoint.probe()
    return seed, checkpoint


def planned(
    checkpoint: Checkpoint | None, world: World, decided: Callable[[], Plan]
) -> tuple[Plan, bool, Checkpoint | None]:
    """The plan that the checkpoint holds, else the one that is decided; whether the training has begun; the checkpoint with it.

    A plan that is decided is written, so that it is not decided again.

    Raises
    ------
    InputError : a checkpoint that cannot be used.
    """
    if checkpoint is None:
        return decided(), False, None
    kept, begun = None, False
    with world.refused_together():
        if world.rank == 0:
            kept, begun = checkpoint.begun()
    kept, begun = world.first((kept, begun))
    if kept is None:
        plan = decided()
    else:
        with world.refused_together(), checkpoint.understood():
            plan = Plan.of_state(kept)
    checkpoint = replace(checkpoint, plan=plan.state())
    with world.refused_together():
        if world.rank == 0 and kept is None and not begun:
            checkpoint.begin(None)
    return plan, begun, checkpoint


def recorded_random_state(folder: str | os.PathLike[str]) -> int | None:
    """The `random_state` of the run whose checkpoint the folder holds; None where it holds none or had no number."""
    found = (_recorded_seed(folder) or {}).get("random_state")
    return found if isinstance(found, int) else None


def _recorded_seed(folder: str | os.PathLike[str] | None) -> dict[str, Any] | None:
    recorded = None if folder is None else recorded_run(Path(folder))
    return None if recorded is None else {name: recorded.get(name) for name in ("random_state", "generator_seed")}
