"""Minibatch Adam on forecast error plus penalty: cosine decay, validation, early stopping, a guard against divergence."""

from __future__ import annotations

import copy
import math
import warnings
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..errors import FitDivergedWarning, InputError
from ..penalty import gradient_l1
from ..scores import mean_gradients
from .history import History
from .sampling import PenaltySample, choose_sample
from .windows import Windows

# A pair counts as active above this share of the strongest one's mean absolute gradient.
ACTIVE_SHARE = 0.1
# In standardised units the mean forecast has error 1.
DIVERGED_ERROR = 1e6


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


def train(
    model: nn.Module, windows: Windows, options: TrainingOptions, generator: torch.Generator, verbose: int = 0
) -> History:
    """Train the model in place and leave it in eval mode with the parameters kept.

    Parameters
    ----------
    model : (N, L, C) -> (N, E)
    windows : standardised windows.
    generator : CPU generator of batches and samples; the run depends on no other.
    verbose : 1 shows a progress bar.

    Raises
    ------
    InputError : a validation fraction that leaves no window on one side.
    FloatingPointError : the loss is not finite from the first step on. Later a `FitDivergedWarning` is given, and the last
        good parameters are kept.
    """
    training, validation = windows.split(options.validation_fraction)
    if options.validation_fraction > 0 and validation is None:
        raise InputError(
            f"validation_fraction={options.validation_fraction:g} of {len(windows)} windows leaves none to hold out or none to"
            " train on; change it, or train on all (early_stopping=False)"
        )
    every = options.evaluate_every or max(1, options.max_steps // 50)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.max_steps)
    batches = _Batches(len(training), options.batch_size, generator)
    sample = _sample(model, training, batches, options)

    history, best, kept, waited = History(), math.inf, _state(model), 0
    sums = _Sums()
    model.train()
    with tqdm(total=options.max_steps, disable=verbose < 1, unit="step", dynamic_ncols=True) as bar:
        for step in range(1, options.max_steps + 1):
            index = batches.next().to(windows.steps.device)
            x, y = training.inputs(index), training.targets(index)
            forecast = F.mse_loss(model(x).reshape(y.shape), y)
            penalty = (
                _sampled_penalty(model, x, y.shape[1], sample, generator) if options.lam > 0 else forecast.new_zeros(())
            )
            optimizer.zero_grad(set_to_none=True)
            (forecast + options.lam * penalty).backward()
            optimizer.step()
            schedule.step()
            sums.add(forecast, penalty)
            if step % every and step != options.max_steps:
                continue

            mean_forecast, mean_penalty = sums.means()
            # The loss was taken before the step: the parameters kept must give finite results themselves.
            model.eval()
            error = _validation_error(model, validation)
            gradients = mean_gradients(model, [x[: min(8, sample.n_windows)]]).summary
            if not (
                math.isfinite(mean_penalty)
                and mean_forecast < DIVERGED_ERROR
                and _usable(model, x, y, error, gradients)
            ):
                _diverged(history, step, options)
                break
            edges = int((gradients > ACTIVE_SHARE * gradients.max()).sum())
            history.append(step, mean_forecast, mean_penalty, options.lam, error, edges)
            bar.update(step - bar.n)
            bar.set_postfix(loss=f"{history.loss[-1]:.4f}", penalty=f"{mean_penalty:.3f}", edges=edges, refresh=False)
            if validation is None or options.patience is None or error < best:
                best, kept, waited, history.best_step = error, _state(model), 0, step
            else:
                waited += 1
                if waited >= options.patience:
                    history.stopped = "early"
                    break
            model.train()
    model.load_state_dict(kept)
    model.eval()
    return history


def _sampled_penalty(
    model: nn.Module, x: Tensor, n_outputs: int, sample: PenaltySample, generator: torch.Generator
) -> Tensor:
    """Mean over targets of the summed absolute gradient, or an unbiased estimate of it."""
    targets = sample.targets(n_outputs, generator, x.device)
    n_targets = n_outputs if targets is None else len(targets)
    return gradient_l1(model, x[: sample.n_windows], targets=targets) / n_targets


def _diverged(history: History, step: int, options: TrainingOptions) -> None:
    advice = f"ower learning_rate (now {options.learning_rate:g}) or lam (now {options.lam:g})"
    if not len(history):
        raise FloatingPointError(f"the loss was not finite, or exploded, within the first {step} steps; l{advice}")
    history.stopped = "diverged"
    message = f"training diverged at step {step}; the parameters of step {history.best_step} were kept. L{advice}"
    warnings.warn(message, FitDivergedWarning, stacklevel=4)


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


class _Batches:
    """Shuffled passes over the windows; a batch holds no window twice."""

    def __init__(self, n_windows: int, size: int, generator: torch.Generator) -> None:
        self.n_windows, self.size, self.generator = n_windows, min(size, n_windows), generator
        self.order, self.used = torch.empty(0, dtype=torch.long), 0

    def next(self) -> Tensor:
        if self.used + self.size > len(self.order):
            self.order, self.used = torch.randperm(self.n_windows, generator=self.generator), 0
        self.used += self.size
        return self.order[self.used - self.size : self.used]


def _sample(model: nn.Module, windows: Windows, batches: _Batches, options: TrainingOptions) -> PenaltySample:
    chosen = choose_sample(model, windows.inputs(slice(0, batches.size)))
    return PenaltySample(
        min(batches.size, options.penalty_windows or chosen.n_windows),
        min(windows.n_targets, options.penalty_targets or chosen.n_targets),
    )


def _state(model: nn.Module) -> dict[str, Tensor]:
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
    error = float(torch.stack(parts).sum()) / (len(windows) * windows.n_targets)
    return error if math.isfinite(error) else math.inf
