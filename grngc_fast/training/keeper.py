"""When a run's state is written: in the beginning, at intervals, when a signal stops the run, and in the end."""

from __future__ import annotations

import time
import warnings

import torch

from ..distributed import World
from ..errors import CheckpointWarning
from .checkpoint import Checkpoint
from .interruption import Interruption, stop
from .trainer import Trainer

# Several processes ask one another this often whether to stop.
ASK_SECONDS = 1.0


class Keeper:
    """Gives a trainer the state that its checkpoint holds, and keeps the checkpoint up to date.

    Raises
    ------
    InputError : a checkpoint that cannot be used (`Checkpoint.read`), a folder that cannot be written to, a model with
        state that a checkpoint cannot hold.
    """

    def __init__(self, trainer: Trainer, checkpoint: Checkpoint, world: World, interruption: Interruption) -> None:
        self._trainer, self._checkpoint, self._world, self._interruption = trainer, checkpoint, world, interruption
        with world.refused_together():
            state = checkpoint.read() if world.rank == 0 else None
        state = world.first(state)
        if state is None:
            self._begin()
        else:
            with checkpoint.understood():
                trainer.load_state_dict(state)
        self._kept = self._asked_at = trainer.steps
        self._ask_at = trainer.steps + 1
        self._written = self._asked = time.monotonic()

    def after_step(self) -> None:
        """Write if it is time to, if the run is finished, or if it is to stop.

        Raises
        ------
        KeyboardInterrupt, SystemExit : SIGINT or SIGTERM came to any process; the message tells how to go on.
        """
        steps, finished = self._trainer.steps, self._trainer.finished
        if steps < self._ask_at and not finished:
            return
        now = time.monotonic()
        due, pace = now - self._written >= 60 * self._checkpoint.minutes, (now - self._asked) / (steps - self._asked_at)
        said = self._world.largest(torch.tensor([self._interruption.received, due, pace], dtype=torch.float64))
        signal, due, pace = said.tolist()
        self._asked, self._asked_at = now, steps
        self._ask_at = steps + (1 if self._world.size == 1 else max(1, int(ASK_SECONDS / max(pace, 1e-6))))
        if signal or due or finished:
            self._write()
        if signal:
            raise stop(int(signal), self._told())

    def _begin(self) -> None:
        state = self._trainer.state_dict()
        with self._world.refused_together():
            if self._world.rank == 0:
                self._checkpoint.begin(state)

    def _write(self) -> None:
        state, steps = self._trainer.state_dict(), self._trainer.steps
        try:
            if self._world.rank == 0:
                self._checkpoint.write(state)
            self._kept = steps
        except OSError as error:
            message = (
                f"the checkpoint of step {steps} could not be written ({error}); that of step {self._kept} is kept"
            )
            warnings.warn(message, CheckpointWarning, stacklevel=5)
        self._written = time.monotonic()

    def _told(self) -> str:
        reached = f"stopped at step {self._trainer.steps} of {self._trainer.options.max_steps}"
        return f"{reached}; {self._checkpoint.file} holds step {self._kept}: run the same again to go on from there"
