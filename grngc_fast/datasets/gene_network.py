"""Expression of a gene network after perturbations: short trajectories, few regulators of many genes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..series import as_series_table
from ._options import real, whole
from .dataset import Dataset

Matrix = NDArray[np.float64]

# Steps of integration to a sample; samples that the unperturbed network takes to settle.
SUBSTEPS, SETTLING = 10, 80
# Of the tail of out-degrees with hubs: the Pareto exponent, and what every gene has besides.
TAIL, EVEN = 1.0, 0.3
ACTIVATORS = 0.6
STRENGTH, RATES = (2.0, 5.0), (0.1, 0.5)
# Share of genes that a trajectory perturbs, and the spread of the change of their drive.
PERTURBED, PERTURBATION = 1 / 3, 2.5
DYNAMIC_NOISE = 0.03


def gene_network(
    n_series: int = 100,
    n_steps: int = 21,
    n_trajectories: int = 10,
    *,
    mean_regulators: float = 2.0,
    hubs: bool = True,
    noise: float = 0.05,
    seed: int = 0,
) -> Dataset:
    """Simulate dx_i = r_i (s(b_i + u_i + sum_j w_ij h(x_j)) - x_i) dt + dynamic noise.

    s is the logistic function and h(x) = x^2 / (x^2 + 1/4).

    In the manner of the time series of DREAM4 (Marbach et al. 2010), without its proteins: every trajectory begins where the
    network rests, a third of the genes are driven up or down for its first half, and the drive is taken away for the second.

    Parameters
    ----------
    n_series : P, genes, at least 3.
    n_steps : T, samples of each trajectory.
    n_trajectories : R, with perturbations of their own.
    mean_regulators : of a gene, Poisson-distributed.
    hubs : draw regulators in proportion to weights with a heavy tail, so that few of them have many targets; else evenly.
    noise : standard deviation of the measurement, grown with expression.
    seed : of network, perturbations and noise.

    Returns
    -------
    Dataset with R float64 trajectories (T, P) and a (P, P) truth [effect, cause], its diagonal false: a gene decays, and does not
    regulate itself.

    Raises
    ------
    InputError : an option out of range.

    Examples
    --------
    >>> data = gene_network(n_series=20, n_steps=11, n_trajectories=3)
    >>> len(data.X), data.X[0].shape, data.truth.shape
    (3, (11, 20), (20, 20))
    """
    whole("n_series", n_series, 3)
    whole("n_steps", n_steps, 2)
    whole("n_trajectories", n_trajectories, 1)
    real("mean_regulators", mean_regulators, 0, open_low=True)
    real("noise", noise, 0)
    if not isinstance(hubs, (bool, np.bool_)):
        raise InputError(f"hubs is {hubs!r}; expected True or False")
    rng = np.random.default_rng(seed)
    truth = draw_network(n_series, mean_regulators, bool(hubs), rng)
    series = _measured(expression(truth, n_steps, n_trajectories, rng), noise, rng)
    names = [f"g{i}" for i in range(n_series)]
    name = f"genes P={n_series} T={n_steps} R={n_trajectories}"
    return Dataset(as_series_table(list(series), names=names), truth, name)


def draw_network(n_series: int, mean_regulators: float, hubs: bool, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(P, P) [effect, cause]: Poisson many regulators of each gene, none itself, drawn by weight without replacement."""
    weights = rng.pareto(TAIL, n_series) + EVEN if hubs else np.ones(n_series)
    truth = np.zeros((n_series, n_series), dtype=bool)
    counts = np.minimum(rng.poisson(mean_regulators, n_series), n_series - 1)
    for effect, count in enumerate(counts):
        others = weights * (np.arange(n_series) != effect)
        truth[effect, rng.choice(n_series, count, replace=False, p=others / others.sum())] = True
    return truth


def expression(truth: NDArray[np.bool_], n_steps: int, n_trajectories: int, rng: np.random.Generator) -> Matrix:
    """(R, T, P), Euler-Maruyama."""
    shape = truth.shape
    signs = np.where(rng.random(shape) < ACTIVATORS, 1.0, -1.0)
    weights = truth * signs * rng.uniform(*STRENGTH, shape)
    weights /= np.sqrt(np.maximum(truth.sum(1, keepdims=True), 1))
    # Half of all regulation leaves a gene about where it answers most.
    base = rng.normal(0, 0.5, shape[0]) - 0.5 * weights.sum(1)
    rates = rng.uniform(*RATES, shape[0]) / SUBSTEPS

    def toward(x: Matrix, drive: Matrix | float) -> Matrix:
        active = x * x / (x * x + 0.25)
        found: Matrix = rates * (1 / (1 + np.exp(-(base + drive + active @ weights.T))) - x)
        return found

    x = np.broadcast_to(rng.uniform(0, 1, shape[0]), (n_trajectories, shape[0])).copy()
    for _ in range(SETTLING * SUBSTEPS):
        x += toward(x, 0.0)
    drive = rng.normal(0, PERTURBATION, x.shape) * (rng.random(x.shape) < PERTURBED)
    samples = [x]
    for step in range(1, n_steps):
        for _ in range(SUBSTEPS):
            kick = DYNAMIC_NOISE * np.sqrt(rates * np.maximum(x, 0.01)) * rng.standard_normal(x.shape)
            x = np.maximum(x + toward(x, drive if step <= n_steps // 2 else 0.0) + kick, 0)
        samples.append(x)
    return np.stack(samples, axis=1)


def _measured(expression: Matrix, noise: float, rng: np.random.Generator) -> Matrix:
    found: Matrix = expression + noise * (0.35 + 0.7 * expression) * rng.standard_normal(expression.shape)
    return found
