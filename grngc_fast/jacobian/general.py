"""Any differentiable module: vectorised vector-Jacobian products over a chunk of outputs at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

CHUNK_ELEMENTS = 2**24


def jacobian_chunks(
    model: nn.Module, x: Tensor, targets: Tensor | None = None, chunk_size: int | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (targets of the chunk, their Jacobian rows (chunk, N, *input shape)), one forward pass for all chunks.

    Parameters
    ----------
    model : maps (N, ...) to (N, P) or (N, 1, P), each window by itself.
    x : (N, ...)
    targets : indices of the outputs wanted; default all.
    chunk_size : outputs to a chunk; default as many as keep the chunk under 2^24 numbers.

    Raises
    ------
    ValueError : batch normalisation in train mode (its windows depend on each other), an output that is not (N, P),
        targets that the model does not have, an output without a gradient.
    """
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and (module.training or not module.track_running_stats):
            raise ValueError(
                f"{name or 'the model'} is batch normalisation in train mode: it mixes the windows of a batch, so a window"
                " has no gradient of its own; call model.eval() or use LayerNorm"
            )
    differentiable = torch.is_grad_enabled()
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        result = model(x)
    if not isinstance(result, Tensor):
        raise ValueError(
            f"the model returned a {type(result).__name__}; expected one tensor (N, P): wrap it to return its forecast"
        )
    shape, n_windows = tuple(result.shape), len(x)
    if result.dim() < 2 or len(result) != n_windows or shape[1:-1].count(1) != len(shape) - 2:
        raise ValueError(f"the model returned shape {shape} for {n_windows} windows; expected (N, P) or (N, 1, P)")
    if not result.requires_grad:
        raise ValueError(
            "the model's output does not depend on its input: constant, detached or computed without gradients"
        )
    with torch.enable_grad():
        forecast = result.reshape(n_windows, -1)
    n_outputs = forecast.shape[1]
    wanted = torch.arange(n_outputs, device=x.device) if targets is None else targets
    if len(wanted) and not -n_outputs <= int(wanted.min()) <= int(wanted.max()) < n_outputs:
        raise ValueError(
            f"targets reach from {int(wanted.min())} to {int(wanted.max())}, but the model has {n_outputs} outputs"
        )
    rows = _Rows(forecast, x, differentiable)
    for part in wanted.split(chunk_size or max(1, CHUNK_ELEMENTS // max(1, x.numel()))):
        yield part, rows.of(part)


class _Rows:
    """Jacobian rows of one forward pass: vectorised, or one by one where an operator of the model cannot be."""

    def __init__(self, forecast: Tensor, x: Tensor, differentiable: bool) -> None:
        self.forecast, self.x, self.differentiable = forecast, x, differentiable
        self.vectorised = True

    def of(self, part: Tensor) -> Tensor:
        """(len(part), N, *input shape)"""
        one_hot = self.forecast.new_zeros(len(part), *self.forecast.shape)
        one_hot[torch.arange(len(part), device=part.device), :, part] = 1
        if self.vectorised:
            try:
                return self._gradient(one_hot, batched=True)
            except (RuntimeError, NotImplementedError):
                # Fused recurrent layers, checkpointing and some custom functions have no batching rule.
                self.vectorised = False
        return torch.stack([self._gradient(v, batched=False) for v in one_hot])

    def _gradient(self, weights: Tensor, batched: bool) -> Tensor:
        (gradient,) = torch.autograd.grad(
            self.forecast,
            self.x,
            weights,
            retain_graph=True,
            create_graph=self.differentiable,
            is_grads_batched=batched,
            materialize_grads=True,
            allow_unused=True,
        )
        return gradient
