"""A step's sampled penalty is, over all samples that it can draw, the exact one: in value and in every gradient."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from grngc_fast.distributed import World
from grngc_fast.models import KAN, MLP, SetMLP
from grngc_fast.series import Windows
from grngc_fast.training import Trainer, TrainingOptions
from grngc_fast.training.sampling import PenaltySample
from tests import reference, torch_models

P, LAGS, N = 4, 2, 5


def mlp() -> MLP:
    model = MLP(P, LAGS, (6,), skip=True)
    torch.nn.init.normal_(model.skip)
    return model


def sets() -> SetMLP:
    model = SetMLP(P, LAGS, 3, set_size=5)
    torch.nn.init.normal_(model.skip)
    return model


MODELS = {
    "MLP with a linear path": mlp,
    "SetMLP": sets,
    "KAN": lambda: KAN(P, LAGS, (5,)),
    "a module of one's own": lambda: torch_models.deep(P, LAGS),
}


@dataclass(frozen=True)
class Chosen:
    """A sample whose draw is known: the first windows of a batch, these targets."""

    n_windows: int
    rows: tuple[int, ...]

    def targets(self, n_outputs: int, generator: torch.Generator, device: torch.device) -> torch.Tensor:
        return torch.tensor(self.rows)


def trainer(model: torch.nn.Module, n_windows: int, n_targets: int) -> Trainer:
    series = np.random.default_rng(0).standard_normal((N + LAGS, P))
    windows = Windows.from_trajectories([series], LAGS, torch.float64)
    options = TrainingOptions(0.1, 10, N, 1e-3, 0.0, penalty_windows=n_windows, penalty_targets=n_targets)
    return Trainer(model.double(), windows, options, torch.Generator().manual_seed(0), World())


@pytest.mark.parametrize(("n_windows", "n_targets"), [(1, P), (1, 2), (3, 1), (2, 3)])
@pytest.mark.parametrize("name", MODELS)
def test_the_mean_over_all_samples_is_the_exact_penalty_and_its_gradient(name, n_windows, n_targets):
    model = MODELS[name]()
    run = trainer(model, n_windows, n_targets)
    x = run._training.inputs()
    exact = reference.value_and_gradients(reference.gradient_l1(model, x) / P, model)
    choices = list(
        itertools.product(itertools.combinations(range(N), n_windows), itertools.combinations(range(P), n_targets))
    )
    total = {key: torch.zeros_like(value) for key, value in exact.items()}
    apart = 0.0
    for index, rows in choices:
        run._sample = Chosen(n_windows, rows)
        sampled = reference.value_and_gradients(run._penalty(torch.tensor(index), x[list(index)]), model)
        apart = max(apart, abs(float(sampled["value"] / exact["value"]) - 1))
        for key, value in sampled.items():
            total[key] += value
    assert apart > 0.01
    for key, truth in exact.items():
        torch.testing.assert_close(total[key] / len(choices), truth, rtol=1e-12, atol=1e-12)


def test_every_choice_of_targets_and_of_windows_is_drawn_as_often():
    run = trainer(mlp(), 2, 3)
    assert (run._sample.n_windows, run._sample.n_targets) == (2, 3)
    # The windows penalised are the first of a batch of its own order.
    run._batches.size, draws = 4, 6000
    targets, windows = Counter(), Counter()
    for _ in range(draws):
        targets[tuple(sorted(run._sample.targets(P, run.generator, torch.device("cpu")).tolist()))] += 1
        windows[tuple(sorted(run._batches.next()[:2].tolist()))] += 1
    assert (len(targets), len(windows)) == (4, 10)
    for counts in (targets, windows):
        expected = draws / len(counts)
        # Six standard deviations of a binomial count.
        assert all(abs(count - expected) < 6 * expected**0.5 for count in counts.values())


def test_all_targets_need_no_choice():
    assert PenaltySample(1, P).targets(P, torch.Generator(), torch.device("cpu")) is None
