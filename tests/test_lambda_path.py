"""A path of penalty strengths: each member is the single fit, none disturbs another, and what is chosen is what was held out."""

from __future__ import annotations

import copy
import csv
import json

import numpy as np
import pytest
import torch

from benchmarks import path as benchmark
from benchmarks.accuracy import Case
from grngc_fast import GRNGC, FitDivergedWarning, InputError, LambdaPath, gradient_l1, lambda_path, load_graph
from grngc_fast.cli import main
from grngc_fast.datasets import lorenz96, var
from grngc_fast.models import MLP
from grngc_fast.models.batched_mlp import BatchedMLP
from grngc_fast.scoring.means import mean_gradients
from grngc_fast.series import Windows
from grngc_fast.training import TrainingOptions, train
from grngc_fast.training.lambda_path import Start, choose_path_sample, largest_lam, member_bytes, train_path

QUICK = {"hidden": 16, "max_steps": 60, "random_state": 0}
OPTIONS = TrainingOptions(lam=0.0, max_steps=25, batch_size=16, learning_rate=5e-3, validation_fraction=0.0)
LAMS = (0.5, 0.1, 0.02)


def series(n_series: int = 5, n_steps: int = 120, seed: int = 0) -> np.ndarray:
    x = lorenz96(n_series, n_steps, seed=seed).X
    return (x - x.mean(0)) / x.std(0)


def start(seed: int, n_series: int = 5, n_lags: int = 1, **options) -> Start:
    generator = torch.Generator().manual_seed(seed)
    return Start(MLP(n_series, n_lags, (16,), generator=generator, **options), generator)


def scores(network: MLP, windows: Windows) -> torch.Tensor:
    return mean_gradients(network, windows.batches()).absolute


@pytest.mark.parametrize("n_lags", [1, 3])
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("activation", ["silu", "tanh"])
@pytest.mark.parametrize("chosen", [None, [[4, 0], [1, 3], [2, 1]]])
def test_a_batched_step_is_that_of_each_network(n_lags, skip, activation, chosen):
    members = [start(seed, n_lags=n_lags, skip=skip, activation=activation).network.double() for seed in range(3)]
    if skip:
        for m in members:
            torch.nn.init.normal_(m.skip)
    batched = BatchedMLP(members)
    x = torch.randn(3, 9, n_lags, 5, dtype=torch.float64)
    weights = torch.tensor([1.0, 0.1, 3.0], dtype=torch.float64)
    forecast, penalty = batched.forecast_and_penalty(x, 7, None if chosen is None else torch.tensor(chosen))
    (forecast.square().mean((1, 2)) + weights * penalty).sum().backward()
    torch.testing.assert_close(batched(x), forecast)
    for b, member in enumerate(members):
        own = gradient_l1(member, x[b, :7], targets=None if chosen is None else chosen[b])
        (member(x[b]).square().mean() + weights[b] * own).backward()
        torch.testing.assert_close(penalty[b], own)
        torch.testing.assert_close(forecast[b], member(x[b]))
        pairs = [
            (batched.encoder, member.weights[0]),
            (batched.readout, member.weights[1]),
            (batched.offset, member.biases[0]),
            (batched.intercept, member.biases[1]),
        ]
        for ours, theirs in pairs + ([(batched.skip, member.skip)] if skip else []):
            torch.testing.assert_close(ours.grad[b], theirs.grad)


@pytest.mark.parametrize("options", [{"layer_norm": True}, {"dropout": 0.1}, {"weight_norm": True}])
def test_networks_of_another_kind_are_refused(options):
    with pytest.raises(ValueError, match="one hidden layer"):
        BatchedMLP([start(0, **options).network])


@pytest.mark.parametrize(
    "changes", [{}, {"penalty_windows": 4, "penalty_targets": 2}, {"penalty_windows": 16, "batch_size": 500}]
)
@pytest.mark.parametrize("skip", [False, True])
def test_a_member_is_the_single_fit_with_its_seed_and_strength(changes, skip):
    windows = Windows.from_trajectories([series()], 2)
    options = TrainingOptions(**{**vars(OPTIONS), "penalty_windows": 16, "penalty_targets": 5, **changes})
    starts = [start(seed, n_lags=2, skip=skip) for seed in (3, 4)]
    networks = train_path(starts, windows, LAMS, options, 2**30)
    for s, seed in enumerate((3, 4)):
        for k, lam in enumerate(LAMS):
            single = start(seed, n_lags=2, skip=skip)
            train(single.network, windows, TrainingOptions(**{**vars(options), "lam": lam}), single.generator)
            found, truth = scores(networks[s * len(LAMS) + k], windows), scores(single.network, windows)
            torch.testing.assert_close(found, truth, rtol=1e-4, atol=1e-4)


def test_a_path_in_parts_is_the_whole_path():
    windows = Windows.from_trajectories([series()], 1)
    starts = [start(seed) for seed in (0, 1)]
    whole = train_path(starts, windows, LAMS, OPTIONS, 2**30)
    sample = choose_path_sample(starts[0].network, 6, 16, OPTIONS)
    parts = train_path(starts, windows, LAMS, OPTIONS, 4 * member_bytes(starts[0].network, 16, sample))
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(scores(one, windows), scores(other, windows), rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="raise it, or use fewer hidden units"):
        train_path(starts, windows, LAMS, OPTIONS, 100)


def test_a_member_that_diverges_leaves_the_others_as_they_are():
    windows = Windows.from_trajectories([series()], 1)
    sound, sick = start(0), start(1)
    options = TrainingOptions(**{**vars(OPTIONS), "penalty_windows": 16})
    alone = train_path([sound], windows, LAMS, options, 2**30)
    with torch.no_grad():
        sick.network.weights[0].fill_(float("nan"))
    together = train_path([sick, sound], windows, LAMS, options, 2**30)
    for one, other in zip(alone, together[3:], strict=True):
        torch.testing.assert_close(scores(one, windows), scores(other, windows), rtol=1e-5, atol=1e-6)
    assert not any(bool(n.weights[0].isfinite().any()) for n in together[:3])


def test_largest_lam_is_where_the_linear_problem_empties():
    windows = Windows.from_trajectories([series(4, 200)], 2, dtype=torch.float64)
    x, y = windows.inputs().flatten(1), windows.targets()
    x, y, top = x - x.mean(0), y - y.mean(0), largest_lam(windows)

    def weights(lam: float) -> torch.Tensor:
        w = torch.zeros(4, 8, dtype=torch.float64)
        step = 0.5 / float(torch.linalg.matrix_norm(x.T @ x / len(x), 2))
        for _ in range(2000):
            u = w - step * 2 * (x @ w.T - y).T @ x / len(x)
            w = u.sign() * (u.abs() - step * lam).clamp_min(0)
        return w

    assert not weights(1.001 * top).any()
    assert weights(0.98 * top).any()


@pytest.mark.parametrize(("warm_start", "share"), [(True, 4e-2), (False, 1e-2)])
def test_the_strongest_penalty_empties_the_graph_and_weaker_ones_fill_it(warm_start, share):
    # What is left is the noise of Adam's steps, which a path of fewer steps of its own averages over less.
    options = {"hidden": 32, "max_steps": 1500, "random_state": 0, "refit": False, "warm_start": warm_start}
    path = lambda_path(series(6, 300), n_lams=6, **options)
    assert path.scores[0].max() < share * path.scores[-1].max()
    assert path.edge_counts[0] == 0
    assert (np.diff(path.training_error) < 0).all()
    assert (np.diff(path.edge_counts) >= 0).all()
    assert path.edge_counts[-1] > 6
    np.testing.assert_allclose(path.lams[:-1] / path.lams[1:], path.lams[0] / path.lams[1])
    np.testing.assert_allclose(path.lams[-1], 1e-3 * path.lams[0])


def test_held_out_error_picks_a_strength_and_the_graph_is_that_of_the_data():
    data = var(n_series=5, n_steps=400, n_lags=1, seed=1)
    path = lambda_path(data.X, n_lams=6, hidden=32, max_steps=400, random_state=0)
    truth = data.truth[..., 0] & ~np.eye(5, dtype=bool)
    assert 0 < path.best_index < 6
    assert path.one_se_index <= path.best_index
    assert path.one_se_lam >= path.best_lam == path.lams[path.best_index]
    graph = path.graph()
    assert graph.metadata["lam"] == path.best_lam
    np.testing.assert_array_equal(graph.adjacency(top_k=int(truth.sum())), truth)
    np.testing.assert_array_equal(graph.signed_scores.shape, (5, 5))
    stability = path.stability()
    assert stability[truth].min() > stability[~truth].max()
    assert not np.diagonal(stability).any()


def test_the_first_seed_is_that_of_the_estimator_and_means_are_over_seeds():
    x = series()
    path = lambda_path(x, LAMS, seeds=2, penalty_windows=64, **QUICK)
    one = lambda_path(x, LAMS, penalty_windows=64, **QUICK)
    np.testing.assert_allclose(path.seed_scores[0], one.scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(path.scores, path.seed_scores.mean(0), rtol=1e-6)
    assert path.lams.tolist() == sorted(LAMS, reverse=True)
    assert path.settings["generator_seeds"][0] == int(np.random.RandomState(0).randint(2**31))
    assert "best lam" in repr(path)


def test_scores_are_those_of_the_estimator_at_each_strength():
    x = series()
    options = {**QUICK, "penalty_windows": 64, "lags": 2}
    path = lambda_path(x, LAMS, warm_start=False, **options)
    for k, lam in enumerate(LAMS):
        single = GRNGC("mlp", lam=lam, **options).fit(x)
        np.testing.assert_allclose(path.lag_scores[k], single.lag_scores_, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(path.signed_scores[k], single.signed_scores_, rtol=1e-3, atol=1e-4)
    partly = lambda_path(x, LAMS, warm_start=False, refit=False, **options)
    np.testing.assert_array_equal(partly.validation_error, path.validation_error)
    assert (partly.scores != path.scores).any()


def test_regulators_and_targets_make_a_rectangular_path():
    x = series()
    chosen = {"regulators": ["x1", "x3", "x4"], "targets": ["x0", "x3"], "own_past": False, "lags": 2, "skip": True}
    path = lambda_path(x, LAMS, seeds=2, **chosen, **QUICK)
    assert path.lag_scores.shape == (3, 2, 3, 2)
    graph = path.graph()
    assert (graph.names, graph.causes) == (("x0", "x3"), ("x1", "x3", "x4"))
    # An effect's influence on itself is at another place than its number.
    assert path.stability()[1, 1] == 0 < path.stability()[0].max()
    assert path.plot() is not None


def test_trajectories_are_held_out_whole_and_lags_kept():
    rng = np.random.default_rng(0)
    path = lambda_path([rng.standard_normal((12, 3)) for _ in range(10)], LAMS, lags=2, **QUICK)
    assert path.lag_scores.shape == (3, 3, 3, 2)
    assert path.validation_se.shape == path.validation_error.shape == path.training_error.shape == (3,)
    assert (path.validation_se > 0).all()


def test_fits_that_diverge_are_reported_and_left_out(monkeypatch):
    from grngc_fast.planning import path as module

    def spoiled(starts, *rest):
        networks = train_path(starts, *rest)
        with torch.no_grad():
            for number in (0, 3, 1):
                networks[number].weights[0].fill_(float("nan"))
        return networks

    monkeypatch.setattr(module, "train_path", spoiled)
    with pytest.warns(FitDivergedWarning, match="3 of 6 fits diverged"):
        path = lambda_path(series(), LAMS, seeds=2, warm_start=False, **QUICK)
    assert path.diverged.tolist() == [[True, True, False], [True, False, False]]
    assert np.isinf(path.validation_error[0]) and np.isfinite(path.validation_error[1:]).all()
    np.testing.assert_array_equal(path.scores[1], path.seed_scores[1, 1])
    assert path.best_index > 0
    assert np.isfinite(path.stability()).all()
    assert path.edge_counts[0] == 0
    with pytest.raises(InputError, match=r"every fit with lam=0\.5 diverged"):
        path.graph(0)
    assert path.plot() is not None


def test_a_path_that_diverges_throughout_says_so():
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        lambda_path(series(), LAMS, **{**QUICK, "learning_rate": 1e30})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lams": [0.1, -1.0]}, "positive and finite"),
        ({"lams": [0.1, 0.0]}, "positive and finite"),
        ({"lams": [0.1, float("nan")]}, "positive and finite"),
        ({"lams": [0.1, 0.2, 0.1]}, "more than once"),
        ({"lams": []}, "empty"),
        ({"lams": ["strong"]}, "not numbers"),
        ({"n_lams": 0}, "n_lams=0"),
        ({"seeds": 1.5}, r"seeds=1\.5"),
        ({"memory_limit": 1}, "memory_limit"),
        ({"lam": 0.1}, r"'lam'.* strengths are lams="),
        ({"early_stopping": True}, "'early_stopping'.* not an option of a path"),
        ({"model": "kan"}, "'model'.* model='mlp'"),
        ({"hidden": (8, 8)}, "one hidden layer"),
        ({"depth": 2}, "'depth'"),
        ({"targets": ["x0", "x1"], "regulators": ["x1", "x2"]}, "own_past=False"),
        ({"validation_fraction": 0.01}, "too few to hold out"),
        ({"learning_rate": -1}, "learning_rate"),
    ],
)
def test_options_that_cannot_be_used_name_themselves(changes, message):
    with pytest.raises(InputError, match=message):
        lambda_path(series(), **{**QUICK, **changes})


def test_the_plot_shows_error_edges_and_both_choices():
    path = lambda_path(series(), n_lams=4, **QUICK)
    figure = path.plot()
    ax, edges = figure.axes
    assert (ax.get_xscale(), edges.get_ylabel()) == ("log", "edges")
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert any(f"{path.best_lam:.2g}" in label for label in labels)
    assert any(f"{path.one_se_lam:.2g}" in label for label in labels)
    np.testing.assert_array_equal(edges.lines[0].get_ydata(), path.edge_counts)


def test_a_path_can_be_copied_and_indexed_like_any_result():
    path = lambda_path(series(), LAMS, **QUICK)
    assert isinstance(copy.copy(path), LambdaPath)
    np.testing.assert_array_equal(path.graph(-1).scores, path.scores[2])
    with pytest.raises(InputError, match="not on the path"):
        path.graph(3)


@pytest.mark.parametrize("choose", ["best", "one-se"])
def test_the_command_writes_the_path_and_the_chosen_graph(choose, tmp_path, capsys):
    table, truth, out = tmp_path / "table.csv", tmp_path / "truth.csv", tmp_path / "out"
    np.savetxt(table, series(), delimiter=",", header="a,b,c,d,e", comments="")
    truth.write_text("source,target\na,b\nc,d\n")
    given = ["path", str(table), "--truth", str(truth), "--out", str(out), "--seed", "3", "--quiet", "--n-lams", "4"]
    assert main([*given, "--hidden", "8", "--max-steps", "40", "--choose", choose, "--top-k", "3"]) == 0
    assert {p.name for p in out.iterdir()} == {"path.csv", "path.png", "edges.csv", "scores.npz", "run.json"}
    path = lambda_path(series(), n_lams=4, hidden=8, max_steps=40, random_state=3)
    chosen = path.best_index if choose == "best" else path.one_se_index
    with (out / "path.csv").open() as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_allclose([float(row["lam"]) for row in rows], path.lams, rtol=1e-5)
    np.testing.assert_allclose([float(row["validation_mse"]) for row in rows], path.validation_error, rtol=1e-3)
    assert [int(row["edges"]) for row in rows] == path.edge_counts.tolist()
    record = json.loads((out / "run.json").read_text())
    assert record["settings"]["lam"] == pytest.approx(path.lams[chosen], rel=1e-5)
    assert record["path"]["chosen"] == chosen
    graph = load_graph(out / "scores.npz")
    np.testing.assert_allclose(graph.scores, path.scores[chosen], rtol=1e-3, atol=1e-4)
    assert graph.names == tuple("abcde")
    assert len((out / "edges.csv").read_text().splitlines()) == 4
    printed = capsys.readouterr().out
    assert "chosen" in printed and "AUROC" in printed
    assert main([*given]) == 2
    assert "holds results already" in capsys.readouterr().err


def test_the_command_refuses_strengths_that_make_no_path(tmp_path, capsys):
    table = tmp_path / "table.csv"
    np.savetxt(table, series(), delimiter=",", header="a,b,c,d,e", comments="")
    assert main(["path", str(table), "--out", str(tmp_path / "out"), "--lams", "0.1", "0", "--quiet"]) == 2
    assert "positive and finite" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_benchmark_rows_name_every_way_and_choice():
    rows = benchmark.measure(6, 4, repeats=1, max_steps=10)
    times = {r.method.split(",")[0]: r.value for r in rows if r.metric == "fit"}
    assert {"lambda_path", "GRNGC fits"} == set(times) and min(times.values()) > 0
    assert [r.metric for r in rows].count("time over ours") == 3
    case = Case("lorenz96", "Lorenz-96", 1, lambda seed: lorenz96(5, 60, seed=seed))
    chosen = {(r.method, r.metric): r.value for r in benchmark.choose(case, 1, 3, max_steps=10)}
    for metric in ("AUROC", "AUPRC"):
        best = chosen["best by the truth (oracle), Lorenz-96", metric]
        assert best >= chosen["least held-out error, Lorenz-96", metric] > 0
