"""Minibatch training on forecast error plus penalty: validation, early stopping, a guard against divergence."""

from __future__ import annotations

import copy
import dataclasses
import math
import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..errors import FitDivergedWarning, InputError
from ..penalty import gradient_l1
from ..scores import mean_gradients
from .batches import Batches
from .history import History
from .optimizer import build_optimizer
from .options import TrainingOptions
from .sampling import PenaltySample, choose_sample
from .windows import Windows

# A pair counts as active above this share of the strongest one's mean absolute gradient.
ACTIVE_SHARE = 0.1
# In standardised units the mean forecast has error 1.
DIVERGED_ERROR = 1e6


def train(
    model: nn.Module, windows: Windows, options: TrainingOptions, generator: torch.Generator, verbose: int = 0
) -> History:
    """Train the model in place and leave it in eval mode with the parameters kept.

    Parameters
    ----------
    model : (N, L, P) -> (N, P)
    windows : standardised windows.
    generator : CPU generator of batches and samples; the run depends on no other.
    verbose : 1 shows a progress bar.

    Raises
    ------
    InputError : a validation fraction that leaves no window on one side.
    FloatingPointError : the loss is not finite from the first step on. Later a `FitDivergedWarning` is given, and the last
        good parameters are kept.
    """
    trainer = Trainer(model, windows, options, generator)
    with tqdm(total=options.max_steps, disable=verbose < 1, unit="step", dynamic_ncols=True) as bar:
        while not trainer.finished:
            if trainer.step() and trainer.history.stopped != "diverged":
                _show(bar, trainer)
    trainer.keep_best()
    history = trainer.history
    if history.stopped == "diverged":
        message = f"training diverged at step {trainer.steps}; the parameters of step {history.best_step} were kept."
        warnings.warn(f"{message} L{_advice(options)}", FitDivergedWarning, stacklevel=3)
    return history


class Trainer:
    """A run of training; all that it is between two steps is in its attributes and its `state_dict`.

    Attributes
    ----------
    steps : optimiser steps taken.
    finished : no step is left to take.
    history : see `History`.
    """

    def __init__(
        self, model: nn.Module, windows: Windows, options: TrainingOptions, generator: torch.Generator
    ) -> None:
        self.model, self.options, self.generator = model, options, generator
        self._training, self._validation = windows.split(options.validation_fraction)
        if options.validation_fraction > 0 and self._validation is None:
            raise InputError(
                f"validation_fraction={options.validation_fraction:g} of {len(windows)} windows leaves none to hold out or"
                " none to train on; change it, or train on all (early_stopping=False)"
            )
        self._every = options.evaluate_every or max(1, options.max_steps // 50)
        self._optimizer, self._schedule = build_optimizer(model, options)
        self._batches = Batches(len(self._training), options.batch_size, generator)
        self._sample = _sample(model, self._training, self._batches, options)
        self._sums = _Sums()
        self._best, self._kept, self._waited = math.inf, _state(model), 0
        self.steps, self.finished, self.history = 0, False, History()
        model.train()

    def step(self) -> bool:
        """Take one optimiser step; True if an evaluation followed it, after which the run may be `finished`.

        Raises
        ------
        FloatingPointError : the first evaluation finds a loss that is not finite.
        """
        index = self._batches.next().to(self._training.steps.device)
        x, y = self._training.inputs(index), self._training.targets(index)
        forecast = F.mse_loss(self.model(x).reshape(y.shape), y)
        penalty = self._penalty(x) if self.options.lam > 0 else forecast.new_zeros(())
        self._optimizer.zero_grad(set_to_none=True)
        (forecast + self.options.lam * penalty).backward()
        self._optimizer.step()
        self._schedule.step()
        self._sums.add(forecast, penalty)
        self.steps += 1
        if self.steps % self._every and self.steps != self.options.max_steps:
            return False
        self._evaluate(x, y)
        return True

    def keep_best(self) -> None:
        """Give the model the best parameters seen and put it in eval mode."""
        self.model.load_state_dict(self._kept)
        self.model.eval()

    def state_dict(self) -> dict[str, Any]:
        """All that a run needs to go on from here, in plain containers; tensors are not copied."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "batches": self._batches.state_dict(),
            "sample": dataclasses.asdict(self._sample),
            "sums": self._sums.state_dict(),
            "steps": self.steps,
            "finished": self.finished,
            "history": dataclasses.asdict(self.history),
            "best": self._best,
            "kept": self._kept,
            "waited": self._waited,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` of a trainer with the same model, windows and options gave."""
        device = self._training.steps.device
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._batches.load_state_dict(state["batches"])
        self._sample = PenaltySample(**state["sample"])
        self._sums.load_state_dict(state["sums"], device)
        self.steps, self.finished = state["steps"], state["finished"]
        self.history = History(**state["history"])
        self._best, self._waited = state["best"], state["waited"]
        self._kept = {name: v.to(device) if isinstance(v, Tensor) else v for name, v in state["kept"].items()}

    def _penalty(self, x: Tensor) -> Tensor:
        """Mean over targets of the summed absolute gradient, or an unbiased estimate of it."""
        n_series = x.shape[2]
        targets = self._sample.targets(n_series, self.generator, x.device)
        n_targets = n_series if targets is None else len(targets)
        return gradient_l1(self.model, x[: self._sample.n_windows], targets=targets) / n_targets

    def _evaluate(self, x: Tensor, y: Tensor) -> None:
        """Record where the run stands, keep the parameters if they are the best, and decide whether to go on."""
        options, history = self.options, self.history
        forecast, penalty = self._sums.means()
        # The loss was taken before the step: the parameters kept must give finite results themselves.
        self.model.eval()
        error = _validation_error(self.model, self._validation)
        gradients = mean_gradients(self.model, [x[: min(8, self._sample.n_windows)]]).summary
        good = math.isfinite(penalty) and forecast < DIVERGED_ERROR and _usable(self.model, x, y, error, gradients)
        if not good and not len(history):
            reason = f"the loss was not finite, or exploded, within the first {self.steps} steps"
            raise FloatingPointError(f"{reason}; l{_advice(options)}")
        if not good:
            history.stopped, self.finished = "diverged", True
            return
        edges = int((gradients > ACTIVE_SHARE * gradients.max()).sum())
        history.append(self.steps, forecast, penalty, options.lam, error, edges)
        if self._validation is None or options.patience is None or error < self._best:
            self._best, self._kept, self._waited, history.best_step = error, _state(self.model), 0, self.steps
        else:
            self._waited += 1
            if self._waited >= options.patience:
                history.stopped, self.finished = "early", True
        self.finished = self.finished or self.steps == options.max_steps
        self.model.train()


def _show(bar: Any, trainer: Trainer) -> None:
    history = trainer.history
    bar.update(trainer.steps - bar.n)
    shown = {
        "loss": f"{history.loss[-1]:.4f}",
        "penalty": f"{history.penalty[-1]:.3f}",
        "edges": history.active_edges[-1],
    }
    bar.set_postfix(shown, refresh=False)


def _advice(options: TrainingOptions) -> str:
    return f"ower learning_rate (now {options.learning_rate:g}) or lam (now {options.lam:g})"


class _Sums:
    """Forecast error and penalty since the last look, added up without waiting for the device."""

    def __init__(self) -> None:
        self.total: Tensor | None = None
        self.count = 0

    def add(self, forecast: Tensor, penalty: Tensor) -> None:
        parts = torch.stack([forecast.detach(), penalty.detach()])
        self.total = parts if self.total is None else self.total + parts
        self.count += 1

    def means(self) -> tuple[float, float]:
        assert self.total is not None
        forecast, penalty = (self.total / self.count).tolist()
        self.total, self.count = None, 0
        return forecast, penalty

    def state_dict(self) -> dict[str, Any]:
        return {"total": self.total, "count": self.count}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        self.total = None if state["total"] is None else state["total"].to(device)
        self.count = state["count"]


def _sample(model: nn.Module, windows: Windows, batches: Batches, options: TrainingOptions) -> PenaltySample:
    chosen = choose_sample(model, windows.inputs(slice(0, batches.size)))
    n_series = windows.steps.shape[1]
    return PenaltySample(
        min(batches.size, options.penalty_windows or chosen.n_windows),
        min(n_series, options.penalty_targets or chosen.n_targets),
    )


def _state(model: nn.Module) -> dict[str, Any]:
    return {
        name: value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)
        for name, value in model.state_dict().items()
    }


def _usable(model: nn.Module, x: Tensor, y: Tensor, validation_error: float, gradients: Tensor) -> bool:
    """Forecast, gradients and parameters are finite, and the forecast is not absurd."""
    with torch.no_grad():
        error = F.mse_loss(model(x).reshape(y.shape), y)
    finite = [gradients.isfinite().all(), *(p.isfinite().all() for p in model.parameters())]
    return bool(error < DIVERGED_ERROR) and not math.isinf(validation_error) and all(map(bool, finite))


def _validation_error(model: nn.Module, windows: Windows | None) -> float:
    if windows is None:
        return math.nan
    with torch.no_grad():
        parts = [
            F.mse_loss(model(windows.inputs(i)).reshape(len(i), -1), windows.targets(i), reduction="sum")
            for i in torch.arange(len(windows), device=windows.steps.device).split(1024)
        ]
    error = float(torch.stack(parts).sum()) / (len(windows) * windows.steps.shape[1])
    return error if math.isfinite(error) else math.inf
