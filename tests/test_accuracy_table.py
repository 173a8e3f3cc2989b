"""The comparison on all sets: what is judged, what is kept as it ends, and what is run again."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks import accuracy, results
from benchmarks.__main__ import main
from benchmarks.accuracy import methods
from benchmarks.accuracy.cases import IN_VIEW, SIMULATED, Case, cases, known, label, title_of
from benchmarks.accuracy.methods import METHODS, Method, Result, chosen
from benchmarks.accuracy.problem import Problem
from benchmarks.accuracy.worker import Worker
from benchmarks.baselines import official
from grngc_fast import GRNGC, InputError, evaluate
from grngc_fast.datasets import Dataset, lorenz96, var
from grngc_fast.series import SeriesTable, as_series_table


def two_trajectories(seed=0):
    first, second = (lorenz96(5, 60, seed=k) for k in (1, 2))
    return Dataset(as_series_table([first.X, second.X]), first.truth, "two")


TWO = Case("netsim-two", "Two", 1, two_trajectories)
DRAWN = Case("lorenz96-drawn", "Drawn", 1, lambda seed: lorenz96(5, 80, seed=seed), simulated=True)


class Here:
    """A worker that calls in this process."""

    def __enter__(self):
        return lambda function, *arguments, limit: function(*arguments)

    def __exit__(self, *error):
        pass


@pytest.fixture
def at_hand(monkeypatch, tmp_path):
    """Two cases, results of their own, a machine that is idle."""
    monkeypatch.setattr(accuracy, "Worker", Here)
    monkeypatch.setattr(
        accuracy, "cases", lambda data, names: [c for c in (TWO, DRAWN) if not names or c.name in names]
    )
    path = tmp_path / "results.csv"
    monkeypatch.setattr(accuracy, "RESULTS", path)
    monkeypatch.setattr(results, "RESULTS", path)
    for function in (accuracy.read, results.record):
        defaults = tuple(path if isinstance(value, Path) else value for value in function.__defaults__)
        monkeypatch.setattr(function, "__defaults__", defaults)
    monkeypatch.setattr("benchmarks.guard.busy", lambda seconds=1.0: "")
    return path


def arguments(**given):
    defaults = {"protocol": "strict", "data": Path("."), "sets": [], "methods": list(METHODS), "seeds": 2, "limit": 9.0}
    return argparse.Namespace(**{**defaults, "resume": False, "plot": None, **given})


def test_windows_keep_within_trajectories_and_self_is_not_counted():
    problem = Problem.of_case(TWO, 0, "strict")
    assert (len(problem.series), problem.n_windows, problem.diagonal) == (2, 118, False)
    scores = np.random.default_rng(0).random((5, 5))
    expected = evaluate(scores, two_trajectories().truth)
    assert problem.judged(scores) == {"AUROC": expected.auroc, "AUPRC": expected.auprc}


def test_the_published_protocol_joins_trajectories_and_counts_self_where_publications_do():
    problem = Problem.of_case(TWO, 0, "published")
    assert (len(problem.series), problem.n_windows, problem.diagonal) == (1, 119, True)
    scores = np.random.default_rng(0).random((5, 5))
    assert problem.judged(scores)["AUROC"] == evaluate(scores, two_trajectories().truth, diagonal=True).auroc
    assert not Problem.of_case(replace(TWO, name="dream4-two"), 0, "published").diagonal


def test_of_some_causes_their_columns_are_judged():
    data = two_trajectories()
    names = data.names
    regulated = Dataset(data.table, data.truth, "some", regulators=(names[3], names[1]))
    problem = Problem.of_case(Case("sos", "Some", 1, lambda seed: regulated), 0, "strict")
    scores = np.random.default_rng(0).random((5, 5))
    pairs = [(i, j) for i in range(5) for j in (3, 1) if i != j]
    expected = evaluate([[scores[p] for p in pairs]], [[data.truth[p] for p in pairs]], diagonal=True)
    assert problem.judged(scores)["AUPRC"] == expected.auprc
    assert problem.judged(scores[:, [3, 1]]) == problem.judged(scores)
    for name in ("ridge", "lasso", "bivariate", "mlp"):
        assert 0 < METHODS[name].run(replace(problem, series=problem.series[:1]), 0, 9.0).figures["AUPRC"] <= 1


def test_lags_are_judged_where_truth_and_scores_have_them():
    data = var(5, 300, n_lags=2, seed=1)
    problem = Problem.of_case(Case("var-x", "x", 2, lambda seed: data), 0, "strict")
    found = METHODS["lasso"].run(problem, 0, 9.0).figures
    assert found["AUROC per lag"] > 0.9 and found["AUROC"] > 0.9
    assert set(METHODS["bivariate"].run(problem, 0, 9.0).figures) == {"AUROC", "AUPRC"}


@pytest.mark.parametrize(
    "name", [name for name in METHODS if not name.startswith("official") and name != "correlation"]
)
def test_every_method_ranks_a_clear_graph(name, monkeypatch):
    monkeypatch.setattr(
        methods, "GRNGC", partial(GRNGC, **({"max_steps": 150} if name in ("kan", "lstm", "tcn") else {}))
    )
    case = Case("lorenz96-x", "x", 1, lambda seed: lorenz96(5, 250, seed=seed))
    found = METHODS[name].run(Problem.of_case(case, 1, "published"), 0, 60.0)
    assert found.figures["AUROC"] > 0.8
    assert found.lags == 1
    if name in ("default", "mlp", "sets"):
        assert found.hidden > 0
        assert all(told.startswith("lam of ") and value > 0 for told, value in found.chosen.items())


def test_the_authors_training_tells_last_and_best_epoch_and_stops(monkeypatch):
    monkeypatch.setattr(official, "settings", lambda kind, family: official.Settings(8, 0.01, 0.001, 30))
    problem = Problem.of_case(DRAWN, 0, "strict")
    whole = METHODS["official-mlp"].run(problem, 0, 60.0).figures
    assert whole["AUROC of the best epoch (oracle)"] >= whole["AUROC"] > 0
    assert "epochs" not in whole
    cut = METHODS["official-mlp"].run(problem, 0, 0.0).figures
    assert cut["epochs"] == 1 and cut["stopped after"] > 0


def test_lags_of_the_authors_scores_are_turned_round(monkeypatch):
    data = var(4, 400, n_lags=2, seed=3)
    monkeypatch.setattr(official, "settings", lambda kind, family: official.Settings(16, 0.02, 0.001, 80))
    problem = Problem.of_case(Case("var-x", "x", 2, lambda seed: data), 0, "strict")
    assert METHODS["official-mlp"].run(problem, 0, 60.0).figures["AUROC per lag"] > 0.85


def test_the_authors_code_takes_no_regulators():
    problem = replace(Problem.of_case(TWO, 0, "strict"), causes=[1, 2])
    with pytest.raises(ValueError, match="takes no regulators"):
        METHODS["official-kan"].run(problem, 0, 1.0)


def test_rows_are_of_a_seed_and_kept_as_each_fit_ends(at_hand, monkeypatch):
    seen = []

    def scored(problem, seed, limit):
        seen.append(len(results.read(at_hand)) if at_hand.exists() else 0)
        return Result({"AUROC": 0.5 + seed / 10, "AUPRC": 0.5}, 1, 8, {"lam of sets": 0.2})

    monkeypatch.setitem(METHODS, "mlp", Method("GRNGC mlp", scored))
    command = ["accuracy", "--methods", "mlp", "--sets", "lorenz96-drawn", "--seeds", "2", "--record", "--threads", "1"]
    assert main(command) == 0
    assert seen == [0, 4]
    rows = results.read(at_hand)
    assert [(r["metric"], r["seed"]) for r in rows] == [
        (metric, seed) for seed in "01" for metric in ("AUROC", "AUPRC", "lam of sets", "fit")
    ]
    assert {r["method"] for r in rows} == {"GRNGC mlp, Drawn"}
    assert main([*command, "--resume", "--seeds", "3"]) == 0
    assert len(seen) == 3 and len(results.read(at_hand)) == 12


def test_without_methods_what_is_recorded_is_drawn(at_hand, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.accuracy.picture.draw", lambda path: path.write_text("drawn"))
    assert main(["accuracy", "--methods", "--plot", str(tmp_path / "a.png"), "--threads", "1"]) == 0
    assert (tmp_path / "a.png").read_text() == "drawn"


def test_one_seed_of_what_knows_no_chance_but_all_draws(at_hand):
    rows = accuracy.run(arguments(methods=["ridge", "lasso"]))
    fits = [(row.method, row.seed) for row in rows if row.metric == "fit"]
    assert fits == [
        ("ridge VAR, Two", 0),
        *(("lasso VAR, Two", seed) for seed in (0, 1)),
        *((f"{name} VAR, Drawn", seed) for name in ("ridge", "lasso") for seed in (0, 1)),
    ]


def test_what_fails_or_takes_too_long_is_a_row_and_not_tried_again(at_hand, monkeypatch, capsys):
    def unwell(problem, seed, limit):
        raise InputError("not for these")

    def slow(problem, seed, limit):
        raise TimeoutError

    monkeypatch.setitem(METHODS, "kan", Method("GRNGC kan", unwell))
    monkeypatch.setitem(METHODS, "lstm", Method("GRNGC lstm", slow))
    rows = accuracy.run(arguments(methods=["kan", "lstm"], sets=["lorenz96-drawn"]))
    assert [(row.method, row.metric, row.value) for row in rows] == [
        ("GRNGC kan, Drawn", "failed", 1.0),
        ("GRNGC lstm, Drawn", "nothing within", 9.0),
    ]
    assert "not for these" in capsys.readouterr().out


def test_a_worker_is_ended_at_the_limit_and_another_begun():
    with Worker() as call:
        assert call(abs, -3, limit=30.0) == 3
        with pytest.raises(TimeoutError, match=r"nothing within 0\.1 s"):
            call(time.sleep, 30.0, limit=0.1)
        with pytest.raises(ZeroDivisionError):
            call(divmod, 1, 0, limit=30.0)


def test_sets_that_are_not_there_are_told_in_a_line(tmp_path, capsys):
    found = [case.name for case in cases(tmp_path)]
    assert found == [f"lorenz96-p{p}-f{f}" for p, _, f in SIMULATED]
    assert capsys.readouterr().out.count("\n") == 1
    assert list(cases(tmp_path, ["sos"])) == []
    assert "skipped 1 sets" in capsys.readouterr().out
    with pytest.raises(ValueError, match="there is no set 'soss'"):
        list(cases(tmp_path, ["soss"]))


def test_names_titles_and_marks():
    every = known(Path("."))
    assert len({case.name for case in every}) == len({case.title for case in every}) == len(every)
    assert title_of("dream3-100-yeast1") == "DREAM3 size 100 Yeast1"
    titles = {case.title for case in every}
    assert set(IN_VIEW) <= titles
    assert label("GRNGC", "VAR P=10") == "GRNGC, VAR P=10 (oracle defaults)"
    assert label("GRNGC", "sos") == "GRNGC, sos"
    assert label("ridge VAR", "VAR P=10", "published") == "ridge VAR, VAR P=10, published protocol"


def test_what_evidence_chose_is_told():
    assert chosen({"model": "mlp", "n_splines": None, "linear_start": True}) == "mlp, linear start"
    assert chosen({"model": "mlp", "ranking": {"by": "combined"}}) == "mlp, combined ranking"
    assert (
        chosen({"model": "sets", "ranking": {"by": "gradients"}, "n_splines": 20, "linear_start": False})
        == "sets, 20 splines"
    )


def test_the_sets_at_hand_are_read(shared_data):
    found = {case.name: case for case in cases(shared_data, ["var-10", "netsim-1-subjects", "dream4-10-1"])}
    assert found["netsim-1-subjects"].load(7).X.shape == (200, 5)
    assert found["var-10"].lags == found["var-10"].load(0).truth.shape[2] == 3
    assert isinstance(found["dream4-10-1"].load(0).table, SeriesTable)
