"""`grngc-fast inspect`: what a file was understood as, what a fit of it would need and refuse, and the command to fit it."""

from __future__ import annotations

import argparse
import shlex
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..datasets import Dataset
from ..errors import DataWarning, InputError
from ..models import FORECASTERS
from ..planning import FitOptions, doubt_of, estimate_memory
from ..planning.doubt import CHANCE, chance_correlation
from ..planning.duration import rough_seconds, shown_seconds
from ..planning.machine import as_bytes, available_memory, shown
from ..planning.memory import check_memory
from ..series import CandidateEdges, PreparedSeries, SeriesTable, prepare
from ..series.summary import TableSummary, summarise
from .flags import in_flags
from .reading import read

# What may make a table readable that is refused as it is, by option and its words on the command line.
Mend = tuple[dict[str, Any], tuple[str, ...]]
MENDS: tuple[Mend, ...] = (
    ({}, ()),
    ({"drop_constant": True}, ("--drop-constant",)),
    ({"missing": "drop"}, ("--missing", "drop")),
    ({"drop_constant": True, "missing": "drop"}, ("--drop-constant", "--missing", "drop")),
)
# Why a series that never changes was left out.
CONSTANT = "it never changes"
WIDTH = 13
NAMES = 5


@dataclass(frozen=True)
class Finding:
    """One line of the report: what it is about, and what was found."""

    about: str
    text: str


@dataclass(frozen=True)
class Inspection:
    """What there is to say about a file.

    Attributes
    ----------
    findings : of the table; empty where none could be read.
    refused : why `fit` would refuse it as it is.
    words : the command that would fit it; empty where none would.
    unmended : there is a reason that those words do not take away.
    """

    findings: tuple[Finding, ...]
    refused: tuple[str, ...]
    words: tuple[str, ...] = ()
    unmended: bool = True

    def __str__(self) -> str:
        lines = [f"  {finding.about:{WIDTH}}{finding.text}" for finding in self.findings]
        lines += [f"fit would refuse: {reason}" for reason in self.refused]
        told = in_flags("\n".join(lines))
        if not self.words:
            return told
        return f"{told}\nto fit it{', once that is mended' if self.unmended else ''}:\n  {shlex.join(self.words)}"


def inspected(
    args: argparse.Namespace,
    chosen: Callable[[argparse.Namespace, Sequence[str], Sequence[str] | None], dict[str, Any]],
    options: dict[str, Any],
) -> Inspection:
    """Look at the file that the arguments name, as `fit` would read it.

    Parameters
    ----------
    chosen : regulators, targets and candidates among the names of a table with these regulators, as the estimator takes them.
    options : of the estimator.
    """
    findings: list[Finding] = []
    refused: list[str] = []
    data, told, mend = _read(args, refused, [mend for mend in MENDS if mend[0].keys() <= {*vars(args)}])
    if data is None:
        return Inspection((), tuple(refused))
    table = data.table
    summary = summarise(table)
    findings += _about_reading(table, told)
    findings += _about_values(summary, table, mend)
    try:
        options = options | chosen(args, table.names, data.regulators)
        if "--missing" in mend:
            options["missing"] = "drop"
        fit_options = FitOptions(
            **{field.name: options[field.name] for field in fields(FitOptions) if field.name in options}
        )
        prepared, told = _prepared(table, fit_options)
    except InputError as error:
        refused.append(str(error))
    else:
        findings += [Finding("note", note) for note in prepared.notes] + [Finding("look at", text) for text in told]
        findings += _about_fit(fit_options, prepared, refused)
    return Inspection(tuple(findings), tuple(refused), _words(args, mend), len(refused) > bool(mend))


def _read(
    args: argparse.Namespace, refused: list[str], mends: Sequence[Mend]
) -> tuple[Dataset | None, list[str], tuple[str, ...]]:
    """The table and what is known of it, what was warned of, and the words that made it readable.

    Why it was refused without those words is added to `refused`.
    """
    for change, words in mends:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DataWarning)
            try:
                data, _ = read(argparse.Namespace(**{**vars(args), **change}))
            except InputError as error:
                if not change:
                    refused.append(str(error))
                continue
        if words:
            refused[-1] += f"; {' '.join(words)} lets it be read"
        return data, [str(warning.message) for warning in caught], words
    return None, [], ()


def _prepared(table: SeriesTable, options: FitOptions) -> tuple[PreparedSeries, list[str]]:
    """As a fit prepares the table, and what it warns of."""
    pairs = {name: getattr(options, name) for name in ("regulators", "targets", "candidates")}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DataWarning)
        data = prepare(table, options.lags, **pairs, own_past=options.own_past, **vars(options.treatment))
    return data, [str(warning.message) for warning in caught]


def _about_reading(table: SeriesTable, told: list[str]) -> list[Finding]:
    reading = table.reading
    findings = [Finding("series", f"{table.n_series:,}, {_names(table.names)}")]
    steps = f"{table.n_steps:,}"
    lengths = [len(t) for t in table.trajectories]
    if len(lengths) > 1:
        span = f"{min(lengths):,}" if min(lengths) == max(lengths) else f"{min(lengths):,} to {max(lengths):,}"
        steps += f" in {len(lengths):,} pieces of {span} that windows do not cross"
    if reading is not None:
        if reading.n_trajectories > 1 or reading.trajectory is not None:
            by = f" by {reading.trajectory!r}" if reading.trajectory is not None else ""
            steps += f"; {reading.n_trajectories:,} trajectories{by}"
        if reading.n_pieces > reading.n_trajectories:
            steps += f", cut at gaps into {reading.n_pieces:,}"
        findings.append(
            Finding("read", f"{reading.n_rows:,} rows by {reading.n_columns:,} columns, {reading.orientation}")
        )
        findings.append(Finding("time axis", _time(reading.time)))
        reasons = dict.fromkeys(why for _, why in reading.dropped)
        left_out = {why: [column for column, reason in reading.dropped if reason == why] for why in reasons}
        findings += [Finding("left out", f"{_names(columns)}: {why}") for why, columns in left_out.items()]
        findings += [Finding("note", note) for note in reading.notes]
        told = [*reading.warnings, *told]
    findings.insert(1, Finding("steps", steps))
    return findings + [Finding("look at", text) for text in dict.fromkeys(told)]


def _time(axis: Any) -> str:
    if axis is None:
        return "no time column; the rows are in order"
    named = f"{axis.name!r}, " if axis.name is not None else ""
    unit = "" if axis.unit is None else f" {axis.unit.removesuffix('s') if axis.step == 1 else axis.unit}"
    step = "" if axis.step is None else f", every {axis.step:g}{unit}"
    return f"{named}{axis.kind}s{step}; order {axis.order}"


def _about_values(summary: TableSummary, table: SeriesTable, mend: tuple[str, ...]) -> list[Finding]:
    findings = []
    if summary.n_missing:
        worst = ", ".join(f"{name!r} {count:,}" for name, count in summary.with_missing[:NAMES])
        share = summary.n_missing / (summary.n_steps * summary.n_series)
        findings.append(Finding("missing", f"{summary.n_missing:,} values, {share:.2g} of all; most in {worst}"))
    constant = summary.constant
    if "--drop-constant" in mend and table.reading is not None:
        constant = tuple(column for column, why in table.reading.dropped if why == CONSTANT)
    if constant:
        findings.append(Finding("constant", f"{_names(constant)}; they can neither cause nor be caused"))
    if summary.n_duplicated:
        pairs = ", ".join(f"{name!r} = {first!r}" for name, first in summary.duplicated[:NAMES])
        more = f" and {summary.n_duplicated - NAMES:,} more" if summary.n_duplicated > NAMES else ""
        findings.append(Finding("duplicates", f"{pairs}{more}; an edge of one may as well be of the other"))
    if summary.repeated_rows:
        findings.append(Finding("repeated", f"{summary.repeated_rows:,} steps equal the one before in every series"))
    findings += [Finding("scale", text) for text in _scale(summary)]
    return findings + [Finding("look at", text) for text in summary.suspicions]


def _scale(summary: TableSummary) -> Iterable[str]:
    if summary.smallest_spread is not None and summary.largest_spread is not None:
        (small, least), (large, most) = summary.smallest_spread, summary.largest_spread
        yield f"standard deviations from {least:.3g} ({small!r}) to {most:.3g} ({large!r}); each series is z-scored"
    if summary.zeros >= 0.2:
        yield f"{summary.zeros:.0%} of the values are 0"
    if summary.log_advised:
        what = "counts" if summary.counts else "never negative and spread over powers of ten"
        yield f"the values are {what}: log(1 + x) of them may show more"


def _about_fit(options: FitOptions, data: PreparedSeries, refused: list[str]) -> list[Finding]:
    edges, n_windows = data.edges, len(data.windows)
    n_inputs, n_pairs = edges.n_causes * options.lags, edges.n_pairs * options.lags
    stands_out = chance_correlation(n_windows, CHANCE / n_pairs)
    per = n_windows / n_inputs
    findings = [
        Finding(
            "windows",
            f"{n_windows:,} of {options.lags} lag{'s' if options.lags > 1 else ''}, {per:.3g} for each of {n_inputs:,} inputs of"
            f" {edges.n_effects:,} targets; of {n_pairs:,} pairs a correlation above {stands_out:.2f} stands out from chance",
        )
    ]
    doubt = doubt_of(n_windows, n_pairs)
    if doubt is not None:
        findings.append(Finding("doubt", str(doubt)))
    return findings + list(_costs(options, edges, data, refused))


def _costs(options: FitOptions, edges: CandidateEdges, data: PreparedSeries, refused: list[str]) -> Iterable[Finding]:
    models = (options.model,) if isinstance(options.model, str) else tuple(options.model)
    estimates = [
        estimate_memory(
            data.table.n_series,
            options.lags,
            options.hidden,
            n_targets=edges.n_effects,
            n_causes=edges.n_causes,
            n_steps=data.table.n_steps,
            model=model,
            skip=options.skip,
            model_options=options.model_options,
            batch_size=options.batch_size or 64,
            edges_per_target=options.edges_per_target,
            scores_file=options.scores_file is not None,
            score_windows=options.score_windows,
        )
        for model in models
        if model in ("auto", *FORECASTERS)
    ]
    if estimates:
        largest = max(estimates, key=lambda estimate: estimate.total)
        limit = available_memory(options.on_device) if options.memory_limit is None else as_bytes(options.memory_limit)
        yield Finding("needs", f"about {shown(largest.total)} of the {shown(limit)} that may be used")
        try:
            check_memory(largest, limit, options.edges_per_target is None and options.scores_file is None)
        except InputError as error:
            refused.append(str(error))
    times = [
        rough_seconds(model, edges.n_effects, edges.n_causes * options.lags, len(data.windows)) for model in models
    ]
    known = [seconds for seconds in times if seconds is not None]
    if len(known) == len(times):
        text = f"roughly {shown_seconds(sum(known))} on two CPU cores with the defaults; a guess from simulated series"
    else:
        text = f"not known of model={options.model!r}; a fit with --max-steps 20 tells"
    yield Finding("takes", text)


def _words(args: argparse.Namespace, mend: tuple[str, ...]) -> tuple[str, ...]:
    """The command's own words with `fit` for `inspect`, what makes the file readable, and a folder for the results."""
    stem = _stem(args.file) if args.dataset is None else args.dataset
    out = () if args.out is not None else ("--out", f"{stem}-graph")
    return ("grngc-fast", "fit", *args.argv[1:], *mend, *out)


def _stem(path: Path) -> str:
    return path.name.split(".")[0].lstrip("-") or "table"


def _names(names: Iterable[str]) -> str:
    every = list(names)
    shown_names = ", ".join(map(repr, every[:NAMES]))
    return shown_names if len(every) <= NAMES else f"{shown_names} and {len(every) - NAMES:,} more"
