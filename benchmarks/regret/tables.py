"""The table of regret, of recorded rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from statistics import mean

from ..accuracy.tables import lines
from ..recorded import Recorded, share
from . import METRICS, label
from .rules import EDGES, GRADIENTS, OPEN, RULES

# Regrets of the sets by name and metric.
Regrets = Mapping[str, Mapping[str, float]]
# Of 5 to 10 genes and 60 to 200 windows: the best of thirty rankings of so few pairs is above each of them by chance.
SMALL = ("sos", "irma-on", "irma-off", "yeast-ddgni", "DREAM3, 10 genes, mean of 5", "DREAM4, 10 genes, mean of 5")


def regret(recorded: Recorded) -> str:
    """Mean and worst over sets, and means over the smallest; a constant is that of the least mean regret on all other sets."""
    rows = []
    for name, members in {"default": ("default",), **_families()}.items():
        found = [of for one in members if (of := regrets(recorded, one))]
        if len(found) == len(members):
            rows.append([name, *_cells(left_out(found))])
    head = ["rule", *(f"{metric}: {what}" for metric in METRICS for what in ("mean", "worst")), "sets"]
    head += ["smallest, mean: AUROC / AUPRC", "sets"]
    return "".join("| " + " | ".join(row) + " |\n" for row in [head, ["---"] * len(head), *rows])


def regrets(recorded: Recorded, rule: str) -> Regrets:
    """Of each line of the tables of accuracy that has both, means over its sets and seeds; the oracle less the rule."""
    found = {}
    for line in lines():
        pairs = [[recorded.of_method(label(name, title)) for name in ("oracle", rule)] for title in line.titles]
        if all(metric in own for pair in pairs for own in pair for metric in METRICS):
            found[line.name] = {m: mean(best[m].mean.value - own[m].mean.value for best, own in pairs) for m in METRICS}
    return found


def left_out(members: Sequence[Regrets]) -> Regrets:
    """Of each set the regret by the member that is best on the mean of all others."""

    def of_others(member: Regrets, name: str) -> float:
        return sum(sum(own.values()) for other, own in member.items() if other != name)

    return {name: min(members, key=lambda member: of_others(member, name))[name] for name in members[0]}


def _families() -> dict[str, tuple[str, ...]]:
    """Rules that differ in a constant under one name."""
    found: dict[str, tuple[str, ...]] = {}
    for rule in (*RULES, *OPEN, *GRADIENTS):
        name = rule
        for count in EDGES:
            name = name.replace(f" of {count} edges a target", "")
        found[name] = (*found.get(name, ()), rule)
    return found


def _cells(found: Regrets) -> list[str]:
    small = [own for name, own in found.items() if name in SMALL]
    large = {name: own for name, own in found.items() if name not in SMALL}
    cells = []
    for metric in METRICS:
        worst = max(large, key=lambda name: large[name][metric], default="")
        cells.append(_mean(large.values(), metric))
        cells.append(f"{_share(large[worst][metric])} {worst}" if worst else "")
    return [*cells, str(len(large)), " / ".join(_mean(small, metric) for metric in METRICS), str(len(small))]


def _mean(regrets: Collection[Mapping[str, float]], metric: str) -> str:
    return _share(mean(own[metric] for own in regrets)) if regrets else ""


def _share(value: float) -> str:
    return "-" * (value < 0) + share(abs(value), 3)
