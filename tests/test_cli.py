"""The command line, from arguments to files and exit status."""

from __future__ import annotations

import csv
import importlib.util
import json
import re

import numpy as np
import pytest

from grngc_fast.cli import main, results
from grngc_fast.datasets import FUNCTIONS, additive, gate, gene_network, lorenz96, product, read_table, var
from grngc_fast.graph import CausalGraph, SparseCausalGraph, load_graph

QUICK = ["--quiet", "--max-steps", "60", "--hidden", "16"]
FILES = {"edges.csv", "scores.npz", "graph.png", "run.json"}


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3))
    x[1:, 1] += 2 * x[:-1, 0]
    path = tmp_path / "table.csv"
    np.savetxt(path, x, delimiter=",", header="gal4,swi5,ash1", comments="")
    return path


def test_demo_writes_four_files_and_prints_the_scores(tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out), "--quiet", "--max-steps", "200"]) == 0
    assert {p.name for p in out.iterdir()} == FILES
    printed = capsys.readouterr().out
    assert "AUROC" in printed
    assert "strict protocol" in printed
    record = json.loads((out / "run.json").read_text())
    assert record["seed"] == 0
    assert record["settings"]["max_steps"] == 200
    assert 0.9 < record["evaluation"]["auroc"] <= 1
    timings = record["timings"]
    phases = [timings[f"{phase}_seconds"] for phase in ("plan", "start", "training", "scores", "ranking")]
    assert 0 < timings["fit_seconds"] == pytest.approx(sum(phases), abs=0.01)
    assert {"torch", "grngc_fast", "python"} <= record["versions"].keys()
    assert (out / "graph.png").read_bytes().startswith(b"\x89PNG")


def test_fit_then_evaluate_with_names(table, tmp_path, capsys):
    out, truth = tmp_path / "out", tmp_path / "truth.tsv"
    truth.write_text("gal4\tswi5\t1\n")
    assert (
        main(["fit", str(table), "--out", str(out), "--seed", "1", "--top-k", "2", "--quiet", "--max-steps", "300"])
        == 0
    )
    with (out / "edges.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert (rows[0]["source"], rows[0]["target"], rows[0]["sign"]) == ("gal4", "swi5", "1")
    graph = CausalGraph.load(out / "scores.npz")
    assert graph.names == ("gal4", "swi5", "ash1")
    capsys.readouterr()
    assert main(["evaluate", str(out), str(truth)]) == 0
    assert "AUROC 1.0000  AUPRC 1.0000  (1 true edges of 6" in capsys.readouterr().out


def test_scores_are_streamed_to_a_file_that_is_not_overwritten_unasked(table, tmp_path, capsys):
    scores = tmp_path / "all.npy"
    command = ["fit", str(table), "--seed", "1", "--scores-file", str(scores), *QUICK]
    assert main([*command, "--out", str(tmp_path / "one")]) == 0
    assert f"wrote all scores: {scores}" in capsys.readouterr().out
    np.testing.assert_array_equal(np.load(scores), load_graph(tmp_path / "one" / "scores.npz").scores)
    record = json.loads((tmp_path / "one" / "run.json").read_text())
    assert record["settings"]["scores_file"] == str(scores)
    assert main([*command, "--out", str(tmp_path / "two")]) == 2
    assert "is there already; name another file or pass --force" in capsys.readouterr().err
    assert main([*command, "--out", str(tmp_path / "two"), "--force"]) == 0


def test_a_fit_over_the_memory_limit_is_refused(table, tmp_path, capsys):
    assert main(["fit", str(table), "--out", str(tmp_path / "out"), "--memory-limit", "1MB", *QUICK]) == 2
    assert "977 KiB may be used" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_edges_per_target_are_written_shown_and_evaluated(table, tmp_path, capsys):
    out, truth = tmp_path / "out", tmp_path / "truth.tsv"
    truth.write_text("gal4\tswi5\t1\n")
    options = ["--edges-per-target", "1", "--score-windows", "50", "--truth", str(truth)]
    assert main(["fit", str(table), "--out", str(out), "--seed", "1", *options, *QUICK]) == 0
    with (out / "edges.csv").open() as file:
        assert [row["target"] for row in csv.DictReader(file)].count("swi5") == 1
    graph = load_graph(out / "scores.npz")
    assert isinstance(graph, SparseCausalGraph)
    record = json.loads((out / "run.json").read_text())
    assert (record["settings"]["edges_per_target"], record["settings"]["score_windows"]) == (1, 50)
    printed = capsys.readouterr().out
    assert main(["evaluate", str(out), str(truth)]) == 0
    assert capsys.readouterr().out in printed


def test_scores_too_many_to_write_are_cut_to_the_edges_unless_asked_for(table, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(results, "DENSE_BYTES", 70)
    arguments = ["fit", str(table), "--seed", "1", "--top-k", "2", *QUICK]
    assert main([*arguments, "--out", str(tmp_path / "cut")]) == 0
    assert "scores.npz holds the edges of edges.csv; --dense keeps all scores" in capsys.readouterr().out
    cut = load_graph(tmp_path / "cut/scores.npz")
    assert isinstance(cut, SparseCausalGraph)
    assert main([*arguments, "--out", str(tmp_path / "whole"), "--dense"]) == 0
    assert "--dense" not in capsys.readouterr().out
    whole = CausalGraph.load(tmp_path / "whole/scores.npz")
    assert cut.edges() == whole.edges(top_k=2)


def test_a_seed_not_given_is_recorded_and_repeats_the_run(table, tmp_path):
    assert main(["fit", str(table), "--out", str(tmp_path / "one"), *QUICK]) == 0
    seed = json.loads((tmp_path / "one/run.json").read_text())["seed"]
    assert main(["fit", str(table), "--out", str(tmp_path / "two"), "--seed", str(seed), *QUICK]) == 0
    one, two = (CausalGraph.load(tmp_path / name / "scores.npz").scores for name in ("one", "two"))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("system", ["lorenz96", "var", "additive", "product", "gate", "genes"])
def test_simulate_writes_what_fit_and_evaluate_read(system, tmp_path, capsys):
    data, out = tmp_path / "data", tmp_path / "out"
    assert main(["simulate", system, "--series", "6", "--steps", "120", "--out", str(data)]) == 0
    truth = str(data / "truth.csv")
    assert main(["fit", str(data / "data.csv"), "--truth", truth, "--out", str(out), *QUICK]) == 0
    fitted = capsys.readouterr().out
    assert main(["evaluate", str(out), str(data / "truth.csv")]) == 0
    assert capsys.readouterr().out.strip() in fitted


def test_results_are_not_overwritten_without_force(table, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text("precious")
    assert main(["fit", str(table), "--out", str(out), *QUICK]) == 2
    assert "holds results already (run.json); name another folder or pass --force" in capsys.readouterr().err
    assert (out / "run.json").read_text() == "precious"
    assert {p.name for p in out.iterdir()} == {"run.json"}
    assert main(["fit", str(table), "--out", str(out), "--force", *QUICK]) == 0
    assert {p.name for p in out.iterdir()} == FILES


def broken(tmp_path, name: str, content: str | bytes):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", "", "empty"),
        ("text.csv", "a,b\n1,2\n3,oops\n4,5\n", "'b'.*'oops'"),
        ("ragged.csv", "a,b\n1,2\n3\n4,5\n", "line 3"),
        ("names.csv", "a,a\n1,2\n3,4\n5,7\n", "duplicate series names: 'a'"),
        ("one.csv", "a\n1\n2\n3\n", "at least two"),
        ("constant.csv", "a,b\n1,2\n1,4\n1,7\n", "constant series: 'a'"),
        ("missing.csv", "a,b\n1,2\n3,nan\n4,5\n", "'b'.*(NaN|nan|missing)"),
        ("short.csv", "a,b\n1,2\n", "time step|lags"),
        ("binary.csv", bytes(range(256)) * 4, "binary|not a text|decode|UTF-8"),
        ("fake.npy", b"not an array at all", "fake.npy"),
        ("notes.docx", b"PK", "docx"),
    ],
)
def test_files_that_cannot_be_used_exit_with_2_and_write_nothing(name, content, message, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["fit", str(broken(tmp_path, name, content)), "--out", str(out), *QUICK]) == 2
    error = capsys.readouterr().err
    assert error.startswith("grngc-fast: error: ")
    assert error.count("\n") == 1
    assert re.search(message, error)
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lags", "0"], "lags=0"),
        (["--lags", "500"], "lags=500 needs at least 501"),
        (["--lam", "-1"], "lam=-1"),
        (["--device", "tpu7"], "device='tpu7'"),
        (["--device", "meta"], "device='meta'"),
        (["--hidden", "1000000000000"], "hidden="),
        (["--early-stopping", "--validation-fraction", "0.001"], "leaves none to hold out"),
        (["--seed", "-4"], "--seed -4 is out of range"),
        (["--trajectory-length", "7"], "7"),
        (["--trajectory-column", "nope"], "nope"),
        (["--top-k", "-1"], "top_k"),
        (["--density", "2"], "density"),
        (["--learning-rate", "1e30"], "lower learning_rate"),
    ],
)
def test_options_that_cannot_be_used_exit_with_2_and_write_nothing(arguments, message, table, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["fit", str(table), "--out", str(out), *QUICK, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_missing_file_and_a_truth_of_other_series(table, tmp_path, capsys):
    assert main(["fit", str(tmp_path / "no.csv"), "--out", str(tmp_path / "out")]) == 2
    truth = broken(tmp_path, "truth.tsv", "gal4\tabc1\t1\n")
    assert main(["fit", str(table), "--truth", str(truth), "--out", str(tmp_path / "out"), *QUICK]) == 2
    assert "abc1" in capsys.readouterr().err
    truth = tmp_path / "truth.npy"
    np.save(truth, np.eye(5))
    assert main(["fit", str(table), "--truth", str(truth), "--out", str(tmp_path / "out"), *QUICK]) == 2
    assert "(5, 5)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [["fit"], ["fit", "x.csv", "--out", "y", "--lag", "3"], ["teleport"], []])
def test_unknown_arguments_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: grngc-fast" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("system", "option", "value"),
    [
        ("lorenz96", "--lags", "2"),
        ("lorenz96", "--function", "sine"),
        ("var", "--forcing", "8"),
        ("additive", "--lags", "2"),
        ("product", "--function", "sine"),
        ("gate", "--forcing", "8"),
    ],
)
def test_an_option_of_another_system_is_refused(system, option, value, tmp_path, capsys):
    assert main(["simulate", system, option, value, "--out", str(tmp_path / "x")]) == 2
    assert f"{option} is not an option of {system}; leave it out" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "data"),
    [
        (["lorenz96", "--forcing", "8"], lambda: lorenz96(6, 40, 8.0, seed=2)),
        (["var", "--lags", "2"], lambda: var(6, 40, 2, seed=2)),
        (["additive"], lambda: additive(6, 40, "sine", seed=2)),
        (["additive", "--function", "bump"], lambda: additive(6, 40, "bump", seed=2)),
        (["product"], lambda: product(6, 40, seed=2)),
        (["gate"], lambda: gate(6, 40, seed=2)),
        (["genes", "--trajectories", "1"], lambda: gene_network(6, 40, 1, seed=2)),
    ],
)
def test_simulate_passes_its_options_on(arguments, data, tmp_path):
    sizes = ["--series", "6", "--steps", "40", "--seed", "2"]
    assert main(["simulate", *arguments, *sizes, "--out", str(tmp_path / "data")]) == 0
    written, expected = read_table(tmp_path / "data/data.csv"), data()
    np.testing.assert_allclose(written.trajectories[0], expected.X, rtol=1e-8)
    np.testing.assert_array_equal(np.load(tmp_path / "data/truth.npz")["truth"], expected.truth)


def test_a_function_that_is_not_known_is_refused_with_those_that_are(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["simulate", "additive", "--function", "cosine", "--out", str(tmp_path / "x")])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert "cosine" in error
    assert all(name in error for name in FUNCTIONS)


def test_a_result_that_cannot_be_replaced_is_found_before_the_fit(table, tmp_path, capsys):
    out = tmp_path / "out"
    (out / "scores.npz").mkdir(parents=True)
    assert main(["fit", str(table), "--out", str(out), "--force", *QUICK]) == 2
    assert "scores.npz is not a file" in capsys.readouterr().err
    assert {p.name for p in out.iterdir()} == {"scores.npz"}
    assert main(["fit", str(table), "--out", str(table / "sub"), *QUICK]) == 2
    assert "table.csv is a file; name a folder" in capsys.readouterr().err
    assert main(["fit", str(table), "--out", str(table), *QUICK]) == 2
    assert "table.csv is a file; name a folder" in capsys.readouterr().err


def test_without_matplotlib_the_rest_is_written(table, tmp_path, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None if name == "matplotlib" else find(name, *a))
    assert main(["fit", str(table), "--out", str(tmp_path / "out"), *QUICK]) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES - {"graph.png"}
    assert "graph.png is left out" in capsys.readouterr().out


def test_the_record_tells_how_the_file_was_read(tmp_path):
    path = tmp_path / "genes.csv"
    series = np.random.default_rng(0).standard_normal((3, 24))
    path.write_text("".join(f"g{i}," + ",".join(f"{v:.5f}" for v in row) + "\n" for i, row in enumerate(series)))
    arguments = ["fit", str(path), "--transpose", "--trajectory-length", "12", "--out", str(tmp_path / "out"), *QUICK]
    assert main(arguments) == 0
    source = json.loads((tmp_path / "out/run.json").read_text())["data"]
    assert (source["transpose"], source["trajectory_length"], source["trajectories"]) == (True, 12, 2)


def test_what_does_not_fit_in_memory_is_said_in_a_line(tmp_path, monkeypatch, capsys):
    def exhausted(*_, **__):
        raise MemoryError

    monkeypatch.setattr("grngc_fast.cli.commands.lorenz96", exhausted)
    assert main(["demo", "--out", str(tmp_path / "out"), *QUICK]) == 2
    assert "does not fit in memory" in capsys.readouterr().err


def test_suspicious_tables_are_fitted_with_a_warning(tmp_path, capsys):
    series = np.random.default_rng(0).standard_normal((12, 3)) ** 2
    np.savetxt(tmp_path / "a.csv", np.c_[np.arange(12.0), series], delimiter=",", header="dose,a,b,c", comments="")
    assert main(["fit", str(tmp_path / "a.csv"), "--out", str(tmp_path / "a"), *QUICK]) == 0
    assert "series 'dose' rises at every step; if it is the time" in capsys.readouterr().err
    np.savetxt(tmp_path / "b.csv", series, delimiter=",", header="a,b,c", comments="")
    assert main(["fit", str(tmp_path / "b.csv"), "--out", str(tmp_path / "b"), *QUICK]) == 0
    assert "warning" not in capsys.readouterr().err
    assert main(["fit", str(tmp_path / "b.csv"), "--transpose", "--out", str(tmp_path / "c"), *QUICK]) == 0
    assert "every series is named by a number" in capsys.readouterr().err


def test_true_edges_of_other_series_are_skipped_on_request(table, tmp_path, capsys):
    truth = broken(tmp_path, "truth.tsv", "gal4\tswi5\nabc1\tgal4\n")
    fit = ["fit", str(table), "--truth", str(truth), *QUICK]
    assert main([*fit, "--out", str(tmp_path / "one")]) == 2
    assert "pass --ignore-unknown" in capsys.readouterr().err
    assert main([*fit, "--ignore-unknown", "--out", str(tmp_path / "two")]) == 0
    assert main(["evaluate", str(tmp_path / "two"), str(truth), "--ignore-unknown"]) == 0
    assert "1 true edges of 6" in capsys.readouterr().out


def test_the_edges_shown_are_the_edges_written(table, tmp_path, capsys):
    assert main(["fit", str(table), "--out", str(tmp_path / "out"), "--top-k", "2", *QUICK]) == 0
    assert len([line for line in capsys.readouterr().out.splitlines() if "  lag " in line]) == 2


def test_interrupt_writes_nothing(table, tmp_path, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("grngc_fast.estimator.train", stop)
    assert main(["fit", str(table), "--out", str(tmp_path / "out"), *QUICK]) == 130
    assert not (tmp_path / "out").exists()


@pytest.fixture
def genes(tmp_path):
    """tf1 drives g1, tf2 drives g2."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 5))
    x[1:, 2] += 2 * x[:-1, 0]
    x[1:, 3] -= 2 * x[:-1, 1]
    path = tmp_path / "genes.tsv"
    np.savetxt(path, x, delimiter="\t", header="tf1\ttf2\tg1\tg2\tg3", comments="")
    return path


def test_regulators_and_targets_of_an_edge_list_or_a_list_or_by_name(genes, tmp_path, capsys):
    edges = broken(tmp_path, "gold.tsv", "source\ttarget\ntf1\tg1\ntf2\tg2\ntf1\ttf2\n")
    names = broken(tmp_path, "tfs.txt", "tf1\ntf2\n")
    fit = ["fit", str(genes), "--truth", str(edges), "--seed", "0", *QUICK]
    found = []
    for number, regulators in enumerate((str(edges), str(names), "tf1, tf2")):
        out = tmp_path / str(number)
        assert main([*fit, "--regulators", regulators, "--out", str(out)]) == 0
        graph = CausalGraph.load(out / "scores.npz")
        assert (graph.causes, graph.names) == (("tf1", "tf2"), ("tf1", "tf2", "g1", "g2", "g3"))
        found.append(graph.scores)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    printed = capsys.readouterr().out
    assert re.search(r"AUROC \d\.\d+  AUPRC \d\.\d+  \(3 true edges of 8; strict", printed)
    assert re.search(r"ridge VAR \(same windows and pairs\): AUROC \d\.\d+  AUPRC \d\.\d+\n", printed)
    record = json.loads((tmp_path / "0/run.json").read_text())
    assert (record["regulators"], record["targets"], record["candidate_pairs"]) == (2, 5, 10)
    assert record["ridge_evaluation"]["auroc"] > 0.6
    assert main(["evaluate", str(tmp_path / "0"), str(edges)]) == 0
    assert capsys.readouterr().out.strip() in printed
    assert main([*fit, "--regulators", "tf1,tf2", "--targets", str(edges), "--out", str(tmp_path / "t")]) == 0
    assert CausalGraph.load(tmp_path / "t/scores.npz").names == ("g1", "g2", "tf2")


def test_candidates_of_an_edge_list(genes, tmp_path, capsys):
    prior = broken(tmp_path, "prior.tsv", "source\ttarget\ntf1\tg1\ntf2\tg1\ntf2\tg2\nold\tg2\n")
    fit = ["fit", str(genes), "--candidates", str(prior), "--seed", "0", *QUICK]
    assert main([*fit, "--out", str(tmp_path / "a")]) == 2
    assert "names 1 series that the table does not have: 'old'" in capsys.readouterr().err
    assert main([*fit, "--ignore-unknown", "--out", str(tmp_path / "a")]) == 2
    assert "empty candidate set: 'tf1', 'tf2', 'g3' have no" in capsys.readouterr().err
    assert main([*fit, "--ignore-unknown", "--targets", str(prior), "--out", str(tmp_path / "a")]) == 0
    graph = CausalGraph.load(tmp_path / "a/scores.npz")
    assert (graph.names, graph.causes) == (("g1", "g2"), ("tf1", "tf2"))
    assert graph.scores[1, 0] == 0
    assert json.loads((tmp_path / "a/run.json").read_text())["candidate_pairs"] == 3


def test_names_that_the_table_does_not_have(genes, tmp_path, capsys):
    fit = ["fit", str(genes), "--out", str(tmp_path / "out"), *QUICK]
    assert main([*fit, "--regulators", "tf1,TF3"]) == 2
    error = capsys.readouterr().err
    assert "does not have: 'TF3'; did you mean" in error
    assert "pass --ignore-unknown" in error
    assert main([*fit, "--regulators", "nofile.txt"]) == 2
    assert "'nofile.txt', which is no file, names no series of the table" in capsys.readouterr().err
    assert main([*fit, "--regulators", "tf1,TF3", "--ignore-unknown", "--no-own-past"]) == 0
    graph = CausalGraph.load(tmp_path / "out/scores.npz")
    assert graph.causes == ("tf1",)
    assert graph.metadata["own_past"] is False


def test_a_table_as_a_spreadsheet_saves_it(tmp_path, capsys):
    rng = np.random.default_rng(0)
    values, order = np.round(rng.standard_normal((30, 3)), 3), rng.permutation(30)
    rows = [
        f"{k + 1 + (k > 19):02d}.01.2020;" + ";".join(str(v).replace(".", ",") for v in values[k]) + ";" for k in order
    ]
    path = broken(tmp_path, "t.csv", "\ufeffDatum;TF1;b;c;\n" + "\n".join(rows) + "\n;;;;\n")
    clean = tmp_path / "clean.npz"
    np.savez(clean, X=values, names=np.array(["TF1", "b", "c"]))
    common = ["--seed", "0", "--regulators", "tf1,B", "--ignore-case", *QUICK]
    assert main(["fit", str(path), "--out", str(tmp_path / "a"), "--gaps", "ignore", *common]) == 0
    assert main(["fit", str(clean), "--out", str(tmp_path / "b"), *common]) == 0
    a, b = (CausalGraph.load(tmp_path / folder / "scores.npz") for folder in "ab")
    np.testing.assert_array_equal(a.scores, b.scores)
    assert a.causes == ("TF1", "b")
    assert main(["fit", str(path), "--out", str(tmp_path / "c"), *common]) == 0
    assert "3 series, 30 steps, 2 pieces" in capsys.readouterr().out
    reading = json.loads((tmp_path / "c/run.json").read_text())["table"]["reading"]
    assert (reading["time"]["name"], reading["time"]["order"], reading["n_pieces"]) == ("Datum", "sorted", 2)
    assert (
        main(["fit", str(path), "--out", str(tmp_path / "d"), "--time-column", "b", "--gaps", "ignore", *common]) == 2
    )
    assert "names 2 series, 1 of the table" in capsys.readouterr().err
