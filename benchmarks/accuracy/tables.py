"""The tables of accuracy in Markdown, and sentences on where the library stands, all of recorded rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..recorded import Draws, Figure, Recorded, seconds, share
from .cases import IN_VIEW, Case, known, label
from .literature import LITERATURE, Published, of_set
from .methods import CHEAP, METHODS

OURS = "GRNGC"
OFFICIAL = "official mlp"
BEST_EPOCH = "{} of the best epoch (oracle)"
# Sets of one kind that are small and many: their mean is a row.
GROUPS = {
    "DREAM3, 10 genes, mean of 5": "DREAM3 size 10 ",
    "DREAM4, 10 genes, mean of 5": "DREAM4 size 10 ",
    "E. coli, two stresses, 1484 genes, mean": "ecoli-",
}
# A difference in AUPRC that is called one.
CLEAR = 0.01


@dataclass(frozen=True)
class Line:
    """A row of the tables: the sets that it is the mean of."""

    name: str
    titles: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """Means over seeds, and over the sets of a line; sd over seeds."""

    auroc: float
    auprc: float
    sd: tuple[float | None, float | None]

    def __str__(self) -> str:
        return f"{share(self.auroc, 4 if self.auroc > 0.9985 else 3)} / {share(self.auprc, 3)}"


def lines() -> list[Line]:
    every: list[Case] = known(Path())
    grouped = {name: tuple(c.title for c in every if c.title.startswith(start)) for name, start in GROUPS.items()}
    of_group = {title: name for name, titles in grouped.items() for title in titles}
    names = dict.fromkeys(of_group.get(case.title, case.title) for case in every)
    return [Line(name, grouped.get(name, (name,))) for name in names]


def found(recorded: Recorded, method: str, line: Line, protocol: str = "strict", kind: str = "{}") -> Found | None:
    """None where a set of the line was not recorded."""
    areas = []
    for title in line.titles:
        draws = recorded.of_method(label(method, title, protocol))
        own = [draws.get(kind.format(metric)) for metric in ("AUROC", "AUPRC")]
        if None in own:
            return None
        areas.append([one for one in own if one is not None])
    means = [sum(own[k].mean.value for own in areas) / len(areas) for k in (0, 1)]
    spread = (areas[0][0].sd, areas[0][1].sd) if len(areas) == 1 else (None, None)
    return Found(means[0], means[1], spread)


def best_cheap(recorded: Recorded, line: Line, protocol: str = "strict") -> tuple[str, Found] | None:
    """By AUPRC, which the truth picks, in favour of the yardsticks."""
    own = [(name, one) for name in CHEAP if (one := found(recorded, name, line, protocol)) is not None]
    return max(own, key=lambda pair: pair[1].auprc, default=None)


def overview(recorded: Recorded) -> str:
    """The default beside the best cheap method, the authors' code and the literature, with its time and what it chose."""
    head = ["set", "default", "sd", "best cheap method", "authors' MLP: last epoch", "best epoch (oracle)"]
    head += ["published", "fit of the default", "chosen"]
    rows = []
    for line in lines():
        ours, cheap = found(recorded, OURS, line), best_cheap(recorded, line)
        if ours is None and cheap is None:
            continue
        last, best = (found(recorded, OFFICIAL, line, kind=kind) for kind in ("{}", BEST_EPOCH))
        rows.append(
            [
                _name(line),
                str(ours or ""),
                _spread(ours),
                f"{cheap[1]} {cheap[0]}" if cheap else "",
                f"{last or ''}{_cut(recorded, line)}",
                str(best or ""),
                _published(line),
                _mean_seconds(recorded, line),
                chosen(recorded, line),
            ]
        )
    return _table(head, rows)


def by_method(recorded: Recorded, protocol: str = "strict") -> str:
    """Every method; the best cheap one of a set in bold."""
    methods = [method.label for method in METHODS.values()]
    cells = [(line, [found(recorded, name, line, protocol) for name in methods]) for line in lines()]
    cells = [(line, own) for line, own in cells if any(own)]
    shown = [k for k, _ in enumerate(methods) if any(own[k] for _, own in cells)]
    rows = []
    for line, own in cells:
        cheap = best_cheap(recorded, line, protocol)
        bold = [f"**{own[k]}**" if cheap and methods[k] == cheap[0] else str(own[k] or "") for k in shown]
        rows.append([_name(line), *bold, *([_published(line)] if protocol == "published" else [])])
    heads = ["default" if methods[k] == OURS else methods[k].removeprefix("GRNGC ") for k in shown]
    return _table(["set", *heads, *(["published"] if protocol == "published" else [])], rows)


def published(recorded: Recorded) -> str:
    """The same by the protocol of the publications, and their figures."""
    return by_method(recorded, "published")


def sources(recorded: Recorded) -> str:
    """The literature, a row a figure."""
    rows = [
        [one.title, one.method, _areas(one), one.source, one.protocol, "picked on the truth" * one.oracle]
        for one in LITERATURE
    ]
    return _table(["set", "method", "AUROC / AUPRC", "source", "protocol", ""], rows)


def standing(recorded: Recorded) -> str:
    """Where the default stands above the best cheap method by AUPRC, and where it does not."""
    kinds: dict[str, list[str]] = {"above": [], "level with": [], "below": []}
    for line in lines():
        ours, cheap = found(recorded, OURS, line), best_cheap(recorded, line)
        if ours is not None and cheap is not None:
            gap = ours.auprc - cheap[1].auprc
            kind = "above" if gap > CLEAR else "below" if gap < -CLEAR else "level with"
            kinds[kind].append(f"{line.name} ({gap:+.3f}, {cheap[0]})")
    count = sum(map(len, kinds.values()))
    said = [f"- {kind} on {len(own)}: {'; '.join(own)}" for kind, own in kinds.items() if own]
    head = f"Of {count} rows the default's AUPRC is, against the best cheap method, which the truth picks for each:\n\n"
    return head + "\n".join(said) + "\n" if count else ""


def chosen(recorded: Recorded, line: Line) -> str:
    """Network and strength of the default's fits; networks of several seeds in order of their number."""
    counted: dict[str, list[float]] = {}
    for title in line.titles:
        draws = recorded.of_method(label(OURS, title))
        for metric, own in _latest(draws).items():
            if metric.startswith("lam of "):
                counted.setdefault(metric.removeprefix("lam of "), []).extend(f.value for f in own.figures.values())
    order = sorted(counted, key=lambda name: -len(counted[name]))
    return "; ".join(f"{name}, lam {_range(counted[name])}" for name in order)


def _latest(draws: dict[str, Draws]) -> dict[str, Draws]:
    """Without what only an earlier commit has."""
    commit = draws["AUROC"].commit if "AUROC" in draws else ""
    return {metric: own for metric, own in draws.items() if own.commit == commit}


def _range(values: Sequence[float]) -> str:
    least, most = f"{min(values):.2g}", f"{max(values):.2g}"
    return least if least == most else f"{least} to {most}"


def _name(line: Line) -> str:
    return line.name + " *" * any(title in IN_VIEW for title in line.titles)


def _spread(one: Found | None) -> str:
    if one is None or None in one.sd:
        return ""
    return " / ".join(share(value, 3) for value in one.sd if value is not None)


def _cut(recorded: Recorded, line: Line) -> str:
    """Of a training that the limit cut off."""
    draws = [_latest(recorded.of_method(label(OFFICIAL, title))) for title in line.titles]
    epochs = [own["epochs"].mean.value for own in draws if "epochs" in own]
    return f" ({min(epochs):.0f} epochs, limit)" if epochs else ""


def _mean_seconds(recorded: Recorded, line: Line) -> str:
    draws = [recorded.of_method(label(OURS, title)).get("fit") for title in line.titles]
    if None in draws:
        return ""
    own = [one.mean for one in draws if one is not None]
    return seconds(Figure(math.fsum(f.value for f in own) / len(own), any(f.busy for f in own)))


def _published(line: Line) -> str:
    """The first of the literature, and whose it is."""
    best = [one for title in line.titles for one in of_set(title)]
    return f"{_areas(best[0])} {best[0].method}{' (oracle)' * best[0].oracle}" if best else ""


def _areas(one: Published) -> str:
    auroc, auprc = ("-" if v is None else share(v, 3 if round(v, 3) == v else 4) for v in (one.auroc, one.auprc))
    return f"{auroc} / {auprc}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    drawn = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(row) + " |\n" for row in drawn)


TABLES: dict[str, Callable[[Recorded], str]] = {
    "accuracy": overview,
    "accuracy-by-method": by_method,
    "accuracy-published": published,
    "accuracy-sources": sources,
    "accuracy-standing": standing,
}
