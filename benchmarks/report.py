"""Tables and numbers of Markdown files, drawn from the recorded rows: `python -m benchmarks report` writes, `--check` compares.

A table stands between `<!-- table NAME -->` and `<!-- end -->`; `TABLES` says what it is made of. The last row recorded of a
method, size and metric counts; a figure of a busy machine is marked (busy). Numbers in sentences: see `numbers`.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from . import gpu_tables
from .accuracy import tables as accuracy
from .numbers import unmarked, with_numbers
from .ranking import by_rule
from .recorded import Figure, Recorded, memory, quality, seconds, share, table, times
from .regret.tables import regret
from .results import RESULTS, Row
from .significance import tables as significance

ROOT = Path(__file__).resolve().parents[1]
FILES = (ROOT / "README.md", ROOT / "benchmarks" / "README.md")
BLOCK = re.compile(r"(<!-- table ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.S)
OURS = ("GRNGC sets", "GRNGC mlp", "GRNGC")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a table differs from the rows")


def run(args: argparse.Namespace) -> list[Row]:
    recorded = Recorded.of_file(RESULTS)
    for path in FILES:
        old = path.read_text()
        new = with_numbers(with_tables(old, recorded), recorded)
        loose = unmarked(new)
        if args.check and loose:
            raise SystemExit(f"{path.relative_to(ROOT)}: a figure without rows or source: {loose[0]}")
        if args.check and new != old:
            raise SystemExit(
                f"{path.relative_to(ROOT)} differs from the recorded rows; run `python -m benchmarks report`"
            )
        if new != old:
            path.write_text(new)
            print(f"wrote {path.relative_to(ROOT)}")
    return []


def with_tables(text: str, recorded: Recorded) -> str:
    """The text with every table drawn anew."""

    def drawn(match: re.Match[str]) -> str:
        if match[2] not in TABLES:
            raise ValueError(f"there is no table {match[2]!r}; use one of {', '.join(TABLES)}")
        return match[1] + TABLES[match[2]](recorded) + match[4]

    return BLOCK.sub(drawn, text)


def costs(recorded: Recorded) -> str:
    """What it finds, what it costs: the defaults on Lorenz-96."""
    rows = []
    for P, marked in ((20, " (oracle defaults)"), (100, " (oracle defaults)"), (1000, ""), (5000, "")):
        if P <= 100:
            name = f"Lorenz-96 P={P} F=40"
            ours, lasso, fit = f"GRNGC, {name}{marked}", f"lasso VAR, {name}", "fit"
        else:
            ours, lasso, fit = "GRNGC sets, Lorenz-96 F=40", "lasso VAR, Lorenz-96 F=40", "total"
        cells = [seconds(recorded.get(ours, fit, P)), memory(recorded.get(ours, "peak", P))]
        other = [quality(recorded, lasso, P), seconds(recorded.get(lasso, "total", P))]
        star = " *" if marked else ""
        rows.append([f"{P}, 40{star}", quality(recorded, ours, P), _joined(cells), _joined(other)])
    return table(["series, F", "AUROC / AUPRC", "fit", "lasso VAR on the same windows"], rows)


def scale(recorded: Recorded) -> str:
    """Whole fits of thousands of series."""
    head = ["series, F", "the defaults", "", "", "exact lasso VAR", "", "plain script, search alone", ""]
    rows = []
    for P, F in ((1000, 10), (1000, 20), (1000, 40), (5000, 40), (10_000, 40), (20_000, 40)):
        ours, lasso, script = (
            f"{name}, Lorenz-96 F={F}" for name in ("GRNGC sets", "lasso VAR", "working-set prototype")
        )
        rows.append(
            [
                f"{P:,}, {F}" if P >= 10_000 else f"{P}, {F}",
                quality(recorded, ours, P, 999),
                seconds(recorded.get(ours, "total", P, 999)),
                memory(recorded.get(ours, "peak", P, 999)),
                quality(recorded, lasso, P, 999),
                seconds(recorded.get(lasso, "total", P, 999)),
                quality(recorded, script, P),
                seconds(recorded.get(script, "total", P)),
            ]
        )
    return table(head, rows)


def families(recorded: Recorded) -> str:
    """The default on families of dependence, at other sizes."""
    kinds = ("sine", "square", "step", "tanh", "product", "gate")
    rows = []
    for P, T in ((20, 1000), (100, 1000), (300, 1000), (1000, 1000), (20, 300), (100, 300), (300, 300)):
        cells = [
            _joined(
                [
                    quality(recorded, f"default, {k}", P, T - 1),
                    seconds(recorded.get(f"default, {k}", "seconds", P, T - 1)),
                ]
            )
            for k in kinds
        ]
        if any(cells):
            rows.append([f"{P}, {T}", *cells])
    return table(["series, steps", *kinds], rows)


def penalty_steps(recorded: Recorded) -> str:
    """Value and all gradients of the penalty, 500 series and 32 windows."""
    kinds = (
        ("MLP", "MLP, hidden 128", 1),
        ("KAN", "KAN, hidden 128", 1),
        ("LSTM", "LSTM, hidden 64, 4 lags", 4),
        ("TCN", "TCN, hidden 64, 4 lags", 4),
        ("torch residual network (JRNGC)", "a user's own residual network (JRNGC's), hidden 64", 1),
        ("torch Transformer", "a user's own Transformer, width 64, 4 lags", 4),
    )
    rows = []
    for name, label, lags in kinds:
        own = recorded.get(name, "penalty step", 500, 32, lags)
        cells = [
            seconds(own and Figure(own.value / 1e3, own.busy)),
            memory(recorded.get(name, "memory", 500, 32, lags), 1 / 1024),
        ]
        for rival in ("loop", "vmap(jacrev)"):
            over = recorded.get(f"{name}: {rival}", "time over ours", 500, 32, lags)
            cells.append(times(over))
            cells.append(memory(recorded.get(f"{name}: {rival}", "memory", 500, 32, lags), 1 / 1024))
        rows.append([label, *cells])
    return table(["", "ours", "", "loop", "", "`vmap(jacrev)`", ""], rows)


def drop_in(recorded: Recorded) -> str:
    """A penalty step of JRNGC's network by one call of ours and by the loops that it replaces, once it was recorded."""
    from .drop_in import OURS, RIVALS

    sizes, L = (10, 20, 100, 300), 3
    rows = [["`gradient_l1`", *(seconds(recorded.get(OURS, "penalty step", P, L=L)) for P in sizes)]]
    for name in RIVALS:
        cells = []
        for P in sizes:
            taken, over = (recorded.get(name, metric, P, L=L) for metric in ("penalty step", "time over ours"))
            cells.append("" if taken is None or over is None else f"{seconds(taken)}, {times(over)}")
        rows.append([name.split(": ")[1], *cells])
    if not any(rows[0][1:]):
        return ""
    return "\n" + table(["series", *map(str, sizes)], rows) + "\n"


def races(recorded: Recorded) -> str:
    """Time until AUROC and AUPRC have passed .95, and what there was at the end; a table to each system."""
    from .endtoend import RACERS

    parts = []
    for system, title, lags in (("lorenz96 F=10", "F = 10", 1), ("lorenz96 F=40", "F = 40", 1), ("var", "VAR", 3)):
        sizes = [P for P in (20, 100, 300, 1000) if recorded.get(f"grngc_fast, {system}", "last AUROC", P, L=lags)]
        cells = {name: [_race_cell(recorded, f"{name}, {system}", P, lags) for P in sizes] for name in RACERS}
        rows = [[name, *found] for name, found in cells.items() if any(found)]
        if rows:
            parts.append(table([title, *(f"{P:,} series" for P in sizes)], rows))
    return "\n".join(parts)


def _race_cell(recorded: Recorded, method: str, P: int, lags: int) -> str:
    get = partial(recorded.get, method, P=P, L=lags)
    missing, stopped, passed = get("not run: needs memory"), get("stopped at"), recorded.passed(method, P, lags)
    if missing is not None:
        return f"needs {missing.value:.0f} GiB"
    ended = "" if stopped is None else f"stopped at {seconds(Figure(stopped.value, False))}"
    if passed is None:
        return ended and f"(none, {ended})"
    best = [get(f"best {metric}") for metric in ("AUROC", "AUPRC")]
    found = " / ".join(share(figure.value, 3) for figure in best if figure is not None)
    if math.isinf(passed):
        return f"({_joined([found, ended])})"
    return f"**{seconds(Figure(passed, False))}**, {found}"


def growth(recorded: Recorded, L: int = 1) -> str:
    """A training step of each method at every size, and its limit."""
    from .scaling import ALL

    return _grown(recorded, list(ALL), "step", L)


def growth_of_more(recorded: Recorded) -> str:
    """Steps of five lags, and whole fits of one lag and of five; nothing of what was not recorded."""
    from .whole_fits import FITS

    fits = "Whole fits of Lorenz-96 (F = 40, 1000 steps; `--fits`), the default and the authors' training of 200 epochs"
    parts = (
        ("The same of five lags", growth(recorded, 5)),
        (f"{fits}, one lag", _grown(recorded, list(FITS), "fit", 1)),
        (f"{fits}, five lags", _grown(recorded, list(FITS), "fit", 5)),
    )
    return "".join(f"\n{title}:\n\n{drawn}" for title, drawn in parts if drawn.count("\n") > 2) + "\n"


def _grown(recorded: Recorded, names: Sequence[str], what: str, L: int) -> str:
    sizes = (10, 30, 100, 300, 1000, 3000, 10_000)
    rows = []
    for name in names:
        cells = []
        for P in sizes:
            taken, limit = recorded.get(name, what, P, L=L), recorded.get(name, "limit: memory", P, L=L)
            slow = recorded.get(name, f"limit: {what}", P, L=L)
            beyond = f"{limit.value:.0f} GiB" if limit is not None else f"({seconds(slow)})" if slow is not None else ""
            cells.append(seconds(taken) if taken is not None else beyond)
        peak = [recorded.get(name, f"memory of a {what}", P, L=L) for P in sizes]
        largest = next((figure for figure in reversed(peak) if figure is not None), None)
        slopes = [recorded.get(name, f"exponent of a {what} in P", P, L=L) for P in sizes]
        slope = next((f"{figure.value:.1f}" for figure in reversed(slopes) if figure is not None), "")
        if largest is not None:
            rows.append([name, *cells, memory(largest, 2.0**-30), slope])
    return table([what, *(f"{P:,}" for P in sizes), "memory of the largest", "exponent"], rows)


def _joined(parts: Sequence[str]) -> str:
    return ", ".join(part for part in parts if part)


def gaps(recorded: Recorded) -> str:
    """What is found, and how many windows are left, of a table with missing values."""
    from .missing import METHODS

    columns = [(share, kind) for kind in ("at random", "in blocks") for share in ("1%", "5%", "20%")]
    rows = []
    for method in METHODS:
        cells = []
        for amount, kind in columns:
            name = f"{method}, {amount} {kind}, lorenz96"
            left = recorded.get(name, "windows", 20, 999)
            cells.append(_joined([quality(recorded, name, 20, 999), "" if left is None else f"{left.value:.0f}"]))
        rows.append([", ".join(f"`{word}`" for word in method.split(", ")), *cells])
    return table(["missing", *(f"{amount} {kind}" for amount, kind in columns)], rows)


TABLES: dict[str, Callable[[Recorded], str]] = {
    "costs": costs,
    "scale": scale,
    "families": families,
    "penalty-steps": penalty_steps,
    "drop-in": drop_in,
    "races": races,
    "growth": growth,
    "growth-of-more": growth_of_more,
    "ranking": by_rule,
    "regret": regret,
    "gaps": gaps,
    **gpu_tables.TABLES,
    **accuracy.TABLES,
    **significance.TABLES,
}
