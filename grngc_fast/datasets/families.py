"""Discrete-time systems with an exact truth at lag 1: sums of functions of one parent each, products and gates of two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..errors import InputError
from ..series import as_series_table
from ._options import whole
from .dataset import Dataset

Vector = NDArray[np.float64]
Function = Callable[[Vector], Any]

# All bounded, which keeps every system stationary. Shifts of even and one-sided functions keep its level near 0, where
# they vary; "square" is shifted too little for that.
FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "sine": lambda x: np.sin(2 * x),
        "square": lambda x: np.minimum(x * x, 4) - 1,
        "step": lambda x: 1.0 * (x > 1),
        "tanh": lambda x: np.tanh(2 * x),
        "wave": lambda x: np.sin(4 * x),
        "absolute": lambda x: np.minimum(np.abs(x), 2) - 1,
        "hinge": lambda x: np.clip(x, 0, 2) - 0.5,
        "bump": lambda x: 2 * np.exp(-4 * x * x) - 0.5,
        "sawtooth": lambda x: np.mod(x, 2) - 1,
    }
)

_DENSE = 1000


def additive(
    n_series: int = 20,
    n_steps: int = 1000,
    function: str | Function = "sine",
    *,
    n_parents: int = 2,
    burn_in: int = 200,
    seed: int = 0,
) -> Dataset:
    """Simulate x_i <- phi_i x_i + sum over the parents j of a_ij f(x_j) + standard normal, from 0.

    The parents are drawn among the other series, phi_i from [0.2, 0.7] and a_ij with random sign and size in [0.4, 0.9].
    Correlation finds the parents of "step", "tanh" and "hinge", hardly those of the others but "square". With "square"
    series that drive one another upwards come to rest where it is constant: a tenth of the true edges leave no trace.

    Parameters
    ----------
    n_series : P, above `n_parents`.
    n_steps : T, samples kept.
    function : f: a name in `FUNCTIONS`, or a function of the (P,) state that gives (P,) real numbers. One that is not
        bounded may make the series grow without bound.
    n_parents : causes of each series besides itself.
    burn_in : samples discarded at the start.
    seed : of the parents, the coefficients and the innovations.

    Returns
    -------
    Dataset with one (T, P) float64 trajectory and a (P, P) truth [effect, cause], diagonal true.

    Raises
    ------
    InputError : an option out of range, or a function that is not known or gives something else than finite numbers.

    Examples
    --------
    >>> data = additive(n_series=10, n_steps=50, function="bump")
    >>> data.X.shape, int(data.truth.sum(axis=1)[0])
    ((50, 10), 3)
    >>> additive(n_series=5, n_steps=50, function=np.cos).name
    'cos P=5 T=50'
    """
    name, f = _chosen(function)
    parents, weights, phi, rng = draw_additive(n_series, n_parents, seed)
    entries = (weights.ravel(), parents.ravel(), np.arange(0, weights.size + 1, n_parents))
    coefficients = sparse.csr_array(entries, shape=(n_series, n_series))
    # Some of these systems are chaotic, and rounding decides their course: the dense product is kept while it costs little,
    # for series that equal those of the plain formula.
    if n_series <= _DENSE:
        coefficients = coefficients.toarray()

    def drift(x: Vector) -> Vector:
        result: Vector = phi * x + coefficients @ f(x)
        return result

    return _simulate(name, drift, parents, n_steps, burn_in, rng)


def product(n_series: int = 20, n_steps: int = 1000, *, burn_in: int = 200, seed: int = 0) -> Dataset:
    """Simulate x_i <- 0.4 x_i + 1.5 tanh(x_j) tanh(x_k) + standard normal, from 0, with j and k drawn for each i.

    No parent matters alone: whatever x_j is, the mean of the product is 0 as far as x_j and x_k are independent.

    Parameters
    ----------
    n_series : P, at least 3.
    n_steps : T, samples kept.
    burn_in : samples discarded at the start.
    seed : of the parents and the innovations.

    Returns
    -------
    Dataset with one (T, P) float64 trajectory and a (P, P) truth [effect, cause], three true in a row.

    Raises
    ------
    InputError : an option out of range.

    Examples
    --------
    >>> data = product(n_series=10, n_steps=50)
    >>> data.X.shape, int(data.truth.sum(axis=1)[0])
    ((50, 10), 3)
    """
    pairs, rng = draw_pairs(n_series, seed)
    first, second = pairs.T

    def drift(x: Vector) -> Vector:
        v = np.tanh(x)
        result: Vector = 0.4 * x + 1.5 * v[first] * v[second]
        return result

    return _simulate("product", drift, pairs, n_steps, burn_in, rng)


def gate(n_series: int = 20, n_steps: int = 1000, *, burn_in: int = 200, seed: int = 0) -> Dataset:
    """Simulate x_i <- 0.4 x_i + s_i 1.5 tanh(x_j) 1[x_k > 0] + standard normal, from 0, with j and k drawn for each i.

    The switch x_k has no mean effect alone, as E[tanh(x_j)] is 0; it only lets x_j through, which does have one. That is
    so as far as x_j and x_k are independent: less so of fewer than some 20 series. The signs s_i, drawn too, keep all
    series from rising together, which would make the mean of tanh(x_j) positive.

    Parameters
    ----------
    n_series : P, at least 3.
    n_steps : T, samples kept.
    burn_in : samples discarded at the start.
    seed : of the parents, the signs and the innovations.

    Returns
    -------
    Dataset with one (T, P) float64 trajectory and a (P, P) truth [effect, cause], three true in a row.

    Raises
    ------
    InputError : an option out of range.

    Examples
    --------
    >>> data = gate(n_series=10, n_steps=50)
    >>> data.X.shape, int(data.truth.sum(axis=1)[0])
    ((50, 10), 3)
    """
    pairs, rng = draw_pairs(n_series, seed)
    sources, switches = pairs.T
    weights = 1.5 * rng.choice((-1.0, 1.0), n_series)

    def drift(x: Vector) -> Vector:
        result: Vector = 0.4 * x + weights * np.tanh(x[sources]) * (x[switches] > 0)
        return result

    return _simulate("gate", drift, pairs, n_steps, burn_in, rng)


def draw_additive(
    n_series: int, n_parents: int, seed: int
) -> tuple[NDArray[np.int64], Vector, Vector, np.random.Generator]:
    """(P, K) parents, their (P, K) coefficients a, the (P,) phi, and the generator to go on with."""
    whole("n_series", n_series, 2)
    whole("n_parents", n_parents, 1)
    whole("seed", seed, 0)
    if n_parents >= n_series:
        raise InputError(
            f"n_parents is {n_parents}; {n_series} series, none a parent of itself, have at most {n_series - 1}"
        )
    rng = np.random.default_rng(seed)
    parents, weights = np.empty((n_series, n_parents), dtype=np.int64), np.empty((n_series, n_parents))
    for i in range(n_series):
        parents[i] = _others(i, n_series, n_parents, rng)
        weights[i] = rng.choice((-1, 1), n_parents) * rng.uniform(0.4, 0.9, n_parents)
    return parents, weights, rng.uniform(0.2, 0.7, n_series), rng


def draw_pairs(n_series: int, seed: int) -> tuple[NDArray[np.int64], np.random.Generator]:
    """(P, 2) parents, and the generator to go on with."""
    whole("n_series", n_series, 3)
    whole("seed", seed, 0)
    rng = np.random.default_rng(seed)
    return np.stack([_others(i, n_series, 2, rng) for i in range(n_series)]), rng


def _others(i: int, n_series: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Different series, none of them i."""
    drawn = rng.choice(n_series - 1, count, replace=False)
    return drawn + (drawn >= i)


def _simulate(
    name: str,
    drift: Callable[[Vector], Vector],
    parents: NDArray[np.int64],
    n_steps: int,
    burn_in: int,
    rng: np.random.Generator,
) -> Dataset:
    whole("n_steps", n_steps, 2)
    whole("burn_in", burn_in, 0)
    P = len(parents)
    X = np.zeros((burn_in + n_steps, P))
    X[1:] = rng.standard_normal((len(X) - 1, P))
    with np.errstate(all="ignore"):
        for t in range(1, len(X)):
            X[t] += drift(X[t - 1])
    truth = np.eye(P, dtype=bool)
    truth[np.arange(P)[:, None], parents] = True
    return Dataset(as_series_table(X[burn_in:].copy()), truth, f"{name} P={P} T={n_steps}")


def _chosen(function: str | Function) -> tuple[str, Function]:
    """The function and what to call it; one that is not ours is checked at each step."""
    if isinstance(function, str) and function in FUNCTIONS:
        return function, FUNCTIONS[function]
    if isinstance(function, str) or not callable(function):
        raise InputError(f"function is {function!r}; expected a function of an array or one of {', '.join(FUNCTIONS)}")
    name = getattr(function, "__name__", type(function).__name__)

    def checked(x: Vector) -> NDArray[Any]:
        values = np.asarray(function(x))
        if values.shape != x.shape or values.dtype.kind not in "biuf":
            raise InputError(
                f"function {name} makes {values.dtype} of shape {values.shape} of a state of shape {x.shape};"
                " expected one real number for each"
            )
        if not np.isfinite(values).all():
            raise InputError(
                f"function {name} gives values that are not finite for series from {x.min():g} to {x.max():g};"
                " use one that is bounded and defined everywhere"
            )
        return values

    return name, checked
