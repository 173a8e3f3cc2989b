"""Two processes at work on one fit: the result of one, the refusals of one, and no process left waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing

from grngc_fast import GRNGC, InputError
from grngc_fast.distributed import World
from grngc_fast.scoring import sinks as score_sinks
from grngc_fast.training import Trainer, keeper
from grngc_fast.training.checkpoint import FILE

SIZE = {"lam": 0.1, "max_steps": 40, "hidden": 8, "batch_size": 16, "random_state": 0, "device": "cpu"}


def series(n_series: int = 5, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((90, n_series))
    x[1:, 1] += 2 * x[:-1, 0]
    return x


def own_module() -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 5))


class Pair:
    """Two processes of a gloo group that do as they are told."""

    def __init__(self, meeting: Path) -> None:
        context = torch.multiprocessing.get_context("spawn")
        self._pipes, self._processes = [], []
        for rank in range(2):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(rank, str(meeting), theirs), daemon=True)
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)

    def run(self, function, *arguments):
        """What `function(rank, *arguments)` returned, or raised, in each process."""
        for pipe in self._pipes:
            pipe.send((function, arguments))
        assert all(pipe.poll(60) for pipe in self._pipes), "a process is left waiting"
        return [pipe.recv() for pipe in self._pipes]

    def close(self) -> None:
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join(20)
            process.kill()


def _serve(rank: int, meeting: str, pipe) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=2, timeout=timedelta(seconds=30)
    )
    while (job := pipe.recv()) is not None:
        function, arguments = job
        try:
            pipe.send(function(rank, *arguments))
        except SystemExit as stopped:
            pipe.send((stopped.code, str(stopped)))
        except Exception as error:
            pipe.send(error)
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    both = Pair(tmp_path_factory.mktemp("pair") / "meeting")
    yield both
    both.close()


def result(found: GRNGC) -> dict[str, object]:
    return {"scores": found.lag_scores_, "signed": found.signed_scores_, "history": found.history_}


def fit(rank: int, options: dict, data: np.ndarray | None = None) -> dict[str, object]:
    return result(GRNGC(**{**SIZE, **options}).fit(series() if data is None else data))


def fit_differently(rank: int, options: list[dict], data: list[np.ndarray]) -> dict[str, object]:
    return fit(rank, options[rank], data[rank])


def fit_stopped(rank: int, by: int, options: dict) -> dict[str, object]:
    """A fit of which process `by` alone gets a signal at step 11. They ask each other every few steps."""
    real, pause = Trainer.step, keeper.ASK_SECONDS

    def stepping(self):
        evaluated = real(self)
        if self.steps == 11 and rank == by:
            signal.raise_signal(signal.SIGTERM)
        return evaluated

    Trainer.step, keeper.ASK_SECONDS = stepping, 0.02
    try:
        return fit(rank, options)
    finally:
        Trainer.step, keeper.ASK_SECONDS = real, pause


def assert_equal(one: dict, two: dict) -> None:
    np.testing.assert_array_equal(one["scores"], two["scores"])
    np.testing.assert_array_equal(one["signed"], two["signed"])
    assert repr(one["history"]) == repr(two["history"])


def assert_close(one: dict, two: dict) -> None:
    assert np.abs(one["scores"] - two["scores"]).max() < 1e-4 * np.abs(two["scores"]).max()
    assert np.abs(one["signed"] - two["signed"]).max() < 1e-4 * np.abs(two["signed"]).max()
    for part in ("forecast", "penalty", "validation"):
        np.testing.assert_allclose(getattr(one["history"], part), getattr(two["history"], part), rtol=1e-4)
    np.testing.assert_allclose(one["history"].active_edges, two["history"].active_edges, atol=1)
    assert one["history"].step == two["history"].step
    assert one["history"].best_step == two["history"].best_step
    assert one["history"].stopped == two["history"].stopped


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"early_stopping": True, "patience": 2, "validation_fraction": 0.3, "lam": 0.01, "max_steps": 100},
        {"penalty_windows": 1},
        {"penalty_windows": 3, "penalty_targets": 2, "batch_size": 7},
        {"penalty_windows": 1, "penalty_targets": 1},
        {"batch_size": 1},
        {"lam": 0.0},
        {"model": "kan"},
        {"model": "lstm", "lags": 2},
        {"model": "sets", "model_options": {"set_size": 3}},
        {"model": own_module(), "hidden": None},
    ],
    ids=[
        "mlp",
        "early stopping",
        "targets shared",
        "windows shared",
        "one row",
        "one window",
        "no penalty",
        "kan",
        "lstm",
        "sets",
        "own",
    ],
)
def test_two_processes_find_what_one_finds(options, pair):
    first, second = pair.run(fit, options)
    assert_equal(first, second)
    assert_close(first, fit(0, options))


@pytest.mark.parametrize("options", [{}, {"early_stopping": True, "validation_fraction": 0.3}, {"model": "sets"}])
def test_two_processes_leave_the_same_targets_out_as_one(options, pair):
    x = series()
    x[np.random.default_rng(1).random(x.shape) < 0.05] = np.nan
    options = {**options, "missing": "interpolate", "max_gap": 1}
    first, second = pair.run(fit, options, x)
    assert_equal(first, second)
    assert_close(first, fit(0, options, x))


def trusted(rank: int, options: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = series()
    if "missing" in options:
        x[40, 3] = x[70, 0] = np.nan
    parts = np.split(x, 6 if "lags" in options else 1)
    found = GRNGC(**{**SIZE, **options}).fit(parts)
    p = found.significance(parts).p_values
    repeated = found.stability(parts, n_bootstraps=2)
    return p, repeated.frequency, repeated.standard_error


@pytest.mark.parametrize(
    "options",
    [
        {"model": "sets"},
        {"lags": 2, "regulators": [0, 2, 3]},
        {"edges_per_target": 2, "missing": "drop"},
        {"candidates": np.eye(5)[[0, 0, 3, 4, 2]] > 0, "targets": [1, 2, 3]},
    ],
    ids=lambda options: ", ".join(options),
)
def test_two_processes_share_out_the_tests_of_edges(options, pair):
    """And resampled fits."""
    both, alone = pair.run(trusted, options), trusted(0, options)
    for first, second, one, tolerance in zip(*both, alone, (1e-3, 0.0, 0.05), strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_allclose(first, one, rtol=tolerance, atol=tolerance / 100)
    effect = 0 if "targets" in options else 1
    assert both[0][0][effect, 0] < 1e-4 and both[0][1][effect, 0] > 0


def fit_planned(rank: int, options: dict, data: np.ndarray) -> dict[str, object]:
    found = GRNGC(**{**SIZE, **options}).fit(data)
    return {
        **result(found),
        "plan": [found.graph_.metadata[name] for name in ("model", "lam", "linear_start", "evidence")],
    }


@pytest.mark.parametrize(
    ("options", "n_steps", "model"),
    [({"hidden": None}, 300, "mlp"), ({"model": "mlp", "skip": True, "max_steps": 20}, 90, "mlp")],
    ids=["weighed", "mlp"],
)
def test_two_processes_plan_and_start_linear_as_one_does(options, n_steps, model, pair):
    """Each finds the rows of some targets, which makes the start of none another than that of one process."""
    x = np.random.default_rng(0).standard_normal((n_steps, 5))
    for t in range(1, n_steps):
        x[t] += 0.5 * np.roll(x[t - 1], 1)
    first, second = pair.run(fit_planned, options, x)
    assert_equal(first, second)
    alone = fit_planned(0, options, x)
    assert_close(first, alone)
    assert first["plan"] == second["plan"] == alone["plan"]
    assert first["plan"][0] == model
    assert first["plan"][2]
    assert (first["plan"][3] is not None) == (n_steps > 250)


def fit_with_grid(rank: int, data: np.ndarray) -> tuple[dict[str, object], dict]:
    found = GRNGC("kan", **SIZE).fit(data)
    return result(found), found.graph_.metadata["kan_grid"]


def test_two_processes_choose_the_same_splines_as_one_does(pair):
    (first, chosen), (second, other) = pair.run(fit_with_grid, series())
    alone, alike = fit_with_grid(0, series())
    assert_equal(first, second)
    assert_close(first, alone)
    assert chosen == other
    assert chosen["grid"] == alike["grid"]
    np.testing.assert_allclose(chosen["tried"], alike["tried"], rtol=1e-4)


def fit_counting_files(rank: int, options: dict) -> tuple[dict[str, object], int]:
    """The result and how many files were begun. Process 0 is slow to end them."""
    real, begun = score_sinks.atomic_writer, []

    @contextmanager
    def writer(path):
        begun.append(path)
        with real(path) as file:
            yield file
            time.sleep(0.5)

    score_sinks.atomic_writer = writer
    try:
        return fit(rank, options), len(begun)
    finally:
        score_sinks.atomic_writer = real


def test_two_processes_write_a_file_of_scores_once(pair, tmp_path):
    options = {"scores_file": tmp_path / "found.npy", "lags": 2}
    (first, begun), (second, begun_too) = pair.run(fit_counting_files, options)
    assert (begun, begun_too) == (3, 0)
    assert_equal(first, second)
    assert {p.name for p in tmp_path.iterdir()} == {"found.npy", "found.lag_scores.npy", "found.signed_scores.npy"}
    assert_close(first, fit(0, {"lags": 2, "ranking": "gradients"}))


def fit_on_a_full_disk(rank: int, options: dict) -> dict[str, object]:
    real = score_sinks.ScoreFiles.add

    def full(self, block):
        real(self, block)
        if self._writes:
            raise OSError(28, "No space left on device")

    score_sinks.ScoreFiles.add = full
    try:
        return fit(rank, options)
    finally:
        score_sinks.ScoreFiles.add = real


def test_a_disk_that_is_full_is_told_to_all_and_none_waits(pair, tmp_path):
    options = {"scores_file": tmp_path / "found.npy"}
    first, second = pair.run(fit_on_a_full_disk, options)
    assert "No space left on device" in str(first)
    assert "process 0 of 2: " in str(second)
    assert "No space left on device" in str(second)
    assert not list(tmp_path.iterdir())
    assert_equal(*pair.run(fit, {}))


def test_more_processes_than_series_or_windows_to_share_is_no_fault():
    world = World(rank=2, size=3)
    assert world.share(torch.arange(2)).tolist() == []
    shares = [World(rank, 3).share(torch.arange(7)).tolist() for rank in range(3)]
    assert [i for share in shares for i in share] == list(range(7))


def test_processes_without_a_seed_take_that_of_the_first(pair):
    assert_equal(*pair.run(fit, {"random_state": None}))


@pytest.mark.parametrize(
    ("options", "data", "message"),
    [
        ({"lam": 0.2}, {}, "processes 0 and 1 of 2 differ in lam: 0.1 and 0.2; give every process the same"),
        ({"random_state": 1}, {}, "differ in generator_seed: .*; random_state: 0 and 1"),
        ({}, {"seed": 1}, "differ in data: '[0-9a-f]{32}' and '[0-9a-f]{32}'"),
        ({"lags": 0}, {}, "lags=0; expected"),
        ({"checkpoint": "here"}, {}, "differ in checkpoint: None and 'here'"),
    ],
)
def test_processes_that_differ_are_refused_all(options, data, message, pair):
    refusals = pair.run(fit_differently, [{}, options], [series(), series(**data)])
    for refused in refusals:
        assert isinstance(refused, InputError)
    with pytest.raises(InputError, match=message):
        raise refusals[0]
    # And are of use afterwards.
    assert_equal(*pair.run(fit, {"max_steps": 3}))


@pytest.mark.parametrize("by", [0, 1])
def test_a_signal_to_one_process_stops_all_and_the_run_goes_on(by, pair, tmp_path):
    options = {"max_steps": 200, "checkpoint": str(tmp_path), "model_options": {"dropout": 0.2}}
    stopped = pair.run(fit_stopped, by, options)
    steps = torch.load(tmp_path / FILE, weights_only=True)["state"]["steps"]
    assert 11 <= steps < 200
    said = (
        f"stopped at step {steps} of 200; {tmp_path / FILE} holds step {steps}: run the same again to go on from there"
    )
    assert stopped == [(143, said)] * 2
    first, second = pair.run(fit, options)
    assert_equal(first, second)
    assert_equal(first, pair.run(fit, {**options, "checkpoint": None})[0])


def test_one_process_goes_on_with_what_two_began(pair, tmp_path):
    options = {"max_steps": 200, "checkpoint": str(tmp_path)}
    pair.run(fit_stopped, 1, options)
    whole = fit(0, {"max_steps": 200})
    went_on = fit(0, options)
    assert np.abs(went_on["scores"] - whole["scores"]).max() < 1e-3 * whole["scores"].max()
    np.testing.assert_allclose(went_on["history"].forecast, whole["history"].forecast, rtol=1e-3)


def test_a_process_killed_ends_the_job_and_leaves_the_checkpoint(tmp_path):
    np.savetxt(tmp_path / "table.csv", series(), delimiter=",", header="a,b,c,d,e", comments="")
    file = tmp_path / "kept" / FILE
    fit_it = f"fit {tmp_path / 'table.csv'} --quiet --lam 0.1 --hidden 8 --max-steps 1000000 --device cpu"
    keep_it = f"--out {tmp_path / 'out'} --checkpoint {file.parent} --checkpoint-minutes 0.001"
    launch = "-m torch.distributed.run --standalone --nproc-per-node=2 -m grngc_fast"
    job = subprocess.Popen(
        [sys.executable, *launch.split(), *fit_it.split(), *keep_it.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    # The plan, the beginning, a step.
    written, deadline = set(), time.monotonic() + 60
    while len(written) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
        if file.exists():
            written.add(file.stat().st_mtime_ns)
    workers = [p for p in psutil.Process(job.pid).children() if "grngc_fast" in p.cmdline()]
    assert len(workers) == 2
    workers[1].kill()
    said, _ = job.communicate(timeout=60)
    assert job.returncode != 0
    assert said.count("5 series, 90 steps") == 1, "only process 0 speaks"
    assert "another process ended or did not answer" in said
    assert "start the run again: with a checkpoint it goes on" in said
    assert torch.load(file, weights_only=True)["state"]["steps"] > 0
    assert not (tmp_path / "out").exists()
