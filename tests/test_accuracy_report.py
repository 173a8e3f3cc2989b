"""Tables and picture of accuracy are what was recorded, and tell what was picked on the truth."""

from __future__ import annotations

import pytest

from benchmarks.accuracy import picture, tables
from benchmarks.accuracy.cases import label
from benchmarks.accuracy.literature import LITERATURE, of_set
from benchmarks.accuracy.tables import Line, best_cheap, chosen, found
from benchmarks.recorded import Recorded
from benchmarks.results import Circumstances, Row, record

SHARED = Circumstances("", 1, "", "c", "", "")
SET = "Lorenz-96 P=20 F=40"


def rows(method, title, auroc, auprc, seed="0", commit="b", protocol="strict", **more):
    figures = {"AUROC": auroc, "AUPRC": auprc, **more}
    shared = {"P": "20", "L": "1", "N": "499", "H": "8", "busy": "", "seed": seed, "commit": commit}
    name = label(method, title, protocol)
    return [{"method": name, "metric": metric, "value": str(value), **shared} for metric, value in figures.items()]


@pytest.fixture
def recorded():
    return Recorded(
        [
            *rows("GRNGC", SET, 0.1, 0.1, seed="2", commit="a", fit=9.0, **{"lam of mlp": 0.5}),
            *rows("GRNGC", SET, 0.90, 0.80, fit=1.0, **{"lam of sets": 0.1}),
            *rows("GRNGC", SET, 0.94, 0.90, seed="1", fit=3.0, **{"lam of sets": 0.2}),
            *rows("ridge VAR", SET, 0.8, 0.7),
            *rows("lasso VAR", SET, 0.7, 0.75),
            *rows("GRNGC sets", SET, 0.99, 0.99),
            *rows(
                "official mlp",
                SET,
                0.6,
                0.5,
                epochs=12,
                **{"AUROC of the best epoch (oracle)": 0.7, "AUPRC of the best epoch (oracle)": 0.65},
            ),
            *rows("GRNGC", "sos", 0.5, 0.2, fit=1.0),
            *rows("correlation", "sos", 0.6, 0.3),
            *rows("ridge VAR", "irma-on", 0.6, 0.5),
            *rows("GRNGC", "irma-on", 0.6, 0.505, fit=1.0),
            *rows("GRNGC", SET, 0.95, 0.85, protocol="published"),
        ]
    )


def test_seeds_of_the_last_commit_are_averaged(recorded):
    own = found(recorded, "GRNGC", Line(SET, (SET,)))
    assert (own.auroc, own.auprc) == pytest.approx((0.92, 0.85))
    assert own.sd == pytest.approx((0.02828, 0.07071), abs=1e-4)
    assert found(recorded, "GRNGC kan", Line(SET, (SET,))) is None
    assert recorded.get(label("GRNGC", SET), "fit", 20).value == 2.0


def test_the_same_seed_anew_replaces_and_a_row_without_one_starts_over():
    first = [
        {"method": "m", "metric": "x", "P": "1", "L": "1", "N": "1", "busy": "", "commit": "a", "seed": s, "value": v}
        for s, v in (("0", "1"), ("1", "3"), ("0", "2"))
    ]
    assert Recorded(first).get("m", "x", 1).value == 2.5
    assert Recorded([*first, {**first[0], "seed": "", "value": "9"}]).get("m", "x", 1).value == 9
    assert Recorded([{**first[0], "seed": "", "value": "9"}, *first]).get("m", "x", 1).value == 2.5


def test_the_best_cheap_method_is_that_of_the_largest_auprc(recorded):
    name, one = best_cheap(recorded, Line(SET, (SET,)))
    assert (name, str(one)) == ("lasso VAR", ".700 / .750")
    assert best_cheap(recorded, Line("yeast-ddgni", ("yeast-ddgni",))) is None


def test_the_overview_marks_what_was_picked_on_the_truth(recorded):
    (line,) = [line for line in tables.overview(recorded).splitlines() if line.startswith(f"| {SET}")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == [
        f"{SET} *",
        ".920 / .850",
        ".028 / .071",
        ".700 / .750 lasso VAR",
        ".600 / .500 (12 epochs, limit)",
        ".700 / .650",
        ".997 / .983 cMLP (oracle)",
        "2.0 s",
        "sets, lam 0.1 to 0.2",
    ]


def test_the_table_of_methods_has_the_best_cheap_one_in_bold_and_no_empty_column(recorded):
    drawn = tables.by_method(recorded).splitlines()
    assert drawn[0] == "| set | default | sets | official mlp | ridge VAR | lasso VAR | correlation |"
    assert f"| {SET} * | .920 / .850 | .990 / .990 | .600 / .500 | .800 / .700 | **.700 / .750** |  |" in drawn
    assert tables.published(recorded).splitlines()[2] == f"| {SET} * | .950 / .850 | .997 / .983 cMLP (oracle) |"


def test_where_the_default_stands_follows_the_rows(recorded):
    said = tables.standing(recorded)
    assert said.startswith("Of 3 rows")
    assert f"- above on 1: {SET} (+0.100, lasso VAR)" in said
    assert "- below on 1: sos (-0.100, correlation)" in said
    assert "- level with on 1: irma-on (+0.005, ridge VAR)" in said
    assert tables.standing(Recorded([])) == ""


def test_sets_of_a_kind_are_a_line_once_all_are_there():
    one, *others = (f"DREAM4 size 10 net {k}" for k in range(1, 6))
    line = next(line for line in tables.lines() if line.name.startswith("DREAM4, 10"))
    assert line.titles == (one, *others)
    some = rows("GRNGC", one, 0.5, 0.2, fit=1.0, **{"lam of mlp": 0.1})
    assert found(Recorded(some), "GRNGC", line) is None
    more = [row for title in others for row in rows("GRNGC", title, 0.6, 0.3, fit=2.0, **{"lam of sets": 0.1})]
    whole = Recorded(some + more)
    assert found(whole, "GRNGC", line).auroc == pytest.approx(0.58)
    assert chosen(whole, line) == "sets, lam 0.1; mlp, lam 0.1"


def test_the_literature_has_sources_and_marks_oracles():
    titles = {title for line in tables.lines() for title in line.titles}
    assert {one.title for one in LITERATURE} <= titles
    assert all(one.source and one.protocol for one in LITERATURE)
    assert all(0.5 <= value <= 1 for one in LITERATURE for value in [one.auroc] if value is not None)
    best, *others = of_set("DREAM4 size 100 net 1")
    assert (best.method, best.oracle) == ("GN-GC", True)
    assert not others[-1].oracle
    assert tables.sources(Recorded([])).count("picked on the truth") == sum(one.oracle for one in LITERATURE)


def test_the_picture_has_a_dot_for_each_recorded_figure(recorded, tmp_path, monkeypatch):
    panels = picture.drawn(recorded).axes
    dots = [[tuple(at) for group in panel.collections for at in group.get_offsets()] for panel in panels]
    # The default on three sets, three others of the first, one each of the rest.
    assert [len(own) for own in dots] == [9, 9]
    assert dots[1].count((0.75, 0.0)) == 1
    assert [text.get_text() for text in panels[0].get_yticklabels()] == [SET, "sos", "irma-on"]
    monkeypatch.setattr(picture, "RESULTS", tmp_path / "results.csv")
    with pytest.raises(ValueError, match="no rows to draw"):
        picture.draw(tmp_path / "accuracy.png")
    size = {"P": 8, "L": 1, "H": 0, "N": 9, "seed": 0}
    kept = [Row("ridge VAR, sos", **size, metric=m, value=0.5, unit="1") for m in ("AUROC", "AUPRC")]
    record(kept, SHARED, tmp_path / "results.csv")
    picture.draw(tmp_path / "accuracy.png")
    assert (tmp_path / "accuracy.png").read_bytes()[1:4] == b"PNG"
