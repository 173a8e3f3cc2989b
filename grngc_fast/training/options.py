"""How to train."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    Attributes
    ----------
    lam : penalty strength per target, loss = MSE + (lam / E) * sum_ij mean_n |J_ij|.
    max_steps, batch_size, learning_rate : of Adam with cosine decay to zero.
    validation_fraction : share of the windows held out, last in time.
    patience : evaluations without a better validation error before stopping; None never stops early.
    evaluate_every : steps between evaluations; None for a fiftieth of `max_steps`.
    penalty_windows, penalty_targets : how many of each a step penalises; None chooses by cost.
    """

    lam: float
    max_steps: int
    batch_size: int
    learning_rate: float
    validation_fraction: float = 0.1
    patience: int | None = None
    evaluate_every: int | None = None
    penalty_windows: int | None = None
    penalty_targets: int | None = None
