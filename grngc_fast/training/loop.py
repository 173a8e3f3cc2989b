"""The training loop: steps until the run is finished, shown and kept on disk where asked for."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from ..distributed import World
from ..errors import FitDivergedWarning
from ..series import Windows
from .checkpoint import Checkpoint
from .history import History
from .interruption import Interruption
from .keeper import Keeper
from .options import TrainingOptions
from .trainer import Trainer, advice


def train(
    model: nn.Module,
    windows: Windows,
    options: TrainingOptions,
    generator: torch.Generator,
    verbose: int = 0,
    *,
    checkpoint: Checkpoint | None = None,
    world: World | None = None,
    history: History | None = None,
) -> History:
    """Train the model in place and leave it in eval mode with the parameters kept.

    Parameters
    ----------
    model : (N, L, P) -> (N, P)
    windows : standardised windows.
    generator : CPU generator of batches and samples; but for what the model itself draws (dropout) from torch's global one,
        the run depends on no other.
    verbose : 1 shows a progress bar.
    checkpoint : where the run's state is kept, and taken up again if it is there; torch's global random state with it. While
        training, SIGINT and SIGTERM stop the run after the step at hand and its checkpoint.
    world : processes that share out every step; default this one alone. Each has the same model, windows, options and
        generator, and is left with the same result.

    history : what came before, to be gone on with; default none.

    Raises
    ------
    InputError : a validation fraction that leaves no window on one side; a checkpoint that cannot be used or written.
    FloatingPointError : the loss is not finite from the first step on. Later a `FitDivergedWarning` is given, and the last
        good parameters are kept.
    KeyboardInterrupt, SystemExit : stopped by a signal, with a checkpoint.
    ProcessLostError : another process of the world ended.
    """
    world = World() if world is None else world
    trainer = Trainer(model, windows, options, generator, world, history)
    with contextlib.ExitStack() as stack:
        keeper = None
        if checkpoint is not None:
            keeper = Keeper(trainer, checkpoint, world, stack.enter_context(Interruption()))
        hidden = verbose < 1 or world.rank > 0
        bar = stack.enter_context(
            tqdm(total=options.max_steps, initial=trainer.steps, disable=hidden, unit="step", dynamic_ncols=True)
        )
        while not trainer.finished:
            if trainer.step() and trainer.history.stopped != "diverged":
                _show(bar, trainer)
            if keeper is not None:
                keeper.after_step()
    trainer.keep_best()
    history = trainer.history
    if history.stopped == "diverged":
        message = f"training diverged at step {trainer.steps}; the parameters of step {history.best_step} were kept."
        warnings.warn(f"{message} L{advice(options)}", FitDivergedWarning, stacklevel=3)
    return history


def _show(bar: Any, trainer: Trainer) -> None:
    history = trainer.history
    bar.update(trainer.steps - bar.n)
    shown = {
        "loss": f"{history.loss[-1]:.4f}",
        "penalty": f"{history.penalty[-1]:.3f}",
        "edges": history.active_edges[-1],
    }
    bar.set_postfix(shown, refresh=False)
