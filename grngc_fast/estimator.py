"""The scikit-learn door: a table of series in, a causal graph out."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .distributed import World
from .errors import DataWarning, InputError
from .forking import forked
from .graph import SparseCausalGraph
from .planning import (
    Doubt,
    FitOptions,
    Plan,
    Stopwatch,
    check_fit,
    chosen_plan,
    doubt_of,
    fit_threads,
    left_out,
    network_of,
    planned,
    recorded,
    scored_part,
    settle,
    start_network,
)
from .ranking import ranked
from .scoring import EdgeEffect, Graph, ScoreOptions, edge_effects, explained, forecasts, score_graph
from .series import PreparedSeries, SeriesTable, as_series_table, prepare
from .series.prepared import windows_of
from .series.treatment import Treated, Treatment
from .significance import Significance, Stability, edge_p_values, stability
from .threads import computing_threads
from .training import History, train

_LOG = logging.getLogger("grngc_fast")


class GRNGC(BaseEstimator):  # type: ignore[misc]
    """Granger causality from one forecasting network whose input-output gradient is penalised (arXiv 2507.11178).

    The network forecasts every series from the last `lags` steps of all of them, trained with
    MSE + (lam / P) * sum_ij mean_n |d f_i(x_n) / d x_nj| on z-scored series. The mean absolute gradient that remains is
    the causal score of cause j on effect i.

    Parameters
    ----------
    model : "auto", "mlp", "sets", "kan", "lstm", "tcn" (`grngc_fast.models`), or a torch module of your own that maps windows
        (N, L, P), oldest step first, to forecasts (N, P). Of a list of names each is trained on the first nine tenths of the
        windows, and the one that forecasts the rest best is fitted, the first named within a standard error. "sets" is a small
        network for each target of its own set of the lagged series, found in rounds of screening and training: SiLU units of all
        inputs of the set, a linear path and, where held-out windows ask for them, splines of each input. "auto" takes it where
        there are 150 windows and it forecasts held-out ones better than linear forecasters, by two standard errors and either a
        tenth of their error or with causes that two penalty strengths agree on, or where what its splines add is clear by two
        and a half; else "mlp". A module is copied for every fit, with the weights that it has; if it offers `jacobian_factors`
        (`grngc_fast.jacobian.HasFactors`) they are used, else its readout and encoder are looked for.
    lags : L, steps of the past that a forecast sees.
    lam : penalty strength per target; it keeps its meaning when the number of series changes. None takes the strength of the
        least held-out error of penalised linear forecasters from 250 windows on, or of working sets the largest that is within a
        standard error of it; else 0.1. A larger one gives sparser graphs.
    hidden : width of the hidden layer, several for a deep network. None for 128, a quarter of the series read where there are
        more than 512 of them and no linear path; a target 16 of "sets"; 8 for each set of `candidates`.
    activation : "silu", "tanh", "relu", "gelu" or "softplus"; None for the model's own, SiLU where it has the choice.
    skip : add a linear path from input to output; None adds one above 200 inputs (P * L), where without it the hidden layer
        has to grow with them, and where "auto" had windows enough to judge. With it "mlp" starts at the
        minimum of the loss among linear forecasters, which is found exactly.
    max_steps, batch_size, learning_rate : of Adam with cosine decay. None for 1000 steps of 64 windows at 2e-3; 2 at 1e-4 of
        "sets", whose networks are trained as the sets are found; of "mlp" from a linear start 300 at 5e-4, above 500 inputs 100
        of 512 windows, above 1000 fewer and smaller.
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
    ranking : what edges are ranked by. "gradients": the mean absolute gradients alone. "combined": those, the posterior odds of a
        cause among sets of at most two, and pairwise Granger causality, of few series association too, with the
        odds of a cause that has more effects than others (`grngc_fast.ranking`): where windows are few for the inputs each
        of them has errors of its own; and where little is left of lags and most within a step, as of series sampled more slowly
        than they act, what is new in both at the same step, which has no direction. "evidence": combined without these odds, for
        whoever counts the effects of causes, so that each pair is ranked by what is known of it alone. "auto" combines where
        model is "auto" and its network explains no more than linear forecasters do, unless windows bear more than two causes of a
        target; elsewhere inputs outside of working sets, whose gradient is 0, are ranked below all others by their evidence.
        `graph_.metadata["ranking"]` says which, and why. Never with `edges_per_target` or `scores_file`; not combined above 4096
        inputs.
    memory_limit : bytes, or a text such as "4GiB", that a fit may need (`grngc_fast.estimate_memory`); None for what there is.
        A fit that needs more is refused before its training.
    model_options : further arguments of the named model, such as {"residual": True, "layer_norm": True} of "mlp", {"grid": 8,
        "order": 2} of "kan", {"set_size": 48, "n_splines": 20} of "sets" or {"kernel_size": 3} of "tcn". Without grid and
        grid_range the splines of "kan" cover [-2.5, 2.5], where nearly all of the standardised series lie, with five cells where
        there are 24 windows to an input (P * L) or held-out ones are forecast better by more than a standard error than with two,
        and with two else.
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
    missing : "error" refuses missing values (NaN). "drop" leaves out windows with a missing input; of the others it leaves the
        error of those targets out that are missing. "interpolate" fills gaps of up to `max_gap` steps, linear in time; longer
        ones, and those at the ends of a trajectory, are dropped. What was filled in is read and never forecast; it lies between
        its neighbours, so that a window that ends with it knows a little of the step after. Only series that are read count: with
        `regulators` the gaps of other targets leave no window out. A series missing in more than half of the steps is refused.
    max_gap : see `missing`.
    difference : 1 fits the changes from each step to the next, 0 the values. For series that wander, as a random walk does: their
        values seem to cause one another. `predict` and `score` are of the changes then.
    detrend : take the straight line off every series, fitted to each trajectory, and again to those of `predict` and `score`,
        which are of what is left.
    device : "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1", ...
    threads : of torch while it fits, given back afterwards. None for one where a fit is small (`grngc_fast.planning.small_fits`:
        about 30 series of 250 steps), since threads that wait for one another cost more than they compute, and else as many as
        torch has.
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

    A process that is forked from one that imported the library, as `multiprocessing` may do, computes in one thread: those of
    OpenMP do not survive a fork. Processes started by "spawn" have all of theirs.

    Attributes
    ----------
    scores_ : (E, C) array, [effect, cause], the largest over lags; E targets and C regulators, both P unless chosen. Mean
        absolute gradients, or evidence in nats where `ranking` combined (`grngc_fast.ranking.combined`). None of the arrays with
        `edges_per_target`.
    gradients_ : (E, C) array, the mean absolute gradients, the largest over lags, whatever edges are ranked by.
    lag_scores_ : (E, C, L) array, [effect, cause, lag], lag index 0 the most recent step.
    signed_scores_ : (E, C) array, mean signed gradient at the strongest lag.
    graph_ : CausalGraph with the same, and names; SparseCausalGraph with `edges_per_target`. Of "sets" it has `unit_shares`:
        how much of each score is linear, a spline of the cause alone, and interaction.
    candidates_ : CandidateEdges, what the scores are of: `effects` (E,) and `causes` (C,), columns of X.
    history_ : History of the loss parts.
    model_ : the trained torch module, on standardised series.
    scaler_ : sklearn StandardScaler of the series.
    feature_names_in_ : names, where the data had them. n_features_in_ : P.
    fit_seconds_ : of the whole fit. timings_ : seconds of its phases, which add up to it: "plan" (series standardised, options
        decided), "start", "training", "scores", "ranking".

    Example
    -------
    >>> from grngc_fast import GRNGC
    >>> from grngc_fast.datasets import lorenz96
    >>> data = lorenz96(n_series=6, n_steps=200, seed=0)
    >>> found = GRNGC(random_state=0).fit(data.X)
    >>> found.scores_.shape
    (6, 6)
    """

    def __init__(
        self,
        model: str | Sequence[str] | torch.nn.Module = "auto",
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
        ranking: str = "auto",
        memory_limit: int | str | None = None,
        model_options: Mapping[str, Any] | None = None,
        regulators: Any = None,
        targets: Any = None,
        candidates: Any = None,
        own_past: bool = True,
        missing: str = "error",
        max_gap: int = 3,
        difference: int = 0,
        detrend: bool = False,
        device: str = "auto",
        threads: int | None = None,
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
        self.ranking = ranking
        self.memory_limit = memory_limit
        self.model_options = model_options
        self.regulators = regulators
        self.targets = targets
        self.candidates = candidates
        self.own_past = own_past
        self.missing = missing
        self.max_gap = max_gap
        self.difference = difference
        self.detrend = detrend
        self.device = device
        self.threads = threads
        self.random_state = random_state
        self.verbose = verbose
        self.checkpoint = checkpoint
        self.checkpoint_minutes = checkpoint_minutes

    def fit(self, X: Any, y: Any = None) -> GRNGC:
        """Train the network and score every cause of every effect.

        Parameters
        ----------
        X : (T, P) array or table with names (of pandas, polars, xarray, AnnData, ...); (R, T, P) array or list of (T_r, P) for
            several trajectories, which no window crosses. Of a table, what tells the time orders the rows and is no series, as
            `as_series_table` says; notes of it go to the logger "grngc_fast".
        y : ignored.

        What was left out of X is told to the logger "grngc_fast" and kept in `graph_.metadata["notes"]`; a `DataWarning` names
        series that do not look stationary.

        Raises
        ------
        InputError : data, options or a checkpoint that cannot be used, or that differ between processes.
        FloatingPointError : a loss that is not finite from the start.
        KeyboardInterrupt, SystemExit : stopped by SIGINT or SIGTERM; with a checkpoint the message tells how to go on.
        ProcessLostError : another process of the group ended.

        Warns
        -----
        DataWarning : too few windows for any conclusion (`grngc_fast.planning.doubt`); `graph_.metadata["doubt"]` says so too.
        """
        watch, world = Stopwatch(), World.current()
        if forked():
            _LOG.info("a forked process computes in one thread; start workers by 'spawn' to have several in each")
        with world.refused_together():
            options, data, scoring = self._checked(X)
        data.tell()
        doubt = doubt_of(len(data.windows), data.edges.n_pairs * options.lags)
        if doubt is not None and world.rank == 0:
            _LOG.warning("%s", doubt)
            warnings.warn(str(doubt), DataWarning, stacklevel=2)
        with computing_threads(fit_threads(options, data)):
            return self._fitted(options, data, scoring, doubt, watch, world)

    def _fitted(
        self,
        options: FitOptions,
        data: PreparedSeries,
        scoring: ScoreOptions,
        doubt: Doubt | None,
        watch: Stopwatch,
        world: World,
    ) -> GRNGC:
        drawn = int(check_random_state(options.random_state).randint(2**31))
        seed, checkpoint = settle(options, data, drawn, world)
        generator, windows = torch.Generator().manual_seed(seed), data.windows
        with _own_random_numbers(windows.steps.device):
            plan, begun, checkpoint = planned(checkpoint, world, lambda: chosen_plan(options, data, seed, world))
            torch.manual_seed(seed + world.rank)
            with world.refused_together():
                network = network_of(plan, options, data, generator)
                check_fit(network, plan, options, data)
            training = plan.training_options(options)
            watch.lap("plan")
            before = None
            if not begun:
                trained_on, _ = windows.split(training.validation_fraction)
                before = start_network(network, plan, data, trained_on, seed, world, options.verbose)
            watch.lap("start")
            history = train(
                network,
                windows,
                training,
                generator,
                options.verbose,
                checkpoint=checkpoint,
                world=world,
                history=before,
            )
            watch.lap("training")
        settings = {"estimator": "GRNGC", "generator_seed": seed, **recorded(plan, options, data.edges)}
        settings |= left_out(network, data, plan.lam) | {"doubt": None if doubt is None else str(doubt)}
        settings |= {"notes": list(data.notes), "threads": torch.get_num_threads()}
        scored = scored_part(network, data)
        graph = score_graph(*scored, data.effects, data.causes, scoring, generator, settings, world)
        watch.lap("scores")
        with world.refused_together():
            graph = ranked(graph, network, data, plan, options)
        watch.lap("ranking")
        return self._keep(data, network, history, graph, watch.seconds, (plan, options))

    def _checked(self, X: Any) -> tuple[FitOptions, PreparedSeries, ScoreOptions]:
        options = FitOptions(**{field.name: getattr(self, field.name) for field in fields(FitOptions)})
        chosen = {"regulators": options.regulators, "targets": options.targets, "candidates": options.candidates}
        how = vars(options.treatment)
        data = prepare(X, options.lags, **chosen, own_past=options.own_past, **how, device=options.on_device)
        scoring = ScoreOptions(options.score_windows, options.edges_per_target, options.scores_file)
        scoring.check_space(data.edges.n_effects, data.edges.n_causes, options.lags)
        return options, data, scoring

    def _keep(
        self,
        data: PreparedSeries,
        network: torch.nn.Module,
        history: History,
        graph: Graph,
        seconds: dict[str, float],
        decided: tuple[Plan, FitOptions],
    ) -> GRNGC:
        """All at once, so that a fit that fails leaves an earlier one whole."""
        self._decided = decided
        self.scaler_, self.model_, self.candidates_ = data.scaler, network, data.edges
        self.graph_: Graph = graph
        self.history_: History = history
        self.timings_ = seconds
        self.fit_seconds_ = sum(seconds.values())
        self.n_features_in_ = data.table.n_series
        if data.table.named:
            self.feature_names_in_ = np.array(data.table.names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    @property
    def scores_(self) -> NDArray[Any]:
        scores: NDArray[Any] = self._of_all_scores("scores")
        return scores

    @property
    def lag_scores_(self) -> NDArray[Any]:
        # With one lag the graph keeps them once.
        scores: NDArray[Any] = self._of_all_scores("lag_scores" if self.lags > 1 else "scores")
        return scores.reshape(*self.graph_.shape, -1)

    @property
    def signed_scores_(self) -> NDArray[Any]:
        scores: NDArray[Any] = self._of_all_scores("signed_scores")
        return scores

    @property
    def gradients_(self) -> NDArray[Any]:
        kept: NDArray[Any] | None = self._of_all_scores("gradients")
        return self.scores_ if kept is None else kept

    def _of_all_scores(self, name: str) -> Any:
        check_is_fitted(self, "graph_")
        if isinstance(self.graph_, SparseCausalGraph):
            raise AttributeError(
                f"{name}_: with edges_per_target={self.edges_per_target} only the strongest edges are kept; use"
                " graph_.to_scipy() or graph_.edges()"
            )
        return getattr(self.graph_, name)

    def predict(self, X: Any) -> NDArray[Any] | list[NDArray[Any]]:
        """One-step forecasts in the units of the data: row t of the (T - L, E) result forecasts X[t + L, candidates_.effects].

        A list, one array per trajectory, when X holds several. NaN where an input is missing (with `missing` "drop" or
        "interpolate"). With `difference` row t of (T - L - 1, E) forecasts the change X[t + L + 1] - X[t + L]; with `detrend`
        what is forecast is what is left of X without the straight lines.
        """
        parts = self._forecasts(self._treated(X))
        return parts[0] if len(parts) == 1 else parts

    def score(self, X: Any, y: Any = None) -> float:
        """Mean over targets of the R^2 of one-step forecasts on X; 1 is perfect, 0 no better than the mean.

        Of what `predict` forecasts (changes with `difference`), where it is known and was not filled in; a target that is known
        fewer than twice does not count.
        """
        treated = self._treated(X)
        return explained(self._forecasts(treated), treated, self.candidates_, self.lags)

    def edge_effects(self, X: Any, edges: Sequence[Any] | None = None, top_k: int = 12) -> list[EdgeEffect]:
        """The functions that were learned: how the forecast of each effect changes with the cause, in the units of the data
        (of their changes with `difference`).

        Accumulated local effects (Apley and Zhu 2020): the slopes that the forecast has in the windows of X, averaged in bins of
        the cause's values and added up. `grngc_fast.plotting.plot_edge_effects` draws them.

        Parameters
        ----------
        X : series to take slopes at, those of the fit or others; at most 10,000 windows are read, evenly spaced.
        edges : pairs (source, target), (source, target, lag) or edges of `graph_`, by name; without a lag that of the strongest
            score. None for the `top_k` strongest between different series.

        Raises
        ------
        InputError : a series that is unknown, a source that is no candidate cause, X of other series or with a cause that does
            not change.

        Example
        -------
        >>> from grngc_fast.datasets import additive
        >>> data = additive(n_series=5, n_steps=300, function="sine", seed=0)
        >>> found = GRNGC(max_steps=100, random_state=0).fit(data.X)
        >>> [effect] = found.edge_effects(data.X, top_k=1)
        >>> effect.x.shape, effect.effect.shape
        ((32,), (32,))
        """
        data = self._prepared(X, with_target=False)
        if not len(data.windows):
            raise InputError(
                "every window of X has a missing input, so there are no slopes to take; pass steps without gaps"
            )
        return edge_effects(self.model_, data, self.graph_, edges, top_k)

    def significance(self, X: Any) -> Significance:
        """How surely each edge is more than chance: p-values, and the graph at a false discovery rate.

        The windows are cut into halves (`grngc_fast.significance`). On each the network is trained as the fit decided, which
        tells what each target depends on; on the other it is asked of every cause what it adds to functions of that: by itself,
        by curves of it, by its products with the strongest causes. Both halves together give a p-value, one for all lags of a
        cause. Shah and Peters (Annals of Statistics 48, 2020) test so with predictions where functions are taken here.
        `graph_` has the `p_values` from then on, for its exports and for `graph_.threshold("auto")`.

        The target's own past is always among what is known of it, and is not tested. A p-value is as good as the assumption that
        the inputs hold all that moves both cause and effect, and that the past tells nothing of the errors; a cause that was not
        found on a half can lend its effect to one that moves alike.

        Parameters
        ----------
        X : the series of the fit, or others of the same system.

        Raises
        ------
        InputError : X of other series, too few windows.

        In a process group it is called by all processes alike.

        Example
        -------
        >>> from grngc_fast.datasets import additive
        >>> data = additive(n_series=5, n_steps=300, function="tanh", seed=0)
        >>> found = GRNGC(max_steps=100, random_state=0).fit(data.X)
        >>> sure = found.significance(data.X)
        >>> sure.p_values.shape, sure.graph(q=0.05).n_edges > 0
        ((5, 5), True)
        """
        data, world = self._prepared(X), World.current()
        plan, options = self._decided
        with _own_random_numbers(data.windows.steps.device), computing_threads(fit_threads(options, data)):
            tested = edge_p_values(plan, options, data, self.graph_.metadata["generator_seed"], world)
        self.graph_ = self.graph_.with_p_values(tested)
        return Significance(self.graph_)

    def stability(self, X: Any, n_bootstraps: int = 20, n_seeds: int = 1, n_edges: int | None = None) -> Stability:
        """How often each edge is found when the windows are drawn again, and the standard error of its score.

        Whole trajectories are drawn with replacement where there are five or more, else blocks of windows. Each draw is fitted as
        the fit decided, at the cost of a training each; working sets of few series are found side by side. `graph_` has the
        `repeats` from then on, for its exports.

        Parameters
        ----------
        X : the series of the fit.
        n_bootstraps : draws; 0 for the windows that there are.
        n_seeds : fits of each draw, from other weights.
        n_edges : strongest edges that count as found in a fit; None for as many as `significance` found at .05, where it was
            asked for, else one for each target.

        Raises
        ------
        InputError : X of other series, numbers out of range.

        In a process group it is called by all processes alike.
        """
        data, world = self._prepared(X), World.current()
        plan, options = self._decided
        seed = self.graph_.metadata["generator_seed"]
        with _own_random_numbers(data.windows.steps.device), computing_threads(fit_threads(options, data)):
            found = stability(plan, options, data, self.graph_, seed, n_bootstraps, n_seeds, n_edges, world)
        self.graph_ = self.graph_.with_repeats(found)
        return Stability(self.graph_)

    def _forecasts(self, treated: Treated) -> list[NDArray[Any]]:
        return forecasts(self.model_, treated, self.scaler_, self.candidates_, self.lags, self._model_device)

    def _prepared(self, X: Any, with_target: bool = True) -> PreparedSeries:
        """As the series of the fit were."""
        treated = self._treated(X)
        table = treated.table
        windows = windows_of(
            self.scaler_, treated, self.lags, self.candidates_, self._model_device, with_target=with_target
        )
        names = tuple(getattr(self, "feature_names_in_", [f"x{i}" for i in range(table.n_series)]))
        return PreparedSeries(replace(table, names=names), self.scaler_, self.candidates_, windows)

    @property
    def _model_device(self) -> torch.device:
        return next(self.model_.parameters()).device

    def _treated(self, X: Any) -> Treated:
        """The series of the fit, and what was done to them there."""
        table = self._table(X)
        return Treatment(self.missing, self.max_gap, self.difference, self.detrend)(table, self.lags)

    def _table(self, X: Any) -> SeriesTable:
        check_is_fitted(self, "graph_")
        table = as_series_table(X, forecast=True, missing=self.missing)
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


@contextmanager
def _own_random_numbers(device: torch.device) -> Iterator[None]:
    """Dropout and whatever else a module draws comes from torch's global state, which is the caller's and stays as it is."""
    with torch.enable_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
