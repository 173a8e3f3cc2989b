"""Windows, the split, the penalty sample and the training loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grngc_fast import FitDivergedWarning, InputError, gradient_l1
from grngc_fast.distributed import World
from grngc_fast.models import LSTM, MLP, SetMLP
from grngc_fast.models.linear_path import products_put_off
from grngc_fast.series import Windows
from grngc_fast.training import Trainer, TrainingOptions, train
from grngc_fast.training.batches import Batches
from grngc_fast.training.optimizer import Adam
from grngc_fast.training.sampling import CHEAP_FLOPS, PenaltySample, choose_sample


def options(**changes) -> TrainingOptions:
    return TrainingOptions(**{"lam": 0.1, "max_steps": 30, "batch_size": 16, "learning_rate": 1e-2, **changes})


def windows(n_steps: int = 60, n_series: int = 4, n_lags: int = 1, seed: int = 0) -> Windows:
    series = np.random.default_rng(seed).standard_normal((n_steps, n_series))
    return Windows.from_trajectories([series], n_lags)


def trained(data: Windows, seed: int = 0, **changes) -> tuple[MLP, object]:
    generator = torch.Generator().manual_seed(seed)
    model = MLP(data.steps.shape[1], data.n_lags, (8,), generator=generator)
    return model, train(model, data, options(**changes), generator)


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(6, 20), min_size=1, max_size=8), lags=st.integers(1, 5))
def test_no_window_crosses_a_trajectory(lengths, lags):
    # Every step carries the number of its trajectory and its time.
    trajectories = [np.stack([np.full(n, i), np.arange(n)], axis=1).astype(float) for i, n in enumerate(lengths)]
    cut = Windows.from_trajectories(trajectories, lags)
    x, y = cut.inputs(), cut.targets()
    assert len(cut) == sum(n - lags for n in lengths)
    assert (x[..., 0] == y[:, None, 0]).all()
    assert torch.equal(x[..., 1] + torch.arange(lags, 0, -1), y[:, 1:2].expand(-1, lags))
    assert torch.equal(cut.trajectory.float(), y[:, 0])


def test_validation_is_the_tail_of_a_long_series_and_whole_trajectories_of_many():
    late = windows(100)
    training, held_out = late.split(0.2)
    assert len(held_out) == 20
    assert training.starts.max() < held_out.starts.min()
    many = Windows.from_trajectories([np.random.default_rng(i).standard_normal((10, 3)) for i in range(10)], 2)
    training, held_out = many.split(0.2)
    assert set(held_out.trajectory.tolist()) == {8, 9}
    assert not set(training.trajectory.tolist()) & {8, 9}
    assert late.split(0.0) == (late, None)


def test_too_few_steps_for_the_lags_names_the_trajectory():
    with pytest.raises(InputError, match=r"trajectory 1 has 3 time steps .* lags=3 needs at least 4"):
        Windows.from_trajectories([np.ones((9, 2)), np.ones((3, 2))], 3)


def test_batches_visit_every_window_and_repeat_none_within():
    batches = Batches(10, 4, torch.Generator().manual_seed(0))
    seen = torch.cat([batches.next() for _ in range(2)])
    assert len(seen.unique()) == 8
    assert len(Batches(3, 64, torch.Generator()).next()) == 3


def test_training_lowers_the_loss_and_records_it():
    series = np.zeros((200, 3))
    rng = np.random.default_rng(0)
    for t in range(1, 200):
        series[t] = 0.8 * np.roll(series[t - 1], 1) + rng.standard_normal(3)
    model, history = trained(Windows.from_trajectories([series / series.std()], 1), max_steps=200)
    assert history.forecast[-1] < 0.7 * history.forecast[0]
    assert history.step[-1] == history.best_step == 200
    assert history.stopped == "max_steps"
    assert len(history.penalty) == len(history.validation) == len(history.active_edges) == len(history)
    assert history.loss[-1] == pytest.approx(history.forecast[-1] + 0.1 * history.penalty[-1])
    assert not model.training


def test_same_seed_same_parameters_and_the_global_generator_is_untouched():
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    first, second = (trained(windows())[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["weights.0"], trained(windows(), seed=1)[0].state_dict()["weights.0"])
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_larger_lam_leaves_smaller_gradients():
    data = windows()
    penalties = [gradient_l1(trained(data, lam=lam, max_steps=200)[0], data.inputs()).item() for lam in (0.0, 0.1, 1.0)]
    assert penalties[0] > 1.2 * penalties[1] > 1.2 * penalties[2]


def test_early_stopping_keeps_the_best_validated_parameters():
    data = windows(40)
    model, history = trained(data, lam=0.0, max_steps=2000, patience=3, evaluate_every=5, validation_fraction=0.3)
    _, held_out = data.split(0.3)
    assert history.stopped == "early"
    assert history.best_step == history.step[int(np.argmin(history.validation))] < history.step[-1]
    error = (model(held_out.inputs()) - held_out.targets()).square().mean().item()
    assert error == pytest.approx(min(history.validation), rel=1e-5)


def test_divergence_keeps_the_last_good_parameters(monkeypatch):
    data, calls = windows(), []

    def explode(model, x, **_):
        calls.append(0)
        return model.weights[0].sum() * (float("nan") if len(calls) > 17 else 1.0)

    monkeypatch.setattr("grngc_fast.training.trainer.gradient_l1", explode)
    monkeypatch.setattr("grngc_fast.training.trainer.written_out", lambda *_: False)
    with pytest.warns(
        FitDivergedWarning, match="diverged at step 20; the parameters of step 15 were kept.*lower learning_rate|Lower"
    ):
        model, history = trained(data, evaluate_every=5)
    assert history.stopped == "diverged"
    assert history.step == [5, 10, 15]
    assert all(p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("every", [1, 7])
def test_parameters_that_give_no_finite_forecast_are_never_kept(every):
    with pytest.raises(FloatingPointError, match=f"within the first {every} steps; lower learning_rate"):
        trained(windows(), learning_rate=1e30, evaluate_every=every)


def test_divergence_from_the_start_is_an_error():
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        trained(windows(), learning_rate=1e30)


@pytest.mark.parametrize(("n_windows", "n_targets"), [(3, None), (None, 2), (2, 3)])
def test_a_sampled_penalty_is_right_on_average(n_windows, n_targets):
    data = windows(n_series=5)
    model = MLP(5, hidden=(6,))
    x = data.inputs()
    exact = gradient_l1(model, x).item() / 5
    generator = torch.Generator().manual_seed(0)
    draws = []
    for _ in range(400):
        index = torch.randperm(len(data), generator=generator)[: n_windows or len(data)]
        rows = torch.randperm(5, generator=generator)[: n_targets or 5]
        draws.append(gradient_l1(model, x[index], targets=rows).item() / len(rows))
    error = abs(np.mean(draws) - exact)
    assert error < 5 * np.std(draws) / len(draws) ** 0.5 + 1e-6


@pytest.mark.parametrize(
    "sample", [{"penalty_targets": 2}, {"penalty_windows": 1}, {"penalty_windows": 3, "penalty_targets": 1}]
)
def test_training_scales_a_sampled_penalty_to_the_whole(sample):
    # Parameters that hardly move: the mean over steps is the expectation.
    still = {
        "learning_rate": 1e-12,
        "max_steps": 800,
        "evaluate_every": 800,
        "batch_size": 8,
        "validation_fraction": 0.0,
    }
    data = windows(n_series=5)
    model, history = trained(data, **still, **sample)
    assert history.penalty[0] == pytest.approx(gradient_l1(model, data.inputs()).item() / 5, rel=0.03)


def test_the_steps_are_those_of_torchs_adam_with_cosine_decay():
    ours, theirs = (torch.nn.Linear(3, 2) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    still = torch.nn.Parameter(torch.ones(2))
    optimizer = Adam([*ours.parameters(), still], 1e-2, 20)
    reference = torch.optim.Adam(theirs.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(reference, 20)
    for _ in range(20):
        assert optimizer.learning_rate == pytest.approx(schedule.get_last_lr()[0], rel=1e-9)
        x = torch.randn(4, 3)
        for model, mover in ((ours, optimizer), (theirs, reference)):
            mover.zero_grad()
            model(x).square().sum().backward()
            mover.step()
        schedule.step()
    assert optimizer.learning_rate < 1e-15
    assert torch.equal(still, torch.ones(2))
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize(
    "build", [lambda: MLP(4, 2, (6,), skip=True), lambda: SetMLP(4, 2, 3, set_size=5)], ids=["mlp", "sets"]
)
def test_gradients_of_a_step_are_those_of_autograd(build, lam, monkeypatch):
    model = build().double()
    torch.nn.init.normal_(model.skip)
    data = Windows.from_trajectories([np.random.default_rng(0).standard_normal((20, 4))], 2, torch.float64)
    trainer = Trainer(
        model, data, options(lam=lam, batch_size=18, validation_fraction=0.0), torch.Generator().manual_seed(0), World()
    )
    x, y = data.inputs(), data.targets()
    loss = (model(x) - y).square().mean() + lam * gradient_l1(model, x) / 4
    expected = torch.autograd.grad(loss, list(model.parameters()))
    taken = []
    monkeypatch.setattr(Adam, "step", lambda self: taken.extend(p.grad.clone() for p in self._parameters))
    trainer.step()
    for found, wanted in zip(taken, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


def test_nothing_is_put_off_outside_of_a_step_or_for_inputs_that_want_a_gradient():
    model, x = MLP(4, 1, (6,), skip=True), torch.randn(5, 1, 4)
    model(x).sum().backward()
    assert model.skip.grad is not None
    model.zero_grad()
    with products_put_off() as products:
        model(x.requires_grad_()).sum().backward()
    assert not products
    assert model.skip.grad is not None
    model.zero_grad()
    with products_put_off() as products:
        forecast = model(x.detach())
    forecast.sum().backward()
    assert model.skip.grad is None
    assert len(products) == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_parameter_that_is_not_finite_is_found(bad):
    model = MLP(4, 1, (6,))
    # Neither forecast nor gradients tell of it.
    model.unused = torch.nn.Parameter(torch.zeros(3, 5))
    trainer = Trainer(model, windows(), options(), torch.Generator().manual_seed(0), World())
    given = torch.zeros(1, 1, 4), torch.zeros(1, 4), torch.zeros(1)
    assert trainer._usable(*given)
    with torch.no_grad():
        model.unused[1, 2] = bad
    assert not trainer._usable(*given)


def test_a_finite_explosion_is_a_divergence_too():
    with pytest.raises(FloatingPointError, match="exploded"):
        trained(windows(), learning_rate=1e5, lam=0.0)


def test_patience_without_held_out_windows_trains_to_the_end():
    assert trained(windows(), validation_fraction=0.0, patience=1)[1].best_step == 30


def test_nothing_to_hold_out_is_an_error():
    with pytest.raises(InputError, match="leaves none to hold out"):
        trained(windows(6), validation_fraction=0.01)


def test_small_problems_pay_the_whole_penalty_and_large_ones_a_sample_of_targets():
    small = choose_sample(MLP(20, hidden=(128,)), torch.zeros(64, 1, 20))
    assert (small.n_windows, small.n_targets) == (64, 20)
    large = choose_sample(MLP(3000, hidden=(256,)), torch.zeros(64, 1, 3000))
    assert large.n_windows == 1
    assert 100 < large.n_targets < 3000


def test_what_a_window_costs_before_its_rows_is_counted():
    """The recurrence of an LSTM is paid once a window, whatever its targets: 12 H^2 (H + P) flop a lag and more."""
    p, width = 200, 64
    for lags in (2, 6):
        model = LSTM(p, lags, width)
        chosen = choose_sample(model, torch.zeros(64, lags, p))
        a_window = 3 * 8 * width**2 * (width + p) * (lags - 1) + 6 * p * p * lags * width
        assert chosen.n_targets == p
        assert chosen.n_windows == pytest.approx(CHEAP_FLOPS / a_window, rel=0.25)


def test_a_window_that_costs_more_than_the_budget_has_rows_for_as_much():
    assert choose_sample(LSTM(300, 6, 128), torch.zeros(64, 6, 300)) == PenaltySample(1, 300)
