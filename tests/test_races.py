"""Races are run to their limit, tell why a method has no result, and are drawn."""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import pytest
import torch

from benchmarks import endtoend, scaling, whole_fits
from benchmarks.baselines import gradients
from benchmarks.endtoend import Racer, once
from benchmarks.results import circumstances, read, record
from grngc_fast.datasets import var


@pytest.fixture(scope="module")
def data():
    return var(5, 300, seed=0)


@pytest.fixture
def racers(monkeypatch, data):
    truth = data.truth.any(-1).astype(float)
    noise = np.random.default_rng(0).random(truth.shape)

    def improving(series, lags, seed, lam):
        for steps in range(1, 6):
            yield float(steps), noise + lam * (steps >= 3) * truth

    def unwell(series, lags, seed):
        raise ValueError("not for these series")

    own = {
        "at once": Racer(once(lambda series, lags, seed: truth)),
        "slowly": Racer(improving, (0.1, 10.0)),
        "unwell": Racer(once(unwell)),
        "large": Racer(once(lambda series, lags, seed: truth), bytes=lambda p: 2.0**40),
    }
    monkeypatch.setattr(endtoend, "RACERS", own)
    monkeypatch.setattr(endtoend, "SYSTEMS", {"var": lambda p, seed: data})
    return own


def arguments(methods, limit, one_penalty=False, penalties=None):
    given = {"series": [5], "systems": ["var"], "methods": methods, "limit": limit, "one_penalty": one_penalty}
    given["penalties"] = penalties
    return argparse.Namespace(**given, memory=1.0, seed=1, plot=None)


def rows_of(methods, limit=100.0):
    args = arguments(methods, limit)
    return {(row.method, row.metric): row.value for row in endtoend.run(args)}


def test_the_time_until_enough_is_found_is_that_of_the_best_penalty(racers):
    found = rows_of(["slowly"])
    assert found["slowly, var", "time to AUROC 0.95"] == 3.0
    assert found["slowly, var", "penalty granted"] == 10.0
    assert found["slowly, var", "last AUPRC"] == pytest.approx(1.0)
    assert found["slowly, var", "seconds"] == 5.0
    assert found["slowly, var", "AUROC after 3 s"] == 1.0
    assert found["slowly, var", "AUROC after 1 s"] < 0.95


def test_a_run_ends_at_its_limit(racers):
    found = rows_of(["slowly"], limit=1.5)
    assert found["slowly, var", "stopped at"] == 2.0
    assert found["slowly, var", "time to AUPRC 0.95"] == np.inf


def test_of_its_penalties_the_published_one_alone(racers, data):
    racers["three"] = Racer(lambda series, lags, seed, lam: iter([(lam, data.truth.any(-1))]), (1.0, 2.0, 3.0))
    found = {row.metric: row.value for row in endtoend.run(arguments(["three"], 9.0, one_penalty=True))}
    assert found["penalty granted"] == found["seconds"] == 2.0
    found = {row.metric: row.value for row in endtoend.run(arguments(["three"], 9.0, penalties=[3.0]))}
    assert found["penalty granted"] == found["seconds"] == 3.0


def test_a_peer_has_a_process_of_its_own_that_ends_at_the_limit(racers):
    racers["ridge VAR"] = Racer(partial(endtoend.apart, "ridge VAR"), limited=True)
    racers["none"] = Racer(partial(endtoend.apart, "none"), limited=True)
    found = rows_of(["ridge VAR", "none"])
    assert found["ridge VAR, var", "last AUROC"] > 0.5
    assert found["none, var: KeyError: 'none'", "failed"] == 1
    racers["extra trees"] = Racer(partial(endtoend.apart, "extra trees"), limited=True)
    found = rows_of(["extra trees"], limit=0.001)
    assert found == {("extra trees, var", "stopped at"): 0.001}


def test_a_method_that_fails_or_does_not_fit_has_a_row_that_says_so_and_stops_nothing(racers):
    found = rows_of(["unwell", "large", "at once"])
    assert found["unwell, var: not for these series", "failed"] == 1
    assert found["large, var", "not run: needs memory"] == 1024
    assert found["at once, var", "last AUROC"] == pytest.approx(1)


def test_the_race_is_drawn_with_what_was_recorded(racers, tmp_path, monkeypatch):
    args = arguments(["slowly"], 9.0)
    monkeypatch.setattr(endtoend, "RESULTS", tmp_path / "results.csv")
    record(endtoend.run(args), circumstances(), tmp_path / "results.csv")
    monkeypatch.setattr(endtoend, "read", lambda: read(tmp_path / "results.csv"))
    assert len(endtoend.recorded()) > 10
    endtoend.run(argparse.Namespace(**{**vars(args), "methods": ["at once"], "plot": tmp_path / "race.png"}))
    assert (tmp_path / "race.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", [n for n, racer in endtoend.RACERS.items() if "kan" not in n and not racer.limited])
def test_every_racer_starts(name, data, monkeypatch):
    monkeypatch.setattr(endtoend, "_looks", lambda n_series: 1)
    course = endtoend.RACERS[name].course(np.asarray(data.X)[:120], 2, 0, endtoend.RACERS[name].penalties[0])
    try:
        seconds, scores = next(course)
    except ImportError as error:
        pytest.skip(str(error))
    assert seconds > 0
    assert scores.shape == (5, 5)
    assert (scores >= 0).all()


def test_steps_grow_to_their_limit_and_are_drawn(tmp_path, capsys):
    rows = scaling.curve("cMLP vectorised", [4, 6, 8], 2, 2, 10.0, 2.0**30)
    assert [row.metric for row in rows] == ["step", "memory of a step"] * 3 + ["exponent of a step in P"]
    stopped = scaling.curve("bmm", [4, 6], 1, 2, 10.0, 1.0)
    assert [row.metric for row in stopped] == ["limit: memory"]
    assert "would hold" in capsys.readouterr().out
    slow = scaling.curve("official loop", [4, 6], 1, 2, 0.0, 2.0**30)
    assert [row.metric for row in slow] == ["step", "memory of a step", "limit: step"]
    scaling.draw([*rows, *slow], tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").stat().st_size > 10_000


def test_whole_fits_grow_to_their_limit(monkeypatch, tmp_path):
    monkeypatch.setattr(whole_fits, "fresh", lambda function, *given: function(*given))
    monkeypatch.setattr(whole_fits, "measure", lambda name, p, lags, threads: (p**2.0, 7))
    rows = whole_fits.curve("ours, default fit", [4, 6, 8], 1, 1e9, 1)
    assert [row.metric for row in rows] == ["fit", "memory of a fit"] * 3 + ["exponent of a fit in P"]
    assert rows[-1].value == pytest.approx(2)
    slow = whole_fits.curve("official loop, its training", [4, 6], 5, 1.0, 1)
    assert [row.metric for row in slow] == ["fit", "memory of a fit", "limit: fit"]
    assert slow[-1].value == pytest.approx(36)
    scaling.draw([*rows, *slow], tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", whole_fits.FITS)
def test_a_whole_fit_of_several_lags_is_measured(name, monkeypatch):
    monkeypatch.setattr(whole_fits, "N_STEPS", 150)
    monkeypatch.setattr(whole_fits.official, "train", partial(whole_fits.official.train, epochs=2))
    seconds, peak = whole_fits.measure(name, 4, 2, torch.get_num_threads())
    assert seconds > 0
    assert peak >= 0


@pytest.mark.parametrize("name", scaling.COMPILED)
def test_what_does_not_compile_has_a_row_that_says_so(name, monkeypatch):
    def refused(penalty):
        def call(model, x):
            raise RuntimeError("no compiler\nmore")

        return call

    monkeypatch.setattr(gradients, "compiled", refused)
    (row,) = scaling.curve(name, [4, 6], 1, 2, 10.0, 2.0**30)
    assert (row.method, row.metric) == (f"{name}: no compiler", "failed")
    monkeypatch.setattr(gradients, "compiled", lambda penalty: penalty)
    rows = scaling.curve(name, [4], 1, 2, 10.0, 2.0**30)
    assert [row.metric for row in rows] == ["first call, compiling", "step", "memory of a step"]


@pytest.mark.parametrize("name", scaling.METHODS)
@pytest.mark.parametrize("lags", [1, 3])
def test_every_step_is_taken(name, lags):
    scaling.METHODS[name].build(4, lags)()
