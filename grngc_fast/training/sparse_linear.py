"""The penalised objective restricted to linear forecasters, solved exactly: a lasso for every target, many at a time.

    minimise over w_i:  (1/N) sum_n (y_ni - m_i - w_i . x_n)^2 + lam sum_j |w_ij|

is the loss MSE + (lam / P) sum_ij mean_n |J_ij| of a network whose Jacobian is W, target by target (m: intercepts). It is convex,
and its solution has exact zeros. Each target works on a small set of inputs: cyclic coordinate descent on the Gram matrix of the
set, for a batch of targets at once, then the gradient over all inputs, which admits those that violate the optimality
condition |(2/N) x_j . r_i| <= lam. A round costs 2 N P Q flop for that gradient; the rest grows with the sets, not with Q.
Targets whose sets grow large are finished by accelerated proximal gradient steps on all inputs instead, 4 N P Q flop each.

Where targets are missing (NaN) the mean is over the N_i windows in which target i is known. Missing ones are put where they are
forecast and the rest is solved again, which lowers this loss each time; with all N windows the penalty is lam N_i / N, which a
target divided by N_i / N turns into lam.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from .known import known_mean

# Entries of the gradient over all inputs that are held at a time.
BLOCK_ELEMENTS = 2**22
# Entries of the inputs gathered, and of the Gram matrices, for the sets of a batch of targets.
GATHERED_ELEMENTS = 2**22
# Times as many of both on a GPU, where a batch's many small kernels cost their launches.
CUDA_SHARE = 32
# Inputs that a target starts with, and the most it admits in one round.
FIRST_INPUTS = 32
# Sets above this size cost more than steps on all inputs. One core, 1000 windows: 1000 x 1000 with 107 inputs chosen per target
# 5.6 s by sets of any size, 1.9 s so; 512 x 512 with 185 chosen 10.6 s and 1.6 s.
MAX_INPUTS = 96
MAX_ROUNDS, MAX_SWEEPS, MAX_STEPS, MAX_FILLS = 30, 200, 500, 100
SWEEPS_PER_CHECK, STEPS_PER_CHECK = 4, 10


@dataclass(frozen=True)
class SparseLinear:
    """A sparse linear forecaster.

    Attributes
    ----------
    weight : (P, Q) with exact zeros.
    intercept : (P,)
    violation : the largest excess of |(2/N) x_j . r_i| over lam, relative to lam; 0 is optimal.
    """

    weight: Tensor
    intercept: Tensor
    violation: float

    def forecast(self, x: Tensor) -> Tensor:
        """(N, P) of inputs (N, Q)."""
        return torch.addmm(self.intercept, x, self.weight.T)


def lam_max(x: Tensor, y: Tensor) -> float:
    """The smallest lam at which no linear forecaster from x (N, Q) of y (N, P) beats the mean: 2 max_ij |cov(y_i, x_j)|."""
    x, y = x - x.mean(0), y - known_mean(y, 0)
    missing = y.isnan()
    if bool(missing.any()):
        y = torch.where(missing, 0.0, y) * (len(y) / (~missing).sum(0).clamp_min(1))
    rows = max(1, BLOCK_ELEMENTS // x.shape[1])
    return max(float((part.T @ x).abs().max()) for part in y.split(rows, dim=1)) * 2 / len(x)


def sparse_linear(
    x: Tensor, y: Tensor, lam: float, *, tolerance: float = 1e-2, start: Tensor | None = None, verbose: int = 0
) -> SparseLinear:
    """Solve it for all targets.

    Parameters
    ----------
    x : (N, Q) inputs. y : (N, P) targets, NaN where they are missing.
    lam : positive penalty strength.
    tolerance : relative excess of the optimality condition that is let pass.
    start : (P, Q) weights to start from, such as the solution for another lam.
    verbose : 1 shows a progress bar.

    Beside x, y and the result the memory is that of a block of targets: some twenty arrays of 16 MiB.
    """
    if not lam > 0:
        raise ValueError(f"lam={lam!r}; a sparse solution needs a positive one")
    missing = y.isnan()
    if bool(missing.any()):
        return _with_missing(x, y, missing, lam, tolerance, start, verbose)
    return _complete(x, y, lam, tolerance, start, verbose)


def _with_missing(
    x: Tensor, y: Tensor, missing: Tensor, lam: float, tolerance: float, start: Tensor | None, verbose: int
) -> SparseLinear:
    """Missing targets put where they are forecast, until these forecasts move no gradient by more than the tolerance."""
    share = 1 - missing.to(y.dtype).mean(0)
    # A target that is never known stays at 0.
    share = torch.where(share > 0, share, 1.0)
    y = y.nan_to_num() / share
    filled = x.new_zeros(y.shape) if start is None else (x - x.mean(0)) @ (start.T / share)
    filled += torch.where(missing, 0.0, y - filled).sum(0) / (~missing).sum(0).clamp_min(1)
    weight = None if start is None else start / share[:, None]
    for _ in range(MAX_FILLS):
        found = _complete(x, torch.where(missing, filled, y), lam, tolerance, weight, verbose)
        forecast, weight = found.forecast(x), found.weight
        moved = torch.where(missing, forecast - filled, 0.0)
        excess = float((moved.T @ x).abs().max()) * 2 / (len(x) * lam)
        filled = forecast
        if excess <= tolerance:
            break
    return SparseLinear(found.weight * share[:, None], found.intercept * share, found.violation + excess)


def _complete(x: Tensor, y: Tensor, lam: float, tolerance: float, start: Tensor | None, verbose: int) -> SparseLinear:
    n_inputs, n_targets = x.shape[1], y.shape[1]
    x_mean, y_mean = x.mean(0), y.mean(0)
    x, targets = x - x_mean, (y - y_mean).T.contiguous()
    columns = x.T.contiguous()
    weight = x.new_zeros(n_targets, n_inputs) if start is None else start.clone()
    violation = 0.0
    share = CUDA_SHARE if x.is_cuda else 1
    rows = max(1, share * BLOCK_ELEMENTS // n_inputs)
    with tqdm(total=n_targets, desc="linear start", unit="series", disable=verbose < 1, dynamic_ncols=True) as bar:
        for block in (slice(first, first + rows) for first in range(0, n_targets, rows)):
            violation = max(violation, _solve_block(x, columns, targets[block], weight[block], lam, tolerance))
            bar.update(len(targets[block]))
    return SparseLinear(weight, y_mean - weight @ x_mean, violation)


def _solve_block(x: Tensor, columns: Tensor, y: Tensor, weight: Tensor, lam: float, tolerance: float) -> float:
    """Fill weight (B, Q) for y (B, N); columns (Q, N) is x transposed. Returns the relative violation left."""
    n_windows, n_inputs = x.shape
    rows = torch.arange(len(y), device=x.device)
    gradient = torch.addmm(y, weight, columns, alpha=-1).mm(x).mul_(2 / n_windows)
    size = min(n_inputs, max(FIRST_INPUTS, int((weight != 0).sum(1).max())))
    violation = 0.0
    for _ in range(MAX_ROUNDS):
        if size > MAX_INPUTS:
            break
        own, target = weight[rows], y[rows]
        # What is not zero stays, and the largest gradients fill the set up.
        chosen = gradient.abs_().masked_fill_(own != 0, torch.inf).topk(size, dim=1, sorted=False).indices
        residual = torch.empty_like(target)
        elements = GATHERED_ELEMENTS * (CUDA_SHARE if x.is_cuda else 1)
        batch = max(1, elements // (size * max(size, n_windows)))
        for part in torch.arange(len(rows), device=x.device).split(batch):
            inputs = columns[chosen[part]]
            w = _descend(inputs, target[part], own[part].gather(1, chosen[part]), lam, tolerance)
            own[part] = own[part].scatter_(1, chosen[part], w)
            residual[part] = torch.baddbmm(target[part, None], w[:, None], inputs, alpha=-1)[:, 0]
        weight[rows] = own
        gradient = torch.mm(residual, x, out=gradient).mul_(2 / n_windows)
        # An input that is chosen has to keep to lam, on the side of its weight.
        idle = own == 0
        excess = gradient.sub(own.sign(), alpha=lam).abs_().sub_(idle.to(own.dtype), alpha=lam)
        worst = excess.amax(1)
        unsolved = worst > tolerance * lam
        violation = max(violation, float(worst.masked_fill(unsolved, 0).max()) / lam)
        if not bool(unsolved.any()):
            return violation
        admitted = ((excess > tolerance * lam) & idle).sum(1).clamp(max=FIRST_INPUTS)
        size = min(n_inputs, int(((~idle).sum(1) + admitted)[unsolved].max()))
        rows, gradient = rows[unsolved], gradient[unsolved]
    weight[rows], left = _accelerate(x, columns, y[rows], weight[rows], lam, tolerance)
    return max(violation, left)


def _accelerate(x: Tensor, columns: Tensor, y: Tensor, w: Tensor, lam: float, tolerance: float) -> tuple[Tensor, float]:
    """Proximal gradient steps with momentum from w (B, Q), restarted where the momentum points uphill; and what is violated."""
    scale, curvature = 2 / len(x), _curvature(x, columns)
    point, momentum, violation = w, 1.0, 0.0
    for step in range(1, MAX_STEPS + 1):
        gradient = torch.addmm(y, point, columns, alpha=-1).mm(x).mul_(-scale)
        if step % STEPS_PER_CHECK == 0:
            # A step of the plain method moves by the violation over the curvature.
            stay = F.softshrink(point - gradient / curvature, lam / curvature)
            violation = float((stay - point).abs_().max()) * curvature / lam
            if violation <= tolerance:
                return stay, violation
        new = F.softshrink(gradient.mul_(-1 / curvature).add_(point), lam / curvature)
        moved = new - w
        if float(((point - new) * moved).sum()) > 0:
            momentum = 1.0
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        point, w, momentum = new.add(moved, alpha=(momentum - 1) / following), new, following
    return w, violation


def _curvature(x: Tensor, columns: Tensor) -> float:
    """The largest eigenvalue of (2/N) x^T x, from above."""
    small = x @ columns if len(x) <= x.shape[1] else columns @ x
    return float(torch.linalg.eigvalsh(small)[-1]) * 2 / len(x) * 1.001


def _descend(inputs: Tensor, target: Tensor, w: Tensor, lam: float, tolerance: float) -> Tensor:
    """Coordinate descent from w (B, K) on inputs (B, K, N) and targets (B, N), all B problems side by side."""
    scale = 2 / target.shape[1]
    gram = torch.bmm(inputs, inputs.mT).mul_(scale)
    curvature = gram.diagonal(dim1=1, dim2=2)
    inverse = torch.where(curvature > 0, 1 / curvature, 0.0).T.contiguous()
    gradient = torch.baddbmm(torch.bmm(inputs, target[..., None]).mul_(-scale), gram, w[..., None])[..., 0]
    w = w.T.contiguous()
    for sweep in range(MAX_SWEEPS):
        before = w.clone() if sweep % SWEEPS_PER_CHECK == 0 else None
        for k in range(len(w)):
            old, step = w[k], inverse[k]
            moved = old - gradient[:, k] * step
            new = moved - moved.clamp(-lam * step, lam * step)
            gradient.addcmul_(gram[:, k], (new - old)[:, None])
            w[k] = new
        if before is not None and float(((w - before).abs() * curvature.T).max()) <= 0.1 * tolerance * lam:
            break
    return w.T
