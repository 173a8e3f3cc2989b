"""Benchmarks and profiles run, refuse wrong answers and keep their table whole; nothing here asserts a speed."""

from __future__ import annotations

import argparse

import pytest
import torch

from benchmarks import accuracy, guard, op, penalty
from benchmarks.__main__ import main
from benchmarks.results import COLUMNS, Row, circumstances, read, record, show
from profiling.__main__ import main as profile_main

ROW = Row("op", P=5, L=1, H=3, N=2, metric="rate", value=1.5, unit="GFLOP/s", p20=1.0, p80=2.0)


def test_the_table_keeps_what_is_recorded(tmp_path):
    path = tmp_path / "new" / "results.csv"
    record([ROW], circumstances(), path)
    record([ROW], circumstances("other processes use 2 cores"), path)
    first, second = read(path)
    assert list(first) == COLUMNS
    assert (first["method"], first["value"], first["p80"], first["busy"]) == ("op", "1.5", "2", "")
    assert second["busy"]
    assert first["threads"] == str(torch.get_num_threads())
    assert torch.__version__ in first["versions"]
    assert "1..2" in show([ROW])


def test_a_table_of_other_columns_is_refused(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("method,time\nop,3\n")
    with pytest.raises(ValueError, match="expected"):
        record([ROW], circumstances(), path)
    assert path.read_text() == "method,time\nop,3\n"


@pytest.mark.parametrize("wrong", [1.1, float("nan")])
def test_a_wrong_answer_is_not_timed(wrong):
    truth = [torch.ones(3)]
    guard.check("right", truth, truth, 1e-6)
    with pytest.raises(guard.WrongAnswerError, match="wrong: result 0 is off"):
        guard.check("wrong", [truth[0] * wrong], truth, 1e-2)


def test_timings_are_ordered():
    timing = guard.timed(lambda: sum(range(1000)), repeats=7)
    assert 0 < timing.p20 <= timing.median <= timing.p80
    assert isinstance(guard.busy(0.05), str)


@pytest.mark.parametrize("shape", [(0, 70, 5, 90), (3, 20, 5, 40)])
def test_op_rows(shape):
    rows = {(r.method.split()[0], r.metric): r.value for r in op.measure(*shape, repeats=2)}
    assert rows["matmul_l1", "rate"] > 0
    assert rows["stored", "time over ours"] > 0


def test_the_op_needs_a_tile_beyond_its_results():
    given = op.operands(0, 4000, 2, 3000)
    extra = op.extra_memory(given)
    assert 3 * 2**20 < extra < 6 * 2**20 < 4 * 4000 * 3000


def test_penalty_rows():
    rows = penalty.measure(4, 2, (6,), 5, repeats=2)
    assert {r.method for r in rows} == {"gradient_l1", "loop", "vmap(jacrev)"}


def test_accuracy_rows_without_data(tmp_path, capsys):
    rows = accuracy.run(argparse.Namespace(seeds=2, data=tmp_path / "none", max_steps=20))
    assert {r.metric for r in rows} == {"AUROC", "AUROC sd", "AUPRC", "AUPRC sd", "fit"}
    assert "skipped" in capsys.readouterr().out


def test_command_lines(capsys, monkeypatch):
    monkeypatch.setattr(guard, "set_threads", lambda count: 1)
    assert main(["op", "--repeats", "2", "--shape", "2", "9", "3", "30"]) == 0
    assert "fraction of sgemm" in capsys.readouterr().out
    assert profile_main(["step", "--series", "6", "--steps", "2"]) == 0
    assert "## penalty" in capsys.readouterr().out


def test_a_busy_machine_is_not_recorded(monkeypatch, capsys):
    monkeypatch.setattr(guard, "busy", lambda: "other processes use 9.0 cores")
    monkeypatch.setattr(guard, "set_threads", lambda count: 1)
    with pytest.raises(SystemExit):
        main(["op", "--record"])
    assert "other processes use 9.0 cores" in capsys.readouterr().err
