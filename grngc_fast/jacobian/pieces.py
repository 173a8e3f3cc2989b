"""The Jacobians of a batch in pieces that fit into memory: of windows where factors are known, of outputs or windows else."""

from __future__ import annotations

import weakref
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from . import general
from .forward_pass import ForwardPass, check_dependence, is_plain_linear, run
from .middle import take
from .protocol import HasFactors, factors_at
from .recipe import Recipe, choose
from .route import Route


class Jacobians(Protocol):
    """Jacobians of some windows and outputs, of which only sums are wanted; `Factors` is one."""

    @property
    def n_windows(self) -> int: ...

    def jacobian(self) -> Tensor: ...

    def l1(self, backend: str = "auto", precision: str | None = None) -> Tensor: ...

    def frobenius(self) -> Tensor: ...

    def abs_mean(self, backend: str = "auto", precision: str | None = None) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True)
class Piece:
    """Attributes
    ----------
    jacobians : of the windows and outputs of this piece.
    outputs : which of the batch's parts of outputs it is.
    windows : the leaf that the piece was differentiated by, None where it was not.
    """

    jacobians: Jacobians
    outputs: int = 0
    windows: Tensor | None = None


class Pieces(Protocol):
    """A batch cut into pieces; together they hold each window and output once.

    Attributes
    ----------
    model, n_windows, window_shape : whose Jacobians, of how many windows in all, and of what shape, (L, C).
    """

    model: Any
    n_windows: int
    window_shape: torch.Size

    def __len__(self) -> int: ...

    def piece(self, k: int) -> Piece:
        """Piece k, to be asked for in order; computed now and kept by nobody else."""
        ...


class FactorPieces:
    """Of a model that offers its factors, cut by windows."""

    def __init__(self, model: HasFactors, x: Tensor, targets: Tensor | None) -> None:
        self.model, self.n_windows, self.window_shape, self._targets = model, len(x), x.shape[1:], targets
        self._slices = x.split(self._piece_windows(x)) if len(x) > 1 else (x,)

    def __len__(self) -> int:
        return len(self._slices)

    def piece(self, k: int) -> Piece:
        return Piece(factors_at(self.model, self._slices[k], self._targets))

    def _piece_windows(self, x: Tensor) -> int:
        n_rows = getattr(self.model, "n_targets", x.shape[-1]) if self._targets is None else len(self._targets)
        if torch.compiler.is_compiling() or n_rows * x.numel() <= general.CHUNK_ELEMENTS:
            return len(x)
        known = recall(self.model)
        key = ("factors", n_rows, *_state(self.model, x))
        if key not in known:
            with torch.no_grad(), torch.random.fork_rng([x.device] if x.is_cuda else []):
                # Factors without this property are taken to be of a size that does not matter.
                known[key] = getattr(factors_at(self.model, x[:1], self._targets), "window_elements", 0)
        return min(len(x), max(1, general.CHUNK_ELEMENTS // known[key])) if known[key] else len(x)


class ModulePieces:
    """Of any module along a known route, cut by windows, each slice from a pass of its own, and by outputs."""

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        targets: Tensor | None,
        route: Route,
        recipe: Recipe | None = None,
        forward: ForwardPass | None = None,
    ) -> None:
        self.model, self.n_windows, self.window_shape, self.route = model, len(x), x.shape[1:], route
        n_targets = route.n_outputs if targets is None else len(targets)
        self.recipe = recipe or choose(route, len(x), n_targets, x[0].numel())
        self._slices = x.split(self.recipe.n_windows)
        if n_targets > self.recipe.n_targets and targets is None:
            targets = torch.arange(n_targets, device=x.device)
        self._parts: Sequence[Tensor | None] = (None,) if targets is None else targets.split(self.recipe.n_targets)
        self._forward, self._differentiable = forward, torch.is_grad_enabled()

    def __len__(self) -> int:
        return len(self._slices) * len(self._parts)

    def piece(self, k: int) -> Piece:
        window_slice, part = divmod(k, len(self._parts))
        if part == 0 and (k > 0 or self._forward is None):
            self._forward = None
            watched = {name: self.model.get_submodule(name) for name in set(self.route.order)}
            linears = {name: module for name, module in watched.items() if is_plain_linear(module)}
            self._forward = run(self.model, self._slices[window_slice], linears)
            holds = self.route.holds(self._forward)
            if not holds or self.route.encoder is None:
                check_dependence(self._forward)
            if not holds:
                # Built otherwise than when the route was found: this pass takes the general path, the next looks anew.
                forget(self.model)
                self.route = self.route.general()
                n_windows, n_targets, n_inputs = (
                    self.recipe.n_windows,
                    self.recipe.n_targets,
                    self._slices[0][0].numel(),
                )
                self.recipe = choose(self.route, n_windows, n_targets, n_inputs)
        forward = self._forward
        assert forward is not None
        jacobians = take(self.route, self.recipe, forward, self._parts[part], self._differentiable)
        if k == len(self) - 1:
            self._forward = None
        return Piece(jacobians, part, forward.x)


_KNOWN: weakref.WeakKeyDictionary[Any, dict[Hashable, Any]] = weakref.WeakKeyDictionary()


def recall(model: Any) -> dict[Hashable, Any]:
    """What is known of a model, as long as it lives; nothing of one that cannot be a key."""
    try:
        return _KNOWN.setdefault(model, {})
    except TypeError:
        return {}


def forget(model: Any) -> None:
    recall(model).clear()


def _state(model: Any, x: Tensor) -> tuple[Hashable, ...]:
    """What a computation may depend on besides numbers: shapes, types, and which modules train."""
    modules = tuple((type(m), m.training) for m in model.modules()) if isinstance(model, nn.Module) else ()
    autocast = torch.is_autocast_enabled(x.device.type)
    return x.shape[1:], len(x) > 1, x.dtype, x.device, autocast, modules


def state_of(model: nn.Module, x: Tensor, encoder: str | None, readout: str | None) -> Hashable:
    return "route", encoder, readout, *_state(model, x)
