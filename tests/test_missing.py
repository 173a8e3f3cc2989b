"""Tables with gaps: which windows are left, what is interpolated, which errors count, and that the graph is still found."""

from __future__ import annotations

import json
import logging
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from grngc_fast import GRNGC, InputError, evaluate, gradient_l1, lambda_path
from grngc_fast.cli import main
from grngc_fast.datasets import lorenz96, read_table
from grngc_fast.distributed import World
from grngc_fast.errors import DataWarning
from grngc_fast.kernels.small_networks import Networks, TileTrainer, forecast_and_jacobian, loss, train
from grngc_fast.models import MLP
from grngc_fast.planning import evidence, weigh
from grngc_fast.series import SeriesTable, Windows, as_series_table, prepare
from grngc_fast.series.missing import interpolated
from grngc_fast.training import Trainer, TrainingOptions
from grngc_fast.training import train as train_loop
from grngc_fast.training.batches import Batches
from grngc_fast.training.known import known_mean, mean_square, target_weights
from grngc_fast.training.lambda_path import Start, train_path, window_errors
from grngc_fast.training.optimizer import Adam
from grngc_fast.training.sparse_linear import lam_max, sparse_linear
from grngc_fast.training.working_sets import SetOptions, find_sets
from grngc_fast.training.working_sets.data import SetData
from grngc_fast.yardsticks import ridge_scores

from .test_small_networks import at_levels, by_name, networks

NAN = np.nan
QUICK = {"model": "mlp", "max_steps": 200, "random_state": 0}


def coupled(n_series: int = 5, n_steps: int = 200, seed: int = 0) -> np.ndarray:
    """Noise of which series 1 follows series 0."""
    x = np.random.default_rng(seed).standard_normal((n_steps, n_series))
    x[1:, 1] += 2 * x[:-1, 0]
    return x


def with_gaps(x: np.ndarray, share: float, seed: int = 1, columns: slice = slice(None)) -> np.ndarray:
    result = x.copy()
    part = result[:, columns]
    part[np.random.default_rng(seed).random(part.shape) < share] = NAN
    return result


def masked_windows(n_steps: int = 60, n_series: int = 4, share: float = 0.2) -> Windows:
    """Inputs are series 0 and 1, complete; series 2 and 3 are targets with gaps."""
    x = with_gaps(coupled(n_series, n_steps), share, columns=slice(2, None))
    return Windows.from_trajectories([x], 1, input_columns=[0, 1], target_columns=[2, 3], dtype=torch.float64)


# Windows


def test_windows_with_a_missing_input_are_left_out_and_targets_stay():
    x = np.arange(24.0).reshape(8, 3)
    x[3, 0] = NAN
    windows = Windows.from_trajectories([x], 2, input_columns=[0], target_columns=[0, 1])
    # Steps 2 and 3, and 3 and 4, lie before steps 4 and 5; step 3 itself is a target of the window at 1.
    assert windows.starts.tolist() == [0, 1, 4, 5]
    assert windows.targets().isnan().tolist() == [[False, False], [True, False], [False, False], [False, False]]
    assert windows.masked
    assert windows.known_targets().tolist() == [0.75, 1.0]
    left = windows.left_out
    assert (left.windows, left.of_windows, left.targets, left.of_targets) == (2, 6, 1, 8)


def test_a_window_without_any_target_is_left_out_unless_it_is_to_be_forecast():
    x = np.arange(12.0).reshape(6, 2)
    x[4, 1] = NAN
    chosen = {"input_columns": [0], "target_columns": [1]}
    assert Windows.from_trajectories([x], 1, **chosen).starts.tolist() == [0, 1, 2, 4]
    assert not Windows.from_trajectories([x], 1, **chosen).masked
    assert Windows.from_trajectories([x], 1, **chosen, with_target=False).starts.tolist() == [0, 1, 2, 3, 4]


def test_without_gaps_nothing_is_masked():
    windows = Windows.from_trajectories([coupled()], 2)
    assert not windows.masked
    assert windows.left_out is None
    assert target_weights(windows) is None


def test_short_pieces_are_left_out_and_short_trajectories_refused():
    x = coupled(2, 30)
    pieces = [x[:10], x[10:12], x[12:]]
    windows = Windows.from_trajectories(pieces, 2, origin=(0, 0, 0))
    assert len(windows) == 8 + 16
    assert windows.left_out.pieces == 1
    torch.testing.assert_close(windows.targets()[8], torch.tensor(x[14], dtype=torch.float32))
    with pytest.raises(InputError, match="trajectory 1 has 2 time steps"):
        Windows.from_trajectories(pieces, 2)
    with pytest.raises(InputError, match="trajectory 1 has 2 time steps"):
        Windows.from_trajectories(pieces, 2, origin=(0, 1, 0))
    with pytest.raises(InputError, match=r"all 3 pieces between gaps in time are too short \(at most 18 steps\)"):
        Windows.from_trajectories(pieces, 18, origin=(0, 0, 0))


def test_the_last_of_each_whole_trajectory_is_held_out_whatever_its_pieces():
    x = coupled(2, 120)
    whole = Windows.from_trajectories([x[:60], x[60:]], 1)
    cut = Windows.from_trajectories(
        [x[:20], x[20:40], x[40:60], x[60:80], x[80:100], x[100:]], 1, origin=(0, 0, 0, 1, 1, 1)
    )
    assert [len(part) for part in cut.split(0.1)] == [114 - 12, 12]
    _, held_out = cut.split(0.1)
    _, of_whole = whole.split(0.1)
    assert {round(float(v), 6) for v in held_out.targets()[:, 0]} == {
        round(float(v), 6) for v in of_whole.targets()[:, 0]
    }
    mixed = Windows.from_trajectories([x[:20], x[60:], x[20:60]], 1, origin=(0, 1, 0))
    assert mixed.trajectory.tolist() == sorted(mixed.trajectory.tolist())


def test_series_are_standardised_by_what_is_known():
    x = 5 + 3 * coupled(3, 100)
    x[:40, 2] = NAN
    x[70, 0] = NAN
    table = SeriesTable((x[:40], x[40:]), ("a", "b", "c"))
    scaler = prepare(table, 1, missing="drop", regulators=["a", "b"]).scaler
    np.testing.assert_allclose(scaler.mean_, np.nanmean(x, axis=0))
    np.testing.assert_allclose(scaler.scale_, np.nanstd(x, axis=0))


# Interpolation


def test_short_gaps_are_filled_linearly_within_a_piece_and_ends_are_not():
    x = np.array([NAN, 1.0, NAN, NAN, 4.0, NAN, NAN, NAN, 8.0, NAN])[:, None]
    (values,), (where,) = interpolated([x], 2)
    np.testing.assert_array_equal(values[:, 0], [NAN, 1, 2, 3, 4, NAN, NAN, NAN, 8, NAN])
    assert np.flatnonzero(where[:, 0]).tolist() == [2, 3]
    (values,), _ = interpolated([x], 3)
    np.testing.assert_array_equal(values[:, 0], [NAN, 1, 2, 3, 4, 5, 6, 7, 8, NAN])
    (first, second), _ = interpolated([x[:3], x[3:]], 3)
    assert np.isnan(first[2, 0])
    assert np.isnan(second[0, 0])
    assert np.isnan(x[2, 0]), "what was given is left as it is"


def test_what_was_filled_in_is_read_and_not_forecast():
    x = coupled(3, 20)
    x[5, 1] = NAN
    windows = prepare(x, 1, missing="interpolate").windows
    assert len(windows) == 19
    assert torch.nonzero(windows.targets().isnan()).tolist() == [[4, 1]]
    halfway = (windows.steps[4, 1] + windows.steps[6, 1]) / 2
    torch.testing.assert_close(windows.inputs()[5, 0, 1], halfway)


def test_longer_gaps_are_dropped():
    x = coupled(3, 20)
    x[5:9, 1] = NAN
    assert len(prepare(x, 1, missing="interpolate", max_gap=4).windows) == 19
    assert len(prepare(x, 1, missing="interpolate", max_gap=3).windows) == 15
    assert len(prepare(x, 1, missing="drop").windows) == 15


# Errors that count


def test_the_loss_is_the_mean_over_what_is_known_of_each_target():
    windows = masked_windows()
    y = windows.targets()
    known, forecast = ~y.isnan(), torch.randn(y.shape, dtype=y.dtype)
    per_target = [(forecast[known[:, i], i] - y[known[:, i], i]).square().mean() for i in range(2)]
    found = mean_square(forecast, y, target_weights(windows).double())
    torch.testing.assert_close(found, torch.stack(per_target).mean())
    torch.testing.assert_close(known_mean((forecast - y).square()), (forecast - y)[known].square().mean())


@pytest.mark.parametrize("garbage", [0.0, 1e6])
def test_gradients_are_those_of_explicit_weights_whatever_is_missing(garbage):
    windows, model = masked_windows(), torch.nn.Linear(2, 2).double()
    x, y = windows.inputs().flatten(1), windows.targets()
    weights = target_weights(windows).double()
    mean_square(model(x), y, weights).backward()
    found = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    filled = torch.where(y.isnan(), garbage, y)
    ((model(x) - filled).square() * (~y.isnan()) / (~y.isnan()).double().mean(0)).mean().backward()
    for one, parameter in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(one, parameter.grad, rtol=1e-6, atol=1e-9)


def test_a_fit_is_that_of_explicit_weights():
    x = with_gaps(coupled(4, 60), 0.2, columns=slice(2, None))
    windows = Windows.from_trajectories([x], 1, input_columns=[0, 1], target_columns=[2, 3])
    model = MLP(2, 1, (5,), n_targets=2)
    other = MLP(2, 1, (5,), n_targets=2)
    other.load_state_dict(model.state_dict())
    options = TrainingOptions(0.1, 12, 16, 1e-2, validation_fraction=0.0)
    generator = torch.Generator().manual_seed(0)
    trainer = Trainer(model, windows, options, generator, World())
    while not trainer.finished:
        trainer.step()
    y = windows.targets()
    weights = (~y.isnan()) / (~y.isnan()).float().mean(0)
    optimizer = Adam(other.parameters(), 1e-2, 12)
    batches = Batches(len(windows), 16, torch.Generator().manual_seed(0))
    for _ in range(12):
        index = batches.next()
        inputs = windows.inputs(index)
        optimizer.zero_grad()
        error = (other(inputs) - y.nan_to_num(nan=123.0)[index]).square() * weights[index]
        (error.mean() + 0.1 * gradient_l1(other, inputs) / 2).backward()
        optimizer.step()
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_the_held_out_error_is_over_what_is_known():
    windows = masked_windows(200)
    windows = replace(windows, steps=windows.steps.float())
    options = TrainingOptions(
        lam=0.0, max_steps=1, batch_size=16, learning_rate=1e-9, validation_fraction=0.3, patience=1
    )
    model = MLP(2, 1, (3,), n_targets=2)
    trainer = Trainer(model, windows, options, torch.Generator().manual_seed(0), World())
    trainer.step()
    _, held_out = windows.split(0.3)
    squares = (model(held_out.inputs()) - held_out.targets()).square()
    wanted = squares.detach()[~squares.isnan()].mean()
    assert trainer.history.validation[-1] == pytest.approx(float(wanted), rel=1e-4)


def test_members_of_a_path_are_trained_on_what_is_known():
    windows = replace(masked_windows(), steps=masked_windows().steps.float())
    start = Start(MLP(2, 1, (4,), n_targets=2), torch.Generator().manual_seed(0))
    options = TrainingOptions(0.1, 10, 100, 1e-2, validation_fraction=0.0, penalty_windows=100)
    (found,) = train_path([start], windows, [0.1], options, 2**30)
    single = MLP(2, 1, (4,), n_targets=2)
    single.load_state_dict(start.network.state_dict())
    trainer = Trainer(single, windows, options, torch.Generator().manual_seed(0), World())
    while not trainer.finished:
        trainer.step()
    for one, two in zip(found.parameters(), single.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)
    assert not window_errors(found, windows).isnan().any()


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_sparse_linear_forecasters_are_exact_where_targets_are_missing(share):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 40, generator=generator, dtype=torch.float64)
    y = x[:, :5] - x[:, 5:10] + 0.5 * torch.randn(120, 5, generator=generator, dtype=torch.float64)
    y[torch.rand(y.shape, generator=generator) < share] = NAN
    found = sparse_linear(x, y, 0.3, tolerance=1e-5)
    for i, own in enumerate(y.T):
        known = ~own.isnan()
        alone = sparse_linear(x[known], own[known, None], 0.3, tolerance=1e-5)
        torch.testing.assert_close(found.weight[i], alone.weight[0], rtol=0, atol=1e-4)
        torch.testing.assert_close(found.intercept[i], alone.intercept[0], rtol=0, atol=1e-4)
    warm = sparse_linear(x, y, 0.3, tolerance=1e-5, start=found.weight)
    torch.testing.assert_close(warm.weight, found.weight, rtol=0, atol=1e-4)
    own = [lam_max(x[~t.isnan()], t[~t.isnan(), None]) for t in y.T]
    assert lam_max(x, y) == pytest.approx(max(own))


def test_a_target_that_is_never_known_has_no_linear_forecaster():
    x, y = torch.randn(50, 4), torch.randn(50, 2)
    y[:, 1] = NAN
    found = sparse_linear(x, y, 0.01)
    assert found.weight[0].any()
    assert not found.weight[1].any()
    assert found.intercept[1] == 0


def test_what_stands_where_nothing_is_known_changes_nothing():
    """NaN, or any number that is marked as filled in."""
    x = with_gaps(coupled(4, 400), 0.2, columns=slice(2, None))
    unknown = np.isnan(x)
    chosen = {"input_columns": [0, 1], "target_columns": [2, 3]}
    missing = Windows.from_trajectories([x], 1, **chosen)
    marked = Windows.from_trajectories([np.where(unknown, 77.0, x)], 1, **chosen, filled=[unknown])
    assert marked.masked
    options, found = TrainingOptions(0.1, 20, 16, 1e-2, validation_fraction=0.2), []
    for windows in (missing, marked):
        torch.manual_seed(0)
        model = MLP(2, 1, (5,), n_targets=2)
        train_loop(model, windows, options, torch.Generator().manual_seed(0))
        sets = find_sets(windows, 0.1, SetOptions(set_size=2, rounds=2), 0)
        linear = sparse_linear(windows.columns(), windows.targets(), 0.05)
        evidence = weigh(windows, None, torch.Generator().manual_seed(0), set_options=SetOptions())
        assert evidence is not None
        found.append([*model.parameters(), *sets.networks.tensors(), sets.strength, linear.weight, evidence])
    for one, two in zip(*found, strict=True):
        assert torch.equal(one, two) if isinstance(one, torch.Tensor) else repr(one) == repr(two)
    assert np.isfinite(found[0][-1].sets.error)


# Small networks


def test_gradients_of_small_networks_are_those_of_known_targets():
    p, b, k, h, g = 3, 12, 5, 4, 6
    given = networks(p, k, h, g)
    z = at_levels(2 * torch.randn(p, b, k, dtype=torch.float64), 64)
    y = torch.randn(p, b, dtype=torch.float64)
    missing = torch.rand(p, b) < 0.3
    parameters = {name: value.requires_grad_() for name, value in by_name(given).items()}
    # Where a target equals the forecast it has no error.
    with torch.no_grad():
        no_error = torch.where(missing, forecast_and_jacobian(parameters, z)[0], y)
    truth = torch.autograd.grad(loss(parameters, z, no_error, 0.3).sum(), list(parameters.values()))
    trainer = TileTrainer(given, b, 1e-2, 10, masked=True)
    trainer.backward(z, y.masked_fill(missing, NAN), 0.3)
    for name, wanted in zip(parameters, truth, strict=True):
        torch.testing.assert_close(getattr(trainer.gradients, name), wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.usefixtures("_kernels")
def test_the_kernel_leaves_missing_targets_out_as_the_closed_form_does():
    given = networks(2, 5, 4, 6)
    z, y = at_levels(torch.randn(2, 20, 5, dtype=torch.float64), 64), torch.randn(2, 20, dtype=torch.float64)
    y[torch.rand(2, 20) < 0.3] = NAN
    device = "cuda" if torch.cuda.is_available() else "cpu"
    single = Networks(*(t.float().clone().to(device) for t in given.tensors()))
    windows = torch.stack([torch.randperm(20)[:9] for _ in range(3)])
    train(single, z.float().to(device), y.float().to(device), windows, 0.2, 0.02, backend="triton", masked=True)
    train(given, z, y, windows, 0.2, 0.02, backend="torch", masked=True)
    for one, two in zip(single.tensors(), given.tensors(), strict=True):
        assert (one.cpu() - two).norm() <= 1e-5 * two.norm()


def test_missing_targets_say_nothing_to_a_screen():
    windows = masked_windows(300, share=0.3)
    windows = replace(windows, steps=windows.steps.float())
    data, targets = SetData.of(windows, None), torch.arange(2)
    residual = data.without_missing(targets, torch.where(data.known, data.y, 1e6))
    found = data.screen.linear(residual)
    for i, (own, known) in enumerate(zip(data.y, data.known, strict=True)):
        inputs = data.columns[:2]
        x = inputs - inputs.mean(1, keepdim=True)
        r = (own - own[known].mean()) * known
        wanted = (x / x.square().mean(1, keepdim=True).sqrt()) @ r / len(r) / r.square().mean().sqrt()
        torch.testing.assert_close(found[i], wanted.abs(), atol=5e-3, rtol=0)
    torch.testing.assert_close(data.mean(targets, data.wanted(targets)), known_mean(windows.targets(), 0))


# Evidence


def test_a_target_that_does_not_change_where_it_is_known_decides_nothing():
    """The mean of what is known is rounded, and no value of it."""
    x = np.random.default_rng(0).standard_normal((40, 60)).astype(np.float32)
    x[1:, ::2] = x[1, ::2]
    x[5:12, ::2] = NAN
    windows = Windows.from_trajectories([x], 1, input_columns=range(1, 60, 2))
    assert windows.masked
    assert evidence._varying(windows, torch.arange(60)).tolist() == [*range(1, 60, 2)]


# Fits


def test_masked_values_are_missing_ones():
    x = np.arange(120.0).reshape(2, 20, 3) % 7
    masked = np.ma.masked_equal(x, 4.0)
    for given in (masked, masked.astype(np.float32), masked.astype(int), list(masked)):
        for found, mask in zip(as_series_table(given, missing="drop").trajectories, masked.mask, strict=True):
            np.testing.assert_array_equal(np.isnan(found), mask)


def test_gaps_hardly_change_what_is_found():
    data = lorenz96(5, 300, seed=0)
    X = with_gaps(np.array(data.X), 0.03)
    for model, missing in (("mlp", "drop"), ("sets", "interpolate"), ("auto", "interpolate")):
        found = GRNGC(model, missing=missing, random_state=0).fit(X)
        assert evaluate(found.scores_, data.truth).auroc > 0.99, (model, missing)
        assert found.graph_.metadata["missing"] == missing
        assert found.graph_.metadata["max_gap"] == 3


def test_a_series_that_is_only_forecast_leaves_no_window_out(caplog):
    x = with_gaps(coupled(), 0.3, columns=slice(1, 2))
    with caplog.at_level(logging.INFO, logger="grngc_fast"):
        found = GRNGC(**QUICK, regulators=[0, 2, 3], targets=[1, 2], missing="drop", own_past=False).fit(x)
    n_missing = int(np.isnan(x).sum())
    at_first = int(np.isnan(x[0]).sum())
    assert caplog.messages[0].startswith(f"{n_missing} values are missing (")
    assert (
        caplog.messages[1]
        == f"{n_missing - at_first} of 398 targets of the other windows are not known and have no loss"
    )
    assert found.scores_[0].argmax() == 0


def test_a_number_that_marks_missing_values_is_told_with_the_way_out(tmp_path, capsys):
    x = pd.DataFrame(coupled(), columns=list("abcde"))
    x.loc[[3, 9], "b"] = -999
    quick = {**QUICK, "max_steps": 2, "lam": 0.1}
    with pytest.warns(
        DataWarning, match="series 'b' holds -999, far from its other values; .* put NaN in its place and"
    ):
        GRNGC(**quick).fit(x)
    x.to_csv(tmp_path / "x.csv", index=False)
    with pytest.warns(DataWarning, match=r"series 'b' holds -999, .* pass missing_values=\['-999'\]$"):
        GRNGC(**quick).fit(read_table(tmp_path / "x.csv"))
    command = ["fit", str(tmp_path / "x.csv"), "--quiet", "--max-steps", "2", "--lam", "0.1", "--out"]
    assert main([*command, str(tmp_path / "one")]) == 0
    told = capsys.readouterr().err
    assert told.count("holds -999") == 1 and told.count("pass --missing-value='-999'") == 1
    main([*command, str(tmp_path / "two"), "--missing-value=-999", "--missing", "interpolate"])
    assert "holds -999" not in capsys.readouterr().err
    # Not far from others, or no such number: a value.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        near = np.clip(300 * coupled(), -900, 900)
        near[3, 1] = -999
        GRNGC(**quick).fit(near)
        GRNGC(**quick).fit(x.replace(-999, -25.0))


def test_forecasts_stay_where_they_belong():
    x = coupled()
    found = GRNGC(**QUICK, lags=2, missing="drop").fit(x)
    whole = found.predict(x)
    gaps = x.copy()
    gaps[50, 3] = NAN
    forecast = found.predict(gaps)
    assert np.flatnonzero(np.isnan(forecast).any(1)).tolist() == [49, 50]
    kept = ~np.isnan(forecast)
    np.testing.assert_allclose(forecast[kept], whole[kept], rtol=1e-5, atol=1e-5)
    assert np.isnan(found.predict(np.full_like(x, NAN))).all()
    assert found.score(gaps) == pytest.approx(found.score(x), abs=0.05)
    with pytest.raises(InputError, match="nothing to score"):
        found.score(np.full_like(x, NAN))
    filled = GRNGC(**QUICK, lags=2, missing="interpolate").fit(x)
    assert not np.isnan(filled.predict(gaps)).any()


def test_pieces_have_their_forecasts_each():
    x = coupled(3, 100)
    table = SeriesTable((x[:60], x[60:62], x[62:]), ("a", "b", "c"), origin=(0, 0, 0))
    found = GRNGC(**QUICK, lags=2).fit(table)
    assert [part.shape for part in found.predict(table)] == [(58, 3), (0, 3), (36, 3)]
    assert np.isfinite(found.score(table))


@pytest.mark.parametrize("options", [{"difference": 1}, {"detrend": True}, {}])
def test_pieces_of_any_length_with_gaps_are_taken(options):
    x = coupled(3, 100)
    x[:40, 2] = NAN
    table = SeriesTable((x[:40], x[40:41], x[41:43], x[43:]), ("a", "b", "c"), origin=(0, 0, 0, 0))
    data = prepare(table, 2, missing="drop", regulators=["a", "b"], targets=["b", "c"], own_past=False, **options)
    lost = options.get("difference", 0)
    assert len(data.windows) == 38 + 55 - 2 * lost
    assert data.notes[1] == "2 pieces between gaps in time are shorter than a window and were left out"
    found = GRNGC(**QUICK, missing="drop", lags=2, **options).fit(table)
    assert [len(part) for part in found.predict(table)] == [38 - lost, 0, 0, 55 - lost]


def test_effects_are_seen_where_inputs_are_known():
    x = with_gaps(coupled(), 0.02)
    found = GRNGC(**QUICK, missing="drop").fit(x)
    (effect,) = found.edge_effects(x, [("x0", "x1")])
    known = int((~np.isnan(x[:-1]).any(1)).sum())
    assert effect.n_windows == known
    assert effect.effect[-1] > effect.effect[0]


def test_a_path_takes_gaps():
    x = with_gaps(coupled(), 0.03)
    path = lambda_path(
        x, [0.3, 0.1], missing="interpolate", max_steps=500, learning_rate=1e-2, hidden=8, random_state=0
    )
    assert path.scores[1, 1].argmax() == 0
    assert path.settings["missing"] == "interpolate"
    assert np.isfinite(path.validation_error).all()


def test_a_ridge_reads_gaps():
    x = with_gaps(coupled(), 0.1, columns=slice(1, 2))
    windows = Windows.from_trajectories([x], 1, input_columns=[0, 2, 3], target_columns=[1])
    known = ~windows.targets().isnan()[:, 0]
    complete = Windows.from_trajectories([coupled()], 1, input_columns=[0, 2, 3], target_columns=[1])
    np.testing.assert_allclose(ridge_scores(windows)[0], ridge_scores(complete)[0], atol=0.1)
    assert known.sum() == len(windows)


def test_another_treatment_is_another_run(tmp_path):
    x, size = with_gaps(coupled(), 0.02), {**QUICK, "max_steps": 20, "hidden": 4, "lam": 0.1}
    first = GRNGC(**size, missing="drop", checkpoint=tmp_path).fit(x)
    again = GRNGC(**size, missing="drop", checkpoint=tmp_path).fit(x)
    np.testing.assert_array_equal(first.scores_, again.scores_)
    with pytest.raises(InputError, match="missing was 'drop', now 'interpolate'"):
        GRNGC(**size, missing="interpolate", checkpoint=tmp_path).fit(x)
    with pytest.raises(InputError, match="difference was 0, now 1"):
        GRNGC(**size, missing="drop", difference=1, checkpoint=tmp_path).fit(x)
    table = as_series_table(x, missing="drop")
    with pytest.raises(InputError, match="data was"):
        GRNGC(**size, missing="drop", checkpoint=tmp_path).fit(replace(table, origin=(0,)))


# Refusals


def test_series_with_too_many_gaps_are_named():
    x = coupled()
    x[:120, 2] = NAN
    with pytest.raises(
        InputError, match=r"more than 50% of the values are missing of series 'x2' \(60%\); leave them out"
    ):
        GRNGC(**QUICK, missing="drop").fit(x)
    prepare(x, 1, missing="drop", regulators=[0, 1, 3], targets=[0, 1])


def test_where_no_window_is_left_the_way_out_is_said():
    x = with_gaps(coupled(40, 100), 0.15)
    with pytest.raises(InputError) as caught:
        GRNGC(**QUICK, missing="drop").fit(x)
    said = str(caught.value)
    assert said.startswith("none of 99 windows is left")
    assert "40 series that are read" in said
    n_filled = len(prepare(x, 1, missing="interpolate").windows)
    assert f"pass missing='interpolate' with max_gap=3, which leaves {n_filled} windows" in said


def test_series_to_leave_out_are_named():
    x = coupled(6, 100)
    x[::2, 4] = NAN
    x[1::2, 5] = NAN
    with pytest.raises(
        InputError, match=r"or leave out the 2 series with the most gaps \('x4', 'x5'\), which leaves 99 windows"
    ):
        prepare(x, 1, missing="drop")


def test_few_windows_are_warned_of():
    x = with_gaps(coupled(12, 200), 0.15)
    with pytest.warns(DataWarning, match=r"\d+ of 199 windows are left: .* pass missing='interpolate'"):
        data = prepare(x, 1, missing="drop")
    assert 0 < len(data.windows) < 40


def test_a_target_that_is_never_known_after_known_inputs_is_named():
    x = coupled(3, 60)
    x[::2, 0] = NAN
    x[1:, 1][~np.isnan(x[:-1, 0])] = NAN
    with pytest.raises(InputError, match="series 'x1': missing wherever the inputs before it are known"):
        prepare(x, 1, missing="drop", regulators=[0], targets=[1, 2], own_past=False)


@pytest.mark.parametrize("missing", ["error", "drop", "interpolate"])
def test_infinities_are_never_missing(missing):
    x = coupled()
    x[3, 2] = np.inf
    with pytest.raises(InputError, match="series 'x2' holds inf at row 3"):
        GRNGC(**QUICK, missing=missing).fit(x)


def test_by_default_gaps_are_refused():
    with pytest.raises(InputError, match="holds NaN"):
        GRNGC(**QUICK).fit(with_gaps(coupled(), 0.01))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"missing": "fill"}, "missing='fill' is unknown; use one of 'error', 'drop', 'interpolate'"),
        ({"missing": None}, "missing=None is unknown"),
        ({"max_gap": 0}, "max_gap=0; expected a whole number of at least 1"),
        ({"max_gap": 1.5}, "max_gap=1.5; expected"),
        ({"difference": 2}, "difference=2; expected 0 or 1"),
        ({"difference": True}, "difference=True; expected 0 or 1"),
        ({"detrend": "linear"}, "detrend='linear'; expected True or False"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        GRNGC(**QUICK, **options).fit(coupled())


# The command


def test_the_command_takes_gaps_and_says_what_it_left_out(tmp_path, capsys):
    x, out = with_gaps(coupled(), 0.02), tmp_path / "out"
    np.save(tmp_path / "x.npy", x)
    given = ["fit", str(tmp_path / "x.npy"), "--out", str(out), "--quiet", "--max-steps", "60", "--model", "mlp"]
    assert main(given) == 2
    assert "holds NaN" in capsys.readouterr().err
    assert main([*given, "--missing", "interpolate", "--max-gap", "2"]) == 0
    printed = capsys.readouterr().out
    assert f"{int(np.isnan(x).sum())} values are missing" in printed
    settings = json.loads((out / "run.json").read_text())["settings"]
    assert (settings["missing"], settings["max_gap"], settings["difference"], settings["detrend"]) == (
        "interpolate",
        2,
        0,
        False,
    )


def test_a_path_keeps_what_it_left_out_and_warned_of(tmp_path, capsys):
    x, out = np.cumsum(coupled(), axis=0), tmp_path / "out"
    x[50, 2] = np.nan
    np.save(tmp_path / "x.npy", x)
    given = ["path", str(tmp_path / "x.npy"), "--missing", "drop", "--n-lams", "2", "--max-steps", "20", "--quiet"]
    assert main([*given, "--out", str(out)]) == 0
    record = json.loads((out / "run.json").read_text())
    assert "windows touch a missing value" in record["settings"]["notes"][1]
    assert len(record["warnings"]) == 1 and "do not look stationary" in record["warnings"][0]


def test_the_command_speaks_of_its_own_options(tmp_path, capsys):
    np.save(tmp_path / "x.npy", with_gaps(coupled(40, 100), 0.15))
    given = ["fit", str(tmp_path / "x.npy"), "--out", str(tmp_path / "out"), "--quiet", "--missing", "drop"]
    assert main(given) == 2
    assert "pass --missing 'interpolate' with --max-gap 3" in capsys.readouterr().err
