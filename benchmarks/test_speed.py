"""`pytest benchmarks --benchmark-only`: the op, the penalty and a training step, each checked before it is timed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from grngc_fast import gradient_l1
from tests import reference

from . import op, penalty
from .step import training_step

SHAPES = (op.Shape(2000, 64, 2000), op.Shape(100, 128, 1000, windows=32))
CASES = (penalty.Case(100), penalty.Case(100, hidden=(64, 64)), penalty.Case(50, n_lags=3))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_op(benchmark: Any, shape: op.Shape) -> None:
    op.check(shape)
    operands = shape.operands()
    benchmark(op.value_and_gradients, op.fast_value, operands)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_penalty(benchmark: Any, case: penalty.Case) -> None:
    model, x = penalty.prepared(case)
    expected = penalty.flattened(reference.gradient_l1, model, x)
    penalty.check("gradient_l1", benchmark(penalty.flattened, gradient_l1, model, x), expected)


def test_training_step(benchmark: Any) -> None:
    step = training_step(n_series=100)
    first = float(step())
    for _ in range(20):
        last = float(step())
    assert last < first
    assert torch.isfinite(benchmark(step))
