"""What each command does: read, fit, print, write."""

from __future__ import annotations

import argparse
import hashlib
import secrets
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets import Dataset, additive, catalogue, gate, gene_network, lorenz96, product, read_names, read_truth, var
from ..datasets.table import existing_file
from ..distributed import World
from ..errors import DataWarning, InputError
from ..estimator import GRNGC
from ..evaluation import Evaluation
from ..evaluation import evaluate as evaluate_scores
from ..graph import CausalGraph, SparseCausalGraph, check_selection, load_graph
from ..planning.path import lambda_path
from ..planning.resumption import recorded_random_state
from ..series import SeriesTable, candidate_edges
from ..series.summary import summarise
from .asked_effects import named_effects
from .inspection import inspected
from .reading import read
from .report import Report, check_report
from .results import (
    SIMULATION_FILES,
    OutputFolder,
    fit_files,
    path_files,
    path_record,
    run_record,
    write_fit,
    write_path,
    write_simulation,
)
from .trust import SIGNIFICANCE_PICTURE, Trust, check_trust, trust_pictures
from .yardstick import ridge_evaluation

MAX_EDGES = 100_000
SHOWN_EDGES = 10
# Of each system its simulator, and the simulator's names of the options that not all systems have.
SYSTEMS: dict[str, tuple[Callable[..., Dataset], dict[str, str]]] = {
    "lorenz96": (lorenz96, {"forcing": "forcing"}),
    "var": (var, {"lags": "n_lags"}),
    "additive": (additive, {"function": "function"}),
    "product": (product, {}),
    "gate": (gate, {}),
    "genes": (gene_network, {"trajectories": "n_trajectories"}),
}


def _output(args: argparse.Namespace) -> OutputFolder:
    if args.report:
        check_report()
    check_trust(args)
    return OutputFolder(args.out, fit_files(args.effects is not None, args.report, trust_pictures(args)), args.force)


def demo(args: argparse.Namespace) -> None:
    """Lorenz-96 from simulation to written results."""
    out = _output(args)
    data = lorenz96(args.series, args.steps, args.forcing, seed=args.seed)
    print(f"Lorenz-96: {args.series} series, {args.steps} steps, F={args.forcing:g}, seed {args.seed}")
    source = {
        "table": summarise(data.table).settings(),
        "system": "lorenz96",
        "series": args.series,
        "steps": args.steps,
        "forcing": args.forcing,
    }
    _fit_and_write(args, out, data.table, data.truth, source)


def fit(args: argparse.Namespace) -> None:
    """A table to written results."""
    out = _output(args)
    args, table, truth, source = _read(args)
    _fit_and_write(args, out, table, truth, source)


def inspect(args: argparse.Namespace) -> None:
    """What a file was understood as, and the command that fits it; nothing is written."""
    if args.dataset is None:
        existing_file(args.file)
    print(args.file if args.dataset is None else f"{args.dataset} in {args.file}")
    print(inspected(args, _chosen_series, _estimator_options(args)))


def path(args: argparse.Namespace) -> None:
    """A table to a path of penalty strengths and the graph of the chosen one."""
    out = OutputFolder(args.out, path_files(), args.force)
    args, table, truth, source = _read(args)
    selection = _selection(args, table.n_series)
    seed = _checked_seed(secrets.randbelow(2**31) if args.seed is None else args.seed)
    started = time.perf_counter()
    found = lambda_path(
        table,
        args.lams,
        n_lams=args.n_lams,
        seeds=args.seeds,
        random_state=seed,
        verbose=0 if args.quiet else 1,
        **_estimator_options(args),
    )
    seconds = time.perf_counter() - started
    index = found.best_index if args.choose == "best" else found.one_se_index
    graph = found.graph(index)
    evaluation = None
    if truth is not None:
        truth = np.asarray(truth.any(-1)) if truth.ndim == 3 else truth
        rows, columns = ([table.names.index(name) for name in names] for names in (graph.names, graph.causes))
        evaluation = evaluate_scores(graph, truth[np.ix_(rows, columns)])
    record = path_record(found, index, seed, source, selection, seconds, evaluation, args.told)
    write_path(out, found, graph, selection, record)

    print(f"fitted in {seconds:.1f} s")
    print("     lam  validation  edges")
    for k, (lam, error, edges) in enumerate(zip(found.lams, found.validation_error, found.edge_counts, strict=True)):
        print(f"{lam:8.4g}  {error:10.4f}  {edges:5d}" + ("  chosen" if k == index else ""))
    _print_edges(graph, selection)
    if evaluation is not None:
        _print_evaluation(evaluation, diagonal=False)
    print(f"wrote {out.path}: {', '.join(out.files)}")


def _read(
    args: argparse.Namespace,
) -> tuple[argparse.Namespace, SeriesTable, np.ndarray[Any, Any] | None, dict[str, Any]]:
    """Arguments with series chosen from the table, the table, the truth where one is given, and what is recorded."""
    data, reading = read(args)
    table = data.table
    truth = data.truth if args.truth is None else read_truth(args.truth, table.names, **_lookup(args))
    chosen = _chosen_series(args, table.names, data.regulators)
    summary = summarise(table)
    for suspicion in summary.suspicions:
        warnings.warn(suspicion, DataWarning, stacklevel=1)
    count = len(table.trajectories)
    whole = count if table.origin is None else len(set(table.origin))
    print(
        f"{data.name}: {table.n_series} series, {table.n_steps} steps"
        + (f", {whole} trajectories" if whole > 1 else "")
        + (f", {count} pieces" if count > whole else "")
        + (f", {len(data.regulators)} regulators as causes" if args.regulators is None and data.regulators else "")
    )
    digests = {str(file): _sha256(file) for file in data.files}
    source = {
        "table": summary.settings() | ({} if table.reading is None else {"reading": table.reading.settings()}),
        "file": str(args.file),
        **({"sha256": digests[str(args.file)]} if args.dataset is None else {"files": digests}),
        **reading,
        "series": table.n_series,
        "steps": table.n_steps,
        "trajectories": whole,
    }
    return argparse.Namespace(**{**vars(args), **chosen}), table, truth, source


def _lookup(args: argparse.Namespace) -> dict[str, bool]:
    """How names of other files are looked for among those of the table."""
    return {"ignore_unknown": args.ignore_unknown or args.drop_constant, "ignore_case": args.ignore_case}


def _chosen_series(
    args: argparse.Namespace, names: Sequence[str], regulators: Sequence[str] | None = None
) -> dict[str, Any]:
    """Regulators, those of the data set unless others are named, targets and candidate pairs as the estimator takes them."""
    chosen: dict[str, Any] = {} if regulators is None else {"regulators": list(regulators)}
    lookup = _lookup(args)
    if args.regulators is not None:
        chosen["regulators"] = read_names(args.regulators, names, "source", **lookup)
    if args.targets is not None:
        chosen["targets"] = read_names(args.targets, names, "target", **lookup)
    if getattr(args, "candidates", None) is not None:
        pairs = read_truth(args.candidates, names, **lookup)
        chosen["candidates"] = pairs.any(-1) if pairs.ndim == 3 else pairs
    return chosen


def evaluate(args: argparse.Namespace) -> None:
    """A written result against known edges."""
    path = args.result / "scores.npz" if args.result.is_dir() else args.result
    graph = load_graph(path)
    truth = read_truth(args.truth, graph.series, ignore_unknown=args.ignore_unknown, ignore_case=args.ignore_case)
    place = {name: number for number, name in enumerate(graph.series)}
    truth = truth[np.ix_([place[name] for name in graph.names], [place[name] for name in graph.causes])]
    if truth.ndim == 3 and getattr(graph, "lag_scores", None) is None:
        truth = np.asarray(truth.any(-1))
    _print_evaluation(evaluate_scores(graph, truth, diagonal=args.diagonal), args.diagonal)


def datasets(args: argparse.Namespace) -> None:
    """Names, sizes and origins of the published data sets."""
    word = args.word.lower()
    chosen = [data for data in catalogue() if word in f"{data.name} {data.about}".lower()]
    if not chosen:
        raise InputError(f"no data set is called or described by {args.word!r}; leave it out to list all")
    print(f"{'name':19} {'series':>6} {'steps':>6} {'pieces':>6} {'edges':>6}  what it is, where it can be had")
    for data in chosen:
        edges = "-" if data.n_edges is None else data.n_edges
        options = f" (options {', '.join(data.options)})" if data.options else ""
        print(
            f"{data.name:19} {data.n_series:6} {data.n_steps:6} {data.n_trajectories:6} {edges:>6}"
            f"  {data.about}{options}, {data.origin}"
        )
    print(
        "steps: of all pieces together; windows do not cross them. edges: between different series, - where not known"
    )


def simulate(args: argparse.Namespace) -> None:
    """A simulated table and its truth."""
    out = OutputFolder(args.out, SIMULATION_FILES, args.force)
    simulator, own = SYSTEMS[args.system]
    options = {}
    for option in ("forcing", "lags", "function", "trajectories"):
        value = getattr(args, option)
        if value is None:
            continue
        if option not in own:
            raise InputError(f"--{option} is not an option of {args.system}; leave it out")
        options[own[option]] = value
    data = simulator(args.series, args.steps, seed=args.seed, **options)
    write_simulation(out, data)
    print(f"wrote {out.path}: {', '.join(SIMULATION_FILES)}")


def _fit_and_write(
    args: argparse.Namespace,
    out: OutputFolder,
    table: SeriesTable,
    truth: np.ndarray[Any, Any] | None,
    source: dict[str, Any],
) -> None:
    selection = _selection(args, table.n_series)
    if args.scores_file is not None and Path(args.scores_file).exists() and not args.force:
        raise InputError(f"--scores-file {args.scores_file} is there already; name another file or pass --force")
    named = _named_effects(args, table)
    world = World.current()
    seed = _checked_seed(world.first(_unsaid_seed(args)) if args.seed is None else args.seed)
    found = GRNGC(**_estimator_options(args), random_state=seed, verbose=0 if args.quiet else 1).fit(table)
    evaluation = linear = None
    if truth is not None:
        truth = np.asarray(truth.any(-1)) if truth.ndim == 3 else truth
        truth = truth[np.ix_(found.candidates_.effects, found.candidates_.causes)]
        evaluation, linear = evaluate_scores(found.graph_, truth), ridge_evaluation(found, table, truth)
    trust = Trust.of(found, table, args)
    if trust.refused is not None:
        out = out.without(SIGNIFICANCE_PICTURE)
    effects = None
    if args.effects is not None:
        effects = found.edge_effects(table, named) if named else found.edge_effects(table, top_k=args.effects)
    record = run_record(found, seed, source, selection, evaluation, linear, effects, args.told, trust)
    report = (
        Report(
            str(source.get("dataset", source.get("file", source.get("system")))),
            args.argv,
            args.told,
            tuple(trust.sentences()),
        )
        if args.report
        else None
    )
    dense = world.rank > 0 or write_fit(out, found, selection, record, truth, args.dense, effects, report, trust)

    print(f"fitted in {found.fit_seconds_:.1f} s")
    _print_edges(found.graph_, selection)
    if evaluation is not None:
        _print_evaluation(evaluation, diagonal=False)
    if linear is not None:
        print(f"ridge VAR (same windows and pairs): AUROC {linear.auroc:.4f}  AUPRC {linear.auprc:.4f}")
    for sentence in trust.sentences():
        print(sentence)
    print(f"wrote {out.path}: {', '.join(out.files)}")
    if args.scores_file is not None:
        print(f"wrote all scores: {args.scores_file}")
    elif not dense and args.edges_per_target is None:
        print("scores.npz holds the edges of edges.csv; --dense keeps all scores")


def _named_effects(args: argparse.Namespace, table: SeriesTable) -> list[tuple[str, str]]:
    """Pairs (cause, effect) that --effects names; refused before the fit if it will not consider them."""
    if not isinstance(args.effects, str):
        return []
    pairs = named_effects(args.effects, table.names)
    chosen: dict[str, Any] = {name: getattr(args, name, None) for name in ("regulators", "targets", "candidates")}
    candidate_edges(table.names, **chosen).places(pairs, table.names, "--effects")
    return pairs


def _print_edges(graph: CausalGraph | SparseCausalGraph, selection: dict[str, Any]) -> None:
    doubt = ", in doubt: too few windows" if graph.metadata.get("doubt") else ""
    print(f"strongest edges (source -> target){doubt}:")
    for edge in graph.edges(**(selection or {"top_k": SHOWN_EDGES}))[:SHOWN_EDGES]:
        sign = {1: "+", -1: "-", 0: " "}[edge.sign]
        print(f"  {edge.source} -> {edge.target}  lag {edge.lag}  {sign}{edge.score:.3f}")


def _estimator_options(args: argparse.Namespace) -> dict[str, Any]:
    options = {k: v for k, v in vars(args).items() if k in GRNGC().get_params(deep=False)}
    if options.get("model_options") is not None:
        options["model_options"] = dict(options["model_options"])
    return options


def _checked_seed(seed: int) -> int:
    if not 0 <= seed < 2**32:
        raise InputError(f"--seed {seed} is out of range; use a whole number from 0 to {2**32 - 1}")
    return seed


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def _unsaid_seed(args: argparse.Namespace) -> int:
    """That of the run to go on with, else a random one."""
    recorded = None if args.checkpoint is None else recorded_random_state(args.checkpoint)
    return secrets.randbelow(2**31) if recorded is None else recorded


def _selection(args: argparse.Namespace, n_series: int) -> dict[str, Any]:
    chosen = {k: getattr(args, k) for k in ("top_k", "threshold", "density") if getattr(args, k) is not None}
    check_selection(**chosen)
    if getattr(args, "edges_per_target", None) is not None:
        return chosen
    return chosen or {"top_k": min(MAX_EDGES, n_series * (n_series - 1))}


def _print_evaluation(result: Evaluation, diagonal: bool) -> None:
    protocol = "diagonal counted" if diagonal else "strict protocol: self-influence not counted"
    print(
        f"AUROC {result.auroc:.4f}  AUPRC {result.auprc:.4f}  ({result.n_edges} true edges of {result.n_pairs}; {protocol})"
    )
