"""Tables of p-values, drawn from the recorded rows."""

from __future__ import annotations

from collections.abc import Callable

from ..recorded import Recorded, share, table

TESTED = {"ours": "ours", "PCMCI": "PCMCI, partial correlation", "statsmodels VAR": "VAR, t tests"}
OTHERS = {
    "ours": "ours",
    "shifted surrogates": "shifted series",
    "phase-randomised surrogates": "phases by chance",
    "decoys": "decoys beside the series",
}
SETS = (("DREAM4 size 100 net 1", 100, 210), ("DREAM4 size 100 net 2", 100, 210), ("NetSim 3", 15, 200))


def significance_null(recorded: Recorded) -> str:
    """Independent series: how often any edge is found, and how many p-values are small."""
    rows = []
    for name in ("own memories", "memory .95", "heavy tails", "logistic maps", "walks with a trend, differenced"):
        for P, T in ((20, 200), (20, 1000), (100, 200), (100, 1000)):
            cells = [_of_nulls(recorded, f"significance {method}, {name}", P, T) for method in TESTED]
            if any(cells):
                rows.append([f"{name}, {P}, {T}", *cells])
    return table(["independent series, how many, steps", *TESTED.values()], rows)


def _of_nulls(recorded: Recorded, label: str, P: int, T: int) -> str:
    metrics = ("draws with an edge", "draws", "p below .05", "p below .001")
    found = [recorded.get(label, metric, P, T - 1) for metric in metrics]
    edge, draws, often, seldom = (figure and figure.value for figure in found)
    if edge is None or draws is None or often is None or seldom is None:
        return ""
    return f"{round(edge * draws)} of {round(draws)}; {often:.1%}, {seldom:.2%}"


def significance_links(recorded: Recorded) -> str:
    """False discovery rate and power at .05; of Lorenz-96 how many of the false edges are two steps away."""
    rows = []
    for P, T in ((20, 300), (20, 1000), (50, 300), (50, 1000), (100, 300), (100, 1000)):
        for name in ("VAR", "linear", "tanh", "square", "product", "Lorenz-96 F=10"):
            cells, draws = [], None
            for method in TESTED:
                label = f"significance {method}, {name}"
                false, power, apart, own = (
                    recorded.get(label, what, P, T - 1)
                    for what in ("false discovery rate", "power", "false edges two steps away", "draws")
                )
                draws = draws or own
                told = "" if apart is None else f" ({apart.value:.0%} two steps away)"
                fewer = (
                    "" if own is None or draws is None or own.value == draws.value else f", {round(own.value)} draws"
                )
                if false is None or power is None:
                    cells.append("")
                    continue
                cells.append(f"{share(false.value, 3)} / {share(power.value, 2)}{told}{fewer}")
            if any(cells) and draws is not None:
                rows.append([f"{name}, {P}, {T}", str(round(draws.value)), *cells])
    return table(["system, series, steps", "draws", *TESTED.values()], rows)


def significance_others(recorded: Recorded) -> str:
    """What refits on surrogates and decoys find of the same systems, and in how many times the seconds of a fit."""
    rows = []
    for name in ("VAR", "tanh", "square", "Lorenz-96 F=10"):
        cells = []
        for method in OTHERS:
            label = f"significance {method}, {name}"
            false, power = (recorded.get(label, what, 20, 299) for what in ("false discovery rate", "power"))
            fit, tests = (recorded.get(label, what, 20, 299) for what in ("fit", "tests"))
            if false is None or power is None or fit is None or tests is None:
                cells.append("")
                continue
            cells.append(f"{share(false.value, 3)} / {share(power.value, 2)}, {tests.value / fit.value:.1f} fits")
        if any(cells[1:]):
            rows.append([name, *cells])
    return table(["system, 20 series, 300 steps", *OTHERS.values()], rows)


def significance_sets(recorded: Recorded) -> str:
    """Of public sets, how many of the edges found at .05 are true, and of as many of the largest scores."""
    rows = []
    for name, P, N in SETS:
        found = (
            recorded.get(f"significance ours, {name}", what, P, N)
            for what in ("edges", "precision", "precision of the scores")
        )
        edges, precision, scores = (figure and figure.value for figure in found)
        if edges is not None:
            rows.append([name, f"{edges:.0f}", *("" if of is None else share(of, 2) for of in (precision, scores))])
    return table(["set", "edges at q = .05", "true of these", "true of as many largest scores"], rows)


TABLES: dict[str, Callable[[Recorded], str]] = {
    "significance-null": significance_null,
    "significance-links": significance_links,
    "significance-others": significance_others,
    "significance-sets": significance_sets,
}
