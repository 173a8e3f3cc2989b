"""Which causes each target reads: sets that screening and training find in rounds, as a lasso finds its active set.

A round: screen all causes by what would lower the target's residual, fill its set with the best of them, train a small network
on the set, keep its strongest half. The screen is the largest correlation of the residual r with x_j, x_j^2 and x_j x_k for the
strongest partners k in the set; each is a product N x E x Q. Targets are independent given their sets: tiles of them are trained
in closed form (`kernels.small_networks`), a thread to a tile, shared out between processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..distributed import World
from ..kernels.small_networks import Networks, TileTrainer
from ..models.sets import set_columns
from ..series import Windows

# Targets to a tile, of training and of screens: buffers that stay in a core's cache; on a GPU, where a step
# is 40 launches whatever the tile, many (not measured).
TILE, GPU_TILE = 125, 4096


@dataclass(frozen=True)
class SetOptions:
    """How sets are found.

    Attributes
    ----------
    n_causes : of each target. units : hidden units of its network. partners : k of the products x_j x_k.
    rounds, round_steps, last_steps : screens before the last, steps of training in each, and after the last one.
    learning_rate, batch_size : of Adam, with cosine decay in every round.
    """

    n_causes: int = 24
    units: int = 16
    partners: int = 6
    rounds: int = 3
    round_steps: int = 150
    last_steps: int = 300
    learning_rate: float = 2e-2
    batch_size: int = 64


@dataclass(frozen=True)
class WorkingSets:
    """causes (E, c) of each target, and its network, of lag-major inputs of those causes."""

    causes: Tensor
    networks: Networks

    def forecast(self, windows: Windows) -> Tensor:
        """(N, E), of windows with the series that the sets were found in."""
        columns = windows.columns().T
        read = columns[set_columns(self.causes, windows.n_lags, len(columns) // windows.n_lags)]
        return self.networks.forecast_and_jacobian(read.mT)[0].T


def find_sets(
    windows: Windows, lam: float, options: SetOptions, seed: int, world: World | None = None, verbose: int = 0
) -> WorkingSets:
    """Sets and networks of all targets.

    Parameters
    ----------
    windows : standardised.
    lam : penalty strength per target.
    seed : of weights and of the order of windows; the result does not depend on how many processes share the targets.
    world : processes that share out the tiles; all get the whole.
    verbose : 1 shows a progress bar of tiles.
    """
    world = World() if world is None else world
    x, y = windows.columns(), windows.targets()
    data = _Data(x, _standard(x), x.T.contiguous(), _standard(x.square()), y.T.contiguous(), windows.n_lags)
    size = TILE if x.device.type == "cpu" else GPU_TILE
    tiles = list(torch.arange(windows.n_targets, device=x.device).split(size))
    mine = world.share(torch.arange(len(tiles))).tolist()

    def work(number: int) -> WorkingSets:
        found = _tile_sets(data, tiles[number], lam, options, seed + number)
        bar.update()
        return found

    with tqdm(total=len(mine), desc="working sets", unit=" tiles", disable=verbose < 1 or world.rank > 0) as bar:
        # One thread of torch's to a tile: threads that share a small product wait for one another, a hundredfold where another
        # process has their core.
        count = torch.get_num_threads() if x.device.type == "cpu" else 1
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                found = dict(zip(mine, pool.map(work, mine), strict=True))
            except BaseException:
                # Of an interrupt too: tiles that have not begun are not waited for.
                pool.shutdown(cancel_futures=True)
                raise
    return _joined(found, tiles, windows.n_targets, world)


@dataclass(frozen=True)
class _Data:
    """x (N, Q) lag-major, standardised, transposed, its squares standardised; y (E, N); L."""

    x: Tensor
    standard: Tensor
    columns: Tensor
    squares: Tensor
    y: Tensor
    n_lags: int

    @property
    def n_causes(self) -> int:
        return self.x.shape[1] // self.n_lags

    def inputs(self, causes: Tensor) -> Tensor:
        return set_columns(causes, self.n_lags, self.n_causes)


def _tile_sets(data: _Data, targets: Tensor, lam: float, options: SetOptions, seed: int) -> WorkingSets:
    generator = torch.Generator().manual_seed(seed)
    y = data.y[targets]
    size = min(options.n_causes, data.n_causes)
    if size == data.n_causes:
        causes = torch.arange(size, device=y.device).expand(len(targets), -1)
        return WorkingSets(causes, _trained(data, y, causes, lam, options, options.last_steps, generator))
    residual = y - y.mean(1, keepdim=True)
    strength = _by_cause((residual @ data.standard).abs(), data.n_lags)
    causes = strength.topk(max(1, size // 2), dim=1).indices
    strength = strength.gather(1, causes)
    for round_ in range(options.rounds + 1):
        evidence = screen(data.x, data.squares, residual.T, _strongest(data, causes, strength, options.partners))
        evidence = _by_cause(evidence, data.n_lags).scatter_(1, causes, -1.0)
        causes = torch.cat([causes, evidence.topk(size - causes.shape[1], dim=1).indices], 1)
        last = round_ == options.rounds
        networks = _trained(
            data, y, causes, lam, options, options.last_steps if last else options.round_steps, generator
        )
        if last:
            break
        forecast, jacobian = networks.forecast_and_jacobian(data.columns[data.inputs(causes)].mT)
        residual, strength = y - forecast, _by_cause(jacobian.abs_().mean(1), data.n_lags)
        kept = strength.topk(max(1, size // 2), dim=1)
        strength, causes = kept.values, causes.gather(1, kept.indices)
    return WorkingSets(causes, networks)


def screen(x: Tensor, squares: Tensor, residual: Tensor, partners: Tensor) -> Tensor:
    """(E, Q): the largest absolute correlation of the residual with each input, its square, and its products with partners.

    x, squares (N, Q) and residual (N, E) of mean 0; partners (E, M) columns of x. Inputs have variance 1.
    """
    r = _standard(residual)
    best = torch.maximum((r.T @ x).abs_(), (r.T @ squares).abs_())
    for partner in partners.T:
        product = r * x[:, partner]
        product -= product.mean(0)
        torch.maximum(best, (product.T @ x).abs_(), out=best)
    return best.div_(len(x))


def _trained(
    data: _Data, y: Tensor, causes: Tensor, lam: float, options: SetOptions, steps: int, generator: torch.Generator
) -> Networks:
    inputs = data.inputs(causes)
    networks = Networks.drawn(len(y), inputs.shape[1], options.units, generator, y.device)
    size = min(options.batch_size, y.shape[1])
    trainer = TileTrainer(networks, size, options.learning_rate, steps)
    for z, t in _batches(data.columns, y, inputs, size, steps, generator):
        trainer.step(z, t, lam)
    return networks


def _batches(
    columns: Tensor, y: Tensor, inputs: Tensor, size: int, steps: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Windows without replacement, gathered once a pass: z (E, B, K) and targets (E, B)."""
    whole, read = y.shape[1] // size, columns[inputs]
    for step in range(steps):
        batch = step % whole
        if batch == 0:
            order = torch.randperm(y.shape[1], generator=generator)[: whole * size].to(y.device)
            z, t = read[:, :, order], y[:, order]
        now = slice(batch * size, (batch + 1) * size)
        yield z[:, :, now].mT, t[:, now]


def _strongest(data: _Data, causes: Tensor, strength: Tensor, count: int) -> Tensor:
    """(E, M) columns of x: the most recent steps of the strongest causes."""
    return causes.gather(1, strength.topk(min(count, strength.shape[1]), dim=1).indices)


def _by_cause(entries: Tensor, n_lags: int) -> Tensor:
    """(E, L c) lag-major to (E, c): the largest over lags."""
    return entries if n_lags == 1 else entries.unflatten(1, (n_lags, -1)).amax(1)


def _standard(x: Tensor) -> Tensor:
    """Columns of mean 0 and variance 1; constant ones stay 0."""
    centred = x - x.mean(0)
    return centred.div_(centred.std(0).clamp_min_(1e-6))


def _joined(found: dict[int, WorkingSets], tiles: list[Tensor], n_targets: int, world: World) -> WorkingSets:
    """Of all processes, each of which has some tiles, or none where there are fewer."""
    own = {number: (sets.causes, *sets.networks.tensors()) for number, sets in found.items()}
    shapes = world.first([part.shape[1:] for part in own[0]] if 0 in own else [])
    whole = [torch.zeros(n_targets, *shape, device=tiles[0].device) for shape in shapes]
    whole[0] = whole[0].long()
    for number, parts in own.items():
        for into, part in zip(whole, parts, strict=True):
            into[tiles[number]] = part
    causes, *networks = (world.sum(part) for part in whole)
    return WorkingSets(causes, Networks(*networks))
