"""The Lorenz-96 system, the field's non-linear test bed: every series has the same four causes, at any size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..series import as_series_table
from ._options import real, whole
from .dataset import Dataset


def lorenz96(
    n_series: int = 20,
    n_steps: int = 500,
    forcing: float = 10.0,
    *,
    dt: float = 0.1,
    noise: float = 0.1,
    burn_in: int = 1000,
    substeps: int | None = None,
    seed: int = 0,
) -> Dataset:
    """Simulate dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F, indices modulo P (Lorenz 1996).

    Integrated by the classical Runge-Kutta rule from F + 0.01 standard normal; the causes of i are i-2, i-1, i and i+1.

    Parameters
    ----------
    n_series : P, at least 4.
    n_steps : T, samples kept.
    forcing : F; chaotic from about 8.
    dt : time between samples.
    noise : standard deviation of the observation noise, which does not enter the dynamics.
    burn_in : samples discarded at the start.
    substeps : Runge-Kutta steps per sample; None for 0.4 F of them, at least 4: the state moves the faster the larger F.
    seed : of the initial state and the noise.

    Returns
    -------
    Dataset with one (T, P) float64 trajectory and a (P, P) truth [effect, cause], diagonal true. The truth is of the equations:
    at F = 40 the state a sample later depends more on i-3, by way of i-2 and i-1, than on i+1, which is a cause.

    Raises
    ------
    InputError : an option out of range, or steps so long that the integration diverges.

    Examples
    --------
    >>> data = lorenz96(n_series=10, n_steps=50)
    >>> data.X.shape, int(data.truth.sum(axis=1)[0])
    ((50, 10), 4)
    """
    whole("n_series", n_series, 4)
    whole("n_steps", n_steps, 2)
    whole("burn_in", burn_in, 0)
    whole("seed", seed, 0)
    real("forcing", forcing, -np.inf)
    real("dt", dt, 0, open_low=True)
    if substeps is None:
        if abs(forcing) > 10_000:
            raise InputError(
                f"forcing={forcing:g} moves the state too fast to integrate; use one below 10000, or give substeps"
            )
        substeps = max(4, int(np.ceil(0.4 * abs(forcing))))
    whole("substeps", substeps, 1)
    real("noise", noise, 0)
    rng = np.random.default_rng(seed)
    x = forcing + 0.01 * rng.standard_normal(n_series)
    X = np.empty((n_steps, n_series))
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(-burn_in, n_steps):
            if step >= 0:
                X[step] = x
            for _ in range(substeps):
                x = _runge_kutta(x, forcing, dt / substeps)
    if not np.isfinite(X).all():
        raise InputError(
            f"the integration diverged with dt={dt:g} and substeps={substeps}; use more substeps or a smaller dt"
        )
    X += noise * rng.standard_normal(X.shape)
    effects = np.arange(n_series)
    truth = np.zeros((n_series, n_series), dtype=bool)
    for shift in (-2, -1, 0, 1):
        truth[effects, (effects + shift) % n_series] = True
    return Dataset(as_series_table(X), truth, f"Lorenz-96 P={n_series} T={n_steps} F={forcing:g}")


def derivative(x: NDArray[np.float64], forcing: float) -> NDArray[np.float64]:
    """The right-hand side at the state x, (P,)."""
    ring = np.concatenate((x[-2:], x, x[:1]))
    result: NDArray[np.float64] = (ring[3:] - ring[:-3]) * ring[1:-2] - x + forcing
    return result


def _runge_kutta(x: NDArray[np.float64], forcing: float, h: float) -> NDArray[np.float64]:
    k1 = derivative(x, forcing)
    k2 = derivative(x + h / 2 * k1, forcing)
    k3 = derivative(x + h / 2 * k2, forcing)
    k4 = derivative(x + h * k3, forcing)
    result: NDArray[np.float64] = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return result
