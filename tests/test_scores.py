"""causal_scores against the mean absolute Jacobian, in every orientation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from grngc_fast import causal_scores
from grngc_fast.models import MLP

from . import reference
from .test_penalty import Recurrent


@pytest.mark.parametrize("build", [lambda: MLP(5, 3, (7,), skip=True), lambda: MLP(5, 3, (7, 4)), lambda: Recurrent(5)])
@pytest.mark.parametrize("batch_size", [4, 100])
def test_scores_equal_the_mean_absolute_jacobian(build, batch_size):
    model, x = build().double(), torch.randn(11, 3, 5, dtype=torch.float64)
    jacobian = reference.jacobian(model, x).detach()
    truth = jacobian.abs().mean(0).flip(1).movedim(1, -1)
    signed = jacobian.mean(0).flip(1).movedim(1, -1)
    torch.testing.assert_close(causal_scores(model, x, per_lag=True, batch_size=batch_size), truth)
    torch.testing.assert_close(causal_scores(model, x, per_lag=True, signed=True, batch_size=batch_size), signed)
    torch.testing.assert_close(causal_scores(model, x, batch_size=batch_size), truth.amax(-1))
    strongest = signed.gather(-1, truth.argmax(-1, keepdim=True)).squeeze(-1)
    torch.testing.assert_close(causal_scores(model, x, signed=True, batch_size=batch_size), strongest)


def test_the_most_recent_step_is_lag_index_zero():
    class Delay(nn.Module):
        """y_i(t) = x_{i-1}(t - 2), of three steps."""

        def forward(self, x):
            return x[:, -2].roll(1, dims=-1)

    scores = causal_scores(Delay(), torch.randn(6, 3, 4), per_lag=True)
    truth = torch.zeros(4, 4, 3)
    truth[torch.arange(4), torch.arange(4) - 1, 1] = 1
    assert torch.equal(scores, truth)


def test_flat_inputs_count_as_one_lag():
    model, x = nn.Linear(4, 3), torch.randn(5, 4)
    torch.testing.assert_close(causal_scores(model, x), model.weight.detach().abs())


def test_no_windows_is_an_error():
    with pytest.raises(ValueError, match="at least one window"):
        causal_scores(MLP(4), torch.zeros(0, 1, 4))


def test_windows_that_are_no_tensor_of_floats_are_named():
    with pytest.raises(ValueError, match="torch tensor of windows, got ndarray"):
        causal_scores(MLP(4), np.zeros((3, 1, 4)))
    with pytest.raises(ValueError, match="floating-point"):
        causal_scores(MLP(4), torch.zeros(3, 1, 4, dtype=torch.long))
