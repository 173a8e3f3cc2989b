"""A fit that is interrupted and goes on is the fit that was not interrupted, to the last bit; nothing else is taken up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from grngc_fast import GRNGC, InputError, estimator
from grngc_fast.cli import main
from grngc_fast.errors import CheckpointWarning
from grngc_fast.graph import CausalGraph
from grngc_fast.training import Trainer
from grngc_fast.training import checkpoint as checkpoint_module
from grngc_fast.training.checkpoint import FILE, digest, plain

SIZE = {"model": "mlp", "lam": 0.1, "max_steps": 60, "hidden": 8, "random_state": 0, "device": "cpu"}


def series(n_series: int = 4) -> np.ndarray:
    x = np.random.default_rng(0).standard_normal((90, n_series))
    x[1:, 1] += 2 * x[:-1, 0]
    return x


def own_module() -> torch.nn.Module:
    torch.manual_seed(3)
    layers = torch.nn.Linear(4, 8), torch.nn.Dropout(0.3), torch.nn.Tanh(), torch.nn.Linear(8, 4)
    return torch.nn.Sequential(torch.nn.Flatten(), *layers)


@contextmanager
def interrupts(handler):
    """What SIGINT does in here; a process that is started in here ignores it too."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def _interrupts_are_heeded():
    """Though the shell that started the tests in the background had them ignored."""
    with interrupts(signal.default_int_handler):
        yield


@pytest.fixture
def stop_at(monkeypatch):
    """Sends a real signal to this process as soon as a step's number is reached."""
    real = Trainer.step

    def arranged(step: int, number: int = signal.SIGTERM) -> None:
        def stepping(self):
            evaluated = real(self)
            if self.steps == step:
                signal.raise_signal(number)
            return evaluated

        monkeypatch.setattr(Trainer, "step", stepping)

    return arranged


def assert_same_fit(one: GRNGC, two: GRNGC) -> None:
    a, b = one.model_.state_dict(), two.model_.state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)
    np.testing.assert_array_equal(one.lag_scores_, two.lag_scores_)
    assert repr(one.history_) == repr(two.history_)


def begun(folder, stop_at, step: int = 23, **options) -> None:
    options = {**SIZE, **options}
    stop_at(step)
    with pytest.raises(SystemExit, match=f"stopped at step {step} of {options['max_steps']}") as stopped:
        GRNGC(**options, checkpoint=folder).fit(series())
    assert stopped.value.code == 143


FITS = {
    "mlp": {},
    "dropout": {"model_options": {"dropout": 0.4}},
    "early stopping": {
        "early_stopping": True,
        "patience": 2,
        "validation_fraction": 0.3,
        "lam": 0.0,
        "learning_rate": 0.02,
    },
    "kan": {"model": "kan", "penalty_targets": 2, "model_options": {"grid": 4}},
    "lstm": {"model": "lstm", "lags": 2},
    "own module": {"model": own_module(), "hidden": None},
}


@pytest.fixture(scope="module")
def uninterrupted(request):
    """Options and the fit of them. Two steps from one evaluation to the next, five batches to a pass."""
    options = {**SIZE, "max_steps": 100, "batch_size": 16, **FITS[request.param]}
    return options, GRNGC(**options).fit(series())


# Where a run may stand is tried of what evaluations decide on, each kind of network between two of them.
STOPS = [(kind, step) for kind in ("mlp", "early stopping") for step in (1, 24, 25, -2, -1)]
STOPS += [(kind, 25) for kind in FITS if kind not in ("mlp", "early stopping")]


@pytest.mark.parametrize(("uninterrupted", "step"), STOPS, indirect=["uninterrupted"], scope="module")
def test_a_fit_that_goes_on_is_the_uninterrupted_one_bit_for_bit(uninterrupted, step, tmp_path, stop_at):
    options, whole = uninterrupted
    steps = range(1, whole.history_.step[-1] + 1)
    begun(tmp_path / "kept", stop_at, step if step > 0 else steps[step], **options)
    torch.rand(7)
    assert_same_fit(GRNGC(**options, checkpoint=tmp_path / "kept").fit(series()), whole)


def test_a_crash_loses_what_came_after_the_last_checkpoint_and_no_more(tmp_path, monkeypatch):
    whole, real, taken = GRNGC(**SIZE).fit(series()), Trainer.step, []

    def crashing(self):
        if self.steps == 31:
            raise MemoryError
        taken.append(self.steps)
        return real(self)

    kept = GRNGC(**SIZE, checkpoint=tmp_path, checkpoint_minutes=0)
    monkeypatch.setattr(Trainer, "step", crashing)
    with pytest.raises(MemoryError):
        kept.fit(series())
    monkeypatch.setattr(Trainer, "step", lambda self: taken.append(self.steps) or real(self))
    assert_same_fit(kept.fit(series()), whole)
    assert taken == list(range(60))
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_finished_fit_is_not_trained_again(tmp_path, monkeypatch):
    first = GRNGC(**SIZE, checkpoint=tmp_path).fit(series())
    monkeypatch.setattr(Trainer, "step", lambda self: pytest.fail("a step was taken"))
    assert_same_fit(GRNGC(**SIZE, checkpoint=str(tmp_path), verbose=1, checkpoint_minutes=1).fit(series()), first)


def moving(n_steps: int = 300) -> np.ndarray:
    """Enough steps for a plan by held-out error."""
    x = np.random.default_rng(0).standard_normal((n_steps, 4))
    for t in range(1, n_steps):
        x[t] += 0.6 * np.roll(x[t - 1], 1)
    return x


PLANNED = {"max_steps": 40, "hidden": 8, "random_state": 0, "device": "cpu"}


def test_what_was_planned_and_started_is_not_done_again(tmp_path, monkeypatch):
    whole = GRNGC(**PLANNED).fit(moving())
    assert whole.graph_.metadata["linear_start"]
    assert whole.graph_.metadata["evidence"]

    def killed(*given):
        raise MemoryError

    kept = GRNGC(**PLANNED, checkpoint=tmp_path, checkpoint_minutes=0)
    with monkeypatch.context() as patch:
        patch.setattr(estimator, "start_network", killed)
        with pytest.raises(MemoryError):
            kept.fit(moving())
    monkeypatch.setattr(estimator, "chosen_plan", lambda *given: pytest.fail("planned again"))
    real = Trainer.step
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", lambda self: killed() if self.steps == 7 else real(self))
        with pytest.raises(MemoryError):
            kept.fit(moving())
    monkeypatch.setattr(estimator, "start_network", lambda *given: pytest.fail("started again"))
    assert_same_fit(kept.fit(moving()), whole)
    assert kept.graph_.metadata["evidence"] == whole.graph_.metadata["evidence"]


def test_a_grid_that_was_chosen_is_not_chosen_again(tmp_path, monkeypatch):
    options = {**PLANNED, "model": "kan"}
    whole, real = GRNGC(**options).fit(series()), Trainer.step
    assert whole.graph_.metadata["kan_grid"]["tried"]

    def killed(self):
        if self.steps == 7 and self.options.patience is None:
            raise MemoryError
        return real(self)

    kept = GRNGC(**options, checkpoint=tmp_path, checkpoint_minutes=0)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", killed)
        with pytest.raises(MemoryError):
            kept.fit(series())
    monkeypatch.setattr(estimator, "chosen_plan", lambda *given: pytest.fail("chosen again"))
    assert_same_fit(kept.fit(series()), whole)
    assert kept.graph_.metadata["kan_grid"] == whole.graph_.metadata["kan_grid"]


def test_numbers_of_numpy_are_options_like_others(tmp_path):
    options = {**PLANNED, "max_steps": np.int64(3), "lam": np.float64(0.1), "learning_rate": np.float64(1e-3)}
    found = GRNGC(**options, checkpoint=tmp_path).fit(moving())
    assert_same_fit(GRNGC(**options, checkpoint=tmp_path).fit(moving()), found)


def test_scores_may_go_elsewhere_after_the_training(tmp_path):
    first = GRNGC(**SIZE, checkpoint=tmp_path / "kept", scores_file=tmp_path / "one.npy").fit(series())
    again = GRNGC(**SIZE, checkpoint=tmp_path / "kept", scores_file=str(tmp_path / "two.npy")).fit(series())
    assert_same_fit(first, again)
    assert first.graph_.metadata["scores_file"] == str(tmp_path / "one.npy")


def test_a_folder_that_cannot_be_written_to_is_told_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(estimator, "chosen_plan", lambda *given: pytest.fail("planned first"))

    def full(**options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_module.tempfile, "TemporaryFile", full)
    with pytest.raises(InputError, match=r"checkpoint='.*' cannot be written to .*No space left"):
        GRNGC(**PLANNED, checkpoint=tmp_path).fit(moving())


def test_a_plan_of_another_version_is_refused(tmp_path):
    GRNGC(**PLANNED, checkpoint=tmp_path).fit(moving())
    saved = torch.load(tmp_path / FILE, weights_only=True)
    saved["plan"]["momentum"] = 1.0
    torch.save(saved, tmp_path / FILE)
    with pytest.raises(InputError, match=r"does not fit this version of the library .*momentum.*name another folder"):
        GRNGC(**PLANNED, checkpoint=tmp_path).fit(moving())


def test_without_a_seed_the_run_goes_on_with_the_one_that_it_drew(tmp_path, stop_at):
    begun(tmp_path, stop_at, random_state=None)
    found = GRNGC(**{**SIZE, "random_state": None}, checkpoint=tmp_path).fit(series())
    assert found.history_.step[-1] == 60


def test_an_interrupt_says_how_to_go_on_and_leaves_the_handlers_as_they_were(tmp_path, stop_at):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    stop_at(5, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=f"step 5 of 60; .*{FILE} holds step 5: run the same again"):
        GRNGC(**SIZE, checkpoint=tmp_path).fit(series())
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_second_interrupt_does_not_wait(tmp_path, monkeypatch):
    def stuck(self):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second interrupt was ignored")

    monkeypatch.setattr(Trainer, "step", stuck)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        GRNGC(**SIZE, checkpoint=tmp_path).fit(series())


def test_an_ignored_interrupt_stays_ignored_and_the_other_signal_does_not(tmp_path, stop_at):
    with interrupts(signal.SIG_IGN):
        stop_at(5, signal.SIGINT)
        try:
            whole = GRNGC(**SIZE, checkpoint=tmp_path / "whole").fit(series())
        except KeyboardInterrupt as stopped:
            pytest.fail(f"an ignored interrupt {stopped}")
        assert whole.history_.step[-1] == 60
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        begun(tmp_path / "kept", stop_at, 5)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_a_write_that_fails_in_the_middle_leaves_the_checkpoint_before(tmp_path, monkeypatch, stop_at):
    whole = GRNGC(**SIZE).fit(series())
    begun(tmp_path, stop_at, 10)
    before = (tmp_path / FILE).read_bytes()
    real = torch.save

    def full(saved, file):
        real({"half": 1}, file)
        raise OSError(28, "No space left on device")

    stop_at(40, signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with (
            pytest.warns(CheckpointWarning, match="step 40 could not be written .*No space.*; that of step 10 is kept"),
            pytest.raises(KeyboardInterrupt, match=r"stopped at step 40 of 60; .* holds step 10"),
        ):
            GRNGC(**SIZE, checkpoint=tmp_path).fit(series())
    assert (tmp_path / FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    stop_at(0)
    assert_same_fit(GRNGC(**SIZE, checkpoint=tmp_path).fit(series()), whole)


class Remembering(torch.nn.Linear):
    """A module with state that is no tensor."""

    def get_extra_state(self):
        return Trainer

    def set_extra_state(self, state):
        pass


def test_a_module_whose_state_cannot_be_kept_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "step", lambda self: pytest.fail("a step was taken"))
    module = torch.nn.Sequential(torch.nn.Flatten(), Remembering(4, 4))
    with pytest.raises(InputError, match="state_dict holds more than tensors and plain values"):
        GRNGC(module, max_steps=5, checkpoint=tmp_path).fit(series())
    assert not list(tmp_path.iterdir())


def test_no_checkpoint_no_file_and_signals_as_ever(tmp_path, monkeypatch, stop_at):
    monkeypatch.chdir(tmp_path)
    stop_at(5, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        GRNGC(**SIZE).fit(series())
    assert not list(tmp_path.iterdir())


def test_digests_tell_values_shapes_and_types_apart():
    x = np.arange(6.0)
    differ = [
        x,
        x.reshape(2, 3),
        x.reshape(2, 3).T,
        x.astype(np.float32),
        x + 1,
        torch.zeros(2),
        torch.zeros(3),
        "x",
        "y",
    ]
    assert len({digest([v]) for v in differ}) == len(differ)
    big = np.random.default_rng(0).standard_normal((3000, 1700))
    assert digest([big]) == digest([np.asfortranarray(big)]) != digest([big[::-1]])
    assert digest([x, x[:2]]) == digest([x.copy(), x[:2].copy()])
    assert plain({"a": (np.int64(1), np.float32(0.5), None, "b")}) == {"a": [1, 0.5, None, "b"]}
    weights = own_module(), own_module()
    assert plain(weights[0]) == plain(weights[1])
    torch.nn.init.zeros_(weights[1][1].weight)
    assert plain(weights[0]) != plain(weights[1])


@pytest.fixture
def command(tmp_path):
    np.savetxt(tmp_path / "table.csv", series(), delimiter=",", header="a,b,c,d", comments="")
    fit = ["fit", str(tmp_path / "table.csv"), "--quiet", "--lam", "0.1", "--hidden", "8", "--device", "cpu"]
    return lambda name, *more: [*fit, "--out", str(tmp_path / name), *more]


def scores(folder) -> np.ndarray:
    return CausalGraph.load(folder / "scores.npz").scores


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_stops_with_a_line_and_goes_on(number, status, command, tmp_path, stop_at, capsys):
    assert main(command("whole", "--max-steps", "60", "--seed", "4")) == 0
    stop_at(30, number)
    kept = ["--max-steps", "60", "--checkpoint", str(tmp_path / "kept")]
    assert main(command("out", *kept, "--seed", "4")) == status
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("grngc-fast: stopped at step 30 of 60; ")
    assert not (tmp_path / "out").exists()
    # Without a seed it goes on with that of the run.
    assert main(command("out", *kept)) == 0
    np.testing.assert_array_equal(scores(tmp_path / "out"), scores(tmp_path / "whole"))
    assert main(command("other", *kept, "--lam", "0.5")) == 2
    assert "lam was 0.1, now 0.5" in capsys.readouterr().err


def test_a_process_in_the_background_outlives_an_interrupt_and_leaves_a_checkpoint_when_terminated(command, tmp_path):
    file = tmp_path / "kept" / FILE
    kept = ["--max-steps", "1000000", "--seed", "1", "--checkpoint", str(file.parent), "--checkpoint-minutes", "0.0001"]
    # As a shell without job control starts what ends in `&`.
    with interrupts(signal.SIG_IGN):
        process = subprocess.Popen(
            [sys.executable, "-m", "grngc_fast", *command("out", *kept)],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def await_writes(number: int) -> None:
        written, deadline = set(), time.monotonic() + 60
        while len(written) < number and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
            if file.exists():
                written.add(file.stat().st_mtime_ns)
        assert len(written) == number

    try:
        # The plan, the beginning, a step.
        await_writes(3)
        process.send_signal(signal.SIGINT)
        # The one that was there, and two after the interrupt: had it stopped the fit, one more would be the last.
        await_writes(3)
        process.terminate()
        _, error = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 143
    assert "of 1000000; " in error
    assert torch.load(file, weights_only=True)["state"]["steps"] > 0
