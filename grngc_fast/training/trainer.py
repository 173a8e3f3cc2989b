"""Minibatch training on forecast error plus penalty: validation, early stopping, a guard against divergence."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..distributed import World
from ..errors import InputError
from ..models import MLP
from ..models.linear_path import Product, add_products, products_put_off
from ..models.mlp_gradients import loss_gradients, written_out
from ..penalty import gradient_l1
from ..scoring.means import mean_gradients
from ..series import Windows
from .batches import Batches
from .history import ACTIVE_SHARE, History
from .known import mean_square, target_weights
from .optimizer import Adam
from .options import TrainingOptions
from .sampling import PenaltySample, choose_sample

# An evaluation, with a copy of the parameters, takes the time of some steps.
MIN_STEPS_BETWEEN = 5
# Active edges are counted on the rows of about this many targets and scaled up.
COUNTED_TARGETS = 256
# In standardised units the mean forecast has error 1.
DIVERGED_ERROR = 1e6


class Trainer:
    """A run of training; all that it is between two steps is in its attributes and its `state_dict`.

    Attributes
    ----------
    steps : optimiser steps taken.
    finished : no step is left to take.
    history : see `History`.
    """

    def __init__(
        self,
        model: nn.Module,
        windows: Windows,
        options: TrainingOptions,
        generator: torch.Generator,
        world: World,
        history: History | None = None,
    ) -> None:
        self.model, self.options, self.generator, self.world = model, options, generator, world
        self._training, self._validation = windows.split(options.validation_fraction)
        if options.validation_fraction > 0 and self._validation is None:
            raise InputError(
                f"validation_fraction={options.validation_fraction:g} of {len(windows)} windows leaves none to hold out or"
                " none to train on; change it, or train on all (early_stopping=False)"
            )
        self._weights = target_weights(self._training)
        self._every = options.evaluate_every or max(MIN_STEPS_BETWEEN, options.max_steps // 50)
        self._optimizer = Adam(model.parameters(), options.learning_rate, options.max_steps)
        self._batches = Batches(len(self._training), options.batch_size, generator)
        self._sample = _sample(model, self._training, self._batches, options)
        small = written_out(model, self._sample.n_windows, self._sample.n_targets)
        self._small = small and world.size == 1 and self._weights is None
        # Every so many targets are looked at in an evaluation.
        self._stride = max(1, self._training.n_targets // COUNTED_TARGETS)
        self._sums = _Sums()
        self._best, self._kept, self._waited = math.inf, _state(model), 0
        self.steps, self.finished, self.history = 0, False, history or History()
        model.train()

    def step(self) -> bool:
        """Take one optimiser step; True if an evaluation followed it, after which the run may be `finished`.

        Raises
        ------
        FloatingPointError : the first evaluation finds a loss that is not finite.
        """
        index = self._batches.next().to(self._training.steps.device)
        mine = self.world.share(index)
        x, y = self._training.inputs(mine), self._training.targets(mine)
        forecast, penalty = self._written_out(x, y) if self._small else self._by_autograd(index, mine, x, y)
        self._optimizer.step()
        self._sums.add(forecast, penalty)
        self.steps += 1
        if self.steps % self._every and self.steps != self.options.max_steps:
            return False
        self._evaluate(index, x, y)
        return True

    def _written_out(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Forecast error and penalty, their gradients left with the parameters."""
        assert isinstance(self.model, MLP)
        targets = (
            self._sample.targets(self._training.n_targets, self.generator, x.device) if self.options.lam > 0 else None
        )
        return loss_gradients(self.model, x, y, self._sample.n_windows, targets, self.options.lam)

    def _by_autograd(self, index: Tensor, mine: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Likewise, of any model and in any number of processes."""
        # Before the new ones are made: they are as large as the parameters.
        self._optimizer.zero_grad()
        with products_put_off() as products:
            forecast = self._forecast_error(x, y)
        if len(mine) < len(index):
            forecast = forecast * (len(mine) / len(index))
        penalty = self._penalty(index, x) if self.options.lam > 0 else forecast.new_zeros(())
        self._add_gradients(forecast + self.options.lam * penalty, products)
        return forecast, penalty

    def keep_best(self) -> None:
        """Give the model the best parameters seen and put it in eval mode."""
        self.model.load_state_dict(self._kept)
        self.model.eval()

    def state_dict(self) -> dict[str, Any]:
        """All that a run needs to go on from here, in plain containers; tensors are not copied.

        To be called, like `load_state_dict`, by all processes of the world.
        """
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "batches": self._batches.state_dict(),
            "sample": dataclasses.asdict(self._sample),
            "processes": self.world.gather(
                {"sums": self._sums.state_dict(), "random": _random_state(self._training.steps.device)}
            ),
            "steps": self.steps,
            "finished": self.finished,
            "history": dataclasses.asdict(self.history),
            "best": self._best,
            "kept": self._kept,
            "waited": self._waited,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` of a trainer with the same model, windows and options gave, and torch's random state."""
        device = self._training.steps.device
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._batches.load_state_dict(state["batches"])
        self._sample = PenaltySample(**state["sample"])
        processes = state["processes"]
        self._sums.load_state_dict([process["sums"] for process in processes], device, self.world)
        _set_random_state(processes[self.world.rank % len(processes)]["random"], device)
        self.steps, self.finished = state["steps"], state["finished"]
        self.history = History(**state["history"])
        self._best, self._waited = state["best"], state["waited"]
        self._kept = {name: v.to(device) if isinstance(v, Tensor) else v for name, v in state["kept"].items()}

    def _forecast_error(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean squared error, 0 of no windows."""
        return mean_square(self.model(x).reshape(y.shape), y, self._weights) if len(x) else y.new_zeros(())

    def _penalty(self, index: Tensor, x: Tensor) -> Tensor:
        """This process's part of the mean over targets of the summed absolute gradient, or of an unbiased estimate of it."""
        n_outputs, n_windows, world = self._training.n_targets, self._sample.n_windows, self.world
        targets = self._sample.targets(n_outputs, self.generator, index.device)
        n_targets = n_outputs if targets is None else len(targets)
        if world.size == 1:
            return gradient_l1(self.model, x[:n_windows], targets=targets) / n_targets
        windows = index[:n_windows]
        mine = windows
        if len(windows) >= world.size:
            mine = world.share(windows)
        else:
            targets = world.share(torch.arange(n_outputs, device=index.device) if targets is None else targets)
            if not len(targets):
                return x.new_zeros(())
        part = gradient_l1(self.model, self._training.inputs(mine), targets=targets)
        return part / n_targets * (len(mine) / len(windows))

    def _add_gradients(self, loss: Tensor, products: Sequence[Product]) -> None:
        """Gradients of the loss of all processes, each of which passes its part; `products` is filled by the backward pass."""
        if loss.requires_grad:
            loss.backward()
        add_products(products)
        if self.world.size > 1:
            learned = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
            for parameter in learned:
                parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            self.world.sum_each([parameter.grad for parameter in learned if parameter.grad is not None])

    def _evaluate(self, index: Tensor, x: Tensor, y: Tensor) -> None:
        """Record where the run stands, keep the parameters if they are the best, and decide whether to go on."""
        options, history, world = self.options, self.history, self.world
        forecast, penalty = self._sums.means(world)
        # The loss was taken before the step: the parameters kept must give finite results themselves.
        self.model.eval()
        error = _validation_error(self.model, self._validation, world)
        gradients = self._gradients(index)
        good = math.isfinite(penalty) and forecast < DIVERGED_ERROR and not math.isinf(error)
        good = not world.sum(gradients.new_tensor(not (good and self._usable(x, y, gradients))))
        if not good and not len(history):
            reason = f"the loss was not finite, or exploded, within the first {self.steps} steps"
            raise FloatingPointError(f"{reason}; l{advice(options)}")
        if not good:
            history.stopped, self.finished = "diverged", True
            return
        strongest = world.largest(gradients.max())
        edges = int(world.sum((gradients > ACTIVE_SHARE * strongest).sum())) * self._stride
        history.append(self.steps, forecast, penalty, options.lam, error, edges)
        if self._validation is None or options.patience is None or error < self._best:
            self._best, self._kept, self._waited, history.best_step = error, _state(self.model), 0, history.step[-1]
        else:
            self._waited += 1
            if self._waited >= options.patience:
                history.stopped, self.finished = "early", True
        self.finished = self.finished or self.steps == options.max_steps
        self.model.train()

    def _gradients(self, index: Tensor) -> Tensor:
        """Mean absolute gradients of this process's part of the targets looked at, over some windows of the batch."""
        x, n_targets = self._training.inputs(index[: min(8, self._sample.n_windows)]), self._training.n_targets
        counted = torch.arange(0, n_targets, self._stride, device=x.device)
        targets = None if self.world.size == 1 and self._stride == 1 else self.world.share(counted)
        if targets is not None and not len(targets):
            return x.new_zeros(1, 1)
        return mean_gradients(self.model, [x], targets=targets).summary

    def _usable(self, x: Tensor, y: Tensor, gradients: Tensor) -> bool:
        """Forecast, gradients and parameters are finite, and the forecast is not absurd."""
        with torch.no_grad():
            error = self._forecast_error(x, y)
        finite = [_finite(t) for t in (gradients, *self.model.parameters()) if t.numel()]
        return bool(error < DIVERGED_ERROR) and all(map(bool, finite))


def advice(options: TrainingOptions) -> str:
    """What to do about a divergence, without the first letter."""
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

    def means(self, world: World) -> tuple[float, float]:
        assert self.total is not None
        forecast, penalty = (world.sum(self.total) / self.count).tolist()
        self.total, self.count = None, 0
        return forecast, penalty

    def state_dict(self) -> dict[str, Any]:
        return {"total": None if self.total is None else self.total.cpu(), "count": self.count}

    def load_state_dict(self, states: list[dict[str, Any]], device: torch.device, world: World) -> None:
        """Take over what all processes had; where they were another number, process 0 takes all."""
        totals, self.count = [state["total"] for state in states], states[0]["count"]
        if totals[0] is None:
            self.total = None
        elif len(totals) == world.size:
            self.total = totals[world.rank].to(device)
        else:
            self.total = torch.stack(totals).sum(0).mul(world.rank == 0).to(device)


def _sample(model: nn.Module, windows: Windows, batches: Batches, options: TrainingOptions) -> PenaltySample:
    chosen = choose_sample(model, windows.inputs(slice(0, batches.size)))
    return PenaltySample(
        min(batches.size, options.penalty_windows or chosen.n_windows),
        min(windows.n_targets, options.penalty_targets or chosen.n_targets),
    )


def _finite(t: Tensor) -> Tensor:
    """Whether all entries are, told without the arrays as large as t that `isfinite` makes."""
    low, high = t.detach().aminmax()
    return low.isfinite() & high.isfinite()


def _state(model: nn.Module) -> dict[str, Any]:
    return {
        name: value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)
        for name, value in model.state_dict().items()
    }


def _validation_error(model: nn.Module, windows: Windows | None, world: World) -> float:
    if windows is None:
        return math.nan
    steps = windows.steps
    with torch.no_grad():
        parts = [
            _sum_of_squares(model(windows.inputs(i)), windows.targets(i), windows.masked)
            for i in world.share(torch.arange(len(windows), device=steps.device)).split(1024)
            if len(i)
        ]
    total = world.sum(torch.stack(parts).sum() if parts else steps.new_zeros(()))
    known = windows.known_targets()
    error = float(total) / (len(windows) * (windows.n_targets if known is None else float(known.sum())))
    return error if math.isfinite(error) else math.inf


def _sum_of_squares(forecast: Tensor, y: Tensor, masked: bool) -> Tensor:
    """Of what is known; forecasts that are not finite show."""
    forecast = forecast.reshape(y.shape)
    if masked:
        forecast, y = (torch.where(y.isnan(), 0.0, t) for t in (forecast, y))
    return F.mse_loss(forecast, y, reduction="sum")


def _random_state(device: torch.device) -> dict[str, Tensor | None]:
    return {
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def _set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
