"""Series that have nothing to do with one another, and systems whose lag-1 truth is exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grngc_fast.datasets import Dataset, additive, lorenz96, product, var

Series = NDArray[Any]
BURN_IN = 300


def autoregressions(n_series: int, n_steps: int, seed: int, memory: float | None = None, tails: float = 0.0) -> Series:
    """Independent, of order 1; each of its own memory in [0.2, 0.8] where none is given. `tails`: degrees of freedom of Student's
    t distribution that the innovations have; 0 for normal ones."""
    rng = np.random.default_rng(seed)
    phi = rng.uniform(0.2, 0.8, n_series) if memory is None else np.full(n_series, memory)
    size = (BURN_IN + n_steps, n_series)
    x = rng.standard_t(tails, size) if tails else rng.standard_normal(size)
    for t in range(1, len(x)):
        x[t] += phi * x[t - 1]
    return x[BURN_IN:]


def logistic_maps(n_series: int, n_steps: int, seed: int) -> Series:
    """Uncoupled, chaotic: x <- a x (1 - x), a of each in [3.9, 4]."""
    rng = np.random.default_rng(seed)
    a, x = rng.uniform(3.9, 4.0, n_series), np.empty((BURN_IN + n_steps, n_series))
    x[0] = rng.uniform(0.1, 0.9, n_series)
    for t in range(1, len(x)):
        x[t] = a * x[t - 1] * (1 - x[t - 1])
    return x[BURN_IN:]


def walks(n_series: int, n_steps: int, seed: int) -> Series:
    """Random walks that follow one trend."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n_steps, n_series)).cumsum(0) + 0.2 * np.arange(n_steps)[:, None]


NULL: dict[str, tuple[Callable[[int, int, int], Series], dict[str, Any]]] = {
    "own memories": (autoregressions, {}),
    "memory .95": (lambda p, t, seed: autoregressions(p, t, seed, 0.95), {}),
    "heavy tails": (lambda p, t, seed: autoregressions(p, t, seed, tails=3.0), {}),
    "logistic maps": (logistic_maps, {}),
    "walks with a trend, differenced": (walks, {"difference": 1}),
}
LINKED: dict[str, Callable[[int, int, int], Dataset]] = {
    "VAR": lambda p, t, seed: var(p, t, 1, sparsity=min(0.1, 3 / p), seed=seed),
    "linear": lambda p, t, seed: additive(p, t, lambda x: 0.5 * np.clip(x, -8, 8), seed=seed),
    "tanh": lambda p, t, seed: additive(p, t, "tanh", seed=seed),
    "square": lambda p, t, seed: additive(p, t, "square", seed=seed),
    "product": lambda p, t, seed: product(p, t, seed=seed),
    "Lorenz-96 F=10": lambda p, t, seed: lorenz96(p, t, 10.0, seed=seed),
}
