"""`pytest benchmarks --benchmark-only`: the op, penalties, training steps and scores, each checked before it is timed.

Comparable with a saved run: `--benchmark-save before`, then `--benchmark-compare`.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from grngc_fast import causal_scores, gradient_l1
from grngc_fast.models import KAN, LSTM, MLP, TCN
from grngc_fast.series import Windows
from tests import reference

from . import guard, op, sets_step, training_step

SHAPES = ((0, 2000, 64, 2000), (32, 100, 128, 1000))
MODELS = {
    "mlp, 100 series": lambda: MLP(100, 1, (128,)),
    "mlp, two layers": lambda: MLP(100, 1, (64, 64)),
    "mlp, 50 series, 3 lags": lambda: MLP(50, 3, (128,)),
    "kan": lambda: KAN(50, 1, (32,)),
    "lstm": lambda: LSTM(50, 4, 32),
    "tcn": lambda: TCN(50, 4, 32),
}
N_WINDOWS = 64


def batch(model: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(N_WINDOWS, model.n_lags, model.n_series, generator=generator)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_op(benchmark: Any, shape: tuple[int, int, int, int]) -> None:
    op.check(*shape)
    benchmark(op.value_and_gradients, op.operands(*shape))


@pytest.mark.parametrize("name", MODELS)
def test_penalty(benchmark: Any, name: str) -> None:
    torch.manual_seed(0)
    model = MODELS[name]()
    x = batch(model)

    def gradients(penalty: Any) -> dict[str, torch.Tensor]:
        return reference.value_and_gradients(penalty(model, x), model)

    expected = gradients(reference.gradient_l1)
    guard.check("gradient_l1", list(gradients(gradient_l1).values()), list(expected.values()), 1e-4)
    benchmark(gradients, gradient_l1)


@pytest.mark.parametrize("n_series", [10, 100, 1000])
def test_training_step(benchmark: Any, n_series: int) -> None:
    """Of the shared layer with a linear path, as a fit takes it."""
    noise = torch.randn(200, n_series, generator=torch.Generator().manual_seed(0)).numpy()
    trainer = training_step.trainer(training_step.perceptron(n_series), Windows.from_trajectories([noise], 1), None)
    before = [parameter.detach().clone() for parameter in trainer.model.parameters()]
    trainer.step()
    moved = [(a.detach() - b).abs().max().item() for a, b in zip(trainer.model.parameters(), before, strict=True)]
    # Adam's first step is the learning rate, but for gradients of nothing.
    assert max(moved) == pytest.approx(training_step.options(None).learning_rate, rel=1e-2)
    benchmark(trainer.step)


@pytest.mark.parametrize("n_splines", sets_step.SPLINES)
def test_working_set_step(benchmark: Any, n_splines: int) -> None:
    """Of a tile of 125 networks of 16 inputs, its gradients held against autograd's."""
    benchmark(sets_step.pair(125, 16, n_splines)["closed form"])


@pytest.mark.parametrize("name", ["mlp, 100 series", "kan", "lstm"])
def test_scores(benchmark: Any, name: str) -> None:
    torch.manual_seed(0)
    model = MODELS[name]()
    x = batch(model)
    rows = reference.jacobian(model, x).abs().mean(0).detach()
    expected = rows.amax(1) if rows.dim() == 3 else rows
    guard.check("causal_scores", [causal_scores(model, x)], [expected], 1e-4)
    benchmark(causal_scores, model, x)


def test_small_fit(benchmark: Any) -> None:
    """Five series of 150 steps, the whole of it."""
    from grngc_fast import GRNGC
    from grngc_fast.datasets import lorenz96

    series = lorenz96(5, 150, 10.0, seed=0).X
    found = benchmark.pedantic(lambda: GRNGC(random_state=0).fit(series), rounds=5, warmup_rounds=1)
    assert found.scores_.shape == (5, 5)
