"""The scikit-learn door: a table of series in, a causal graph out."""

from __future__ import annotations

import numbers
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .candidates import CandidateEdges, candidate_edges
from .errors import InputError
from .graph import SparseCausalGraph
from .jacobian import ACTIVATIONS
from .memory import as_bytes, available_memory, check_memory, memory_of
from .models import FORECASTERS, OwnPast, adopt, build, options_of, refuse_candidates
from .plan import Plan, decide
from .resumption import planned, settle
from .row_blocks import row_blocks
from .score_sinks import Graph
from .scoring import ScoreOptions, score_graph
from .series import SeriesTable, as_series_table
from .stopwatch import Stopwatch
from .training import History, TrainingOptions, Windows, World, start_linear, train

MODELS = ("auto", *FORECASTERS)
MAX_HIDDEN = 2**20


class GRNGC(BaseEstimator):  # type: ignore[misc]
    """Granger causality from one forecasting network whose input-output gradient is penalised (arXiv 2507.11178).

    The network forecasts every series from the last `lags` steps of all of them, trained with
    MSE + (lam / P) * sum_ij mean_n |d f_i(x_n) / d x_nj| on z-scored series. The mean absolute gradient that remains is
    the causal score of cause j on effect i.

    Parameters
    ----------
    model : "auto", "mlp", "local", "kan", "lstm", "tcn" (`grngc_fast.models`), or a torch module of your own that maps windows
        (N, L, P), oldest step first, to forecasts (N, P). "auto" takes "local", a perceptron with some hidden units for
        each target, where it is not too large and forecasts held-out windows better than linear forecasters by two
        standard errors, as it is or from the causes that each selects alone, refitted; else "mlp". A module
        is copied for every fit, with the weights that it has; if it offers `jacobian_factors`
        (`grngc_fast.jacobian.HasFactors`) they are used, else its readout and encoder are looked for.
    lags : L, steps of the past that a forecast sees.
    lam : penalty strength per target; it keeps its meaning when the number of series changes. None takes the strength of the
        least held-out error of penalised linear forecasters, or of local units, from 250 windows on; else 0.1. A larger one
        gives sparser graphs.
    hidden : width of the hidden layer, several for a deep network. None for 128, a quarter of the series read where there are
        more than 512 of them and no linear path; 6 to 16 for each target of "local", 8 for each set of `candidates`.
    activation : "silu", "tanh", "relu", "gelu" or "softplus"; None for the model's own, SiLU where it has the choice.
    skip : add a linear path from input to output; None adds one above 200 inputs (P * L), where without it the hidden layer
        has to grow with them, and where "auto" had windows enough to judge. With it "mlp" and "local" start at the
        minimum of the loss among linear forecasters, which is found exactly.
    max_steps, batch_size, learning_rate : of Adam with cosine decay. None for 1000 steps of 64 windows at 2e-3; 600 at 5e-3
        of "local"; of "mlp" from a linear start 300 at 5e-4, above 500 inputs 100 of 512 windows, above 1000 fewer and smaller.
    early_stopping : hold out `validation_fraction` of the windows, last in time (whole trajectories where there are five
        or more), stop after `patience` of the fifty evaluations without a lower error on them, and keep the best
        parameters. Off, all windows are trained on, which short series need.
    validation_fraction, patience : see `early_stopping`.
    penalty_windows, penalty_targets : how many windows and targets a step penalises; None takes all while that is cheap,
        else a random sample that costs about as much as the forecast.
    score_windows : how many windows scores are averaged over, drawn at random; None takes all while that costs no more than a
        training (`grngc_fast.scoring`), and a sample else. Of a sample `graph_` has `standard_error` too.
    edges_per_target : keep this many causes of each effect and no matrix of all scores; `graph_` is a `SparseCausalGraph` then.
    scores_file : `.npy` file that all scores are streamed to, for more than memory holds; `graph_` reads them from there.
    memory_limit : bytes, or a text such as "4GiB", that a fit may need (`grngc_fast.estimate_memory`); None for what there is.
        A fit that needs more is refused before its training.
    model_options : further arguments of the named model, such as {"residual": True, "layer_norm": True} of "mlp", {"grid": 8,
        "order": 2} of "kan" or {"kernel_size": 3} of "tcn".
    regulators : the only series that may be causes, as names or column indices; default all. The network reads no others,
        so that fit and scores cost P x regulators.
    targets : the only series that are forecast and may be effects, likewise.
    candidates : pairs that may be edges: (P, P) boolean array or sparse array [effect, cause], or a DataFrame of names. Each
        target's network sees its candidates alone (targets with the same share one): the gradient by any other series is
        zero by construction. Together with `regulators` and `targets` the pairs of all of them are left. Causes that no target
        has as a candidate are left out of the scores, unless they are named in `regulators`.
    own_past : where a target is no candidate cause of itself, add to its forecast a linear function of its own last
        `lags` steps, which is neither penalised nor scored: causes are sought for what it leaves. Without it, what a
        slow series owes to itself goes to causes that move alike. A target among its own causes has its past there already.
    device : "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1", ...
    random_state : seed, numpy RandomState or None.
    verbose : 1 shows a progress bar with loss, penalty and active edges.
    checkpoint : folder where the plan is kept once it is made, and the state of training every `checkpoint_minutes`, when SIGINT
        or SIGTERM stops the fit (it finishes its step first; a signal that the process ignores, as SIGINT in a shell's
        background job, stays ignored) and at the end; None keeps none. A fit with the same data and
        options goes on from there and gives, on a CPU to the last bit, what an uninterrupted one gives; a finished one is not
        trained again. Of a module of your own its `state_dict` and torch's random numbers are kept, no other state.
    checkpoint_minutes : see `checkpoint`.

    In an initialised `torch.distributed` process group (`torchrun`), with the same data and options in every process, the
    processes share out the windows of every step and the targets of the scores, and all end with the result of a single
    process at the same batch size, but for rounding and for what a module draws in training (dropout), which differs from
    process to process. Process 0 shows progress and writes the checkpoint and `scores_file`, which all processes have to see.

    Attributes
    ----------
    scores_ : (E, C) array, [effect, cause], the largest over lags; E targets and C regulators, both P unless chosen. None of the
        three arrays with `edges_per_target`.
    lag_scores_ : (E, C, L) array, [effect, cause, lag], lag index 0 the most recent step.
    signed_scores_ : (E, C) array, mean signed gradient at the strongest lag.
    graph_ : CausalGraph with the same, and names; SparseCausalGraph with `edges_per_target`.
    candidates_ : CandidateEdges, what the scores are of: `effects` (E,) and `causes` (C,), columns of X.
    history_ : History of the loss parts.
    model_ : the trained torch module, on standardised series.
    scaler_ : sklearn StandardScaler of the series.
    feature_names_in_ : names, where the data had them. n_features_in_ : P.
    fit_seconds_ : of the whole fit. timings_ : seconds of its phases, which add up to it: "plan" (series standardised, options
        decided), "linear_start", "training", "scores".

    Example
    -------
    >>> from grngc_fast import GRNGC
    >>> from grngc_fast.datasets import lorenz96
    >>> data = lorenz96(n_series=10, n_steps=300, seed=0)
    >>> found = GRNGC(max_steps=300, random_state=0).fit(data.X)
    >>> found.scores_.shape
    (10, 10)
    """

    def __init__(
        self,
        model: str | torch.nn.Module = "auto",
        lags: int = 1,
        lam: float | None = None,
        hidden: int | Sequence[int] | None = None,
        *,
        activation: str | None = None,
        skip: bool | None = None,
        max_steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        penalty_windows: int | None = None,
        penalty_targets: int | None = None,
        score_windows: int | None = None,
        edges_per_target: int | None = None,
        scores_file: str | os.PathLike[str] | None = None,
        memory_limit: int | str | None = None,
        model_options: Mapping[str, Any] | None = None,
        regulators: Any = None,
        targets: Any = None,
        candidates: Any = None,
        own_past: bool = True,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_minutes: float = 5.0,
    ) -> None:
        self.model = model
        self.lags = lags
        self.lam = lam
        self.hidden = hidden
        self.activation = activation
        self.skip = skip
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.penalty_windows = penalty_windows
        self.penalty_targets = penalty_targets
        self.score_windows = score_windows
        self.edges_per_target = edges_per_target
        self.scores_file = scores_file
        self.memory_limit = memory_limit
        self.model_options = model_options
        self.regulators = regulators
        self.targets = targets
        self.candidates = candidates
        self.own_past = own_past
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.checkpoint = checkpoint
        self.checkpoint_minutes = checkpoint_minutes

    def fit(self, X: Any, y: Any = None) -> GRNGC:
        """Train the network and score every cause of every effect.

        Parameters
        ----------
        X : (T, P) array or DataFrame; (R, T, P) array or list of (T_r, P) for several trajectories, which no window crosses.
        y : ignored.

        Raises
        ------
        InputError : data, options or a checkpoint that cannot be used, or that differ between processes.
        FloatingPointError : a loss that is not finite from the start.
        KeyboardInterrupt, SystemExit : stopped by SIGINT or SIGTERM; with a checkpoint the message tells how to go on.
        ProcessLostError : another process of the group ended.
        """
        world = World.current()
        with world.refused_together():
            _check_options(self)
            scoring = ScoreOptions(self.score_windows, self.edges_per_target, self.scores_file)
            table = as_series_table(X)
            device = _device(self.device)
            watch = Stopwatch()
            scaler = _fitted_scaler(table)
            edges = candidate_edges(table.names, self.regulators, self.targets, self.candidates, self.own_past)
            scoring.check_space(edges.n_effects, edges.n_causes, self.lags)
            windows = self._windows(edges, _standardised(scaler, table), device)
            seed = int(check_random_state(self.random_state).randint(2**31))
        seed, checkpoint = settle(self._run(edges, device), table, seed, world)
        generator = torch.Generator().manual_seed(seed)
        # Dropout and whatever else a module draws comes from torch's global state, which is the caller's.
        with torch.enable_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            given = {**self.get_params(deep=False), "hidden": self._widths()}
            decided = partial(decide, given, edges, windows, seed, world)
            plan, begun, checkpoint = planned(checkpoint, world, decided)
            torch.manual_seed(seed + world.rank)
            with world.refused_together():
                network = self._network(plan, windows, edges, generator)
                self._check_memory(network, plan, edges, table.n_steps, device)
            options = self._training_options(plan)
            watch.lap("plan")
            if plan.linear_start and not begun:
                start_linear(network, windows.split(options.validation_fraction)[0], plan.lam, world, self.verbose)
            watch.lap("linear_start")
            history = train(network, windows, options, generator, self.verbose, checkpoint=checkpoint, world=world)
        watch.lap("training")
        settings = {"estimator": "GRNGC", "generator_seed": seed, **self._settings(plan, edges)}
        names, causes = (tuple(table.names[i] for i in columns) for columns in (edges.effects, edges.causes))
        graph = score_graph(*_causal_part(network, windows, edges), names, causes, scoring, generator, settings, world)
        watch.lap("scores")
        # All at once, so that a fit that fails leaves an earlier one whole.
        self.scaler_, self.model_, self.candidates_ = scaler, network, edges
        self.graph_: Graph = graph
        self.history_: History = history
        self.timings_ = watch.seconds
        self.fit_seconds_ = sum(watch.seconds.values())
        self.n_features_in_ = table.n_series
        if table.named:
            self.feature_names_in_ = np.array(table.names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    @property
    def scores_(self) -> NDArray[Any]:
        return self._of_all_scores("scores")

    @property
    def lag_scores_(self) -> NDArray[Any]:
        # With one lag the graph keeps them once.
        return self._of_all_scores("lag_scores" if self.lags > 1 else "scores").reshape(*self.graph_.shape, -1)

    @property
    def signed_scores_(self) -> NDArray[Any]:
        return self._of_all_scores("signed_scores")

    def _of_all_scores(self, name: str) -> NDArray[Any]:
        check_is_fitted(self, "graph_")
        if isinstance(self.graph_, SparseCausalGraph):
            raise AttributeError(
                f"{name}_: with edges_per_target={self.edges_per_target} only the strongest edges are kept; use"
                " graph_.to_scipy() or graph_.edges()"
            )
        array: NDArray[Any] = getattr(self.graph_, name)
        return array

    def predict(self, X: Any) -> NDArray[Any] | list[NDArray[Any]]:
        """One-step forecasts in the units of the data: row t of the (T - L, E) result forecasts X[t + L, candidates_.effects].

        A list, one array per trajectory, when X holds several.
        """
        table, effects = self._table(X), self.candidates_.effects
        parts = []
        for trajectory in _standardised(self.scaler_, table):
            windows = self._windows(self.candidates_, [trajectory], self._model_device)
            with torch.no_grad():
                forecast = torch.cat([self.model_(x).cpu().flatten(1) for x in windows.batches()])
            parts.append(forecast.double().numpy() * self.scaler_.scale_[effects] + self.scaler_.mean_[effects])
        return parts[0] if len(parts) == 1 else parts

    def score(self, X: Any, y: Any = None) -> float:
        """Mean over targets of the R^2 of one-step forecasts on X; 1 is perfect, 0 no better than the mean."""
        table = self._table(X)
        forecasts = self.predict(table)
        truth = np.concatenate([t[self.lags :, self.candidates_.effects] for t in table.trajectories])
        return float(r2_score(truth, np.concatenate(forecasts if isinstance(forecasts, list) else [forecasts])))

    @property
    def _model_device(self) -> torch.device:
        return next(self.model_.parameters()).device

    def _table(self, X: Any) -> SeriesTable:
        check_is_fitted(self, "graph_")
        table = as_series_table(X, forecast=True)
        if table.n_series != self.n_features_in_:
            raise InputError(
                f"X has {table.n_series} features, but {type(self).__name__} is expecting {self.n_features_in_} features as input"
            )
        fitted = getattr(self, "feature_names_in_", None)
        if fitted is not None and table.named and list(fitted) != list(table.names):
            raise InputError(
                "The feature names should match those that were passed during fit: the series differ in name or order"
            )
        return table

    def _windows(self, edges: CandidateEdges, trajectories: list[NDArray[Any]], device: torch.device) -> Windows:
        return Windows.from_trajectories(
            trajectories, self.lags, device=device, input_columns=edges.inputs, target_columns=edges.effects
        )

    def _network(
        self, plan: Plan, windows: Windows, edges: CandidateEdges, generator: torch.Generator
    ) -> torch.nn.Module:
        device = windows.steps.device
        network = self._forecaster(plan, windows, edges, generator).to(device, torch.float32)
        if not len(edges.own_past):
            return network
        return OwnPast(network, edges.n_causes, torch.as_tensor(edges.own_past), self.lags).to(device)

    def _forecaster(
        self, plan: Plan, windows: Windows, edges: CandidateEdges, generator: torch.Generator
    ) -> torch.nn.Module:
        n_causes, n_effects = edges.n_causes, edges.n_effects
        if isinstance(self.model, torch.nn.Module):
            if edges.allowed is not None:
                refuse_candidates(f"model={type(self.model).__name__}")
            return adopt(self.model, windows.inputs(slice(0, 2))[..., :n_causes], n_effects)
        sizes, options = (n_causes, n_effects, edges.allowed, self.lags), self.model_options or {}
        return build(plan.model, *sizes, plan.hidden, self.activation, plan.skip, options, generator)

    def _check_memory(
        self, network: torch.nn.Module, plan: Plan, edges: CandidateEdges, n_steps: int, device: torch.device
    ) -> None:
        dense = self.edges_per_target is None and self.scores_file is None
        estimate = memory_of(
            network,
            edges.n_effects,
            edges.n_causes,
            self.lags,
            n_steps,
            batch_size=plan.batch_size,
            dense=dense,
            edges_per_target=self.edges_per_target,
            sampled=self.score_windows is not None,
            linear_start=plan.linear_start,
        )
        limit = available_memory(device) if self.memory_limit is None else as_bytes(self.memory_limit)
        check_memory(estimate, limit, dense)

    def _widths(self) -> tuple[int, ...] | None:
        return None if self.hidden is None else tuple(int(h) for h in np.atleast_1d(np.asarray(self.hidden)))

    def _training_options(self, plan: Plan) -> TrainingOptions:
        return TrainingOptions(
            lam=plan.lam,
            max_steps=int(plan.max_steps),
            batch_size=plan.batch_size,
            learning_rate=plan.learning_rate,
            validation_fraction=self.validation_fraction if self.early_stopping else 0.0,
            patience=self.patience if self.early_stopping else None,
            evaluate_every=None if self.early_stopping else plan.evaluate_every,
            penalty_windows=self.penalty_windows,
            penalty_targets=self.penalty_targets,
        )

    def _run(self, edges: CandidateEdges, device: torch.device) -> dict[str, Any]:
        """Parameters that make a run what it is, series and pairs resolved."""
        chosen = {**self.get_params(deep=False), "device": device.type, "hidden": self._widths()}
        return chosen | {"regulators": edges.causes, "targets": edges.effects, "candidates": edges.allowed}

    def _settings(self, plan: Plan, edges: CandidateEdges) -> dict[str, Any]:
        """Parameters as JSON takes them; series and pairs that were chosen as their number, the graph has the names."""
        plain = (str, int, float, bool, type(None))
        given = {k: os.fspath(v) if isinstance(v, os.PathLike) else v for k, v in self.get_params(deep=False).items()}
        settings = {k: v if isinstance(v, plain) else repr(v) for k, v in given.items()}
        counts = {"regulators": edges.n_causes, "targets": edges.n_effects, "candidates": edges.n_pairs}
        settings |= {name: count for name, count in counts.items() if getattr(self, name) is not None}
        if isinstance(self.model, torch.nn.Module):
            decided = {"lam": plan.lam, "max_steps": plan.max_steps, "learning_rate": plan.learning_rate}
            return {**settings, **decided, "model": type(self.model).__qualname__}
        options = {**options_of(plan.model), **(self.model_options or {})}
        shown = {k: v if isinstance(v, plain) else repr(v) for k, v in options.items()}
        return {**settings, **plan.settings(), "model_options": shown}


def _fitted_scaler(table: SeriesTable) -> StandardScaler:
    scaler = StandardScaler()
    with np.errstate(over="ignore", invalid="ignore"):
        for trajectory in table.trajectories:
            for rows in row_blocks(trajectory.shape):
                scaler.partial_fit(trajectory[rows])
        spread = np.sqrt(scaler.var_)
    # The scaler leaves a series alone whose spread is rounding.
    bad = np.flatnonzero(~np.isfinite(spread) | (scaler.scale_ != spread))
    if len(bad) and table.n_steps > 1:
        name, size = table.names[bad[0]], spread[bad[0]]
        raise InputError(
            f"series {name!r} has standard deviation {size:g} about mean {scaler.mean_[bad[0]]:g}, which cannot be"
            f" z-scored in floating point ({len(bad)} such series); rescale it or drop it"
        )
    return scaler


def _standardised(scaler: StandardScaler, table: SeriesTable) -> list[NDArray[Any]]:
    """In float32, whatever the table is in: a memory map is read some rows at a time and never held whole in float64."""
    parts = []
    for trajectory in table.trajectories:
        part = np.empty(trajectory.shape, dtype=np.float32)
        for rows in row_blocks(part.shape):
            part[rows] = scaler.transform(trajectory[rows])
        parts.append(part)
    return parts


def _causal_part(network: torch.nn.Module, windows: Windows, edges: CandidateEdges) -> tuple[torch.nn.Module, Windows]:
    """What is scored: without the series that only their own forecasts read."""
    if not isinstance(network, OwnPast):
        return network, windows
    return network.network, replace(windows, input_columns=torch.as_tensor(edges.causes, device=windows.steps.device))


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError(f"{device.type} is not supported")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise InputError(
            f"device={name!r} cannot be used here; use 'auto', 'cpu' or a CUDA device that exists"
        ) from error
    return device


def _check_options(est: GRNGC) -> None:
    """Every option by name, with what it may be."""
    own = isinstance(est.model, torch.nn.Module)
    if isinstance(est.model, type):
        raise InputError(f"model={est.model.__name__} is a class; pass an instance, such as {est.model.__name__}(...)")
    if not own and (not isinstance(est.model, str) or est.model not in MODELS):
        raise InputError(f"model={est.model!r} is unknown; use one of {', '.join(map(repr, MODELS))} or a torch module")
    for name in ("hidden", "activation", "skip", "model_options"):
        if own and getattr(est, name) is not None:
            raise InputError(
                f"{name}={getattr(est, name)!r} is for the models by name; leave it None with a module of your own"
            )
    if est.activation is not None and (not isinstance(est.activation, str) or est.activation not in ACTIVATIONS):
        raise InputError(f"activation={est.activation!r} is unknown; use one of {', '.join(map(repr, ACTIVATIONS))}")
    if est.model_options is not None and not isinstance(est.model_options, Mapping):
        raise InputError(f"model_options={est.model_options!r}; expected a dictionary of the model's further arguments")
    if not isinstance(est.own_past, (bool, np.bool_)):
        raise InputError(f"own_past={est.own_past!r}; expected True or False")
    for name in ("lags", "patience"):
        _need(est, name, numbers.Integral, lambda v: v >= 1, "a whole number of at least 1")
    if est.memory_limit is not None:
        as_bytes(est.memory_limit)
    for name in ("max_steps", "batch_size", "penalty_windows", "penalty_targets", "score_windows", "edges_per_target"):
        if getattr(est, name) is not None:
            _need(est, name, numbers.Integral, lambda v: v >= 1, "None or a whole number of at least 1")
    if est.checkpoint is not None and not isinstance(est.checkpoint, (str, os.PathLike)):
        raise InputError(f"checkpoint={est.checkpoint!r}; expected the path of a folder, or None")
    _need(est, "checkpoint_minutes", numbers.Real, lambda v: v >= 0, "a number of at least 0")
    if est.skip is not None and not isinstance(est.skip, (bool, np.bool_)):
        raise InputError(f"skip={est.skip!r}; expected True, False or None")
    if est.lam is not None:
        _need(est, "lam", numbers.Real, lambda v: 0 <= v < float("inf"), "None or a number of at least 0")
    if est.learning_rate is not None:
        _need(est, "learning_rate", numbers.Real, lambda v: 0 < v < float("inf"), "None or a number above 0")
    _need(est, "validation_fraction", numbers.Real, lambda v: 0 < v < 1, "a share between 0 and 1")
    widths = est.hidden if isinstance(est.hidden, (list, tuple)) else [est.hidden]
    fits = [not isinstance(h, bool) and isinstance(h, numbers.Integral) and 1 <= int(h) <= MAX_HIDDEN for h in widths]
    if est.hidden is not None and not (fits and all(fits)):
        raise InputError(
            f"hidden={est.hidden!r}; expected a whole number from 1 to {MAX_HIDDEN}, a list of such, or None"
        )


def _need(est: GRNGC, name: str, kind: type, holds: Any, expected: str) -> None:
    value = getattr(est, name)
    if not isinstance(value, kind) or isinstance(value, bool) or not holds(value):
        raise InputError(f"{name}={value!r}; expected {expected}")
