"""Benchmarks and profiles run, refuse wrong answers and keep their table whole; nothing here asserts a speed."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from functools import partial

import pytest
import torch

from benchmarks import (
    families,
    growth,
    guard,
    models,
    objective,
    op,
    penalty,
    prototypes,
    ranking,
    sampling,
    scale,
    sets_step,
)
from benchmarks.__main__ import main
from benchmarks.recorded import Recorded
from benchmarks.results import COLUMNS, Row, circumstances, read, record, show
from grngc_fast import GRNGC
from grngc_fast.models import MLP, SetMLP
from grngc_fast.training.sampling import PenaltySample
from profiling.__main__ import main as profile_main


@pytest.fixture(autouse=True)
def _short_looks_at_the_machine(monkeypatch):
    """The rate that the op is held against, of a small product; a twentieth of a second to see who else is at work."""
    monkeypatch.setattr(guard, "matmul_rate", partial(guard.matmul_rate, size=(64, 32, 64)))
    monkeypatch.setattr(guard, "busy", partial(guard.busy, 0.05))


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
    assert isinstance(guard.busy(), str)


@pytest.mark.parametrize("shape", [(0, 70, 5, 90), (3, 20, 5, 40)])
def test_op_rows(shape):
    rows = {(r.method.split()[0], r.metric): r.value for r in op.measure(*shape, repeats=2)}
    assert rows["matmul_l1", "rate"] > 0
    assert rows["stored", "time over ours"] > 0


def test_the_op_needs_a_tile_beyond_its_results():
    given = op.operands(0, 4000, 2, 3000)
    extra = op.extra_memory(given)
    assert 6 * 2**20 < extra < 10 * 2**20 < 4 * 4000 * 3000


def test_penalty_rows():
    rivals = {name: p for name, p in penalty.PENALTIES.items() if "compiled" not in name}
    rows = penalty.measure(4, 2, (6,), 5, repeats=2, rivals=rivals)
    assert {r.method for r in rows} == {"gradient_l1", *rivals}


@pytest.mark.parametrize("kind", models.KINDS, ids=lambda kind: kind.name)
def test_every_architecture_is_checked_and_timed_beside_its_rivals(kind):
    rows = models.measure(kind, 5, 3, repeats=2)
    timed = {row.method for row in rows if row.metric == "penalty step"}
    assert timed == {kind.name, f"{kind.name}: loop", f"{kind.name}: vmap(jacrev)"}


def test_a_rival_that_computes_something_else_is_not_timed():
    kind = models.Kind("MLP", 1, 4, lambda p: models.MLP(p, hidden=(4,)), lambda m: models.MLP(5, hidden=(4,)))
    with pytest.raises(guard.WrongAnswerError, match="MLP: value"):
        models.measure(kind, 5, 3, repeats=2)


def test_the_memory_curve_is_drawn_and_has_an_exponent(tmp_path):
    rows = models.memory_curve(models.KINDS[0], (20, 40), 8)
    assert rows[-1].metric == "growth exponent of memory in P"
    models.draw(rows, tmp_path / "memory.png")
    assert (tmp_path / "memory.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", objective.MODELS)
def test_the_objective_is_the_loops_to_rounding(name):
    """In float64; in float32 rounding turns signs, which the benchmark shows."""
    x, y = torch.randn(12, 1, 6, dtype=torch.float64), torch.randn(12, 6, dtype=torch.float64)
    rows = {row.metric: row.value for row in objective.measure(name, x, y, epochs=50)}
    assert rows["difference"] < 1e-9
    assert rows["last loss"] < 0.9 * rows["first loss"]


def test_the_objective_reads_dream4_or_simulates(tmp_path, capsys):
    x, y = objective.series(tmp_path)
    assert "Lorenz-96" in capsys.readouterr().out
    assert x.shape == (209, 1, 100) and y.shape == (209, 100)


PROTOTYPE = """import sys
print("P=%s H=%s AUROC 0.9000 AUPRC 0.5000 training 30.0 s total 40.0 s peak 0.25 GiB" % tuple(sys.argv[1:3]))
"""


WORKING_SET = """import sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert given == {"--series": "6", "--steps": "1000", "--forcing": "10", "--seed": "5", "--threads": given["--threads"]}
print("start corr: 0.1 s")
print("P=6 T=1000 F=10: AUROC 0.9000 AUPRC 0.5000  7.5 s, peak 0.75 GiB")
"""


@pytest.fixture
def scale_at_hand(monkeypatch):
    """In this process, with rates of 1 GFLOP/s and 1 GB/s."""
    monkeypatch.setattr(scale, "fresh", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(scale, "measured_rates", lambda threads: scale.Rates(1e9, 1e9))
    monkeypatch.setitem(prototypes.SHARED, 6, ("3", "4", "1", "2", "1e-3"))


def test_a_fit_at_scale_has_its_phases_and_its_yardstick(tmp_path, scale_at_hand):
    (tmp_path / "prototype.py").write_text(PROTOTYPE)
    (tmp_path / "working_set.py").write_text(WORKING_SET)
    rows = scale.measure(6, 1000, "lorenz96", 10.0, [tmp_path / "prototype.py", tmp_path / "working_set.py"])
    ours, theirs = ({r.metric: r.value for r in rows if r.method.startswith(name)} for name in ("GRNGC", "prototype"))
    phases = [ours[phase] for phase in ("plan", "start", "training", "scores", "ranking")]
    assert ours["total"] == pytest.approx(sum(phases))
    assert ours["AUROC"] > 0.9
    assert 0.01 < ours["peak"] < 100
    # Working sets are trained as they are found.
    assert "training rate" not in ours
    assert theirs == {
        "AUROC": 0.9,
        "AUPRC": 0.5,
        "training": 30.0,
        "total": 40.0,
        "peak": 0.25,
        "time over ours": 40.0 / ours["total"],
    }
    assert {row.H for row in rows if row.method.startswith("prototype")} == {3}
    sets = {r.metric: r.value for r in rows if r.method == "working-set prototype, Lorenz-96 F=10"}
    assert sets == {"AUROC": 0.9, "AUPRC": 0.5, "total": 7.5, "peak": 0.75, "time over ours": 7.5 / ours["total"]}
    cheap = {r.metric: r.value for r in rows if r.method == "lasso VAR, Lorenz-96 F=10"}
    assert set(cheap) == {"AUROC", "AUPRC", "total", "peak"}
    assert cheap["AUROC"] > 0.9


def test_steps_at_scale_are_held_against_the_machine(scale_at_hand):
    ours = {r.metric: r.value for r in scale.measure(6, 1000, "var", 10.0, []) if r.method.startswith("GRNGC mlp")}
    assert ours["training rate"] == pytest.approx(ours["share of sgemm"])
    traffic = 8 * 4 * ours["parameters"] * ours["steps"]
    assert ours["share of copying"] == pytest.approx(traffic / 1e9 / ours["training"])


def test_a_yardstick_of_other_series_is_left_out(tmp_path, scale_at_hand, capsys):
    rows = scale.measure(7, 200, "var", 10.0, [tmp_path / "prototype.py", tmp_path / "working_set.py"])
    assert all(row.method.endswith(", VAR") for row in rows)
    assert "left out" in capsys.readouterr().out


def test_a_process_is_fresh():
    assert scale.fresh(os.getpid) != os.getpid()


def test_flops_of_a_step_are_those_of_its_products():
    """Backward no gradient of the windows; the factors of a perceptron need its first layer once more."""
    n, p, h, sample = 16, 40, 8, PenaltySample(2, 10)
    batch = torch.randn(n, 1, p)
    penalty = 6 * 2 * 10 * p * h
    shared = 2 * n * (2 * p * h + 3 * h * p + 2 * p * p) + 3 * 2 * 2 * p * h
    assert scale.step_flops(MLP(p, hidden=(h,), skip=True), batch, sample) == shared + penalty
    k = 6
    sets = 2 * n * (2 * p * k * h + 3 * p * h + 2 * p * k) + 3 * 2 * 2 * 10 * k * h
    assert scale.step_flops(SetMLP(p, 1, h, set_size=k), batch, sample) == sets + 6 * 2 * 10 * k * h


def test_growth_has_exponents_and_a_picture(tmp_path, monkeypatch):
    rows = [row for exact in (False, True) for row in growth.curve((8, 16, 24), exact, 2)]
    assert [row.P for row in rows if row.method == "exact" and row.metric == "memory"] == [8, 16, 24]
    assert sum(row.metric.startswith("growth exponent of") for row in rows) == 4
    growth.draw(rows, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_steps_of_small_networks_are_held_against_autograd(monkeypatch):
    rows = sets_step.run(argparse.Namespace(networks=3, inputs=4, repeats=1))
    ratio = {row.method: row.value for row in rows if row.metric == "over autograd without splines"}
    assert ratio["autograd, 0 splines"] == 1
    assert set(ratio) == {f"{name}, {n} splines" for name in ("closed form", "autograd") for n in (0, 10, 20)}
    right = sets_step.TileTrainer.backward
    monkeypatch.setattr(
        sets_step.TileTrainer, "backward", lambda self, z, y, lam, levels: right(self, z, y, 2 * lam, levels)
    )
    with pytest.raises(guard.WrongAnswerError):
        sets_step.pair(3, 4, 10)


def test_families_are_scored_by_methods_and_a_script_and_drawn(tmp_path, monkeypatch):
    """A lasso finds what is monotone and not what is even; rows of a file are drawn with those of a run, the later winning."""
    script = tmp_path / "script.py"
    script.write_text("print('tanh P=6: AUROC 0.900 AUPRC 0.700  1.5 s')\nprint('other P=6: AUROC 0.1 AUPRC 0.1  1 s')")
    rows = [row for name in ("tanh", "absolute") for row in families.measure(name, "lasso VAR", 6, 400, seeds=2)]
    rows += families.yardstick(script, ["tanh"], 6, 400, seeds=1)
    found = {(row.method, row.metric): row.value for row in rows}
    assert found["lasso VAR, tanh", "AUROC"] > 0.95 > found["lasso VAR, absolute", "AUROC"]
    assert found["script, tanh", "AUPRC"] == 0.7
    assert found["lasso VAR, tanh", "AUROC sd"] >= 0
    monkeypatch.setattr(families, "read", lambda: [{**{k: str(v) for k, v in vars(rows[0]).items()}, "value": "0.5"}])
    monkeypatch.setattr(families, "RESULTS", script)
    assert [row.value for row in families.of_file()] == [0.5]
    families.draw([*families.of_file(), *rows], tmp_path / "families.png", n_windows=399)
    assert (tmp_path / "families.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="no rows of 999 windows"):
        families.draw(rows, tmp_path / "none.png")


def test_growth_leaves_out_what_would_take_too_long(monkeypatch, capsys):
    times = {8: 10.0, 16: 39.0, 24: 100.0}
    monkeypatch.setattr(
        growth,
        "measure",
        lambda p, exact, repeats: [
            Row("exact", p, 1, 128, 64, metric, value, "")
            for metric, value in (("training step", 1e3 * times[p]), ("memory", float(p)))
        ],
    )
    rows = growth.curve((8, 16, 24), True, 1)
    assert [row.P for row in rows if row.metric == "memory"] == [8, 16]
    assert "left out: P = 24" in capsys.readouterr().out
    exponents = {row.metric: row.value for row in rows if "exponent" in row.metric}
    assert exponents["growth exponent of memory in P"] == pytest.approx(1.0)
    assert exponents["growth exponent of training step in P"] == pytest.approx(1.963, abs=1e-3)


def test_samples_are_compared_at_equal_time(tmp_path, monkeypatch):
    monkeypatch.setattr(sampling, "SAMPLES", ((1, 3), (8, None)))
    monkeypatch.setattr(sampling, "TIMED_STEPS", 3)
    rows = sampling.measure(6, 20, 2, 5)
    values = {(row.method, row.metric): row.value for row in rows}
    labels = dict.fromkeys(row.method for row in rows)
    assert list(labels) == ["automatic, 64 x 6", "1 x 3", "8 x 6"]
    budget = 20 * values["automatic, 64 x 6", "training step"]
    for label in labels:
        time = values[label, "training step"]
        assert values[label, "steps"] * time == pytest.approx(budget, abs=0.51 * time)
    assert values["1 x 3", "gradient noise"] > values["8 x 6", "gradient noise"] > 0
    sampling.draw(rows, tmp_path / "sampling.png")
    assert (tmp_path / "sampling.png").read_bytes().startswith(b"\x89PNG")


def test_the_whole_sample_has_no_noise():
    model, x = MLP(5, hidden=(6,)), torch.randn(12, 1, 5)
    whole, half = sampling.gradient_noise(model, x, [PenaltySample(12, 5), PenaltySample(6, 5)], 4)
    assert whole < 1e-10 < 1e-4 < half


def test_command_lines(capsys, monkeypatch):
    monkeypatch.setattr(guard, "set_threads", lambda count: 1)
    assert main(["op", "--repeats", "2", "--shape", "2", "9", "3", "30"]) == 0
    assert "fraction of sgemm" in capsys.readouterr().out
    assert profile_main(["step", "--series", "6", "--steps", "2"]) == 0
    assert "## penalty" in capsys.readouterr().out


def test_profiles_of_rate_and_memory_with_pictures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(guard, "set_threads", lambda: 1)
    monkeypatch.setattr(guard, "matmul_rate", lambda: 1e9)
    options = ["--rows", "60", "--columns", "50", "--widths", "8", "--repeats", "2"]
    assert profile_main(["roofline", *options, "--plot", str(tmp_path / "roofline.png")]) == 0
    assert (
        profile_main(["memory", "--rows", "60", "90", "--columns", "50", "--plot", str(tmp_path / "memory.png")]) == 0
    )
    assert "flop/byte" in capsys.readouterr().out
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("roofline.png", "memory.png"))


def test_the_gpu_benchmark_runs_every_line_without_one(tmp_path, monkeypatch, capsys):
    pytest.importorskip("triton")
    from benchmarks import gpu
    from grngc_fast.kernels.matmul_l1.gpu import INTERPRETED, configs, tuning

    if not INTERPRETED:
        pytest.skip("needs TRITON_INTERPRET=1; on a GPU run `python -m benchmarks gpu`")
    monkeypatch.setattr(guard, "set_threads", lambda count: 1)
    monkeypatch.setattr(gpu, "TINY", tuple(replace(case, m=20, q=20) for case in gpu.TINY[:2]))
    monkeypatch.setattr(gpu.fits, "GRNGC", partial(GRNGC, max_steps=5, hidden=4))
    monkeypatch.setattr(tuning, "TILES", ((32, 32, 4),))
    monkeypatch.setattr(tuning, "STAGES", (1,))
    monkeypatch.setattr(tuning, "SHAPES", (tuning.Shape(20, 8, 20),))
    assert main(["gpu", "--tiny", "--tune", "--precision", "high", "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "gpu-tiny.json").read_text())
    configs.overrides.clear()
    assert {"circumstances", "correct", "failed", "tuned", "product rate", "rows"} == set(report)
    assert report["failed"] == {}
    # Layouts of the op, sizes of the splines, and each network.
    assert len(report["correct"]) == 6 + 2 + 3 + 1 + len(gpu.networks.NETWORKS)
    assert "rows 16 1 plain" in report["tuned"]
    assert {"time", "time over ours", "penalty step", "AUROC"} <= {row["metric"] for row in report["rows"]}
    assert "loop" in capsys.readouterr().out


def test_the_gpu_benchmark_refuses_a_wrong_kernel(monkeypatch):
    pytest.importorskip("triton")
    from benchmarks.gpu import cases, op_checks

    right = cases.matmul_l1
    monkeypatch.setattr(
        cases, "matmul_l1", lambda *a, backend, **o: right(*a, **o) * (1.01 if backend == "triton" else 1)
    )
    with pytest.raises(guard.WrongAnswerError, match="plain 9 x 5 x 8 high: result 0 is off"):
        op_checks.check_one(cases.Case("plain", 9, 5, 8), "cpu", "high")


def test_without_a_gpu_the_gpu_benchmark_says_so():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(SystemExit, match="no CUDA or ROCm device here"):
        main(["gpu"])


def test_a_busy_machine_is_not_recorded(monkeypatch, capsys):
    monkeypatch.setattr(guard, "busy", lambda: "other processes use 9.0 cores")
    monkeypatch.setattr(guard, "set_threads", lambda count: 1)
    with pytest.raises(SystemExit):
        main(["op", "--record"])
    assert "other processes use 9.0 cores" in capsys.readouterr().err


def test_rules_of_a_ranking_are_rows_of_their_own(monkeypatch, tmp_path):
    small = ranking._genes("small", "small", 5, 3)
    beside = "all, of few, and correlation"
    rows = ranking.measure(small, 1, ["gradients", "inclusion", "all, of few", beside, "correlation", "default"])
    found = {(row.method, row.metric): row.value for row in rows}
    default, few = (found[f"ranking by {name}, small", "AUROC"] for name in ("default", "all, of few"))
    assert default == few != found["ranking by gradients, small", "AUROC"]
    assert few != found[f"ranking by {beside}, small", "AUROC"] != found["ranking by correlation, small", "AUROC"]
    assert {row.N for row in rows} == {60}
    monkeypatch.setitem(ranking.SIMULATED, "small", small)
    options = argparse.Namespace(seeds=1, data=tmp_path, sets=["small"], rules=["pairwise"])
    assert [row.metric for row in ranking.run(options)] == ["AUROC", "AUPRC"]


def test_rules_of_a_ranking_are_the_rows_of_a_table():
    given = {"P": "8", "L": "1", "N": "60", "busy": ""}
    rows = [
        {**given, "method": f"ranking by {rule}, {title}", "metric": metric, "value": str(value)}
        for rule, title, value in (("all", "sos", 0.75), ("default", "sos", 0.5), ("all", "genes P=100", 0.25))
        for metric, value in (("AUROC", value), ("AUPRC", value / 2))
    ]
    drawn = ranking.by_rule(Recorded(rows)).splitlines()
    assert drawn[0] == "| ranked by | genes P=100 | sos |"
    assert drawn[2:] == ["| all | .250 / .125 | .750 / .375 |", "| default |  | .500 / .250 |"]


def test_the_same_step_is_a_row_where_it_has_a_weight(monkeypatch):
    """Which looks at no gradient."""
    monkeypatch.setattr(ranking, "GRNGC", partial(GRNGC, "mlp", max_steps=2, hidden=4))
    slow = [ranking.measure(ranking.SIMULATED[name], 1, ["the same step"]) for name in ("slow-1", "slow-20")]
    assert slow[0] == [] and [row.metric for row in slow[1]] == ["AUROC", "AUPRC"] and slow[1][0].value > 0.8
