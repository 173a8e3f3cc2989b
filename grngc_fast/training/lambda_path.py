"""A path of penalty strengths, and several seeds, trained as the members of one batched network.

Members never mix: each has its own slice of every parameter and of Adam's elementwise state, so that member (seed, lam) is
the network that `train` would make of it, and one that diverges leaves the others as they are.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..errors import InputError
from ..models.batched_mlp import BatchedMLP
from ..models.mlp import MLP
from ..series import Windows
from .batches import Batches
from .known import known_mean, target_weights, weighted_squares
from .optimizer import Adam
from .options import TrainingOptions
from .sampling import CHEAP_FLOPS, PenaltySample
from .sparse_linear import lam_max

# Windows of a batch that a step penalises at most, unless told otherwise. Lorenz-96 (P = 20 and 100) and DREAM4 with 16 or 64
# windows: held-out errors within 1 % of these, AUROC within .01, in up to twice and three times the time.
PENALTY_WINDOWS = 8

# Times `largest_lam` at which a network has no edge either: it can be steep where windows are few, which costs little of a mean
# gradient. On DREAM4 it kept self-influence at a sixth of the unpenalised strength at 1, a tenth at 1.25 and a hundredth at 2; on
# Lorenz-96 a hundredth at 1.
EMPTYING = 2.0

# Steps of a member after a shared start of all steps, as a share. Against all steps from the initial weights, in up to two thirds
# of the time, AUROC / AUPRC at the least held-out error with a share of .3 and (.5), one seed:
# Lorenz-96 F=40 P=20 .987 / .962 to .996 / .985 (.996 / .986), F=10 P=100 .968 / .839 to .975 / .871 (.977 / .887), DREAM4
# size 10 nets 1-3 .710 / .521 to .761 / .507 (.746 / .522), size 100 net 1 .753 / .138 to .763 / .143 (.766 / .139).
OWN_SHARE = 0.4


@dataclass(frozen=True)
class Start:
    """Where the members of one seed start: their network, and the generator of their batches and samples."""

    network: MLP
    generator: torch.Generator


def largest_lam(windows: Windows) -> float:
    """The least penalty strength at which the best linear forecast has no edge: 2 max_ij |cov(y_i, x_j)|.

    Target i pays mean_n (y_ni - w x_n)^2 + lam sum_j |w_j|; the number of targets divides both terms alike. At w = 0 the
    first has the slope -2 cov(y_i, x_j) along w_j, and the second outweighs it for every j from the largest of them on. A
    network needs more, see `EMPTYING`.
    """
    return lam_max(windows.columns().double(), windows.targets().double())


def train_path(
    starts: Sequence[Start],
    windows: Windows,
    lams: Sequence[float],
    options: TrainingOptions,
    memory_limit: int,
    verbose: int = 0,
) -> list[MLP]:
    """Networks of all (seed, lam), lam running fastest, in eval mode; those that diverged hold what they diverged to.

    Parameters
    ----------
    starts : one for each seed; left as they are.
    windows : standardised, to train on.
    options : of every member; its `lam` and what concerns validation are not used.
    memory_limit : bytes; as many members are trained at once as fit.
    verbose : 1 shows a progress bar.

    Raises
    ------
    InputError : a single member that does not fit.
    """
    batch_size = min(options.batch_size, len(windows))
    sample = choose_path_sample(starts[0].network, len(starts) * len(lams), batch_size, options)
    size = member_bytes(starts[0].network, batch_size, sample)
    at_once = memory_limit // size
    if at_once < 1:
        raise InputError(
            f"one network of the path needs {size / 2**20:.0f} MiB and memory_limit is {memory_limit / 2**20:.0f} MiB;"
            " raise it, or use fewer hidden units or smaller batches"
        )
    members = [(start, lam) for start in starts for lam in lams]
    chunks = [members[i : i + at_once] for i in range(0, len(members), at_once)]
    networks: list[MLP] = []
    with tqdm(total=options.max_steps * len(chunks), disable=verbose < 1, unit="step", dynamic_ncols=True) as bar:
        for chunk in chunks:
            batched = _train_together(chunk, windows, options, sample, bar)
            for number, (start, _) in enumerate(chunk):
                networks.append(batched.copy_into(number, copy.deepcopy(start.network)).eval())
    return networks


def shared_start(
    starts: Sequence[Start],
    windows: Windows,
    lams: Sequence[float],
    options: TrainingOptions,
    memory_limit: int,
    verbose: int = 0,
) -> list[Start]:
    """Starts whose networks were trained at the geometric mean of the end strengths, one for all members of a seed."""
    middle = math.sqrt(max(lams) * min(lams))
    networks = train_path(starts, windows, [middle], options, memory_limit, verbose)
    return [Start(n.train(), start.generator) for n, start in zip(networks, starts, strict=True)]


def choose_path_sample(network: MLP, n_members: int, batch_size: int, options: TrainingOptions) -> PenaltySample:
    """A few windows with all targets, or as many targets of one as a step of all members can afford.

    As in `choose_sample` a member's penalty costs what its forecast does, or a share of what is cheap for a step.
    """
    n_hidden, n_inputs = network.weights[0].shape
    n_targets = network.weights[1].shape[0]
    forecast = 6.0 * batch_size * n_hidden * (n_inputs + n_targets)
    budget, row = max(forecast, CHEAP_FLOPS / n_members), 6.0 * n_inputs * n_hidden
    affordable = min(PENALTY_WINDOWS, max(1, int(budget / (row * n_targets))))
    n_windows = min(batch_size, options.penalty_windows or affordable)
    return PenaltySample(n_windows, min(n_targets, options.penalty_targets or max(1, int(budget / row))))


def member_bytes(network: MLP, batch_size: int, sample: PenaltySample) -> int:
    """Memory of a member in training: parameters, gradients and Adam's state, a batch's activations, the penalty's operands."""
    parameters = sum(p.numel() for p in network.parameters())
    n_hidden, n_inputs = network.weights[0].shape
    n_targets = network.weights[1].shape[0]
    activations: int = batch_size * (2 * n_inputs + 4 * n_hidden + 4 * n_targets) + 8 * sample.n_windows * n_hidden
    return 4 * (6 * parameters + activations)


def _train_together(
    members: Sequence[tuple[Start, float]],
    windows: Windows,
    options: TrainingOptions,
    sample: PenaltySample,
    bar: tqdm[None],
) -> BatchedMLP:
    device = windows.steps.device
    batched = BatchedMLP([start.network for start, _ in members])
    lams = torch.tensor([lam for _, lam in members], device=device)
    starts = list({id(start): start for start, _ in members}.values())
    seed_of = torch.tensor([starts.index(start) for start, _ in members], device=device)
    generators = [start.generator.clone_state() for start in starts]
    batches = [Batches(len(windows), options.batch_size, generator) for generator in generators]
    weights = target_weights(windows)
    optimizer = Adam(batched.parameters(), options.learning_rate, options.max_steps)
    for _ in range(options.max_steps):
        index = torch.stack([b.next() for b in batches]).to(device)
        x, y = (
            t.unflatten(0, index.shape) for t in (windows.inputs(index.flatten()), windows.targets(index.flatten()))
        )
        targets = [sample.targets(y.shape[2], generator, device) for generator in generators]
        rows = torch.stack([t for t in targets if t is not None]) if sample.n_targets < y.shape[2] else None
        if len(starts) > 1:
            x, y = x[seed_of], y[seed_of]
        if rows is not None:
            rows = rows[seed_of]
        forecast, penalty = batched.forecast_and_penalty(x, sample.n_windows, rows)
        squares = (forecast - y).square() if weights is None else weighted_squares(forecast, y, weights)
        error = squares.mean((1, 2))
        optimizer.zero_grad()
        (error + lams * penalty / sample.n_targets).sum().backward()
        optimizer.step()
        bar.update()
    return batched


def window_errors(network: MLP, windows: Windows) -> Tensor:
    """(N,) squared error of each window's forecast, a mean over the targets that are known."""
    with torch.no_grad():
        parts = [
            known_mean((network(windows.inputs(i)) - windows.targets(i)).square(), 1)
            for i in torch.arange(len(windows), device=windows.steps.device).split(1024)
        ]
    return torch.cat(parts)
