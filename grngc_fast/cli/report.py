"""report.html: one file that holds a fit's results, how far to believe them and how to repeat them."""

from __future__ import annotations

import base64
import importlib.util
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from ..errors import InputError
from ..estimator import GRNGC
from ..graph.unit_shares import KINDS
from ..scoring import Graph
from ..training import History

REPORT_FILE = "report.html"
TEMPLATE = "report.html.j2"
SHOWN_EDGES = 25
CAPTIONS = {
    "significance.png": (
        "p-values and scores, and the edges found",
        "Left: p-values of all pairs, flat where no cause helps. Middle: beside the scores. Right: the edges found, the wider"
        " the surer.",
    ),
    "stability.png": (
        "Edges found in fits of resampled windows",
        "Left: how many pairs are found in which share of the fits. Middle: the strongest scores with their standard errors."
        " Right: the edges found in half of the fits, the wider the more often.",
    ),
    "graph.png": ("Matrix of the scores, effect by cause", "Scores of all pairs, and the losses of the training."),
    "effects.png": (
        "Curves of the strongest edges",
        "How the forecast of an effect changes with the cause, in the data's units.",
    ),
}
WIDTH, HEIGHT, LEFT, BOTTOM = 720, 240, 56, 22
_SIGNS = {1: "+", -1: "\N{MINUS SIGN}", 0: ""}


def check_report() -> None:
    """`InputError` unless a report can be written; asked before any work is done."""
    if importlib.util.find_spec("jinja2") is None:
        raise InputError('--report needs jinja2: pip install "grngc-fast[report]", or leave --report out')


@dataclass(frozen=True)
class Report:
    """What the command knows of a run beside its record.

    Attributes
    ----------
    source : what was fitted, as a title names it.
    argv : the command's words, without the program.
    warnings : what was warned of, in order.
    trust : what is known of how surely the edges are there, in sentences.
    """

    source: str
    argv: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    trust: tuple[str, ...] = ()

    def html(self, found: GRNGC, record: dict[str, Any], pictures: Sequence[Path]) -> str:
        """The report of a fit.

        Parameters
        ----------
        record : what run.json keeps.
        pictures : PNG files of `CAPTIONS`, to be put into it.
        """
        from jinja2 import Environment, StrictUndefined

        house = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        house.filters["number"] = _number
        template = resources.files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8")
        return house.from_string(template).render(self._context(found, record, pictures))

    def _context(self, found: GRNGC, record: dict[str, Any], pictures: Sequence[Path]) -> dict[str, Any]:
        settings = dict(record["settings"])
        weighed = {name: settings.pop(name, None) for name in ("evidence", "kan_grid", "choice")}
        evidence = dict(weighed.pop("evidence") or {})
        linear = evidence.pop("linear", None)
        others = {_spoken(name): found for name, found in (evidence | weighed).items() if found}
        return {
            "version": __version__,
            "title": f"Causal graph of {Path(self.source).name}",
            "lead": f"Found by grngc-fast {__version__}, {record['finished'].replace('T', ' ').replace('Z', ' UTC')}",
            "warnings": self._doubts(found, record),
            "tiles": _tiles(found, record),
            "pictures": [_embedded(path) for path in pictures],
            **_edges(found),
            "trust": self.trust,
            "evaluation": _evaluation(record),
            "curve": loss_curve(found.history_),
            "training": {_spoken(name): kept for name, kept in (record["training"] | record["timings"]).items()},
            "linear": {_number(lam): error for lam, error in linear or ()},
            "evidence": {"chosen": _chosen(record), **others} if linear or others else {},
            "read": _flat(record["table"]) | _flat(record["data"]),
            "notes": settings["notes"],
            "command": self._command(record["seed"]),
            "settings": {k: kept for k, kept in settings.items() if k not in ("doubt", "notes") and kept is not None},
            "circumstances": _flat(record["versions"]) | _flat(record["machine"]),
        }

    def _doubts(self, found: GRNGC, record: dict[str, Any]) -> list[str]:
        reading = record["table"].get("reading") or {}
        told = [record["doubt"], *reading.get("warnings", ()), *self.warnings, *self._nothing(record)]
        if found.history_.stopped == "diverged":
            told.append("training met a loss that is not finite and stopped; the last good state was kept")
        return list(dict.fromkeys(text for text in told if text))

    def _nothing(self, record: dict[str, Any]) -> list[str]:
        tested = record["significance"] or {}
        return [self.trust[0]] if tested.get("edges") == 0 else []

    def _command(self, seed: int) -> str:
        seeded = any(word == "--seed" or word.startswith("--seed=") for word in self.argv)
        return shlex.join(["grngc-fast", *self.argv, *([] if seeded else ["--seed", str(seed)])])


def _tiles(found: GRNGC, record: dict[str, Any]) -> list[dict[str, Any]]:
    settings, areas = record["settings"], record["evaluation"]
    tiles = [
        (f"{found.n_features_in_:,}", "series"),
        (f"{record['data']['steps']:,}", "time steps"),
        (f"{record['candidate_pairs']:,}", "pairs considered"),
        (settings["model"], f"forecaster, {settings['lags']} lag{'s' if settings['lags'] > 1 else ''}"),
        (f"{settings['lam']:.3g}", "penalty strength"),
        (f"{record['timings']['fit_seconds']:.1f} s", "to fit"),
    ]
    if areas is not None:
        tiles += [(f"{areas['auroc']:.3f}", "AUROC"), (f"{areas['auprc']:.3f}", "AUPRC")]
    return [{"value": value, "label": label} for value, label in tiles]


def _edges(found: GRNGC) -> dict[str, Any]:
    graph = found.graph_
    chosen = graph.edges(top_k=SHOWN_EDGES)
    shares: list[list[str]] = [[] for _ in chosen]
    effect, cause = ({name: number for number, name in enumerate(side)} for side in (graph.names, graph.causes))
    if graph.unit_shares is not None:
        known = graph.unit_shares.at([effect[e.target] for e in chosen], [cause[e.source] for e in chosen])
        shares = [["" if share != share else f"{share:.0%}" for share in row] for row in known.tolist()]
    kinds, sures = _how_sure(graph, [effect[e.target] for e in chosen], [cause[e.source] for e in chosen])
    largest = chosen[0].score if chosen else 1.0
    edges = [
        {
            **edge._asdict(),
            "sign": _SIGNS[edge.sign],
            "score": f"{edge.score:.4f}" if edge.score >= 0.001 else f"{edge.score:.2e}",
            "percent": round(100 * edge.score / largest, 1),
            "shares": share,
            "sure": sure,
        }
        for edge, share, sure in zip(chosen, shares, sures, strict=True)
    ]
    note = f"The {len(edges)} strongest; edges.csv has those that were asked for." if len(edges) == SHOWN_EDGES else ""
    if graph.unit_shares is not None:
        note += (
            " Linear is the share of a slope that is the same everywhere, spline that of a curve of the cause alone, interaction"
            " that of units which read other causes too."
        )
    return {
        "edges": edges,
        "edges_note": note,
        "shares": KINDS if graph.unit_shares is not None else (),
        "sure": kinds,
    }


def _how_sure(graph: Graph, effect: list[int], cause: list[int]) -> tuple[list[str], list[list[str]]]:
    """Of what is known names, and for each edge its q-value, how often it was found and the standard error of its score."""
    columns = {}
    if graph.p_values is not None:
        columns["q-value"] = [f"{q:.2g}" if q == q else "" for q in graph.p_values.at(effect, cause)[1].tolist()]
    if graph.repeats is not None:
        often, spread = graph.repeats.at(effect, cause)
        columns["found in"] = [f"{share:.0%}" for share in often.tolist()]
        columns["standard error"] = [_number(error) for error in spread.tolist()]
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)] or [[] for _ in effect]


def _evaluation(record: dict[str, Any]) -> dict[str, Any]:
    named = {"this fit": record["evaluation"], "ridge VAR, same windows and pairs": record["ridge_evaluation"]}
    return {
        who: f"AUROC {areas['auroc']:.4f}, AUPRC {areas['auprc']:.4f}"
        for who, areas in named.items()
        if areas is not None
    }


class _Line(NamedTuple):
    label: str
    points: str


class _Tick(NamedTuple):
    at: float
    text: str
    anchor: str = "end"


class LossCurve(NamedTuple):
    """Losses as lines of a picture `width` by `height`, their axis `left`; ticks of its rows and columns."""

    width: int
    height: int
    left: int
    rows: list[_Tick]
    columns: list[_Tick]
    lines: list[_Line]


def loss_curve(history: History) -> LossCurve | None:
    """Forecast error, held-out error and penalty by step, on a logarithmic scale; None with fewer than two evaluations."""
    named = {
        "forecast error": history.forecast,
        "held-out error": history.validation,
        "penalty (mean absolute gradients of a target)": history.penalty,
    }
    series = {
        label: [(step, v) for step, v in zip(history.step, values, strict=True) if math.isfinite(v) and v > 0]
        for label, values in named.items()
    }
    series = {label: points for label, points in series.items() if len(points) > 1}
    if not series:
        return None
    steps = [step for points in series.values() for step, _ in points]
    sizes = [math.log10(v) for points in series.values() for _, v in points]
    first, last, low, high = min(steps), max(steps), min(sizes), max(sizes)
    high = high if high - low > 0.02 else low + 0.02

    def across(step: float) -> float:
        return round(LEFT + (WIDTH - LEFT - 8) * (step - first) / max(1, last - first), 1)

    def down(size: float) -> float:
        return round(8 + (HEIGHT - BOTTOM - 16) * (high - size) / (high - low), 1)

    lines = [
        _Line(label, " ".join(f"{across(step)},{down(math.log10(v))}" for step, v in points))
        for label, points in series.items()
    ]
    rows = [_Tick(down(size), _number(10**size)) for size in (high, (high + low) / 2, low)]
    ends = [_Tick(across(first), f"{first:,}", "start"), _Tick(across(last), f"{last:,}")]
    return LossCurve(WIDTH, HEIGHT, LEFT, rows, ends, lines)


def _embedded(path: Path) -> dict[str, str]:
    alt, caption = CAPTIONS[path.name]
    return {"alt": alt, "caption": caption, "data": base64.b64encode(path.read_bytes()).decode("ascii")}


def _chosen(record: dict[str, Any]) -> dict[str, Any]:
    return {name: record["settings"][name] for name in ("model", "lam")}


def _flat(items: dict[str, Any]) -> dict[str, Any]:
    return {_spoken(name): kept for name, kept in items.items() if kept not in (None, [], {}, False)}


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _number(value: Any) -> str:
    """Whole numbers whole, others to four digits."""
    return str(value) if isinstance(value, int) else f"{value:.4g}"
