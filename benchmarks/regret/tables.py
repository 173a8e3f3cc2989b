"""The table of regret, of recorded rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

from ..accuracy.tables import lines
from ..recorded import Recorded, share
from . import METRICS, label
from .rules import EDGES, GRADIENTS, OPEN, RULES

# Regrets of the sets by name and metric.
Regrets = Mapping[str, Mapping[str, float]]


def regret(recorded: Recorded) -> str:
    """Mean and worst over the sets; a constant is that of the least mean regret, in both metrics, on all other sets."""
    rows = []
    for name, members in {"default": ("default",), **_families()}.items():
        found = [of for one in members if (of := regrets(recorded, one))]
        if len(found) == len(members):
            rows.append([name, *_cells(left_out(found))])
    head = ["rule", *(f"{metric}: {what}" for metric in METRICS for what in ("mean", "worst")), "sets"]
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
    cells = []
    for metric in METRICS:
        worst = max(found, key=lambda name: found[name][metric])
        cells.append(_share(mean(own[metric] for own in found.values())))
        cells.append(f"{_share(found[worst][metric])} {worst}")
    return [*cells, str(len(found))]


def _share(value: float) -> str:
    return "-" * (value < 0) + share(abs(value), 3)
