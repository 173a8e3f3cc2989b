"""report.html: one file that tells a run to who has nothing else, whatever the series are called."""

from __future__ import annotations

import base64
import importlib.util
import json
import math
import re
import shlex
from html.parser import HTMLParser

import numpy as np
import pytest

from grngc_fast.cli import main, report
from grngc_fast.graph import CausalGraph, load_graph
from grngc_fast.training import History

pytest.importorskip("jinja2")
NAMES = ("x<script>alert(1)</script>", "a & 'b'", "{{ 7 * 7 }}", "plain")
QUICK = ["--report", "--quiet", "--model", "mlp", "--hidden", "2", "--max-steps", "20"]


class Page(HTMLParser):
    """Tags with their attributes, and the text of each kind of element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "line", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("line", "polyline"):
            assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", " ".join(data.split())))

    def of(self, tag: str) -> list[str]:
        return [text for own, text in self.texts if own == tag]

    @property
    def text(self) -> str:
        return " ".join(text for own, text in self.texts if own != "style")

    def rows(self) -> list[str]:
        return self.of("td")


def written(folder, X, names, *words: str) -> Page:
    file = folder / "x<1>.tsv"
    rows = ["\t".join(names), *("\t".join(f"{v:.9g}" for v in row) for row in X)]
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    given = ["fit", str(file), *QUICK, "--out", str(folder / "out")]
    assert main([*given, *words]) == 0
    return Page((folder / "out" / "report.html").read_text(encoding="utf-8"))


def series(n_steps=200):
    X = np.random.default_rng(0).normal(size=(n_steps, 4))
    X[1:, 1] += 2 * X[:-1, 0]
    return X


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return folder, written(folder, series(), NAMES, "--lags", "2", "--effects", "2")


def test_every_tag_is_closed_and_nothing_is_fetched_or_run(run):
    _, page = run
    assert not page.open
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "embed", "form", "base"})
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("src", "href", "srcset", "poster"):
            assert attributes.get(name, "data:image/png;base64,").startswith("data:image/png;base64,")
    style = " ".join(page.of("style"))
    assert "url(" not in style and "@import" not in style
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_names_are_shown_as_they_are(run):
    folder, page = run
    edges = load_graph(folder / "out" / "scores.npz").edges(top_k=25)
    cells = [text for text in page.rows() if text in NAMES]
    assert cells[: 2 * len(edges)] == [name for edge in edges for name in (edge.source, edge.target)]
    assert page.of("h1") == ["Causal graph of x<1>.tsv"] and page.of("title") == page.of("h1")


def test_the_pictures_are_those_of_the_folder(run):
    folder, page = run
    if importlib.util.find_spec("matplotlib") is None:
        pytest.skip("needs matplotlib")
    held = [base64.b64decode(a["src"].split(",")[1]) for tag, a in page.tags if tag == "img"]
    assert held == [(folder / "out" / name).read_bytes() for name in ("graph.png", "effects.png")]
    assert all(a["alt"] for tag, a in page.tags if tag == "img")


def test_the_record_is_all_there(run):
    folder, page = run
    record = json.loads((folder / "out" / "run.json").read_text(encoding="utf-8"))
    facts = dict(zip(page.of("dt"), [None] * 999, strict=False))
    assert {"file", "sha256", "n series", "torch", "model", "lam", "forecast mse", "fit seconds"} <= facts.keys()
    for value in (record["data"]["sha256"], record["versions"]["torch"], str(record["settings"]["generator_seed"])):
        assert value in page.text
    assert "Before you believe it" not in page.text and record["doubt"] is None


def test_the_command_repeats_the_run(run, tmp_path):
    folder, page = run
    (command,) = page.of("pre")
    words = shlex.split(command)
    assert words[:3] == ["grngc-fast", "fit", str(folder / "x<1>.tsv")] and words[-2] == "--seed"
    words[words.index("--out") + 1] = str(tmp_path / "again")
    assert main(words[1:]) == 0
    first, again = (CausalGraph.load(out / "scores.npz").scores for out in (folder / "out", tmp_path / "again"))
    np.testing.assert_array_equal(first, again)


def test_doubts_and_warnings_come_first(tmp_path):
    X = series(8)
    X[:, 3] = np.arange(8)
    page = written(tmp_path, X, NAMES)
    told = page.of("li")
    assert told[0].startswith("7 windows are too few for any conclusion about 16 pairs")
    assert "series 'plain' rises at every step; if it is the time, remove the column" in told
    assert page.text.index("Before you believe it") < page.text.index("Strongest edges")
    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert set(told) == set(record["warnings"])


def test_what_gaps_took_away_is_told(tmp_path):
    X = series()
    X[50, 2] = np.nan
    page = written(tmp_path, X, NAMES, "--missing", "drop")
    notes = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))["settings"]["notes"]
    assert notes[1] == "1 of 199 windows touch a missing value and were left out"
    assert page.of("li") == notes


def test_a_demo_tells_how_near_the_truth_it_is(tmp_path):
    given = ["demo", "--series", "5", "--steps", "60", "--max-steps", "5", "--model", "mlp", "--quiet", "--report"]
    assert main([*given, "--edges-per-target", "2", "--out", str(tmp_path / "demo")]) == 0
    page = Page((tmp_path / "demo" / "report.html").read_text(encoding="utf-8"))
    areas = json.loads((tmp_path / "demo" / "run.json").read_text())["evaluation"]
    assert f"AUROC {areas['auroc']:.4f}, AUPRC {areas['auprc']:.4f}" in page.text
    assert "ridge VAR" in page.text


def test_what_was_weighed_is_there(tmp_path):
    X = series(300)
    file = tmp_path / "x.npy"
    np.save(file, X)
    given = ["fit", str(file), *QUICK, "--seed", "0", "--out", str(tmp_path / "out")]
    assert main(given) == 0
    page = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    weighed = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]["evidence"]["linear"]
    assert len(weighed) > 1
    for lam, error in weighed:
        assert f"{lam:.4g}" in page.of("dt") and f"{error:.4g}" in page.of("dd")


def test_without_jinja2_a_report_is_refused_before_any_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report.importlib.util, "find_spec", lambda name: None)
    assert main(["demo", "--report", "--out", str(tmp_path / "out")]) == 2
    assert '--report needs jinja2: pip install "grngc-fast[report]"' in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_report_that_is_there_is_not_overwritten(run, capsys):
    folder, _ = run
    assert main(["fit", str(folder / "x<1>.tsv"), "--report", "--out", str(folder / "out")]) == 2
    assert "report.html" in capsys.readouterr().err


def history(forecast, validation=None, penalty=None) -> History:
    found = History()
    for step, error in enumerate(forecast, 1):
        found.append(
            10 * step,
            error,
            math.nan if penalty is None else penalty[step - 1],
            0.1,
            math.nan if validation is None else validation[step - 1],
            1,
        )
    return found


def test_the_loss_curve_keeps_its_points():
    """On a logarithmic scale a factor of ten is the same height everywhere."""
    curve = report.loss_curve(history([100.0, 10.0, 1.0], validation=[math.nan, 10.0, 1.0]))
    assert [line.label for line in curve.lines] == ["forecast error", "held-out error"]
    points = [[tuple(map(float, point.split(","))) for point in line.points.split()] for line in curve.lines]
    (x0, y0), (x1, y1), (x2, y2) = points[0]
    assert y0 < y1 < y2 and y1 - y0 == pytest.approx(y2 - y1, abs=0.2) and x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert points[1] == points[0][1:]
    assert 0 <= x0 <= x2 <= curve.width and 0 <= y0 <= y2 <= curve.height
    assert [tick.text for tick in curve.rows] == ["100", "10", "1"] and [tick.text for tick in curve.columns] == [
        "10",
        "30",
    ]


@pytest.mark.parametrize("forecast", [[], [1.0], [math.nan, 1.0], [0.0, 0.0]])
def test_a_loss_curve_needs_two_points(forecast):
    assert report.loss_curve(history(forecast)) is None


def test_a_loss_that_stays_the_same_is_a_level_line():
    curve = report.loss_curve(history([1.0, 1.0]))
    assert len({re.split("[ ,]", curve.lines[0].points)[i] for i in (1, 3)}) == 1
