"""A path of penalty strengths: how the graph grows as the penalty falls, and which strength forecasts best."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from .candidates import CandidateEdges, candidate_edges
from .errors import FitDivergedWarning, InputError
from .estimator import GRNGC, _check_options, _device, _fitted_scaler, _standardised
from .graph import CausalGraph
from .models import MLP
from .plan import COLD, Plan, decide
from .scores import mean_gradients
from .series import as_series_table
from .training import Windows, World
from .training.lambda_path import EMPTYING, OWN_SHARE, Start, largest_lam, shared_start, train_path, window_errors
from .training.trainer import ACTIVE_SHARE, DIVERGED_ERROR

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The least strength of a computed path, as a share of the largest.
SMALLEST_SHARE = 1e-3
MEMORY_LIMIT = 2 * 2**30
# Groups of held-out windows, neighbours in time, that the standard error is taken over.
ERROR_BLOCKS = 10
# Options of `GRNGC` that the fits of a path have.
PATH_OPTIONS = (
    "lags",
    "hidden",
    "activation",
    "skip",
    "max_steps",
    "batch_size",
    "learning_rate",
    "validation_fraction",
    "penalty_windows",
    "penalty_targets",
    "regulators",
    "targets",
    "own_past",
    "device",
    "random_state",
    "verbose",
)


@dataclass(frozen=True, eq=False)
class LambdaPath:
    """Graphs along a path of penalty strengths; K strengths, strongest first, S seeds, E effects, C causes, L lags.

    Attributes
    ----------
    lams : (K,) strengths, falling.
    seed_scores : (S, K, E, C) scores `[effect, cause]` of every run, the largest over lags; NaN where it diverged.
    lag_scores : (K, E, C, L) mean over seeds; NaN where all diverged.
    signed_scores : (K, E, C) mean over seeds of the mean signed gradient, at the lag of the largest mean score.
    training_error : (K,) mean squared error on the windows trained on, in standardised units, mean over seeds.
    validation_error : (K,) the same on the held-out windows, which are the last in time; infinite where all seeds diverged.
    validation_se : (K,) its standard error over ten blocks of neighbouring held-out windows.
    excess_se : (K,) the same of the difference from the least error; what is hard to forecast for all strengths cancels.
    diverged : (S, K) runs that did not end in finite forecasts; they count nowhere.
    names, causes : E names of the effects, C of the causes.
    settings : what repeats the path; JSON values.
    """

    lams: NDArray[np.float64]
    seed_scores: NDArray[Any]
    lag_scores: NDArray[Any]
    signed_scores: NDArray[Any]
    training_error: NDArray[np.float64]
    validation_error: NDArray[np.float64]
    validation_se: NDArray[np.float64]
    excess_se: NDArray[np.float64]
    diverged: NDArray[np.bool_]
    names: tuple[str, ...]
    causes: tuple[str, ...]
    settings: dict[str, Any]

    @property
    def scores(self) -> NDArray[Any]:
        """(K, E, C) mean over seeds, the largest over lags."""
        largest: NDArray[Any] = self.lag_scores.max(-1)
        return largest

    @property
    def best_index(self) -> int:
        """The strength of the least validation error."""
        return int(self.validation_error.argmin())

    @property
    def one_se_index(self) -> int:
        """The largest strength whose validation error exceeds the least by no more than that difference's standard error."""
        excess = self.validation_error - self.validation_error[self.best_index]
        return int((excess <= self.excess_se).argmax())

    @property
    def best_lam(self) -> float:
        return float(self.lams[self.best_index])

    @property
    def one_se_lam(self) -> float:
        return float(self.lams[self.one_se_index])

    @property
    def threshold(self) -> float:
        """Score above which an edge counts as active: a tenth of the strongest mean score at the best strength."""
        return float(ACTIVE_SHARE * self.scores[self.best_index].max())

    @property
    def edge_counts(self) -> NDArray[np.int64]:
        """(K,) active edges of the mean scores, self-influence not counted."""
        counts: NDArray[np.int64] = self._active(self.scores).sum((-2, -1))
        return counts

    def stability(self) -> NDArray[np.float64]:
        """(E, C) share of the (seed, strength) runs in which an edge is active: 1 for edges that no penalty removes."""
        share: NDArray[np.float64] = self._active(self.seed_scores)[~self.diverged].mean(0)
        return share

    def graph(self, index: int | None = None) -> CausalGraph:
        """The graph at strength number `index`, mean over seeds; default the one of the least validation error.

        Raises
        ------
        InputError : a number outside the path, or a strength at which every seed diverged.
        """
        k = self.best_index if index is None else index
        if not -len(self.lams) <= k < len(self.lams):
            raise InputError(
                f"index={k} is not on the path of {len(self.lams)} strengths; use 0 to {len(self.lams) - 1}"
            )
        if self.diverged[:, k].all():
            raise InputError(
                f"every fit with lam={self.lams[k]:g} diverged, so it has no graph; choose another strength, or lower"
                " learning_rate"
            )
        return CausalGraph(
            scores=self.scores[k],
            names=self.names,
            causes=self.causes,
            lag_scores=self.lag_scores[k],
            signed_scores=self.signed_scores[k],
            metadata={**self.settings, "lam": float(self.lams[k])},
        )

    def plot(self) -> Figure:
        """Validation error with its standard error and number of edges along the path, the chosen strengths marked."""
        from .plotting import plot_path

        return plot_path(self)

    def __repr__(self) -> str:
        n_seeds, n_lams = self.diverged.shape
        return (
            f"LambdaPath({n_lams} strengths {self.lams[0]:.3g} to {self.lams[-1]:.3g}, {n_seeds} seed{'s' * (n_seeds > 1)};"
            f" best lam {self.best_lam:.3g}, one-standard-error lam {self.one_se_lam:.3g})"
        )

    def _active(self, scores: NDArray[Any]) -> NDArray[np.bool_]:
        """Where scores (..., E, C) are above the threshold; NaN is not."""
        active: NDArray[np.bool_] = np.asarray(scores > self.threshold)
        active[..., np.array(self.names)[:, None] == np.array(self.causes)] = False
        return active


def lambda_path(
    X: Any,
    lams: Sequence[float] | NDArray[Any] | None = None,
    *,
    n_lams: int = 16,
    seeds: int = 1,
    warm_start: bool = True,
    refit: bool = True,
    memory_limit: int = MEMORY_LIMIT,
    **options: Any,
) -> LambdaPath:
    """Fit a whole path of penalty strengths, and several seeds, as one batched network.

    Every (seed, strength) is a one-hidden-layer network as `GRNGC("mlp", lam=...)` fits it from random weights. Together they
    cost far less than one fit after another: they part from one fit at a middle strength, their products are batched, and a
    step penalises up to eight windows of its batch. The last share of the windows in time is held out to tell the strengths
    apart.

    Parameters
    ----------
    X : as in `GRNGC.fit`.
    lams : penalty strengths, positive and distinct, in any order; None for `n_lams` of them, a constant factor apart, from
        twice the one at which a linear forecast has no edge (`grngc_fast.training.lambda_path.largest_lam`) to a thousandth.
    n_lams : see `lams`.
    seeds : fits with different initial weights and batches at each strength; scores and errors are means over them.
    warm_start : take `max_steps` with one network a seed, at the middle of the path, and two fifths of them again with every
        member; False lets every member take `max_steps` from the initial weights, as `GRNGC` does.
    refit : take the scores from fits on all windows; False from those that left the last ones out, in about half of the time.
    memory_limit : bytes for training; a path that needs more is trained in parts, with the same result.
    options : of every fit, those of `GRNGC` in `PATH_OPTIONS` (lags, hidden, skip, max_steps, regulators, random_state, ...).
        With `random_state` the first seed is that of `GRNGC`. `validation_fraction` is the share held out.

    Raises
    ------
    InputError : data or options that cannot be used; strengths that are not positive, finite and distinct; too few windows to
        hold some out; a network that does not fit into `memory_limit`.
    FloatingPointError : every fit diverged. Where some did a `FitDivergedWarning` names their strengths.

    Example
    -------
    >>> from grngc_fast import lambda_path
    >>> from grngc_fast.datasets import lorenz96
    >>> path = lambda_path(lorenz96(n_series=8, n_steps=200, seed=0).X, n_lams=4, max_steps=100, random_state=0)
    >>> path.scores.shape, path.graph().n_series
    ((4, 8, 8), 8)
    """
    if World.current().size > 1:
        raise InputError("a path is fitted in one process; start it without torchrun")
    estimator = _estimator(options)
    for name, value in {"n_lams": n_lams, "seeds": seeds, "memory_limit": memory_limit}.items():
        _check_count(name, value)
    given = None if lams is None else _as_strengths(lams)
    table = as_series_table(X)
    scaler = _fitted_scaler(table)
    device = _device(estimator.device)
    edges = candidate_edges(table.names, estimator.regulators, estimator.targets, None, estimator.own_past)
    if len(edges.own_past):
        name = table.names[edges.effects[edges.own_past[0]]]
        raise InputError(
            f"target {name!r} is no regulator, and a path has no own past beside the causes: add it to regulators, or pass"
            " own_past=False"
        )
    windows = estimator._windows(edges, _standardised(scaler, table), device)
    training, held_out = windows.split(estimator.validation_fraction)
    if held_out is None or len(held_out) < 2:
        raise InputError(
            f"validation_fraction={estimator.validation_fraction:g} of {len(windows)} windows leaves too few to hold out"
            " or none to train on; a path needs two of them: use a larger share, longer series or GRNGC with one lam"
        )
    if given is None:
        top = EMPTYING * largest_lam(training)
        given = np.geomspace(top, top * SMALLEST_SHARE, n_lams) if n_lams > 1 else np.array([top])
    random_state = check_random_state(estimator.random_state)
    seed_numbers = [int(random_state.randint(2**31)) for _ in range(seeds)]
    plan, strengths = _plan(estimator, edges, windows, float(given[0])), given.tolist()
    starts = []
    for seed in seed_numbers:
        generator = torch.Generator().manual_seed(seed)
        network = estimator._network(plan, windows, edges, generator)
        assert isinstance(network, MLP)
        starts.append(Start(network, generator))
    training_options = estimator._training_options(plan)
    with torch.enable_grad():
        if warm_start:
            starts = shared_start(starts, training, strengths, training_options, memory_limit, estimator.verbose)
            training_options = replace(training_options, max_steps=math.ceil(OWN_SHARE * training_options.max_steps))
        networks = train_path(starts, training, strengths, training_options, memory_limit, estimator.verbose)
        scored = networks
        if refit:
            scored = train_path(starts, windows, strengths, training_options, memory_limit, estimator.verbose)
    settings = {
        "estimator": "lambda_path",
        "generator_seeds": seed_numbers,
        "warm_start": bool(warm_start),
        "refit": bool(refit),
        **estimator._settings(plan, edges),
    }
    names, causes = (tuple(table.names[i] for i in columns) for columns in (edges.effects, edges.causes))
    return _result(networks, scored, windows, training, held_out, given, seeds, names, causes, settings)


def _estimator(options: dict[str, Any]) -> GRNGC:
    refused = [name for name in options if name not in PATH_OPTIONS]
    if refused:
        raise InputError(
            f"{', '.join(map(repr, refused))}: not an option of a path, whose fits are of model='mlp' and take"
            f" {', '.join(PATH_OPTIONS)}; strengths are lams=[...]"
        )
    estimator = GRNGC("mlp", **options)
    _check_options(estimator)
    widths = estimator._widths()
    if widths is not None and len(widths) > 1:
        raise InputError(f"hidden={list(widths)}: a path is fitted with one hidden layer; give one width")
    return estimator


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < 1:
        raise InputError(f"{name}={value!r}; expected a whole number of at least 1")


def _as_strengths(lams: Any) -> NDArray[np.float64]:
    try:
        values = np.array(lams, dtype=np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise InputError(f"lams={lams!r} are not numbers; pass penalty strengths such as [0.3, 0.1, 0.03]") from error
    if not values.size:
        raise InputError("lams is empty; pass at least one penalty strength, or None to have them computed")
    bad = values[~(np.isfinite(values) & (values > 0))]
    if len(bad):
        raise InputError(f"lams holds {bad[0]:g}; penalty strengths on a path are positive and finite: leave it out")
    falling: NDArray[np.float64] = np.sort(values)[::-1].copy()
    if (np.diff(falling) == 0).any():
        twice = falling[:-1][np.diff(falling) == 0][0]
        raise InputError(
            f"lams holds {twice:g} more than once; leave out the repetition (seeds=2 fits every strength twice)"
        )
    return falling


def _plan(estimator: GRNGC, edges: CandidateEdges, windows: Windows, lam: float) -> Plan:
    """As of a single fit that starts from random weights."""
    options = {**estimator.get_params(deep=False), "hidden": estimator._widths(), "lam": lam}
    plan = decide(options, edges, windows, 0, World.current())
    given = (estimator.max_steps, estimator.learning_rate, estimator.batch_size)
    steps, rate, batch = (value or default for value, default in zip(given, COLD, strict=True))
    return replace(plan, max_steps=int(steps), learning_rate=float(rate), batch_size=int(batch), linear_start=False)


def _result(
    networks: Sequence[MLP],
    scored: Sequence[MLP],
    windows: Windows,
    training: Windows,
    held_out: Windows,
    lams: NDArray[np.float64],
    seeds: int,
    names: tuple[str, ...],
    causes: tuple[str, ...],
    settings: dict[str, Any],
) -> LambdaPath:
    n_lams = len(lams)
    fitted = np.array([float(window_errors(network, training).double().mean()) for network in networks])
    errors = np.stack([window_errors(network, held_out).double().cpu().numpy() for network in networks])
    final = np.array([float(window_errors(network, windows).mean()) for network in scored])
    diverged = ~((fitted < DIVERGED_ERROR) & (errors.mean(1) < DIVERGED_ERROR) & (final < DIVERGED_ERROR))
    if diverged.all():
        raise FloatingPointError(
            f"every fit on the path diverged; lower learning_rate (now {settings['learning_rate']:g})"
        )
    found = [
        None if failed else mean_gradients(network, windows.batches())
        for network, failed in zip(scored, diverged, strict=True)
    ]
    shape = next(f for f in found if f is not None).absolute.shape
    empty = np.full(shape, np.nan, dtype=np.float32)
    absolute, signed = (
        np.stack([empty if f is None else getattr(f, name).cpu().numpy() for f in found]).reshape(seeds, n_lams, *shape)
        for name in ("absolute", "signed")
    )
    diverged = diverged.reshape(seeds, n_lams)
    if diverged.any():
        which = ", ".join(f"{lam:.3g}" for lam in lams[diverged.any(0)])
        message = f"{int(diverged.sum())} of {diverged.size} fits diverged and are left out, with lam {which}"
        warnings.warn(f"{message}; lower learning_rate", FitDivergedWarning, stacklevel=3)
    lag_scores, lag_signed = (_mean_of(x, diverged) for x in (absolute, signed))
    strongest = np.nan_to_num(lag_scores).argmax(-1)[..., None]
    per_window = _mean_of(errors.reshape(seeds, n_lams, -1), diverged)
    blocks = np.stack([b.mean(1) for b in np.array_split(per_window, min(ERROR_BLOCKS, len(held_out)), axis=1)], axis=1)
    validation_error = np.nan_to_num(per_window.mean(1), nan=np.inf)
    excess = blocks - blocks[validation_error.argmin()]
    return LambdaPath(
        lams=lams,
        seed_scores=absolute.max(-1),
        lag_scores=lag_scores,
        signed_scores=np.take_along_axis(lag_signed, strongest, -1)[..., 0],
        training_error=np.nan_to_num(_mean_of(fitted.reshape(seeds, n_lams), diverged), nan=np.inf),
        validation_error=validation_error,
        validation_se=_standard_error(blocks),
        excess_se=_standard_error(excess),
        diverged=diverged,
        names=names,
        causes=causes,
        settings=settings,
    )


def _standard_error(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of means of (K, blocks), NaN where there is none."""
    error: NDArray[np.float64] = blocks.std(1, ddof=1) / blocks.shape[1] ** 0.5
    return error


def _mean_of(runs: NDArray[Any], diverged: NDArray[np.bool_]) -> NDArray[Any]:
    """(S, K, ...) -> (K, ...), the mean over seeds that did not diverge; NaN where all did."""
    kept = ~diverged.reshape(diverged.shape + (1,) * (runs.ndim - 2))
    count = kept.sum(0)
    total = np.where(kept, runs, 0).sum(0)
    mean: NDArray[Any] = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(runs.dtype)
    return mean
