"""The scikit-learn door: a table of series in, a causal graph out."""

from __future__ import annotations

import numbers
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .errors import InputError
from .graph import SparseCausalGraph
from .jacobian import ACTIVATIONS
from .models import FORECASTERS, adopt, build, options_of
from .row_blocks import row_blocks
from .score_sinks import Graph
from .scoring import ScoreOptions, score_graph
from .series import SeriesTable, as_series_table
from .training import History, TrainingOptions, Windows, train

MODELS = tuple(FORECASTERS)
SKIP_ABOVE_INPUTS = 200
MAX_HIDDEN = 2**20


class GRNGC(BaseEstimator):  # type: ignore[misc]
    """Granger causality from one forecasting network whose input-output gradient is penalised (arXiv 2507.11178).

    The network forecasts every series from the last `lags` steps of all of them, trained with
    MSE + (lam / P) * sum_ij mean_n |d f_i(x_n) / d x_nj| on z-scored series. The mean absolute gradient that remains is
    the causal score of cause j on effect i.

    Parameters
    ----------
    model : "mlp", "kan", "lstm", "tcn" (`grngc_fast.models`), or a torch module of your own that maps windows (N, L, P), oldest
        step first, to forecasts (N, P). "mlp" is the safe choice where data are few. A module is copied for every fit, with
        the weights that it has; if it offers `jacobian_factors` (`grngc_fast.jacobian.HasFactors`) they are used, else its
        readout and encoder are looked for.
    lags : L, steps of the past that a forecast sees.
    lam : penalty strength per target; it keeps its meaning when the number of series changes. 0.1 lies near the least
        validation error on chaotic, linear and gene-expression series alike; a larger one gives sparser graphs.
    hidden : width of the hidden layer, several for a deep network; None for 128, and a quarter of P above 512 series.
    activation : "silu", "tanh", "relu", "gelu" or "softplus"; None for the model's own, SiLU where it has the choice.
    skip : add a linear path from input to output; None adds one above 200 inputs (P * L), where without it the hidden
        layer has to grow with them.
    max_steps, batch_size, learning_rate : of Adam with cosine decay.
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
    model_options : further arguments of the named model, such as {"residual": True, "layer_norm": True} of "mlp", {"grid": 8,
        "order": 2} of "kan" or {"kernel_size": 3} of "tcn".
    device : "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1", ...
    random_state : seed, numpy RandomState or None.
    verbose : 1 shows a progress bar with loss, penalty and active edges.

    Attributes
    ----------
    scores_ : (P, P) array, [effect, cause], the largest over lags. None of the three arrays with `edges_per_target`.
    lag_scores_ : (P, P, L) array, [effect, cause, lag], lag index 0 the most recent step.
    signed_scores_ : (P, P) array, mean signed gradient at the strongest lag.
    graph_ : CausalGraph with the same, and names; SparseCausalGraph with `edges_per_target`.
    history_ : History of the loss parts.
    model_ : the trained torch module, on standardised series.
    scaler_ : sklearn StandardScaler of the series.
    feature_names_in_ : names, where the data had them. n_features_in_ : P. fit_seconds_ : training and scores.

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
        model: str | torch.nn.Module = "mlp",
        lags: int = 1,
        lam: float = 0.1,
        hidden: int | Sequence[int] | None = None,
        *,
        activation: str | None = None,
        skip: bool | None = None,
        max_steps: int = 1000,
        batch_size: int = 64,
        learning_rate: float = 2e-3,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        penalty_windows: int | None = None,
        penalty_targets: int | None = None,
        score_windows: int | None = None,
        edges_per_target: int | None = None,
        scores_file: str | os.PathLike[str] | None = None,
        model_options: Mapping[str, Any] | None = None,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
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
        self.model_options = model_options
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> GRNGC:
        """Train the network and score every cause of every effect.

        Parameters
        ----------
        X : (T, P) array or DataFrame; (R, T, P) array or list of (T_r, P) for several trajectories, which no window crosses.
        y : ignored.

        Raises
        ------
        InputError : data or options that cannot be used. FloatingPointError : a loss that is not finite from the start.
        """
        _check_options(self)
        scoring = ScoreOptions(self.score_windows, self.edges_per_target, self.scores_file)
        table = as_series_table(X)
        device = _device(self.device)
        started = time.perf_counter()
        scaler = _fitted_scaler(table)
        windows = Windows.from_trajectories(_standardised(scaler, table), self.lags, device=device)
        seed = int(check_random_state(self.random_state).randint(2**31))
        generator = torch.Generator().manual_seed(seed)
        # Dropout and whatever else a module draws comes from torch's global state, which is the caller's.
        with torch.enable_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            network = self._network(windows, generator)
            history = train(network, windows, self._training_options(), generator, self.verbose)
        settings = {"estimator": "GRNGC", "generator_seed": seed, **self._settings(table.n_series)}
        graph = score_graph(network, windows, table.names, table.names, scoring, generator, settings)
        # All at once, so that a fit that fails leaves an earlier one whole.
        self.scaler_, self.model_ = scaler, network
        self.graph_: Graph = graph
        self.history_: History = history
        self.fit_seconds_ = time.perf_counter() - started
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
        """One-step forecasts in the units of the data: row t of the (T - L, P) result forecasts X[t + L].

        A list, one array per trajectory, when X holds several.
        """
        table = self._table(X)
        parts = []
        for trajectory in _standardised(self.scaler_, table):
            windows = Windows.from_trajectories([trajectory], self.lags, device=self._model_device)
            with torch.no_grad():
                forecast = torch.cat([self.model_(x).cpu().flatten(1) for x in windows.batches()])
            parts.append(np.asarray(self.scaler_.inverse_transform(forecast.double().numpy())))
        return parts[0] if len(parts) == 1 else parts

    def score(self, X: Any, y: Any = None) -> float:
        """Mean over series of the R^2 of one-step forecasts on X; 1 is perfect, 0 no better than the mean."""
        table = self._table(X)
        forecasts = self.predict(table)
        truth = np.concatenate([t[self.lags :] for t in table.trajectories])
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

    def _network(self, windows: Windows, generator: torch.Generator) -> torch.nn.Module:
        device, n_series = windows.steps.device, windows.steps.shape[1]
        if isinstance(self.model, torch.nn.Module):
            return adopt(self.model, windows.inputs(slice(0, 2)))
        options, hidden, skip = self.model_options or {}, self._hidden(n_series), self._skip(n_series)
        network = build(self.model, n_series, self.lags, hidden, self.activation, skip, options, generator)
        return network.to(device, torch.float32)

    def _hidden(self, n_series: int) -> tuple[int, ...]:
        if self.hidden is None:
            return (max(128, n_series // 4),)
        return tuple(int(h) for h in np.atleast_1d(np.asarray(self.hidden)))

    def _skip(self, n_series: int) -> bool:
        return n_series * self.lags > SKIP_ABOVE_INPUTS if self.skip is None else bool(self.skip)

    def _training_options(self) -> TrainingOptions:
        return TrainingOptions(
            lam=self.lam,
            max_steps=self.max_steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            validation_fraction=self.validation_fraction if self.early_stopping else 0.0,
            patience=self.patience if self.early_stopping else None,
            penalty_windows=self.penalty_windows,
            penalty_targets=self.penalty_targets,
        )

    def _settings(self, n_series: int) -> dict[str, Any]:
        """Parameters as JSON takes them."""
        plain = (str, int, float, bool, type(None))
        settings = {k: v if isinstance(v, plain) else repr(v) for k, v in self.get_params(deep=False).items()}
        if isinstance(self.model, torch.nn.Module):
            return {**settings, "model": type(self.model).__qualname__}
        options = {**options_of(self.model), **(self.model_options or {})}
        chosen = {"hidden": list(self._hidden(n_series)), "skip": self._skip(n_series)}
        return {
            **settings,
            **chosen,
            "model_options": {k: v if isinstance(v, plain) else repr(v) for k, v in options.items()},
        }


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
    for name in ("lags", "max_steps", "batch_size", "patience"):
        _need(est, name, numbers.Integral, lambda v: v >= 1, "a whole number of at least 1")
    for name in ("penalty_windows", "penalty_targets", "score_windows", "edges_per_target"):
        if getattr(est, name) is not None:
            _need(est, name, numbers.Integral, lambda v: v >= 1, "None or a whole number of at least 1")
    if est.skip is not None and not isinstance(est.skip, (bool, np.bool_)):
        raise InputError(f"skip={est.skip!r}; expected True, False or None")
    _need(est, "lam", numbers.Real, lambda v: 0 <= v < float("inf"), "a number of at least 0")
    _need(est, "learning_rate", numbers.Real, lambda v: 0 < v < float("inf"), "a number above 0")
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
