"""A stationary sparse vector autoregression: the linear test bed, with the lag of every edge known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from ..series import as_series_table
from ._options import real, whole
from .dataset import Dataset

_DENSE = 300


def var(
    n_series: int = 10,
    n_steps: int = 500,
    n_lags: int = 3,
    *,
    sparsity: float = 0.1,
    noise: float = 1.0,
    burn_in: int = 200,
    seed: int = 0,
    spectral_radius: float = 0.9,
) -> Dataset:
    """Simulate x_t = sum_l A_l x_{t-l} + noise * standard normal, with A_l random and sparse.

    Coefficients are drawn with random sign and size in [0.5, 1], then A_l is scaled by c**l, which scales every
    eigenvalue of the companion matrix by c: its spectral radius, below 1, makes the process stationary.

    Parameters
    ----------
    n_series, n_steps, n_lags : P, T and L.
    sparsity : share of all coefficients that are not zero; each series also depends on itself at lag 1.
    noise : standard deviation of the innovations.
    burn_in : samples discarded at the start.
    seed : of the coefficients and the innovations.
    spectral_radius : of the companion matrix, above 0 and below 1. Above `n_series * n_lags` = 300 it is found
        iteratively, to about a per cent.

    Returns
    -------
    Dataset with one (T, P) float64 trajectory and a (P, P, L) truth [effect, cause, lag], lag index 0 being lag 1.

    Raises
    ------
    InputError : an option out of range.

    Examples
    --------
    >>> data = var(n_series=5, n_steps=50, n_lags=2)
    >>> data.X.shape, data.truth.shape
    ((50, 5), (5, 5, 2))
    """
    coefficients, truth, rng = draw(n_series, n_lags, sparsity, spectral_radius, seed)
    whole("n_steps", n_steps, 2)
    whole("burn_in", burn_in, 0)
    real("noise", noise, 0, open_low=True)
    # columns lag-major, newest first, to meet a history that is kept newest first
    A = sparse.csr_matrix(coefficients.transpose(0, 2, 1).reshape(n_series, -1))
    X = noise * rng.standard_normal((n_lags + burn_in + n_steps, n_series))
    for t in range(n_lags, len(X)):
        X[t] += A @ X[t - n_lags : t][::-1].reshape(-1)
    name = f"VAR P={n_series} T={n_steps} L={n_lags}"
    return Dataset(as_series_table(X[n_lags + burn_in :].copy()), truth, name)


def draw(
    n_series: int, n_lags: int, sparsity: float, spectral_radius: float, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_], np.random.Generator]:
    """The (P, P, L) coefficients [effect, cause, lag], where they are not zero, and the generator to go on with."""
    whole("n_series", n_series, 2)
    whole("n_lags", n_lags, 1)
    whole("seed", seed, 0)
    real("sparsity", sparsity, 0, 1)
    real("spectral_radius", spectral_radius, 0, 1, open_low=True)
    rng = np.random.default_rng(seed)
    shape = (n_series, n_series, n_lags)
    truth = rng.random(shape) < sparsity
    truth[np.arange(n_series), np.arange(n_series), 0] = True
    coefficients = np.where(truth, rng.uniform(0.5, 1.0, shape) * rng.choice((-1.0, 1.0), shape), 0.0)
    c = spectral_radius / companion_radius(coefficients)
    return coefficients * c ** np.arange(1, n_lags + 1), truth, rng


def companion_radius(coefficients: NDArray[np.float64]) -> float:
    """The largest absolute eigenvalue of the companion matrix of (P, P, L) coefficients [effect, cause, lag]."""
    P, _, L = coefficients.shape
    top = coefficients.transpose(0, 2, 1).reshape(P, P * L)
    if P * L <= _DENSE:
        companion = np.vstack((top, np.eye(P * (L - 1), P * L)))
        return float(np.abs(np.linalg.eigvals(companion)).max())
    A = sparse.csr_matrix(top)

    def advance(state: NDArray[Any]) -> NDArray[Any]:
        state = state.reshape(-1)
        return np.concatenate((A @ state, state[: P * (L - 1)]))

    operator = LinearOperator((P * L, P * L), matvec=advance, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(P * L)
    try:
        found = eigs(operator, k=1, ncv=80, tol=1e-2, maxiter=50, v0=start, return_eigenvectors=False)
        return float(np.abs(found).max())
    except ArpackNoConvergence:
        return _growth(operator, start)


def _growth(operator: LinearOperator, state: NDArray[np.float64], warm_up: int = 200, steps: int = 600) -> float:
    """The mean growth per step once the largest eigenvalues dominate."""
    logs = []
    for _ in range(warm_up + steps):
        state = operator @ state
        size = float(np.linalg.norm(state))
        state = state / size
        logs.append(np.log(size))
    return float(np.exp(np.mean(logs[warm_up:])))
