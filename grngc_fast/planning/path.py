"""A path of penalty strengths, and several seeds, fitted at once as one batched network."""

from __future__ import annotations

import logging
import math
import numbers
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ..distributed import World
from ..errors import DataWarning, FitDivergedWarning, InputError
from ..models import MLP
from ..scoring import mean_gradients
from ..series import PreparedSeries, Windows, prepare
from ..threads import computing_threads
from ..training.lambda_path import EMPTYING, OWN_SHARE, Start, largest_lam, shared_start, train_path, window_errors
from ..training.trainer import DIVERGED_ERROR
from .doubt import doubt_of
from .network import network_of
from .options import FitOptions
from .path_result import LambdaPath
from .plan import COLD, Plan, decide, recorded
from .small_fits import fit_threads

_LOG = logging.getLogger("grngc_fast")
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
    "missing",
    "max_gap",
    "difference",
    "detrend",
    "device",
    "threads",
    "random_state",
    "verbose",
)


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
    for name, value in {"n_lams": n_lams, "seeds": seeds, "memory_limit": memory_limit}.items():
        _check_count(name, value)
    chosen = _checked(options)
    given = None if lams is None else _as_strengths(lams)
    data = _prepared(X, chosen)
    data.tell()
    doubt = doubt_of(len(data.windows), data.edges.n_pairs * chosen.lags)
    if doubt is not None:
        _LOG.warning("%s", doubt)
        warnings.warn(str(doubt), DataWarning, stacklevel=2)
    training, held_out = data.windows.split(chosen.validation_fraction)
    if held_out is None or len(held_out) < 2:
        raise InputError(
            f"validation_fraction={chosen.validation_fraction:g} of {len(data.windows)} windows leaves too few to hold out"
            " or none to train on; a path needs two of them: use a larger share, longer series or GRNGC with one lam"
        )
    if given is None:
        top = EMPTYING * largest_lam(training)
        given = np.geomspace(top, top * SMALLEST_SHARE, n_lams) if n_lams > 1 else np.array([top])
    random_state = check_random_state(chosen.random_state)
    seed_numbers = [int(random_state.randint(2**31)) for _ in range(seeds)]
    plan, strengths = _plan(chosen, data, float(given[0])), given.tolist()
    starts = []
    for seed in seed_numbers:
        generator = torch.Generator().manual_seed(seed)
        network = network_of(plan, chosen, data, generator)
        assert isinstance(network, MLP)
        starts.append(Start(network, generator))
    training_options = plan.training_options(chosen)
    with torch.enable_grad(), computing_threads(fit_threads(chosen, data, members=len(starts) * len(strengths))):
        if warm_start:
            starts = shared_start(starts, training, strengths, training_options, memory_limit, chosen.verbose)
            training_options = replace(training_options, max_steps=math.ceil(OWN_SHARE * training_options.max_steps))
        networks = train_path(starts, training, strengths, training_options, memory_limit, chosen.verbose)
        scored = networks
        if refit:
            scored = train_path(starts, data.windows, strengths, training_options, memory_limit, chosen.verbose)
        settings = {
            "estimator": "lambda_path",
            "generator_seeds": seed_numbers,
            "warm_start": bool(warm_start),
            "refit": bool(refit),
            "doubt": None if doubt is None else str(doubt),
            "notes": list(data.notes),
            **recorded(plan, chosen, data.edges),
            "threads": torch.get_num_threads(),
            "ranking": {"by": "gradients", "reason": "a path"},
        }
        return _result(networks, scored, data, training, held_out, given, seeds, settings)


def _checked(options: dict[str, Any]) -> FitOptions:
    refused = [name for name in options if name not in PATH_OPTIONS]
    if refused:
        raise InputError(
            f"{', '.join(map(repr, refused))}: not an option of a path, whose fits are of model='mlp' and take"
            f" {', '.join(PATH_OPTIONS)}; strengths are lams=[...]"
        )
    chosen = FitOptions(model="mlp", **options)
    if chosen.hidden is not None and len(chosen.hidden) > 1:
        raise InputError(f"hidden={list(chosen.hidden)}: a path is fitted with one hidden layer; give one width")
    return chosen


def _prepared(X: Any, chosen: FitOptions) -> PreparedSeries:
    data = prepare(
        X,
        chosen.lags,
        regulators=chosen.regulators,
        targets=chosen.targets,
        own_past=chosen.own_past,
        **vars(chosen.treatment),
        device=chosen.on_device,
    )
    edges = data.edges
    if len(edges.own_past):
        name = data.table.names[edges.effects[edges.own_past[0]]]
        raise InputError(
            f"target {name!r} is no regulator, and a path has no own past beside the causes: add it to regulators, or pass"
            " own_past=False"
        )
    return data


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


def _plan(chosen: FitOptions, data: PreparedSeries, lam: float) -> Plan:
    """As of a single fit that starts from random weights."""
    plan = decide(replace(chosen, lam=lam), data.edges, data.windows, 0, World.current())
    given = (chosen.max_steps, chosen.learning_rate, chosen.batch_size)
    steps, rate, batch = (value or default for value, default in zip(given, COLD, strict=True))
    return replace(plan, max_steps=int(steps), learning_rate=float(rate), batch_size=int(batch), linear_start=False)


def _result(
    networks: Sequence[MLP],
    scored: Sequence[MLP],
    data: PreparedSeries,
    training: Windows,
    held_out: Windows,
    lams: NDArray[np.float64],
    seeds: int,
    settings: dict[str, Any],
) -> LambdaPath:
    windows = data.windows
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
        names=data.effects,
        causes=data.causes,
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
