"""What edges are ranked by where windows are few, a decision a row: each kind of evidence alone, all, and all but one.

Strict AUROC and AUPRC on gene networks drawn anew for each seed, by which the rules were chosen, and on published sets. "default"
is what a fit gives by itself, gradients alone where its rule says so; every other row is shown whatever that rule says, but for
the same step, which is evidence only where it has a weight. Cheap methods stand alone and beside all, as
kinds that a fit has not.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from grngc_fast import GRNGC, evaluate
from grngc_fast.datasets import Dataset, gene_network, var
from grngc_fast.ranking import WEIGHTS, WEIGHTS_OF_FEW, WEIGHTS_OF_MANY, Gathered, combined, gather
from grngc_fast.series import as_series_table, prepare

from .accuracy import DATA, Case, cases
from .accuracy.cases import title_of
from .peers import PEERS
from .recorded import Recorded, share
from .results import Row, of_draws

SETS = (
    *("dream4-100-1", "dream4-100-2", "dream3-100-ecoli1", "dream3-100-yeast1"),
    *(f"dream4-10-{k}" for k in range(1, 6)),
    *("sos", "irma-on", "irma-off", "yeast-ddgni", "netsim-3", "lorenz96-p20-f10"),
)


def _genes(name: str, title: str, n_series: int, n_trajectories: int, **options: float) -> Case:
    return Case(
        name,
        title,
        1,
        lambda seed: gene_network(n_series, 21, n_trajectories, seed=seed, **options),  # type: ignore[arg-type]
        simulated=True,
    )


def _seen(every: int, steps: int, seed: int) -> Dataset:
    """An autoregression of one lag, of which every so many-th step is seen, so many in all."""
    whole = var(10, steps * every, 1, seed=seed)
    assert whole.truth is not None
    return dataclasses.replace(whole, table=as_series_table(whole.trajectories[0][::every]), truth=whole.truth.any(-1))


def _slow(name: str, every: int, steps: int = 200) -> Case:
    title = f"VAR P=10, 1 step of {every} seen" + (f", T={steps}" if steps != 200 else "")
    return Case(name, title, 1, partial(_seen, every, steps), simulated=True)


SIMULATED = {
    case.name: case
    for case in (
        _genes("genes", "genes P=100", 100, 10),
        _genes("genes-even", "genes P=100 of even out-degrees", 100, 10, hubs=False),
        _genes("genes-long", "genes P=100 R=46", 100, 46, noise=0.1),
        _genes("genes-few", "genes P=8 R=3", 8, 3, mean_regulators=1.2),
        _genes("genes-few-long", "genes P=8 R=20", 8, 20),
        _slow("slow-1", 1),
        _slow("slow-20", 20),
        _slow("slow-3-long", 3, 1000),
    )
}


class Rule(NamedTuple):
    """Weights of the kinds of evidence, those of a fit where there are none, and whether the odds of causes count."""

    weights: Mapping[str, float] | None
    causes: bool = True


def _less(name: str) -> dict[str, float]:
    return {other: weight for other, weight in WEIGHTS.items() if other != name}


# Methods that are no kinds of evidence of a fit.
OTHERS = ("extra trees", "correlation", "ridge VAR")
RULES = {
    "gradients": Rule({"gradients": 1}, False),
    "inclusion": Rule({"inclusion": 1}, False),
    "conditional": Rule({"conditional": 1}, False),
    "pairwise": Rule({"pairwise": 1}, False),
    "association": Rule({"association": 1}, False),
    "the same step": Rule({"same_step": 1}, False),
    "gradients and causes": Rule({"gradients": 1}),
    "all but causes": Rule(WEIGHTS, False),
    "all but gradients": Rule(_less("gradients")),
    "all but inclusion": Rule(_less("inclusion")),
    "all but pairwise": Rule(_less("pairwise")),
    "equal weights": Rule(dict.fromkeys(WEIGHTS, 1)),
    "all": Rule(WEIGHTS),
    "all, of few": Rule(WEIGHTS_OF_FEW),
    "all, of many": Rule(WEIGHTS_OF_MANY),
    **{name: Rule({name: 1}, False) for name in OTHERS},
    **{f"all, of few, and {name}": Rule({**WEIGHTS_OF_FEW, name: 1}) for name in OTHERS},
    "default": Rule(None),
}
METRICS = ("AUROC", "AUPRC")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=3, help="fits, and draws of simulated networks (%(default)s)")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the public benchmark files")
    parser.add_argument(
        "--sets",
        nargs="+",
        default=[*SIMULATED, *SETS],
        metavar="NAME",
        help="of the simulated and published ones (all)",
    )
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES), metavar="NAME", help="(all)")


def run(args: argparse.Namespace) -> list[Row]:
    return [row for case in _chosen(args) for row in measure(case, args.seeds, args.rules)]


def _chosen(args: argparse.Namespace) -> Iterator[Case]:
    yield from (SIMULATED[name] for name in args.sets if name in SIMULATED)
    named = [name for name in args.sets if name not in SIMULATED]
    if named:
        yield from cases(args.data, named)


def measure(case: Case, seeds: int, rules: list[str]) -> list[Row]:
    areas: dict[str, list[tuple[float, float]]] = {name: [] for name in rules}
    for seed in range(seeds):
        data = case.load(seed)
        assert data.truth is not None
        fitted = GRNGC(random_state=seed).fit(data.X)
        gradients = dataclasses.replace(fitted.graph_, scores=fitted.gradients_, gradients=None)
        gathered = gather(gradients, prepare(data.X, 1))
        others = {
            name: PEERS[name].score(data.X, 1, seed)[:, :, None]
            for name in OTHERS
            if any(name in (RULES[rule].weights or ()) for rule in rules)
        }
        for name in rules:
            weights, causes = RULES[name]
            if not all(kind in others or gathered.has(kind) for kind in weights or ()):
                continue
            scores = fitted.scores_ if weights is None else _scores(gathered, others, weights, causes)
            found = evaluate(scores, data.truth)
            areas[name].append((found.auroc, found.auprc))
    size = {"P": len(data.names), "L": 1, "H": 0, "N": sum(len(part) - 1 for part in data.trajectories)}
    rows = []
    for name in (name for name in rules if areas[name]):
        own = of_draws(f"ranking by {name}, {case.title}", size, areas[name], METRICS, ("1", "1"))
        print(f"{own[0].method}: AUROC {own[0].value:.4f} AUPRC {own[1].value:.4f}", flush=True)
        rows += own
    return rows


def _scores(
    gathered: Gathered, others: Mapping[str, NDArray[Any]], weights: Mapping[str, float], causes: bool
) -> NDArray[Any]:
    members = [others[name] if name in others else gathered.member(name) for name in weights]
    log_odds = gathered.causes.log_odds.numpy() * causes
    return combined(members, list(weights.values()), log_odds, gathered.pairs)[:, :, 0]


def by_rule(recorded: Recorded) -> str:
    """AUROC / AUPRC, a rule a row, of the sets that were recorded."""
    titles = [*(case.title for case in SIMULATED.values()), *map(title_of, SETS)]
    cells = {(rule, title): _areas(recorded, rule, title) for rule in RULES for title in titles}
    shown = [title for title in titles if any(cells[rule, title] for rule in RULES)]
    rows = [[rule, *(cells[rule, title] for title in shown)] for rule in RULES]
    drawn = [["ranked by", *shown], ["---"] * (len(shown) + 1), *(row for row in rows if any(row[1:]))]
    return "".join("| " + " | ".join(row) + " |\n" for row in drawn)


def _areas(recorded: Recorded, rule: str, title: str) -> str:
    found = recorded.of_method(f"ranking by {rule}, {title}")
    return " / ".join(share(found[metric].mean.value, 3) for metric in METRICS if metric in found)
