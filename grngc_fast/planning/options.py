"""The parameters of a fit, checked by name, so that what comes after can rely on them."""

from __future__ import annotations

import numbers
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..jacobian import ACTIVATIONS
from ..models import FORECASTERS, checked_options
from ..series.treatment import Treatment
from .machine import as_bytes

MODELS = ("auto", *FORECASTERS)
RANKINGS = ("auto", "combined", "evidence", "gradients")
MAX_HIDDEN = 2**20


@dataclass(frozen=True)
class FitOptions:
    """What a user may say of a fit.

    Every parameter as `GRNGC` documents it, `hidden` as a tuple of widths or None, `model` a name, a tuple of names or a module.

    Raises
    ------
    InputError : an option that is not one of those it may be, with what it may be.
    """

    model: Any = "auto"
    lags: int = 1
    lam: float | None = None
    hidden: Any = None
    activation: str | None = None
    skip: bool | None = None
    max_steps: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    early_stopping: bool = False
    validation_fraction: float = 0.1
    patience: int = 10
    penalty_windows: int | None = None
    penalty_targets: int | None = None
    score_windows: int | None = None
    edges_per_target: int | None = None
    scores_file: str | os.PathLike[str] | None = None
    ranking: str = "auto"
    memory_limit: int | str | None = None
    model_options: Mapping[str, Any] | None = None
    regulators: Any = None
    targets: Any = None
    candidates: Any = None
    own_past: bool = True
    missing: str = "error"
    max_gap: int = 3
    difference: int = 0
    detrend: bool = False
    device: str = "auto"
    threads: int | None = None
    random_state: Any = None
    verbose: int = 0
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_minutes: float = 5.0

    def __post_init__(self) -> None:
        self._check_model()
        self._check_counts()
        self._check_shares()
        _ = self.treatment
        object.__setattr__(self, "hidden", self._widths())

    @property
    def own_module(self) -> torch.nn.Module | None:
        """The caller's network; None where the library builds one."""
        return self.model if isinstance(self.model, torch.nn.Module) else None

    @property
    def treatment(self) -> Treatment:
        """What is done to the series before they are standardised."""
        return Treatment(self.missing, self.max_gap, self.difference, self.detrend)

    @property
    def on_device(self) -> torch.device:
        """Where the fit runs.

        Raises
        ------
        InputError : a device that does not exist here, or is neither a CPU nor a CUDA device.
        """
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            device = torch.device(self.device)
            if device.type not in ("cpu", "cuda"):
                raise RuntimeError(f"{device.type} is not supported")
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
            raise InputError(
                f"device={self.device!r} cannot be used here; use 'auto', 'cpu' or a CUDA device that exists"
            ) from error
        return device

    def _check_model(self) -> None:
        model, own = self.model, self.own_module is not None
        if isinstance(model, type):
            raise InputError(f"model={model.__name__} is a class; pass an instance, such as {model.__name__}(...)")
        several = isinstance(model, (list, tuple)) and len(model) > 0
        if not own and not all(isinstance(m, str) and m in MODELS for m in (model if several else [model])):
            known = ", ".join(map(repr, MODELS))
            raise InputError(
                f"model={model!r} is unknown; use one of {known}, a list of several of them, or a torch module"
            )
        if several and len(set(model)) < len(model):
            raise InputError(f"model={model!r} names one twice; name each once")
        if several:
            object.__setattr__(self, "model", tuple(model) if len(model) > 1 else model[0])
        for name in ("hidden", "activation", "skip", "model_options"):
            if own and getattr(self, name) is not None:
                raise InputError(
                    f"{name}={getattr(self, name)!r} is for the models by name; leave it None with a module of your own"
                )
        activation = self.activation
        if activation is not None and (not isinstance(activation, str) or activation not in ACTIVATIONS):
            raise InputError(f"activation={activation!r} is unknown; use one of {', '.join(map(repr, ACTIVATIONS))}")
        if self.model_options is not None and not isinstance(self.model_options, Mapping):
            raise InputError(
                f"model_options={self.model_options!r}; expected a dictionary of the model's further arguments"
            )
        if not own and self.model_options is not None:
            for name in (self.model,) if isinstance(self.model, str) else self.model:
                # With options of its own "auto" has no choice left.
                options = checked_options("mlp" if name == "auto" else name, self.model_options)
                object.__setattr__(self, "model_options", options)
        if self.ranking not in RANKINGS:
            raise InputError(f"ranking={self.ranking!r} is unknown; use one of {', '.join(map(repr, RANKINGS))}")
        if self.skip is not None and not isinstance(self.skip, (bool, np.bool_)):
            raise InputError(f"skip={self.skip!r}; expected True, False or None")
        if not isinstance(self.own_past, (bool, np.bool_)):
            raise InputError(f"own_past={self.own_past!r}; expected True or False")

    def _check_counts(self) -> None:
        for name in ("lags", "patience"):
            self._need(name, numbers.Integral, lambda v: v >= 1, "a whole number of at least 1")
        for name in (
            "max_steps",
            "batch_size",
            "penalty_windows",
            "penalty_targets",
            "score_windows",
            "edges_per_target",
            "threads",
        ):
            if getattr(self, name) is not None:
                self._need(name, numbers.Integral, lambda v: v >= 1, "None or a whole number of at least 1")
        if self.memory_limit is not None:
            as_bytes(self.memory_limit)

    def _check_shares(self) -> None:
        if self.checkpoint is not None and not isinstance(self.checkpoint, (str, os.PathLike)):
            raise InputError(f"checkpoint={self.checkpoint!r}; expected the path of a folder, or None")
        self._need("checkpoint_minutes", numbers.Real, lambda v: v >= 0, "a number of at least 0")
        if self.lam is not None:
            self._need("lam", numbers.Real, lambda v: 0 <= v < float("inf"), "None or a number of at least 0")
        if self.learning_rate is not None:
            self._need("learning_rate", numbers.Real, lambda v: 0 < v < float("inf"), "None or a number above 0")
        self._need("validation_fraction", numbers.Real, lambda v: 0 < v < 1, "a share between 0 and 1")

    def _widths(self) -> tuple[int, ...] | None:
        if self.hidden is None:
            return None
        widths = self.hidden if isinstance(self.hidden, (list, tuple)) else [self.hidden]
        fits = [
            not isinstance(h, bool) and isinstance(h, numbers.Integral) and 1 <= int(h) <= MAX_HIDDEN for h in widths
        ]
        if not (fits and all(fits)):
            raise InputError(
                f"hidden={self.hidden!r}; expected a whole number from 1 to {MAX_HIDDEN}, a list of such, or None"
            )
        return tuple(int(h) for h in widths)

    def _need(self, name: str, kind: type, holds: Callable[[Any], bool], expected: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, kind) or isinstance(value, bool) or not holds(value):
            raise InputError(f"{name}={value!r}; expected {expected}")
