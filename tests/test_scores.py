"""causal_scores against the mean absolute Jacobian, in every orientation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from grngc_fast import CausalGraph, InputError, causal_scores, top_edges
from grngc_fast import scores as scores_module
from grngc_fast.models import KAN, LSTM, MLP
from grngc_fast.scoring.blocks import BLOCK_COPIES, score_blocks

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


@pytest.fixture
def few_at_a_time(monkeypatch):
    """Blocks of two effects at the sizes of these tests."""
    monkeypatch.setattr(scores_module, "FEW_INPUTS", 0)

    def blocks(*args, **options):
        inputs, itemsize = args[3], next(iter(args[1]())).element_size()
        return score_blocks(*args, block_bytes=2 * BLOCK_COPIES * itemsize * inputs, **options)

    monkeypatch.setattr(scores_module, "score_blocks", blocks)


@pytest.mark.parametrize(
    "build",
    [
        lambda: MLP(5, 3, (7,), skip=True),
        lambda: MLP(5, 3, (7, 4)),
        lambda: LSTM(5, 3, 4),
        lambda: KAN(5, 3, (4,)),
        lambda: Recurrent(5),
    ],
)
def test_scores_do_not_depend_on_the_blocks(build, few_at_a_time):
    model, x = build().double(), torch.randn(11, 3, 5, dtype=torch.float64)
    jacobian = reference.jacobian(model, x).detach()
    truth = jacobian.abs().mean(0).flip(1).movedim(1, -1)
    signed = jacobian.mean(0).flip(1).movedim(1, -1)
    torch.testing.assert_close(causal_scores(model, x, per_lag=True, batch_size=4), truth)
    torch.testing.assert_close(causal_scores(model, x, per_lag=True, signed=True), signed)
    torch.testing.assert_close(causal_scores(model, x, targets=[4, 0, 3]), truth.amax(-1)[[4, 0, 3]])


def test_a_sample_of_windows_is_drawn_by_its_seed():
    model, x = MLP(5, 1, (7,)).double(), torch.randn(50, 1, 5, dtype=torch.float64)
    some = [causal_scores(model, x, windows=20, seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(some[0], some[1])
    assert not torch.allclose(some[0], some[2])
    torch.testing.assert_close(causal_scores(model, x, windows=50), causal_scores(model, x))
    for count in (0, 51):
        with pytest.raises(ValueError, match=f"windows={count}; expected a whole number from 1 to the 50"):
            causal_scores(model, x, windows=count)


# ---- the strongest edges alone


@pytest.mark.parametrize("some", [None, [4, 0, 3]])
@pytest.mark.parametrize("k", [{"k_per_target": 2}, {"k": 7}, {"k_per_target": 9}, {"k": 99}])
def test_top_edges_are_those_of_the_scores(k, some, few_at_a_time):
    model, x = MLP(5, 2, (7,), skip=True).double(), torch.randn(11, 2, 5, dtype=torch.float64)
    rows = list(range(5)) if some is None else some
    lags = causal_scores(model, x, per_lag=True, targets=some).numpy()
    signed = causal_scores(model, x, signed=True, targets=some).numpy()
    effects, causes = tuple(f"x{i}" for i in rows), tuple(f"x{i}" for i in range(5))
    whole = CausalGraph(lags.max(-1), effects, lags, signed, causes=causes).edges(diagonal=True)
    own = [e for e in whole if e.source == e.target]
    others = [e for e in whole if e.source != e.target]
    if "k" in k:
        others = others[: k["k"]]
    else:
        others = [e for name in effects for e in [o for o in others if o.target == name][: k["k_per_target"]]]
    found = top_edges(model, x, targets=some, **k)
    assert (found.names, found.causes, found.n_lags) == (effects, causes, 2)
    expected = {e[:3] + e[4:]: e.score for e in own + others}
    assert {e[:3] + e[4:]: pytest.approx(e.score, rel=1e-12) for e in found.edges(diagonal=True)} == expected


def test_top_edges_of_a_rectangle_need_the_names_of_its_causes():
    model, x = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), torch.randn(9, 1, 4)
    with pytest.raises(InputError, match="3 effects by 4 causes are not the same series"):
        top_edges(model, x, k=2)
    found = top_edges(model, x, k=2, names=("a", "b", "c"), causes=("a", "b", "c", "d"))
    weight = model[1].weight.detach().abs()
    assert found.n_edges == 2 + 3
    np.testing.assert_allclose(found.to_scipy(diagonal=True).diagonal(), weight.diagonal(), rtol=1e-5)


def test_unusable_numbers_of_edges_are_named():
    model, x = MLP(4), torch.randn(9, 1, 4)
    for k in ({}, {"k": 1, "k_per_target": 1}):
        with pytest.raises(InputError, match="give one of k_per_target and k"):
            top_edges(model, x, **k)
    with pytest.raises(InputError, match="k is 0; pass a whole number"):
        top_edges(model, x, k=0)


# ---- blocks


def test_a_budget_that_holds_no_effect_is_refused():
    x = torch.randn(3, 1, 50)
    with pytest.raises(
        InputError, match=r"one effect by 50 inputs need 1400 bytes of memory, more than the 1000 allowed"
    ):
        next(score_blocks(MLP(50), lambda: [x], 50, 50, block_bytes=1000))


def test_standard_errors_are_those_of_a_sample_without_replacement():
    """Over many samples the mean squared error of a score is the mean of its squared standard errors."""
    model, x = MLP(4, 2, (9,)).double(), torch.randn(60, 2, 4, dtype=torch.float64)
    truth = causal_scores(model, x)
    off, stated = [], []
    for seed in range(300):
        order = torch.randperm(60, generator=torch.Generator().manual_seed(seed))[:26]
        (block,) = score_blocks(model, lambda order=order: (x[i] for i in order.split(4)), 4, 8, population=60)
        lag = causal_scores(model, x, per_lag=True).gather(-1, block.absolute.argmax(-1, keepdim=True)).squeeze(-1)
        off.append((block.scores - lag).square())
        stated.append(block.error.square())
    ratio = torch.stack(stated).mean(0) / torch.stack(off).mean(0)
    assert 0.9 < ratio.mean() < 1.1
    assert ratio.min() > 0.6 and ratio.max() < 1.6
    (block,) = score_blocks(model, lambda: x.split(8), 4, 8, population=60)
    torch.testing.assert_close(block.scores, truth)
    assert not block.error.any()


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
