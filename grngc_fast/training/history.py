"""What happened during a fit: the parts of the loss at each evaluation, and why it stopped."""

from __future__ import annotations

from dataclasses import dataclass, field

# A pair counts as active above this share of the strongest one's mean absolute gradient.
ACTIVE_SHARE = 0.1


@dataclass
class History:
    """Loss parts, one entry per evaluation.

    Attributes
    ----------
    step : optimiser steps taken, those of the rounds included in which working sets are found.
    forecast : mean squared error of the training batches since the last entry, in standardised units.
    penalty : mean over targets of the summed absolute gradient, same batches; the loss adds lam times this.
    loss : forecast + lam * penalty.
    validation : mean squared error on the held-out windows; NaN without any.
    active_edges : cause-effect pairs, self-influence included, above a tenth of the strongest's mean absolute gradient.
    best_step : the step whose parameters were kept.
    before : steps of those rounds.
    stopped : "max_steps", "early" (validation error stopped falling) or "diverged".
    """

    step: list[int] = field(default_factory=list)
    forecast: list[float] = field(default_factory=list)
    penalty: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    active_edges: list[int] = field(default_factory=list)
    best_step: int = 0
    before: int = 0
    stopped: str = "max_steps"

    def append(
        self, step: int, forecast: float, penalty: float, lam: float, validation: float, active_edges: int
    ) -> None:
        self.step.append(self.before + step)
        self.forecast.append(forecast)
        self.penalty.append(penalty)
        self.loss.append(forecast + lam * penalty)
        self.validation.append(validation)
        self.active_edges.append(active_edges)

    def __len__(self) -> int:
        return len(self.step)
