"""Causal scores of a trained model: the mean absolute gradient over windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .errors import InputError
from .graph import SparseCausalGraph
from .graph.input import as_causes, as_names
from .jacobian import check_targets, check_windows
from .scoring.blocks import Batches, score_blocks
from .scoring.sinks import KeptEdges

# Up to here all effects together are no more than a block.
FEW_INPUTS = 1024


def causal_scores(
    model: nn.Module,
    x: Tensor,
    *,
    per_lag: bool = False,
    signed: bool = False,
    targets: Tensor | Sequence[int] | None = None,
    windows: int | None = None,
    seed: int = 0,
    encoder: nn.Module | str | None = None,
    readout: nn.Module | str | None = None,
    batch_size: int = 256,
    backend: str = "auto",
    precision: str | None = "highest",
) -> Tensor:
    """Mean over windows of |d f_i(x_n) / d x_nj|: `scores[effect, cause]`.

    Beside the result no more than a block of effects is made at a time, whatever the numbers of windows and effects.

    Parameters
    ----------
    model : maps (N, L, C) to (N, E), each window by itself; evaluated as it is, so call `model.eval()` before.
    x : (N, L, C), oldest step first. A module without factors may take (N, Q) too, which counts as one lag.
    per_lag : keep the lags: (E, C, L), lag index 0 the most recent step. Otherwise the largest over lags.
    signed : the mean signed gradient instead (with `per_lag=False`, at the lag of the largest absolute one).
    targets : effects wanted, in this order; default all.
    windows : how many windows of x to average over, drawn at random without replacement; default all.
    seed : of that draw.
    encoder, readout : see `grngc_fast.gradient_l1`.
    batch_size : windows at a time, fewer where memory asks for it.
    backend, precision : of the op, see `grngc_fast.kernels.matmul_l1`; scores are float32-accurate unless asked otherwise.

    Returns
    -------
    (E, C), or (E, C, L) with `per_lag`; a row for each of `targets`. Detached.

    Raises
    ------
    ValueError : as `gradient_l1`; also a number of windows that x does not have.
    """
    check_windows(x)
    batches, rows = _batches(x, windows, seed, batch_size), check_targets(targets, x.device)
    # Few inputs: a block is of all effects, and how many those are is not asked.
    ask = rows is None and x[0].numel() > FEW_INPUTS
    n_targets = len(rows) if rows is not None else _n_outputs(model, x) if ask else None
    options: dict[str, Any] = {"encoder": encoder, "readout": readout, "backend": backend, "precision": precision}
    found: Tensor | None = None
    for block in score_blocks(model, batches, n_targets, x[0].numel(), targets=rows, **options):
        every = block.signed if signed else block.absolute
        part = every if per_lag else block.signs if signed else block.scores
        if found is None:
            if n_targets is None or len(part) == n_targets:
                return part
            found = part.new_empty(n_targets, *part.shape[1:])
        found[block.first : block.first + len(part)] = part
    assert found is not None
    return found


def top_edges(
    model: nn.Module,
    x: Tensor,
    *,
    k_per_target: int | None = None,
    k: int | None = None,
    names: Sequence[str] = (),
    causes: Sequence[str] = (),
    targets: Tensor | Sequence[int] | None = None,
    windows: int | None = None,
    seed: int = 0,
    encoder: nn.Module | str | None = None,
    readout: nn.Module | str | None = None,
    batch_size: int = 256,
    backend: str = "auto",
    precision: str | None = "highest",
) -> SparseCausalGraph:
    """The strongest edges of a model, without a matrix of all scores: memory for the edges and a block of effects.

    Parameters
    ----------
    k_per_target, k : how many edges between different series to keep of each effect, or of all together; one of the two.
        Influences of series on themselves are kept besides.
    names, causes : names of all outputs and of all series put in; default x0, x1, ... and those of the outputs.
    model, x, targets, windows, seed, encoder, readout, batch_size, backend, precision : as `causal_scores`.

    Raises
    ------
    InputError : neither or both of k_per_target and k, one below 1, names that do not fit. ValueError : as `causal_scores`.

    Example
    -------
    >>> from grngc_fast.models import MLP
    >>> graph = top_edges(MLP(n_series=6, hidden=(8,)), torch.randn(20, 1, 6), k_per_target=2)
    >>> graph.n_edges  # two causes of each, and six influences of a series on itself
    18
    """
    check_windows(x)
    for name, count in (("k_per_target", k_per_target), ("k", k)):
        if count is not None and count < 1:
            raise InputError(f"{name} is {count}; pass a whole number of edges, 1 or more")
    batches, rows = _batches(x, windows, seed, batch_size), check_targets(targets, x.device)
    effects = as_names(names, _n_outputs(model, x))
    inputs = as_causes(causes, x.shape[-1], effects)
    if rows is not None:
        effects = tuple(effects[i] for i in rows.tolist())
    sink = KeptEdges(effects, as_causes(inputs, len(inputs), effects), k_per_target, k)
    options: dict[str, Any] = {"encoder": encoder, "readout": readout, "backend": backend, "precision": precision}
    sink.take(score_blocks(model, batches, len(effects), x[0].numel(), targets=rows, **options))
    return sink.graph({})


def _batches(x: Tensor, windows: int | None, seed: int, batch_size: int) -> Batches:
    if windows is None:
        return lambda: x.split(batch_size)
    if not 1 <= windows <= len(x):
        raise ValueError(f"windows={windows}; expected a whole number from 1 to the {len(x)} there are")
    chosen = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:windows].to(x.device)
    return lambda: (x[index] for index in chosen.split(batch_size))


def _n_outputs(model: nn.Module, x: Tensor) -> int:
    with torch.no_grad(), torch.random.fork_rng([x.device] if x.is_cuda else []):
        forecast: Tensor = model(x[:1])
    return forecast.numel()
