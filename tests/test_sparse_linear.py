"""The exact start of a fit: many lassos at a time, held against one at a time and against their optimality condition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso
from torch import Tensor

from grngc_fast.training import sparse_linear as module
from grngc_fast.training.sparse_linear import SparseLinear, lam_max, sparse_linear

EXACT = {"tolerance": 1e-7}


def problem(
    n: int, q: int, p: int, *, correlation: float = 0.0, density: float = 0.2, noise: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Inputs (N, Q) that share a common part, and targets (N, P) of some of them, none with mean zero."""
    rng = np.random.default_rng([n, q, p])
    x = correlation**0.5 * rng.standard_normal((n, 1)) + (1 - correlation) ** 0.5 * rng.standard_normal((n, q))
    weight = rng.standard_normal((p, q)) * (rng.random((p, q)) < density)
    y = x @ weight.T + noise * rng.standard_normal((n, p)) + rng.standard_normal(p)
    return torch.tensor(x + 2), torch.tensor(y)


def lassos(x: Tensor, y: Tensor, lam: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights and intercepts, a target at a time, by another library."""
    fits = [Lasso(alpha=lam / 2, tol=1e-12, max_iter=100_000).fit(x.numpy(), target) for target in y.T.numpy()]
    return np.array([f.coef_ for f in fits]), np.array([f.intercept_ for f in fits])


def objective(x: Tensor, y: Tensor, weight: Tensor, intercept: Tensor, lam: float) -> Tensor:
    """(P,)"""
    return (y - x @ weight.T - intercept).square().mean(0) + lam * weight.abs().sum(1)


def violation(x: Tensor, y: Tensor, found: SparseLinear, lam: float) -> float:
    """How far from optimal: (2/N) x_j . r_i is lam sign(w_ij) where w_ij is not zero, and no larger than lam elsewhere."""
    residual = y - x @ found.weight.T - found.intercept
    correlation = 2 * residual.T @ x / len(x)
    active = (correlation - lam * found.weight.sign()).abs()
    idle = (correlation.abs() - lam).clamp_min(0)
    return float(torch.where(found.weight != 0, active, idle).max()) / lam


def calls(monkeypatch: pytest.MonkeyPatch, name: str) -> list[int]:
    """Rows of every call of a function of the module from here on."""
    rows, real = [], getattr(module, name)

    def counted(*arguments):
        rows.append(len(arguments[3] if name == "_accelerate" else arguments[2]))
        return real(*arguments)

    monkeypatch.setattr(module, name, counted)
    return rows


# More windows than inputs and fewer, one input, one target, correlated inputs; lam as a share of the largest one of use.
@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
@pytest.mark.parametrize(
    ("n", "q", "p", "correlation"),
    [(80, 10, 7, 0.0), (40, 70, 5, 0.0), (60, 40, 6, 0.8), (50, 1, 3, 0.0), (30, 2, 1, 0.5)],
)
def test_every_target_is_the_lasso_of_another_library(n, q, p, correlation, share):
    x, y = problem(n, q, p, correlation=correlation)
    lam = share * lam_max(x, y)
    found = sparse_linear(x, y, lam, **EXACT)
    weight, intercept = lassos(x, y, lam)
    np.testing.assert_allclose(found.weight, weight, atol=1e-5)
    np.testing.assert_allclose(found.intercept, intercept, atol=1e-5)
    assert ((found.weight != 0).numpy() == (np.abs(weight) > 1e-9)).all()
    assert violation(x, y, found, lam) < 1e-6


@pytest.mark.parametrize(("n", "q", "share"), [(250, 150, 2e-3), (200, 250, 3e-2)])
def test_many_chosen_inputs_are_found_by_steps_on_all(n, q, share, monkeypatch):
    x, y = problem(n, q, 4, density=1.0)
    lam = share * lam_max(x, y)
    rows = calls(monkeypatch, "_accelerate")
    found = sparse_linear(x, y, lam, tolerance=1e-3)
    assert (found.weight != 0).sum(1).max() > module.MAX_INPUTS
    assert sum(rows) > 0
    assert found.violation <= 1e-3
    # A step of the plain method, by which it is judged, is a bound on it from below.
    assert violation(x, y, found, lam) < 5e-3
    weight, intercept = (torch.tensor(part) for part in lassos(x, y, lam))
    least = objective(x, y, weight, intercept, lam)
    torch.testing.assert_close(objective(x, y, found.weight, found.intercept, lam), least, rtol=1e-5, atol=0)


def test_few_chosen_inputs_need_no_steps_on_all(monkeypatch):
    x, y = problem(200, 300, 20, density=0.02)
    rows = calls(monkeypatch, "_accelerate")
    found = sparse_linear(x, y, 0.1 * lam_max(x, y))
    assert 0 < (found.weight != 0).sum(1).max() < module.MAX_INPUTS
    assert not rows


@pytest.mark.parametrize("correlation", [0.0, 0.9, 0.99])
@pytest.mark.parametrize(("n", "q"), [(400, 60), (60, 400)])
def test_the_violation_is_within_the_tolerance_and_is_the_one_reported(n, q, correlation):
    """Correlated inputs above all: there the moves of a descent grow small long before it is done."""
    x, y = problem(n, q, 10, correlation=correlation)
    for share in (0.3, 0.05):
        lam = share * lam_max(x, y)
        found = sparse_linear(x, y, lam)
        assert found.violation <= 1e-2
        assert violation(x, y, found, lam) == pytest.approx(found.violation, rel=1e-6)


def test_single_precision_is_close_to_double():
    x, y = problem(150, 90, 8, correlation=0.5)
    lam = 0.1 * lam_max(x, y)
    exact, found = sparse_linear(x, y, lam, **EXACT), sparse_linear(x.float(), y.float(), lam, tolerance=1e-4)
    assert found.weight.dtype == found.intercept.dtype == torch.float32
    assert (found.weight.double() - exact.weight).norm() < 1e-3 * exact.weight.norm()


def test_the_largest_lam_is_where_the_first_input_is_chosen():
    x, y = problem(70, 30, 6)
    largest = lam_max(x, y)
    covariance = np.cov(y.T, x.T, bias=True)[:6, 6:]
    assert largest == pytest.approx(2 * np.abs(covariance).max(), rel=1e-12)
    above, below = sparse_linear(x, y, largest * (1 + 1e-12)), sparse_linear(x, y, largest * 0.999, **EXACT)
    assert above.weight.count_nonzero() == 0
    torch.testing.assert_close(above.intercept, y.mean(0))
    assert below.weight.nonzero().tolist() == [[int(i) for i in np.unravel_index(np.abs(covariance).argmax(), (6, 30))]]


def test_the_largest_lam_does_not_depend_on_the_blocks(monkeypatch):
    x, y = problem(70, 30, 7)
    whole = lam_max(x, y)
    monkeypatch.setattr(module, "BLOCK_ELEMENTS", 60)
    assert lam_max(x, y) == pytest.approx(whole, rel=1e-12)


def test_a_constant_input_is_never_chosen():
    x, y = problem(60, 12, 4)
    x[:, 5] = 3.0
    lam = 0.05 * lam_max(x, y)
    found = sparse_linear(x, y, lam, **EXACT)
    assert (found.weight[:, 5] == 0).all()
    assert found.weight.isfinite().all()
    np.testing.assert_allclose(found.weight, lassos(x, y, lam)[0], atol=1e-5)


def test_a_constant_target_has_an_intercept_alone():
    x, y = problem(60, 12, 3)
    y[:, 1] = -4.0
    found = sparse_linear(x, y, 0.05)
    assert found.weight[1].count_nonzero() == 0
    assert found.intercept[1].item() == pytest.approx(-4.0)
    assert found.weight[0].count_nonzero() > 0


@pytest.mark.parametrize("share", [0.2, 0.01])
def test_another_start_ends_at_the_same_weights(share):
    x, y = problem(100, 60, 3, correlation=0.3, density=0.5)
    lam = share * lam_max(x, y)
    cold = sparse_linear(x, y, lam, **EXACT)
    for start in (sparse_linear(x, y, 0.3 * lam).weight, torch.randn(3, 60, dtype=torch.float64)):
        before = start.clone()
        warm = sparse_linear(x, y, lam, start=start, **EXACT)
        assert torch.equal(start, before)
        torch.testing.assert_close(warm.weight, cold.weight, rtol=0, atol=1e-4)
        torch.testing.assert_close(warm.intercept, cold.intercept, rtol=0, atol=1e-3)


def test_the_solution_is_left_where_it_is():
    x, y = problem(100, 30, 5)
    lam = 0.1 * lam_max(x, y)
    solution = sparse_linear(x, y, lam, tolerance=1e-9)
    torch.testing.assert_close(
        sparse_linear(x, y, lam, start=solution.weight).weight, solution.weight, rtol=0, atol=1e-9
    )


@pytest.mark.parametrize(("name", "elements"), [("BLOCK_ELEMENTS", 3 * 40), ("GATHERED_ELEMENTS", 2 * 32 * 90)])
def test_targets_in_several_blocks_are_those_of_one(name, elements, monkeypatch):
    x, y = problem(90, 40, 11)
    lam = 0.05 * lam_max(x, y)
    whole = sparse_linear(x, y, lam, **EXACT)
    monkeypatch.setattr(module, name, elements)
    rows = calls(monkeypatch, "_solve_block" if name == "BLOCK_ELEMENTS" else "_descend")
    parts = sparse_linear(x, y, lam, **EXACT)
    assert len(rows) > 2
    torch.testing.assert_close(parts.weight, whole.weight, rtol=0, atol=1e-6)
    torch.testing.assert_close(parts.intercept, whole.intercept, rtol=0, atol=1e-6)


def test_each_target_is_solved_as_if_it_were_alone():
    """Though those of few inputs are done rounds before those of many, some of which take steps on all inputs."""
    x, y = problem(300, 150, 6, density=0.05)
    y[:, 2:4] += x @ torch.randn(150, 2, dtype=torch.float64)
    lam = 0.01 * lam_max(x, y)
    together = sparse_linear(x, y, lam, **EXACT)
    alone = [sparse_linear(x, target, lam, **EXACT) for target in y.split(1, dim=1)]
    chosen = (together.weight != 0).sum(1)
    assert chosen.min() < module.MAX_INPUTS < chosen.max()
    torch.testing.assert_close(together.weight, torch.cat([a.weight for a in alone]), rtol=0, atol=1e-5)
    assert together.violation == pytest.approx(max(a.violation for a in alone), abs=1e-7)


@pytest.mark.parametrize("lam", [0.0, -1.0, float("nan")])
def test_a_strength_that_gives_no_zeros_is_refused(lam):
    with pytest.raises(ValueError, match=r"lam=.*a sparse solution needs a positive one"):
        sparse_linear(*problem(20, 3, 2), lam)
