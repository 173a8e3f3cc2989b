"""The rounds: tiles of open targets, a thread to a tile, shared out between processes."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ...distributed import World
from ...series import CandidateEdges, Windows
from ...threads import in_threads
from ..history import ACTIVE_SHARE
from .data import SetData
from .options import SetOptions
from .screen import ALWAYS_PAIRS, strongest
from .sets import WorkingSets
from .state import SetState
from .tile import judged, strongest_inputs, take_round, without

# Targets to a tile, of training and of screens, at least and at most: buffers that stay in a core's cache; on a GPU, where every
# target is a program of one kernel and 1188 run at a time (H100, 528 with splines), many (not measured).
FEWEST, TILE, GPU_TILE = 16, 125, 16384
# Targets times windows of a tile at most: its residuals, and their products, of very long series.
TILE_NUMBERS = 2**23
# Targets of which it is found out whether pairs matter, and how many of them have to show it.
PAIR_TARGETS, FEWEST_WITH_PAIRS = 24, 2
# Sets do not grow beyond the windows over this.
WINDOWS_TO_AN_INPUT = 8
# Inputs times windows of a tile on a GPU.
GPU_NUMBERS = 2**28


def find_sets(
    windows: Windows,
    lam: float | Tensor,
    options: SetOptions,
    seed: int,
    world: World | None = None,
    verbose: int = 0,
    edges: CandidateEdges | None = None,
) -> WorkingSets:
    """Sets and networks of all targets.

    Parameters
    ----------
    windows : standardised.
    lam : penalty strength, of all or (E,) of each target.
    seed : of weights and of the order of windows; the result does not depend on how many processes share the targets.
    world : processes that share out the tiles; all get the whole.
    verbose : 1 shows a progress bar of the steps of each round.
    edges : the candidates, where not every target may read every series; own pasts beside them are read without a penalty.
    """
    # What a network of no splines cannot make use of is not looked for.
    return search_sets(SetData.of(windows, edges, smooth=options.splines > 0), lam, options, seed, world, verbose)


def search_sets(
    data: SetData,
    lam: float | Tensor,
    options: SetOptions,
    seed: int,
    world: World | None = None,
    verbose: int = 0,
) -> WorkingSets:
    """As `find_sets`, of windows that were read before."""
    world = World() if world is None else world
    search = _Search(data, options, seed, world, lam)
    with tqdm(disable=verbose < 1 or world.rank > 0, unit=" steps", dynamic_ncols=True) as bar:
        while len(search.active) and search.round < options.rounds:
            search.take_round(bar)
    state = search.state
    return WorkingSets(state.columns, state.networks, state.strength, state.excess, tuple(search.path))


class _Search:
    """The rounds so far.

    Attributes
    ----------
    state : of all targets. active : targets that are open. path : see `WorkingSets`.
    """

    def __init__(self, data: SetData, options: SetOptions, seed: int, world: World, lam: float | Tensor) -> None:
        self._data, self._seed, self._world = data, seed, world
        # Few windows cannot tell many inputs apart.
        most = max(options.set_size, data.y.shape[1] // WINDOWS_TO_AN_INPUT)
        self._options = replace(options, largest=min(options.largest, most))
        self._lam = torch.as_tensor(lam, dtype=data.y.dtype, device=data.y.device).expand(len(data.y))
        self._all_fit = data.n_inputs <= options.set_size
        self.state, self.path = SetState.empty(data, options), list[tuple[int, float, float, int]]()
        self.active = torch.arange(len(data.y), device=data.y.device)
        self._pairs = data.n_inputs <= ALWAYS_PAIRS

    @property
    def round(self) -> int:
        return len(self.path)

    def take_round(self, bar: tqdm) -> None:
        options = self._options
        short = self.round < options.short_rounds and not self._all_fit
        steps = options.first_steps if short else options.steps
        tiles = self._tiles()
        mine = self._world.share(torch.arange(len(tiles))).tolist()
        bar.set_description(f"working sets, round {self.round + 1} of {len(self.active)} targets", refresh=False)
        bar.reset(len(mine) * steps)

        def work(number: int) -> SetState:
            generator = torch.Generator().manual_seed(self._seed + 1_000_003 * self.round + number)
            given = self._data, self.state, tiles[number], self._lam, options
            return take_round(*given, self.round, steps, generator, bar.update, self._pairs)

        if not self._all_fit:
            self._data.make_screens()
        self._pairs = self._pairs or self._pairs_matter()
        found = in_threads(work, mine, self._data.y.device)
        self.state = self.state.after(dict(zip(mine, found, strict=True)), tiles, self._world)
        taken = steps + (self.path[-1][0] if self.path else 0)
        strength, error = self.state.strength, float(self.state.error.mean())
        edges = int((strength > ACTIVE_SHARE * strength.max()).sum())
        self.path.append((taken, error, float(strength.sum(1).mean()), edges))
        if not short:
            self.active = self.active[self.state.excess[self.active] > 1]

    def _pairs_matter(self) -> bool:
        """Of some open targets, before all pay for it."""
        if self._all_fit:
            return False
        n, device = len(self.active), self.active.device
        some = self.active[torch.linspace(0, n - 1, min(n, PAIR_TARGETS), device=device).long()]
        found = in_threads(self._with_pairs, list(some.split(PAIR_TARGETS // 4)), device)
        return sum(found) >= FEWEST_WITH_PAIRS

    def _with_pairs(self, targets: Tensor) -> int:
        """How many of these have an input outside that nothing but pairs shows."""
        data, count = self._data, self._options.partners
        allowed = data.allowed(targets)
        if not self.path:
            residual, outside = data.y[targets], allowed
            partners = strongest(data.screen_of(targets).linear(residual), allowed, count)
        else:
            columns, networks = self.state.columns[targets], self.state.networks.of(targets)
            strength, residual = judged(data, targets, columns, networks)
            outside, partners = without(allowed, columns), strongest_inputs(columns, strength, count)
        return int(data.screen_of(targets).pairs_alone(residual, partners, outside).sum())

    def _tiles(self) -> list[Tensor]:
        """Open targets, those with sets of near sizes together."""
        sizes = self.state.columns[self.active].ge(0).sum(1)
        ordered = self.active[sizes.argsort(dim=0, stable=True)]
        n_windows = self._data.y.shape[1]
        if ordered.device.type != "cpu":
            width = 2 * max(self._options.set_size, int(sizes.max()))
            return list(ordered.split(max(1, min(GPU_TILE, GPU_NUMBERS // (n_windows * width)))))
        largest = min(TILE, TILE_NUMBERS // n_windows, max(FEWEST, -(-len(ordered) // 2)))
        return list(ordered.split(max(1, largest)))
