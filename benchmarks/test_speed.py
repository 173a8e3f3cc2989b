"""`pytest benchmarks --benchmark-only`: the op, the penalty and a training step, each checked before it is timed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from grngc_fast import gradient_l1
from grngc_fast.models import MLP
from tests import reference

from . import guard, op

SHAPES = ((0, 2000, 64, 2000), (32, 100, 128, 1000))
CASES = ((100, 1, (128,)), (100, 1, (64, 64)), (50, 3, (128,)))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_op(benchmark: Any, shape: tuple[int, int, int, int]) -> None:
    op.check(*shape)
    benchmark(op.value_and_gradients, op.operands(*shape))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_penalty(benchmark: Any, case: tuple[int, int, tuple[int, ...]]) -> None:
    generator = torch.Generator().manual_seed(0)
    model = MLP(*case, generator=generator)
    x = torch.randn(64, case[1], case[0], generator=generator)

    def gradients(penalty: Any) -> dict[str, torch.Tensor]:
        return reference.value_and_gradients(penalty(model, x), model)

    expected = gradients(reference.gradient_l1)
    guard.check("gradient_l1", list(gradients(gradient_l1).values()), list(expected.values()), 1e-4)
    benchmark(gradients, gradient_l1)


def test_training_step(benchmark: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    model = MLP(100, hidden=128, generator=generator)
    x, y = torch.randn(64, 1, 100, generator=generator), torch.randn(64, 100, generator=generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, fused=True)

    def step() -> torch.Tensor:
        loss = F.mse_loss(model(x), y) + 0.1 / 100 * gradient_l1(model, x)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    first = step()
    for _ in range(20):
        last = step()
    assert last < first
    assert torch.isfinite(benchmark(step))
