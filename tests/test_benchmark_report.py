"""Tables and numbers in the Markdown files are what the recorded rows say."""

from __future__ import annotations

import argparse

import pytest

from benchmarks import numbers, report
from benchmarks.recorded import GPU, Figure, Recorded, memory, of_gpu, quality, seconds


def row(method, metric, value, P=20, N=999, busy=""):
    return {"method": method, "P": str(P), "L": "1", "N": str(N), "metric": metric, "value": str(value), "busy": busy}


def test_the_files_show_what_was_recorded():
    report.run(argparse.Namespace(check=True))


@pytest.mark.parametrize("path", report.FILES, ids=lambda path: path.parent.name)
def test_every_file_has_tables(path):
    names = [match[2] for match in report.BLOCK.finditer(path.read_text())]
    assert names
    assert set(names) <= set(report.TABLES)


def test_a_table_that_differs_is_told(tmp_path, monkeypatch):
    text = report.FILES[0].read_text().replace("| 20, 40 *", "| 21, 40 *")
    (tmp_path / "README.md").write_text(text)
    monkeypatch.setattr(report, "FILES", (tmp_path / "README.md",))
    monkeypatch.setattr(report, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match=r"README\.md differs from the recorded rows"):
        report.run(argparse.Namespace(check=True))
    report.run(argparse.Namespace(check=False))
    assert (tmp_path / "README.md").read_text() == report.FILES[0].read_text()
    report.run(argparse.Namespace(check=True))


def test_the_last_row_counts():
    rows = [row("a", "AUROC", 0.5), row("a", "AUROC", 0.99, N=299), row("a", "AUROC", 0.75, busy="others")]
    recorded = Recorded(rows)
    assert recorded.get("a", "AUROC", 20).value == 0.75
    assert recorded.get("a", "AUROC", 20).busy
    assert recorded.get("a", "AUROC", 20, 299).value == 0.99
    assert recorded.get("a", "AUROC", 21) is None


def test_figures_are_rounded_as_a_reader_needs_them():
    recorded = Recorded(
        [row("a", "AUROC", 0.99903), row("a", "AUPRC", 0.9444), row("b", "AUROC", 1), row("b", "AUPRC", 1)]
    )
    assert quality(recorded, "a", 20) == ".9990 / .944"
    assert quality(recorded, "b", 20) == "1.0000 / 1.000"
    assert quality(recorded, "c", 20) == ""
    assert [seconds(Figure(v, False)) for v in (0.0372, 1.94, 66.2)] == ["37.2 ms", "1.9 s", "66 s"]
    assert seconds(Figure(2.0, True)) == "2.0 s (busy)"
    assert memory(Figure(0.5, False)) == "512 MiB"


def test_a_race_tells_the_time_or_why_there_is_none():
    system = "lorenz96 F=10"
    rows = []
    for method, times, stopped in (
        ("grngc_fast", (1.0, 2.0), None),
        ("PCMCI", (1.0, "inf"), None),
        ("cMLP vectorised", ("inf", "inf"), 300),
    ):
        name = f"{method}, {system}"
        rows += [row(name, f"time to {m} 0.95", t) for m, t in zip(("AUROC", "AUPRC"), times, strict=True)]
        rows += [row(name, f"{which} {m}", 0.96) for which in ("best", "last") for m in ("AUROC", "AUPRC")]
        rows += [row(name, "stopped at", stopped)] if stopped else []
    rows.append(row(f"cLSTM vectorised, {system}", "not run: needs memory", 99.0))
    drawn = report.races(Recorded(rows))
    assert "| grngc_fast | **2.0 s**, .960 / .960 |" in drawn
    assert "| PCMCI | (.960 / .960) |" in drawn
    assert "| cMLP vectorised | (.960 / .960, stopped at 300 s) |" in drawn
    assert "| cLSTM vectorised | needs 99 GiB |" in drawn


def test_an_unknown_table_is_refused():
    with pytest.raises(ValueError, match="there is no table 'nothing'"):
        report.with_tables("<!-- table nothing -->\n<!-- end -->", Recorded([]))


@pytest.mark.parametrize("path", report.FILES, ids=lambda path: path.parent.name)
def test_every_number_is_of_rows_or_of_a_source(path):
    text = path.read_text()
    assert numbers.unmarked(text) == []
    names = [match[2] for match in numbers.NUMBER.finditer(text)]
    assert names
    assert set(names) <= set(numbers.NUMBERS)


def test_every_number_is_used():
    text = "".join(path.read_text() for path in report.FILES)
    assert {match[2] for match in numbers.NUMBER.finditer(text)} == set(numbers.NUMBERS)


def test_a_number_that_differs_is_drawn_anew():
    recorded = Recorded([row("lasso VAR, sine", "AUROC", 0.53, P=1000), row("lasso VAR, sine", "AUPRC", 0.25, P=1000)])
    text = "A lasso has <!-- number lasso-sine -->.999 / .999<!-- / --> there."
    drawn = "A lasso has <!-- number lasso-sine -->.530 / .250<!-- / --> there."
    assert numbers.with_numbers(text, recorded) == drawn
    assert numbers.with_numbers(drawn, recorded) == drawn
    with pytest.raises(ValueError, match="'lasso-sine': its rows were not recorded"):
        numbers.with_numbers(text, Recorded([]))
    with pytest.raises(ValueError, match="there is no number 'nothing'"):
        numbers.with_numbers("<!-- number nothing -->1<!-- / -->", recorded)


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        ("A fit takes 12 s here.", "12 s"),
        ("It holds 34 MiB\nthere.", "34 MiB"),
        ("Ours has .784 there, a lasso less.", ".784"),
        ("It found all, 1.0000 in all.", "1.0000"),
        ("That is 7 times as fast.", "7 times"),
        ("It is 7.0x as fast.", "7.0x"),
        ("<!-- number a -->5 s<!-- / -->, and of others 6 s.", "6 s"),
        ("The paper has .972. Ours has .998.", ".998"),
    ],
)
def test_a_figure_of_no_rows_is_told(text, figure):
    assert [found.split(":")[0] for found in numbers.unmarked(text)] == [figure]


@pytest.mark.parametrize(
    "text",
    [
        "With 64 windows, F = 40, 1000 steps of 20 series and lag-1 truth.",
        "Python 3.10+ and torch 2.9+, sampled every 0.1.",
        "The paper has .972 at F = 40.",
        "Ours took <!-- number a -->5 s<!-- / --> there.",
        "Stop it with `--limit 60 s`.",
        "| ours | 5 s |\n",
        "```bash\nsleep 5 s\n```",
        "<!-- table a -->\nIn 5 s.\n<!-- end -->",
        "[Tables](https://example.org/2507.11178).",
    ],
)
def test_settings_sources_and_what_is_drawn_are_no_such_figures(text):
    assert numbers.unmarked(text) == []


def test_a_check_names_the_sentence(tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text("A fit takes 12 s here.\n")
    monkeypatch.setattr(report, "FILES", (tmp_path / "README.md",))
    monkeypatch.setattr(report, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="a figure without rows or source: 12 s: A fit takes 12 s here"):
        report.run(argparse.Namespace(check=True))


def test_the_drop_in_is_a_table_once_it_was_recorded():
    from benchmarks.drop_in import OURS, RIVALS

    assert report.drop_in(Recorded([])) == ""
    rows = [{**row(OURS, "penalty step", 0.005, P=10, N=64), "L": "3"}]
    rows += [{**row(name, "penalty step", 0.02, P=10, N=64), "L": "3"} for name in RIVALS]
    rows += [{**row(name, "time over ours", 4.0, P=10, N=64), "L": "3"} for name in RIVALS]
    drawn = report.drop_in(Recorded(rows))
    assert "| `gradient_l1` | 5 ms |  |  |  |" in drawn
    assert "| its own rows | 20 ms, 4.0x |  |  |  |" in drawn


def test_gaps_show_what_is_found_and_what_is_left():
    name = "interpolate, max_gap=10, 5% in blocks, lorenz96"
    rows = [row(name, metric, value) for metric, value in (("AUROC", 0.9), ("AUPRC", 0.8), ("windows", 930.3))]
    lines = report.gaps(Recorded(rows)).splitlines()
    assert lines[0].split("|")[6].strip() == "5% in blocks"
    assert lines[-1] == "| `interpolate`, `max_gap=10` |  |  |  |  | .900 / .800, 930 |  |"


def test_tables_of_the_gpu_are_of_its_files():
    """Whose penalty steps are in milliseconds."""
    first = of_gpu(f"{GPU}-first")
    own, over = (
        first.get(f"{who}, KAN", metric, 500, 64)
        for who, metric in (("gradient_l1", "penalty step"), ("loop", "time over ours"))
    )
    drawn = report.TABLES["gpu-steps"](Recorded([])).splitlines()
    assert f"| {own.value:.3g} ms | {over.value:.0f}x |" in next(line for line in drawn if line.startswith("| KAN"))
    fits = report.TABLES["gpu-fits"](Recorded([])).splitlines()
    assert [line.split("|")[1].strip() for line in fits[2:]] == ["1000", "5000"]
    assert all(cell.strip() for line in fits[2:] for cell in line.split("|")[1:-1])
