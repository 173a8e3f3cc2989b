"""Score tests of every cause of a target on half of the windows, robust to errors of unequal variance.

With functions Phi (N, K) of what the target is known to depend on, Q an orthonormal basis of them, residual e = (1 - Q Q') y and
features W = (1 - Q Q') F of a cause, the scores s = W' e have mean 0 where the cause does not help, and the covariance
M = W' D W, D of e^2 / (1 - h), h the diagonal of Q Q' (White, Econometrica 48, 1980; MacKinnon and White, J. Econometrics 29,
1985, HC2). With R = D Q - Q (Q' D Q) / 2 it is F' D F - (Q' F)' (R' F) - (R' F)' (Q' F): W is never made, and the causes of
several targets are some large products. A cause that Phi reads is tested against the functions of the others: U (J, N) spans
what leaving its own J functions out takes away, and residuals gain U' U of what they are of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import special
from torch import Tensor

from .explained import Explained, weights
from .inputs import HalfInputs

# A feature of which the condition leaves a smaller share of the variance is no feature.
LEAST_LEFT = 1e-3
# Added to correlations of features of 1 with themselves; where rounding makes them no correlations, more.
TOGETHER, TOGETHER_IN_DOUBT = 1e-6, 1e-2
# Targets whose functions are columns of one product: of one target's alone it ran at two thirds of the speed.
ALIKE = 8


@dataclass(frozen=True)
class Scores:
    """Of C causes of T targets.

    Attributes
    ----------
    score : (T, C, M) s. covariance : (T, C, M, M) M. free : (T, C) windows less functions.
    """

    score: Tensor
    covariance: Tensor
    free: Tensor

    def __add__(self, other: Scores) -> Scores:
        return Scores(self.score + other.score, self.covariance + other.covariance, self.free + other.free)


def scores(half: HalfInputs, targets: Sequence[Explained]) -> Scores:
    """Of all causes: those that the functions read against the other functions."""
    found = _against_all(half, targets)
    for row, target in enumerate(targets):
        if len(target.members):
            at = torch.as_tensor(target.members, device=found.score.device)
            found.score[row, at], found.covariance[row, at], counts = _against_others(half, target, at)
            found.free[row, at] += counts
    return found


def _against_all(half: HalfInputs, targets: Sequence[Explained]) -> Scores:
    base, n_lags = half.base, half.n_lags
    n_base, n_causes, n_windows = base.shape
    tile, n_partners = len(targets), len(targets[0].partners)
    partners = torch.stack([target.partners for target in targets]).to(base)
    residual = torch.stack([target.residual for target in targets]).to(base)
    rows, linear = base.reshape(-1, n_windows), base[:n_lags].reshape(-1, n_windows)

    alone = (residual @ rows.T).view(tile, n_base, n_causes)
    with_partners = (residual[:, None] * partners).reshape(-1, n_windows) @ linear.T
    score = torch.cat([alone, with_partners.view(tile, n_partners * n_lags, n_causes)], 1)

    there = torch.stack([(target.leverage > 0).to(base) for target in targets])
    weight = torch.stack([weights(target.residual, target.leverage) for target in targets]).to(base)
    covariance, spread = _products(half, partners, weight), _products(half, partners, there, diagonal=True)
    left = torch.empty_like(score)
    for row, (c, h) in enumerate(_on_functions(half, targets, partners, weight)):
        cross = c.transpose(0, 1) @ h.permute(1, 2, 0)
        covariance[row] -= cross + cross.transpose(1, 2)
        left[row] = spread[row] - c.square().sum(2)
    kept = (left > LEAST_LEFT * spread.clamp_min(1e-12)).transpose(1, 2)
    free = torch.tensor([[target.n_windows - target.basis.shape[1]] for target in targets], device=base.device)
    return Scores(
        score.transpose(1, 2).double() * kept,
        covariance.double() * (kept[..., None] & kept[..., None, :]),
        free.double().repeat(1, n_causes),
    )


def _on_functions(
    half: HalfInputs, targets: Sequence[Explained], partners: Tensor, weight: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Q' F and R' F, (M, C, K), of each target; `partners` (T, B, N), `weight` (T, N) the diagonal of D."""
    base, n_lags, n_partners = half.base, half.n_lags, partners.shape[1]
    n_base, n_causes, n_windows = base.shape
    rows, linear = base.reshape(-1, n_windows), base[:n_lags].reshape(-1, n_windows)
    for start in range(0, len(targets), ALIKE):
        both, multiplied = [], []
        for row, target in enumerate(targets[start : start + ALIKE], start):
            basis, d = target.basis.to(base), weight[row, :, None]
            both.append(torch.cat([basis, d * basis - basis @ (basis.T @ (d * basis)) / 2], 1))
            multiplied.append((both[-1][:, None] * partners[row].T[:, :, None]).flatten(1))
        widths = [factor.shape[1] for factor in both]
        alone = (rows @ torch.cat(both, 1)).view(n_base, n_causes, -1).split(widths, 2)
        times = (linear @ torch.cat(multiplied, 1)).view(n_lags, n_causes, -1)
        times = times.split([n_partners * width for width in widths], 2)
        for by_itself, by_partners in zip(alone, times, strict=True):
            by_partners = by_partners.unflatten(2, (n_partners, -1)).permute(2, 0, 1, 3).flatten(0, 1)
            c, h = torch.cat([by_itself, by_partners]).tensor_split(2, 2)
            yield c, h


def _products(half: HalfInputs, partners: Tensor, weight: Tensor, diagonal: bool = False) -> Tensor:
    """(T, C, M, M) weighted sums over windows of products of two features of a cause; of squares alone (T, M, C)."""
    base, n_lags = half.base, half.n_lags
    n_base, n_causes, _ = base.shape
    tile, n_partners, n_windows = partners.shape
    once = weight[:, None] * partners
    twice = (once[:, :, None] * partners[:, None]).view(tile, n_partners**2, n_windows)
    # Features: lags, curves, then for each partner all lags.
    n_features = n_base + n_partners * n_lags
    result = (
        base.new_zeros(tile, n_features, n_causes)
        if diagonal
        else base.new_zeros(tile, n_causes, n_features, n_features)
    )
    place = [n_base + p * n_lags for p in range(n_partners)]
    for a in range(n_base):
        for b in range(a, a + 1) if diagonal else range(a, n_base):
            # Lags come first: the product of two curves has none with partners.
            among = [weight[:, None]]
            among += [once] if a < n_lags else []
            among += [twice] if b < n_lags else []
            pair = torch.cat(among, 1)
            sums = (pair.reshape(-1, n_windows) @ (base[a] * base[b]).T).view(tile, -1, n_causes)
            if diagonal:
                result[:, a] = sums[:, 0]
                if a < n_lags:
                    for p in range(n_partners):
                        result[:, place[p] + a] = sums[:, 1 + n_partners + p * (n_partners + 1)]
                continue
            _fill(result, a, b, sums[:, 0])
            for p in range(n_partners if a < n_lags else 0):
                _fill(result, place[p] + a, b, sums[:, 1 + p])
                if b < n_lags:
                    _fill(result, a, place[p] + b, sums[:, 1 + p])
                    for q in range(n_partners):
                        _fill(result, place[p] + a, place[q] + b, sums[:, 1 + n_partners + p * n_partners + q])
    return result


def _fill(covariance: Tensor, a: int, b: int, values: Tensor) -> None:
    covariance[:, :, a, b] = values
    covariance[:, :, b, a] = values


def _against_others(half: HalfInputs, target: Explained, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scores (n, M) and covariances (n, M, M) of causes that the functions read, and (n,) how many of these are their own."""
    gained, counts = _left_out(target, at)
    base = half.base[:, at].transpose(0, 1)
    there, basis, gained = (target.leverage > 0).to(base), target.basis.to(base), gained.to(base)
    products = (base[:, None, : half.n_lags] * target.partners.to(base)[None, :, None]).flatten(1, 2)
    features = torch.cat([base, products], 1) * there
    left = features - (features @ basis) @ basis.T + (features @ gained.mT) @ gained
    residual = target.residual.to(base) + (gained.mT @ (gained @ target.y.to(base))[..., None])[..., 0]
    kept = left.square().sum(2) > LEAST_LEFT * features.square().sum(2).clamp_min(1e-12)
    left = left * kept[..., None]
    weighted = left * weights(residual, target.leverage.to(base) - gained.square().sum(1))[:, None]
    return (left @ residual[..., None])[..., 0].double(), (weighted @ left.mT).double(), counts


def _left_out(target: Explained, at: Tensor) -> tuple[Tensor, Tensor]:
    """(n, J, N) orthonormal rows that the functions of each of n series alone add to the others', zeros where there are fewer.

    And (n,) how many there are.
    """
    reads = target.reads[:, at].T
    counts = reads.sum(1)
    index = reads.float().topk(int(counts.max()), dim=1).indices
    used = reads.gather(1, index)
    inverse = torch.cholesky_inverse(target.root)
    pairs = inverse[index[:, :, None], index[:, None, :]] * (used[:, :, None] & used[:, None, :])
    pairs.diagonal(dim1=1, dim2=2).add_(~used)
    rows = (inverse @ target.functions.T)[index] * used[..., None]
    return torch.linalg.solve_triangular(torch.linalg.cholesky(pairs), rows, upper=False), counts.double()


def p_values(found: Scores, sizes: Sequence[int]) -> Tensor:
    """(T, C) chance of scores as large, by groups of features, `sizes` of them, each made independent of those before.

    Within a group s' M^-1 s is taken as what it is for normal errors of equal variance, `free` times a beta-distributed number;
    the least p-value of the groups counts (Tippett 1931). 1 where no feature is left.
    """
    spread = found.covariance.diagonal(dim1=-2, dim2=-1).clamp_min(0).sqrt()
    alive = spread > 0
    scale = torch.where(alive, spread, 1.0)
    score = found.score / scale
    correlation = found.covariance / (scale[..., :, None] * scale[..., None, :])
    correlation.diagonal(dim1=-2, dim2=-1).add_(torch.where(alive, TOGETHER, 1.0))
    root, failed = torch.linalg.cholesky_ex(correlation)
    if bool(failed.any()):
        correlation.diagonal(dim1=-2, dim2=-1).add_(TOGETHER_IN_DOUBT * (failed > 0)[..., None])
        root = torch.linalg.cholesky(correlation)
    z = torch.linalg.solve_triangular(root, score[..., None], upper=False)[..., 0]
    logs, groups = torch.zeros_like(found.free), torch.zeros_like(found.free)
    for squares, here in zip(z.square().split(list(sizes), -1), alive.split(list(sizes), -1), strict=True):
        count = here.sum(-1).double()
        of_group = _tail(squares.sum(-1), count, found.free)
        groups += count > 0
        logs = torch.minimum(logs, of_group.clamp_min(1e-300).log())
    least = -torch.expm1(groups * torch.log1p(-logs.exp().clamp_max(1 - 1e-12)))
    return torch.where(groups > 0, least, 1.0)


def _tail(squares: Tensor, count: Tensor, free: Tensor) -> Tensor:
    """Chance that a beta-distributed number of `count` and `free - count` degrees of freedom passes `squares / free`."""
    share = (squares / free).clamp(0, 1 - 1e-12).cpu().numpy()
    within, rest = count.cpu().numpy(), (free - count).clamp_min(1.0).cpu().numpy()
    found = np.where(within > 0, special.betainc(rest / 2, np.maximum(within, 1) / 2, 1 - share), 1.0)
    return torch.as_tensor(found, dtype=squares.dtype, device=squares.device)
