"""Tables in the Markdown files are what the recorded rows say."""

from __future__ import annotations

import argparse

import pytest

from benchmarks import report
from benchmarks.report import Recorded


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
    assert report.quality(recorded, "a", 20) == ".9990 / .944"
    assert report.quality(recorded, "b", 20) == "1.0000 / 1.000"
    assert report.quality(recorded, "c", 20) == ""
    assert [report.seconds(report.Figure(v, False)) for v in (0.0372, 1.94, 66.2)] == ["37.2 ms", "1.9 s", "66 s"]
    assert report.seconds(report.Figure(2.0, True)) == "2.0 s (busy)"
    assert report.memory(report.Figure(0.5, False)) == "512 MiB"


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
