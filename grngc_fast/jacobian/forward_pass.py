"""One forward pass of any module, recorded: the forecast, its windows, and the calls of the linear layers watched."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parametrize

from ..kernels.matmul_l1.precision import current
from .autograd_graph import Place, extent, place

# Relative L2 error by the coarsest type that a forward pass computes in.
_TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
# Products of float32 on the tensor cores, or as torch.set_float32_matmul_precision allows.
_TF32_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Call:
    """A linear layer's call: what it read, where its output stood in the graph, and the weights that were used."""

    name: str
    read: Tensor
    made: Place
    shape: tuple[int, ...]
    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True)
class ForwardPass:
    """A forward pass that can be differentiated.

    Attributes
    ----------
    x : the windows, a leaf of their own.
    forecast : (N, P)
    calls : of the layers watched, in order.
    stateful : the pass changed a buffer, so another one may differ.
    """

    x: Tensor
    forecast: Tensor
    calls: tuple[Call, ...]
    stateful: bool

    def watching(self, names: Collection[str]) -> ForwardPass:
        """The same pass as if only these layers had been watched."""
        return replace(self, calls=tuple(call for call in self.calls if call.name in names))


def tolerance(forward: ForwardPass) -> float:
    """Relative error that the types of a forward pass explain."""
    types = {forward.forecast.dtype, *(t.dtype for call in forward.calls for t in (call.read, call.weight))}
    allowed = max(_TOLERANCES.get(dtype, 1e-1) for dtype in types)
    return max(allowed, _TF32_TOLERANCE) if torch.float32 in types and _coarse_float32(forward.x) else allowed


def _coarse_float32(x: Tensor) -> bool:
    return current(x.device.type) != "highest" or (x.is_cuda and torch.backends.cudnn.allow_tf32)


def plain_linears(model: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers that compute x W^T + b and nothing else, by name."""
    return {name: module for name, module in model.named_modules() if is_plain_linear(module)}


def is_plain_linear(module: nn.Module) -> TypeGuard[nn.Linear]:
    own = isinstance(module, nn.Linear) and type(module).forward is nn.Linear.forward and "forward" not in vars(module)
    return own and not module._forward_hooks


def run(model: nn.Module, x: Tensor, watched: Mapping[str, nn.Linear]) -> ForwardPass:
    """Run the model once, with the calls of the plain linear layers `watched` kept.

    Raises
    ------
    ValueError : a result that is not one tensor (N, P) or (N, 1, P), or that has no gradient.
    """
    x = x.detach().requires_grad_()
    watch, modules = _Watch(), list(model.modules())
    buffers = [(buffer, buffer._version) for buffer in _buffers(modules)]
    with torch.enable_grad(), _twice_differentiable(modules, x), watch.on(watched):
        # A copy, so that a model may write into what it was given.
        result = model(x.clone())
        forecast = _checked(result, x)
    after = _buffers(modules)
    stateful = len(after) != len(buffers) or any(
        new is not old or new._version != version for new, (old, version) in zip(after, buffers, strict=False)
    )
    return ForwardPass(x, forecast, tuple(watch.calls), stateful)


def _checked(result: Any, x: Tensor) -> Tensor:
    if not isinstance(result, Tensor):
        raise ValueError(
            f"the model returned a {type(result).__name__}; expected one tensor (N, P): wrap it to return its forecast"
        )
    shape, n_windows = tuple(result.shape), len(x)
    if result.dim() < 2 or len(result) != n_windows or shape[1:-1].count(1) != len(shape) - 2:
        raise ValueError(f"the model returned shape {shape} for {n_windows} windows; expected (N, P) or (N, 1, P)")
    if not result.requires_grad:
        raise ValueError(_INDEPENDENT)
    return result.reshape(n_windows, -1)


def check_dependence(forward: ForwardPass) -> None:
    """Raise `ValueError` where the forecast has no gradient in the windows."""
    if not extent(forward.forecast, {place(forward.x)}).reached:
        raise ValueError(_INDEPENDENT)


_INDEPENDENT = "the model's output does not depend on its input: constant, detached or computed without gradients"


def _buffers(modules: Iterable[nn.Module]) -> list[Tensor]:
    return [buffer for module in modules for buffer in module._buffers.values() if buffer is not None]


@contextlib.contextmanager
def _twice_differentiable(modules: Collection[nn.Module], x: Tensor) -> Iterator[None]:
    """Kernels whose backward pass can be differentiated again: plain attention, recurrent layers without cuDNN, no compiler."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        if any("_orig_mod" in m._modules or m._compiled_call_impl is not None for m in modules):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if x.is_cuda and any(isinstance(m, nn.RNNBase) for m in modules):
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        yield


@dataclass
class _Watch:
    """Forward hooks that keep the calls, gone when the pass is over however it ends."""

    calls: list[Call] = field(default_factory=list)

    @contextlib.contextmanager
    def on(self, watched: Mapping[str, nn.Linear]) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for name, module in watched.items():
                self._register(name, module, stack)
            yield

    def _register(self, name: str, module: nn.Linear, stack: contextlib.ExitStack) -> None:
        # A parametrised weight is computed on access: the call and the record of it must see one and the same.
        parametrised = parametrize.is_parametrized(module)
        open_caches: list[contextlib.AbstractContextManager[None]] = []

        def before(_: nn.Module, __: Any) -> None:
            open_caches.append(parametrize.cached())
            open_caches[-1].__enter__()

        def close() -> None:
            if open_caches:
                open_caches.pop().__exit__(None, None, None)

        def after(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            read = args[0] if args else kwargs.get("input")
            if isinstance(output, Tensor) and output.requires_grad and isinstance(read, Tensor):
                edge = get_gradient_edge(output)
                made, shape = (edge.node, edge.output_nr), tuple(output.shape)
                self.calls.append(Call(name, read, made, shape, module.weight, module.bias))
            close()

        if parametrised:
            stack.callback(close)
            stack.callback(module.register_forward_pre_hook(before).remove)
        stack.callback(module.register_forward_hook(after, with_kwargs=True).remove)
