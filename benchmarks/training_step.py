"""Training steps as a fit takes them, of a perceptron with a linear path, with a penalty sample of one's choice."""

from __future__ import annotations

import torch
from torch import nn

from grngc_fast.distributed import World
from grngc_fast.models import MLP
from grngc_fast.planning.plan import COLD, DEFAULT_LAM
from grngc_fast.series import Windows
from grngc_fast.training import Trainer, TrainingOptions
from grngc_fast.training.sampling import PenaltySample

N_WINDOWS, HIDDEN = 64, 128
_ENDLESS = 10**9


def perceptron(n_series: int, seed: int = 0) -> MLP:
    """With random weights."""
    return MLP(n_series, hidden=(HIDDEN,), skip=True, generator=torch.Generator().manual_seed(seed))


def options(sample: PenaltySample | None, max_steps: int = _ENDLESS) -> TrainingOptions:
    """Of the default training from random weights, without an evaluation before its end; None for the sample of a fit."""
    return TrainingOptions(
        lam=DEFAULT_LAM,
        max_steps=max_steps,
        batch_size=N_WINDOWS,
        learning_rate=COLD[1],
        validation_fraction=0.0,
        evaluate_every=max_steps,
        penalty_windows=sample and sample.n_windows,
        penalty_targets=sample and sample.n_targets,
    )


def trainer(model: nn.Module, windows: Windows, sample: PenaltySample | None) -> Trainer:
    """Whose `step` is to be timed."""
    return Trainer(model, windows, options(sample), torch.Generator().manual_seed(0), World())
