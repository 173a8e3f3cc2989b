"""The options of each command, their defaults taken from the estimator. Imports all that a command needs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..datasets import FUNCTIONS
from ..estimator import GRNGC
from ..jacobian import ACTIVATIONS
from ..models import options_of
from ..planning import MODELS, RANKINGS
from ..series.missing import MISSING
from . import commands
from .asked_effects import asked_effects
from .reading import add_reading_options, named_value

# Edges whose effects are written where it is not said how many.
SHOWN_EFFECTS = 12
# False discovery rate where it is not said.
RATE = 0.05
# Draws of the windows where it is not said.
BOOTSTRAPS = 20
NOT_ON_A_PATH = ("--model", "--lam", "--patience", "--score-windows", "--checkpoint-minutes")


def demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--series", type=int, default=20, help="number of series (%(default)s)")
    parser.add_argument("--steps", type=int, default=500, help="time steps (%(default)s)")
    parser.add_argument("--forcing", type=float, default=10.0, help="forcing F; above 8 chaotic (%(default)s)")
    _add_fit_options(parser)
    _add_output(parser, default=Path("grngc-demo"))
    parser.set_defaults(run=commands.demo, seed=0)


def fit(parser: argparse.ArgumentParser) -> None:
    _add_table(parser)
    _add_candidates(parser)
    _add_fit_options(parser)
    _add_output(parser, default=None)
    parser.set_defaults(run=commands.fit)


def inspect(parser: argparse.ArgumentParser) -> None:
    _add_table(parser)
    _add_candidates(parser)
    _add_fit_options(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for the results of the fit; nothing is written now"
    )
    parser.set_defaults(run=commands.inspect)


def path(parser: argparse.ArgumentParser) -> None:
    _add_table(parser)
    parser.add_argument("--lams", type=float, nargs="+", metavar="LAM", help="penalty strengths (computed)")
    parser.add_argument("--n-lams", type=int, default=16, help="number of computed strengths (%(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="fits at each strength, averaged (%(default)s)")
    parser.add_argument(
        "--choose",
        choices=["best", "one-se"],
        default="best",
        help="graph to write: of the least held-out error, or the sparsest within a standard error (%(default)s)",
    )
    _add_fit_options(parser, on_path=True)
    _add_output(parser, default=None)
    parser.set_defaults(run=commands.path)


def evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("result", type=Path, help="scores.npz, or the folder that holds it")
    parser.add_argument("truth", type=Path, help="edge list (source, target[, 0/1]) or [effect, cause] matrix")
    parser.add_argument("--ignore-unknown", action="store_true", help="skip true edges of series not in the result")
    parser.add_argument("--ignore-case", action="store_true", help="take tp53 of the truth for TP53 of the result")
    parser.add_argument("--diagonal", action="store_true", help="count self-influence too; off in the strict protocol")
    parser.set_defaults(run=commands.evaluate)


def simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("system", choices=commands.SYSTEMS)
    parser.add_argument("--series", type=int, default=20, help="number of series (%(default)s)")
    parser.add_argument("--steps", type=int, default=500, help="time steps (%(default)s)")
    parser.add_argument("--forcing", type=float, help="of lorenz96 (10)")
    parser.add_argument("--lags", type=int, help="of var (3)")
    parser.add_argument("--function", choices=list(FUNCTIONS), help="of each parent of additive (sine)")
    parser.add_argument("--trajectories", type=int, help="of genes, each of --steps (10)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    _add_output(parser, default=None)
    parser.set_defaults(run=commands.simulate)


def datasets(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "The published data sets that fit, inspect and path read by name (--dataset NAME, and the folder of its files). None is"
        " part of the library, and none is fetched."
    )
    parser.add_argument("word", nargs="?", default="", help="only those whose name or description holds this")
    parser.set_defaults(run=commands.datasets)


def _add_table(parser: argparse.ArgumentParser) -> None:
    add_reading_options(parser)
    parser.add_argument(
        "--regulators",
        metavar="FILE_OR_NAMES",
        help="the only series that may be causes: a file with a name on each line, an edge list (its sources), or A,B,C",
    )
    parser.add_argument(
        "--targets",
        metavar="FILE_OR_NAMES",
        help="the only series that are forecast, likewise (of an edge list its targets)",
    )
    parser.add_argument("--truth", type=Path, help="known edges (source, target[, 0/1]) to evaluate against")
    parser.add_argument(
        "--ignore-unknown", action="store_true", help="skip names, and edges of series, that the table does not hold"
    )
    parser.add_argument("--ignore-case", action="store_true", help="take tp53 of a list for TP53 of the table")


def _add_candidates(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--candidates",
        type=Path,
        metavar="FILE",
        help="the only pairs that may be edges: an edge list (source, target)",
    )


def _model_options() -> str:
    known = {name: ", ".join(options_of(name)) for name in MODELS if name != "auto"}
    return "; ".join(f"{name}: {options}" for name, options in known.items() if options)


def _models(text: str) -> str | list[str]:
    """A name, or NAME,NAME,..."""
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in MODELS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"{unknown[0]!r} is unknown; use one of {', '.join(MODELS)}, or several between commas"
        )
    return names[0] if len(names) == 1 else names


def _add_output(parser: argparse.ArgumentParser, default: Path | None) -> None:
    text = "folder for the results" + (f" ({default})" if default else "")
    parser.add_argument("--out", type=Path, required=default is None, default=default, metavar="DIR", help=text)
    parser.add_argument("--force", action="store_true", help="overwrite results that are there")


def _add_gap_options(add: Callable[..., None], parser: argparse.ArgumentParser) -> None:
    """What is done about missing values, and about series that drift."""
    add("--missing", "what to do about missing values", choices=list(MISSING))
    add("--max-gap", "steps in a row that are interpolated at most", type=int, metavar="N")
    add("--difference", "1: fit the changes from step to step, for series that wander", type=int, choices=[0, 1])
    parser.add_argument("--detrend", action="store_true", help="take the straight line off each series")


def _add_fit_options(parser: argparse.ArgumentParser, on_path: bool = False) -> None:
    """Options of a fit; `on_path` those that the fits of a path have."""
    defaults: dict[str, Any] = GRNGC().get_params(deep=False)

    def add(flag: str, text: str, **options: Any) -> None:
        if on_path and flag in NOT_ON_A_PATH:
            return
        value = defaults[flag.removeprefix("--").replace("-", "_")]
        shown = "chosen by the library" if value is None else value
        parser.add_argument(flag, default=value, help=f"{text} ({shown})", **options)

    add(
        "--model",
        "forecaster, or several between commas, of which the one that forecasts held-out windows best is fitted: "
        + ", ".join(MODELS),
        type=_models,
        metavar="NAME",
    )
    add("--lags", "steps of the past that a forecast sees", type=int)
    add("--lam", "penalty strength; larger gives a sparser graph", type=float)
    add("--hidden", "width of the hidden layer, several for a deep network", type=int, nargs="+")
    add("--activation", "of the hidden layers of mlp and tcn", choices=list(ACTIVATIONS))
    add("--skip", "add a linear path from input to output", action=argparse.BooleanOptionalAction)
    if not on_path:
        parser.add_argument(
            "--model-option",
            dest="model_options",
            action="append",
            type=named_value,
            metavar="NAME=VALUE",
            help="further argument of the forecaster, several times for several: " + _model_options(),
        )
        parser.add_argument("--early-stopping", action="store_true", help="hold windows out and stop by their error")
    add("--max-steps", "optimiser steps", type=int)
    add("--batch-size", "windows to a step", type=int)
    add("--learning-rate", "of Adam", type=float)
    parser.add_argument(
        "--own-past",
        action=argparse.BooleanOptionalAction,
        default=defaults["own_past"],
        help="let targets that are no candidate causes of themselves read their own past (%(default)s)",
    )
    _add_gap_options(add, parser)
    add(
        "--validation-fraction",
        "share of the windows held out" + ("" if on_path else " for early stopping"),
        type=float,
    )
    add("--patience", "evaluations without progress before stopping", type=int)
    add("--score-windows", "windows that scores are averaged over", type=int, metavar="N")
    if not on_path:
        parser.add_argument(
            "--edges-per-target", type=int, metavar="K", help="keep K causes of each series and no matrix of all scores"
        )
        parser.add_argument(
            "--report",
            action="store_true",
            help="write report.html too: picture, edges, evidence, warnings and how to repeat it in one file",
        )
        parser.add_argument("--dense", action="store_true", help="write all scores, however many")
        parser.add_argument(
            "--effects",
            nargs="?",
            type=asked_effects,
            const=SHOWN_EFFECTS,
            metavar="K or CAUSE:EFFECT,...",
            help="write how the forecast changes with the cause, of the K strongest edges or of these"
            f" ({SHOWN_EFFECTS} if K is left out; 24 are drawn)",
        )
        parser.add_argument(
            "--significance",
            nargs="?",
            type=float,
            const=RATE,
            metavar="Q",
            help="p-values of all edges in edges.csv, and a picture of those found at a false discovery rate of Q"
            f" ({RATE} if it is left out)",
        )
        parser.add_argument(
            "--stability",
            nargs="?",
            type=int,
            const=BOOTSTRAPS,
            metavar="N",
            help="how often each edge is found when the windows are drawn again, N times, and the standard error of its score, in"
            f" edges.csv and a picture; a training each ({BOOTSTRAPS} if N is left out)",
        )
        parser.add_argument(
            "--scores-file",
            metavar="FILE",
            help="stream all scores to this .npy, for more than memory holds",
        )
        parser.add_argument(
            "--ranking",
            choices=RANKINGS,
            default=defaults["ranking"],
            help="what edges are ranked by: the network's gradients, or these and other evidence combined, with what a cause's"
            " other effects say of one more or (evidence) without it; auto combines where windows are few and dependence is"
            " about linear (%(default)s)",
        )
        parser.add_argument(
            "--memory-limit", metavar="SIZE", help="refuse a fit that needs more, as 4GiB (what the machine has)"
        )
    add("--device", "auto, cpu or cuda", metavar="NAME")
    add("--threads", "threads to compute with (one for a small fit, else all)", type=int, metavar="N")
    parser.add_argument("--seed", type=int, help="makes the run repeatable (drawn at random and recorded)")
    if not on_path:
        parser.add_argument(
            "--checkpoint",
            metavar="DIR",
            help="keep the state of training in this folder; the same command goes on from it after an interruption",
        )
    add("--checkpoint-minutes", "time between two checkpoints", type=float, metavar="M")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--top-k", type=int, metavar="K", help="write the K strongest edges (all pairs, at most 100000)"
    )
    chosen.add_argument("--threshold", type=float, metavar="S", help="write edges that score above S")
    chosen.add_argument("--density", type=float, metavar="D", help="write this share of all pairs, strongest first")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
