"""A whole run of steps on batches of windows: by the Triton kernel on a GPU, by `TileTrainer` elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .. import triton_here
from .networks import Networks
from .step import TileTrainer

BACKENDS: tuple[str, ...] = ("auto", "triton", "torch")


def train(
    networks: Networks,
    inputs: Tensor,
    y: Tensor,
    windows: Tensor,
    lam: float | Tensor,
    learning_rate: float,
    stepped: Callable[[], None] = lambda: None,
    *,
    backend: str = "auto",
    masked: bool = False,
) -> None:
    """Adam with cosine decay on mean_n (forecast - y)^2 + lam mean_n sum_k |J_nk|, a step to each batch of windows.

    Parameters
    ----------
    networks : P, trained in place.
    inputs : (P, N, K + F), each network's own. y : (P, N).
    windows : (n_steps, B), numbers below N.
    lam : of all networks, or (P,).
    learning_rate : of the first step; it falls to zero over the steps.
    stepped : called once for each step; by the kernel's path for many at a time.
    backend : "triton" (GPU kernel, float32, splines at the inputs as they are), "torch" (any device, splines at inputs rounded
        to `LEVELS` levels) or "auto", which is "triton" for float32 on a GPU and "torch" elsewhere.
    masked : whether NaN in y are targets without an error; the mean is over all B windows still.

    Raises
    ------
    ValueError : an unknown backend. RuntimeError : one that cannot run here.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend={backend!r} is unknown; use one of {', '.join(map(repr, BACKENDS))}")
    obstacle = _obstacle(y)
    if backend == "triton" and obstacle:
        raise RuntimeError(f"backend='triton' cannot run here: {obstacle}. Use 'torch' or 'auto'")
    if backend == "triton" or (backend == "auto" and y.device.type == "cuda" and not obstacle):
        from .gpu import launch

        strength = torch.as_tensor(lam, dtype=y.dtype, device=y.device).expand(len(y))
        return launch.train(networks, inputs, y, windows.to(y.device), strength, learning_rate, stepped, masked)
    n_steps, size = windows.shape
    trainer = TileTrainer(networks, size, learning_rate, n_steps, masked)
    batch, wanted = inputs.new_empty(len(y), size, inputs.shape[2]), y.new_empty(len(y), size)
    levels = trainer.levels(inputs)
    at = None if levels is None else levels.new_empty(len(y), size, levels.shape[2])
    for now in windows.to(y.device):
        torch.index_select(inputs, 1, now, out=batch)
        torch.index_select(y, 1, now, out=wanted)
        if levels is not None:
            torch.index_select(levels, 1, now, out=at)
        trainer.step(batch, wanted, lam, at)
        stepped()
    return None


def _obstacle(y: Tensor) -> str:
    if y.dtype != torch.float32:
        return f"its kernel computes in float32, and y is {y.dtype}"
    return triton_here.obstacle(y, "y is")
