"""The benchmarks and the profile run, refuse wrong answers, and keep their table in one form."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import accuracy, guard, memory, op, penalty, results
from benchmarks.step import training_step
from benchmarks.table import aligned
from grngc_fast.datasets import lorenz96
from profiling import __main__ as profiling_command

ROW = results.Row('op, of "sizes"', None, None, 64, 3, "time", 0.1 + 0.2, 0.25, 0.5, "s", seed=0)
SMALL = op.Shape(33, 5, 17)
SGEMM = (16, 16, 16)


def test_table_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.csv"
    first = results.stamped([ROW, dataclasses.replace(ROW, p20=None, p80=None)], busy="others, 2 cores")
    second = results.stamped([ROW])
    results.record(first, path)
    results.record(second, path)
    assert results.read(path) == [*first, *second]
    assert path.read_text().splitlines()[0] == (
        "method,P,L,H,N,metric,value,p20,p80,unit,device,threads,versions,commit,date,seed,busy"
    )


def test_stamp_names_machine_and_versions() -> None:
    (row,) = results.stamped([ROW])
    assert row.device
    assert row.commit
    assert row.threads == torch.get_num_threads()
    assert f"torch {torch.__version__}" in row.versions
    assert row.busy == ""


def test_another_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("method,value\nop,1\n")
    with pytest.raises(ValueError, match="columns method, value"):
        results.record([ROW], path)
    with pytest.raises(ValueError, match="expected method,"):
        results.read(path)
    assert path.read_text() == "method,value\nop,1\n"


def test_commit_is_unknown_outside_git(tmp_path: Path) -> None:
    assert results.commit_name(tmp_path) == "unknown"


def test_seeds_become_mean_and_deviation() -> None:
    rows = [dataclasses.replace(ROW, value=v, seed=s) for s, v in enumerate((1.0, 2.0, 3.0))]
    text = aligned(rows)
    assert "2 +- 1 (3)" in text
    assert len(text.splitlines()) == 2


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (torch.tensor([1.0, 2.1]), "differs"),
        (torch.tensor([1.0, float("nan")]), "differs"),
        (torch.tensor([[1.0, 2.0]]), "shape"),
        ([torch.tensor([1.0, 2.0])] * 2, "2 answers"),
    ],
)
def test_a_wrong_answer_is_not_timed(found: torch.Tensor, message: str) -> None:
    with pytest.raises(guard.WrongAnswerError, match=message):
        guard.checked("op", found, torch.tensor([1.0, 2.0]), 1e-3)


def test_a_right_answer_passes() -> None:
    guard.checked("op", torch.tensor([1.0, 2.0001]), torch.tensor([1.0, 2.0]), 1e-3)
    guard.checked("op", 0.0, torch.tensor(0.0), 1e-3)


def test_op_refuses_a_wrong_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(op, "matmul_l1", lambda a, b, reduction: (a @ b).abs().sum() * 1.01)
    with pytest.raises(guard.WrongAnswerError, match="matmul_l1"):
        op.measure(SMALL, repeats=1, memory=False)


def test_guard_measures() -> None:
    reason = guard.busy(interval=0.05)
    assert reason is None or "cores" in reason
    assert guard.sgemm_rate(shape=SGEMM, repeats=1) > 0
    calls: list[None] = []
    timing = guard.timed(lambda: calls.append(None), repeats=3, warmup=2)
    assert len(calls) == 5
    assert 0 <= timing.p20 <= timing.median <= timing.p80
    assert guard.Timing(2.0, 1.0, 4.0).rate(8.0) == guard.Timing(4.0, 2.0, 8.0)
    assert guard.set_threads() == torch.get_num_threads()


@pytest.mark.parametrize("shape", [SMALL, op.Shape(9, 5, 17, windows=4)], ids=str)
def test_op_rows(shape: op.Shape) -> None:
    rows = op.measure(shape, repeats=1, memory=False, sgemm_shape=SGEMM)
    metrics = {(r.method.split(" M=")[0], r.metric) for r in rows}
    assert {("matmul_l1", "rate"), ("matmul_l1", "of sgemm"), ("stored product", "time")} <= metrics
    assert ("stored product / matmul_l1", "time ratio") in metrics
    assert all(r.value > 0 and r.H == 5 and r.N == shape.windows for r in rows)


def _allocation(elements: int):  # type: ignore[no-untyped-def]
    torch.ones(4 * elements)
    return lambda: torch.ones(elements)


def test_memory_of_a_call_is_its_own_peak() -> None:
    mib = memory.peak_extra(_allocation, 16 * 2**20) / memory.MIB
    assert 60 < mib < 80


@pytest.mark.parametrize("case", [penalty.Case(6, hidden=(5,), n_windows=3), penalty.Case(4, 3, (5, 6), 2)], ids=str)
def test_penalty_rows(case: penalty.Case) -> None:
    rows = penalty.measure(case, repeats=1)
    assert [r.metric for r in rows] == ["time"] * 3 + ["time ratio"] * 2
    assert all(r.value > 0 and r.P == case.n_series and r.L == case.n_lags for r in rows)


def test_accuracy_rows() -> None:
    case = accuracy.Case("small Lorenz-96", lambda seed: lorenz96(n_series=6, n_steps=80, seed=seed))
    rows = accuracy.measure(case, range(2), max_steps=3)
    assert len(rows) == 2 * 2 * 3
    assert {r.seed for r in rows} == {0, 1}
    assert all(0 <= r.value <= 1 for r in rows if r.metric != "time")


def test_the_yardstick_finds_the_lags_of_a_linear_process(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 2000))
    x[1, 2:] += 0.9 * x[0, :-2]
    truth = np.zeros((3, 3, 3), dtype=int)
    truth[1, 0, 1] = 1
    np.save(tmp_path / "_x.npy", x)
    np.save(tmp_path / "_gc.npy", truth[:, :, ::-1])
    data = accuracy.read_var(tmp_path)
    assert data.truth is not None
    np.testing.assert_array_equal(data.truth, truth != 0)
    found = accuracy.fit_ridge(data, 3).lag_scores
    assert np.unravel_index(found.argmax(), found.shape) == (1, 0, 1)


def test_missing_data_is_skipped_with_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = command.parser().parse_args(["accuracy", "--data", str(tmp_path), "--only", "dream4"])
    assert accuracy.run(args) == []
    assert capsys.readouterr().out.count("skipped, not found") == 2


def test_default_cases_name_their_files(tmp_path: Path) -> None:
    names = [c.name for c in accuracy.cases(tmp_path)]
    assert len(set(names)) == len(names) == 5


@pytest.mark.parametrize("name", command.BENCHMARKS)
def test_every_benchmark_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        command.main([name, "--help"])
    assert "--record-busy" in capsys.readouterr().out


@pytest.fixture
def tiny_op(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(op, "SHAPES", (SMALL,))
    monkeypatch.setattr(guard, "sgemm_rate", lambda **_: 1e9)
    return ["op", "--repeats", "1", "--no-memory"]


def test_command_prints_and_records(
    tiny_op: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(guard, "busy", lambda: None)
    path = tmp_path / "results.csv"
    assert command.main([*tiny_op, "--record", "--table", str(path)]) == 0
    assert "GFLOP/s" in capsys.readouterr().out
    assert len(results.read(path)) == 8


def test_a_busy_machine_is_recorded_only_when_asked(
    tiny_op: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(guard, "busy", lambda: "others at work")
    path = tmp_path / "results.csv"
    with pytest.raises(SystemExit, match="2"):
        command.main([*tiny_op, "--record", "--table", str(path)])
    assert "others at work" in capsys.readouterr().err
    assert not path.exists()
    command.main([*tiny_op, "--record", "--record-busy", "--table", str(path)])
    assert {row.busy for row in results.read(path)} == {"others at work"}


def test_training_step_lowers_the_loss() -> None:
    step = training_step(5, 8, 16)
    losses = [float(step()) for _ in range(50)]
    assert losses[-1] < losses[0]


def test_profile_of_a_tiny_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "trace.json"
    sizes = ["--series", "5", "--hidden", "8", "--windows", "4", "--steps", "1"]
    assert profiling_command.main(["step", *sizes, "--trace", str(trace)]) == 0
    assert "Self CPU" in capsys.readouterr().out
    assert trace.stat().st_size > 0
