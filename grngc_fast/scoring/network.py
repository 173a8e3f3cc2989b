"""From a trained network and its windows to the graph: over which windows scores are averaged, and where they go."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..distributed import World
from ..errors import InputError
from ..jacobian import ModulePieces, factors_at, jacobian_pieces
from ..series import Windows
from .blocks import score_blocks
from .sinks import DenseScores, Graph, KeptEdges, ScoreFiles, ScoreSink, dense_bytes
from .unit_shares import unit_shares

# Flops that scores may cost before a sample of the windows is taken: half a minute of 2 cores or of a GPU.
EXACT_FLOPS = {"cpu": 4e12, "cuda": 4e14}
FEWEST_WINDOWS = 64
BATCH_WINDOWS = 256
# At least as many batches, whose spread tells the standard error.
SAMPLE_BATCHES = 8


@dataclass(frozen=True)
class ScoreOptions:
    """How a fit is scored.

    Attributes
    ----------
    windows : how many windows scores are the mean over; None for all, or a random sample where all cost more than
        `EXACT_FLOPS`.
    edges_per_target : keep the strongest causes of each effect only; None keeps all scores.
    file : where all scores are written, as `.npy`, and read from as memory maps; None keeps them in memory.
    """

    windows: int | None = None
    edges_per_target: int | None = None
    file: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if self.file is None:
            return
        path = Path(self.file)
        if self.edges_per_target is not None:
            raise InputError(
                "scores_file and edges_per_target were both given; keep all scores, or the strongest edges"
            )
        if path.suffix != ".npy":
            raise InputError(f"scores_file={str(path)!r}; name a file that ends in .npy")
        if not path.absolute().parent.is_dir() or not os.access(path.absolute().parent, os.W_OK):
            raise InputError(f"scores_file={str(path)!r}: no folder there that can be written to; make it first")

    def check_space(self, n_effects: int, n_causes: int, n_lags: int) -> None:
        """Raise an `InputError` if the file's disk has no room for scores, signs, standard errors and the scores of every lag."""
        if self.file is None:
            return
        folder = Path(self.file).absolute().parent
        needed = dense_bytes(n_effects, n_causes, n_lags, sampled=True)
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise InputError(
                f"scores_file={str(self.file)!r}: all scores take up to {needed / 2**30:.2f} GiB and {folder} has"
                f" {free / 2**30:.2f} GiB free; make room, name another disk, or keep the strongest edges only (edges_per_target)"
            )

    def sink(self, names: tuple[str, ...], causes: tuple[str, ...], world: World) -> ScoreSink:
        """Where the scores of these effects by these causes go; files are written by process 0."""
        if self.edges_per_target is not None:
            return KeptEdges(names, causes, per_target=self.edges_per_target)
        if self.file is None:
            return DenseScores(names, causes)
        return ScoreFiles(names, causes, self.file, writes=world.rank == 0)


def score_graph(
    network: nn.Module,
    windows: Windows,
    names: tuple[str, ...],
    causes: tuple[str, ...],
    options: ScoreOptions,
    generator: torch.Generator,
    metadata: dict[str, Any],
    world: World,
) -> Graph:
    """Score every cause of every effect.

    A sample of windows is drawn without replacement; the graph then has standard errors, which concern the windows left
    out, not the data that were never seen. Of a network of sets the graph has `unit_shares`. The metadata get `score_windows`,
    `score_windows_total` and of a sample `score_standard_error`, the median over effects of the relative standard error of the
    strongest cause.

    Parameters
    ----------
    windows : of the series, standardised.
    names, causes : of the effects and the causes.
    generator : CPU generator that a sample is drawn from; untouched where all windows are taken.
    metadata : settings that the graph keeps.
    world : processes that share out the effects of every block; all get the whole graph.
    """
    network.zero_grad(set_to_none=True)
    total = len(windows)
    some = windows.inputs(slice(0, 2))
    n_windows = min(total, options.windows or affordable_windows(network, some, len(names)))
    batch = getattr(network, "score_batch", BATCH_WINDOWS)
    size = min(batch, -(-n_windows // SAMPLE_BATCHES)) if n_windows < total else batch
    order = torch.randperm(total, generator=generator)[:n_windows] if n_windows < total else torch.arange(total)
    chosen = order.to(some.device).split(size)
    blocks = score_blocks(
        network,
        lambda: (windows.inputs(index) for index in chosen),
        len(names),
        some[0].numel(),
        population=total if 1 < n_windows < total else None,
        world=world,
    )
    sink = options.sink(names, causes, world)
    # No process reads files that are still being written, and none waits for one that could not write.
    with world.refused_together():
        error = sink.take(blocks, to_the_end=world.size > 1)
    found = {"score_windows": n_windows, "score_windows_total": total}
    with world.refused_together():
        graph = sink.graph({**metadata, **found, **({} if error is None else {"score_standard_error": error})})
        shares = unit_shares(network, windows, graph)
        return graph if shares is None else graph.with_unit_shares(shares)


def affordable_windows(network: nn.Module, some: Tensor, n_targets: int) -> int:
    """How many windows `EXACT_FLOPS` pay for, at least `FEWEST_WINDOWS`: 2 E Q K flops each, K the contraction width."""
    n_inputs = some[0].numel()
    with torch.no_grad():
        pieces = jacobian_pieces(network, some)
        width = pieces.recipe.width if isinstance(pieces, ModulePieces) else factors_at(pieces.model, some[:1]).width
    flops = 2.0 * n_targets * n_inputs * width
    # Along the general path a product with the whole network for each effect.
    flops = flops or 4.0 * n_targets * sum(p.numel() for p in network.parameters())
    return max(FEWEST_WINDOWS, int(EXACT_FLOPS[some.device.type] / flops))
