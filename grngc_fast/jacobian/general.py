"""Any differentiable module: vectorised vector-Jacobian products over a chunk of outputs at a time, by `torch.func`."""

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
    ValueError : batch normalisation in train mode (its windows depend on each other), an output that is not (N, P), an
        output that does not depend on x.
    """
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and (module.training or not module.track_running_stats):
            raise ValueError(
                f"{name or 'the model'} is batch normalisation in train mode: it mixes the windows of a batch, so a window"
                " has no gradient of its own; call model.eval() or use LayerNorm"
            )
    shape: list[tuple[int, ...]] = []

    def outputs(inputs: Tensor) -> Tensor:
        result: Tensor = model(inputs)
        shape.append(tuple(result.shape))
        return result.reshape(result.shape[0], -1) if result.dim() > 1 else result

    forecast, pull_back, *_ = torch.func.vjp(outputs, x)
    n_windows = x.shape[0]
    if (
        forecast.dim() != 2
        or forecast.shape[0] != n_windows
        or (len(shape[0]) > 2 and shape[0][1:-1].count(1) != len(shape[0]) - 2)
    ):
        raise ValueError(f"the model returned shape {shape[0]} for {n_windows} windows; expected (N, P) or (N, 1, P)")
    n_outputs = forecast.shape[1]
    wanted = torch.arange(n_outputs, device=x.device) if targets is None else torch.as_tensor(targets, device=x.device)
    if chunk_size is None:
        chunk_size = max(1, CHUNK_ELEMENTS // max(1, x.numel()))
    for part in wanted.split(chunk_size):
        one_hot = torch.zeros(len(part), n_windows, n_outputs, dtype=forecast.dtype, device=x.device)
        one_hot[torch.arange(len(part), device=x.device), :, part] = 1
        yield part, torch.func.vmap(lambda v: pull_back(v)[0])(one_hot)
