"""Score tests of every cause of a target on half of the windows, robust to errors of unequal variance.

With functions Phi (N, K) of what the target is known to depend on, Q an orthonormal basis of them, residual e = (1 - Q Q') y and
features W = (1 - Q Q') F of a cause, the scores s = W' e have mean 0 where the cause does not help, and the covariance
M = W' D W, D of e^2 / (1 - h), h the diagonal of Q Q' (White, Econometrica 48, 1980; MacKinnon and White, J. Econometrics 29,
1985, HC2). With R = D Q - Q (Q' D Q) / 2 it is F' D F - (Q' F)' (R' F) - (R' F)' (Q' F): W is never made, and the causes of
several targets are some large products. A cause that Phi reads is tested against the functions of the others: U (J, N) spans
what leaving its own J functions out takes away, and residuals gain U' U of what they are of.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .chances import Scores
from .explained import ROUNDING, Explained, weights
from .inputs import HalfInputs

# A feature of which the condition leaves a smaller share of the variance is no feature.
LEAST_LEFT = 1e-3
# Targets whose functions are columns of one product: of one target's alone it ran at two thirds of the speed.
ALIKE = 8


def scores(half: HalfInputs, targets: Sequence[Explained]) -> Scores:
    """Of all causes: those that the functions read against the other functions."""
    found = _against_all(half, targets)
    for row, target in enumerate(targets):
        if len(target.members):
            at = torch.as_tensor(target.members, device=found.score.device)
            score, covariance, counts = _against_others(half, target, at)
            found.score[:, row, at] = score.T.to(found.score)
            found.covariance[:, :, row, at] = covariance.permute(1, 2, 0).to(found.score)
            found.free[row, at] += counts
    return found


def _against_all(half: HalfInputs, targets: Sequence[Explained]) -> Scores:
    base, n_lags, n_causes = half.base, half.n_lags, half.base.shape[1]
    # (B, T, N), (T, N).
    partners = torch.stack([target.partners for target in targets], 1).to(base)
    residual = torch.stack([target.residual for target in targets]).to(base)
    there = torch.stack([(target.leverage > 0).to(base) for target in targets])
    weight = torch.stack([weights(target.residual, target.leverage) for target in targets]).to(base)

    score = _sums(base, n_lags, residual, partners * residual)
    spread = _sums(base.square(), n_lags, there, partners.square())
    covariance, left = _products(half, partners, weight), torch.empty_like(score)
    for row, (c, h) in enumerate(_on_functions(half, targets, partners.transpose(0, 1), weight)):
        cross = (c.transpose(0, 1) @ h.permute(1, 2, 0)).permute(1, 2, 0)
        covariance[:, :, row] -= cross
        covariance[:, :, row] -= cross.transpose(0, 1)
        left[:, row] = spread[:, row] - c.square().sum(2)
    kept = left > LEAST_LEFT * spread.clamp_min(1e-12)
    score *= kept
    covariance *= kept[:, None]
    covariance *= kept[None]
    free = torch.tensor([[target.n_windows - target.basis.shape[1]] for target in targets], device=base.device)
    return Scores(score, covariance, free.double().repeat(1, n_causes))


def _sums(base: Tensor, n_lags: int, alone: Tensor, with_partners: Tensor) -> Tensor:
    """(M, T, C) over windows, of features (B, C, N) by (T, N), then, for each partner, of lags by its (T, N)."""
    n_base, n_causes, n_windows = base.shape
    n_partners, tile, _ = with_partners.shape
    first = (alone @ base.reshape(-1, n_windows).T).view(tile, n_base, n_causes).transpose(0, 1)
    rest = with_partners.reshape(-1, n_windows) @ base[:n_lags].reshape(-1, n_windows).T
    return torch.cat([first, rest.view(n_partners, tile, n_lags, n_causes).transpose(1, 2).flatten(0, 1)])


def _on_functions(
    half: HalfInputs, targets: Sequence[Explained], partners: Tensor, weight: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Q' F and R' F, (M, C, K), of each target, until the next; `partners` (T, B, N), `weight` (T, N) the diagonal of D."""
    base = half.base
    q_on, r_on = _OnFeatures(half, base.dtype), _OnFeatures(half, _coarse(base))
    for start in range(0, len(targets), ALIKE):
        some = slice(start, start + ALIKE)
        q = [target.basis.to(base) for target in targets[some]]
        r = []
        for basis, d in zip(q, weight[some, :, None], strict=True):
            r.append(d * basis - basis @ (basis.T @ (d * basis)) / 2)
        yield from zip(q_on(q, partners[some]), r_on(r, partners[some]), strict=True)


def _coarse(base: Tensor) -> torch.dtype:
    """Of R' F: it corrects a covariance by what few functions explain of it, and needs no more than three digits."""
    fast = base.device.type == "cpu" and getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return torch.bfloat16 if fast and base.dtype == torch.float32 else base.dtype


class _OnFeatures:
    """Products of features with functions, in memory that is written again: the pages of a new result cost a third of it."""

    def __init__(self, half: HalfInputs, dtype: torch.dtype) -> None:
        self._shape, self._n_lags = half.base.shape[:2], half.n_lags
        self._result_type, self._rows = half.base.dtype, half.base.flatten(0, 1).to(dtype)
        self._held = dict[str, Tensor]()

    def __call__(self, functions: Sequence[Tensor], partners: Tensor) -> Iterator[Tensor]:
        """(M, C, K) of each (N, K), until the next; `partners` (T, B, N)."""
        n_base, n_causes = self._shape
        n_partners, linear = partners.shape[1], self._rows[: self._n_lags * n_causes]
        widths = [one.shape[1] for one in functions]
        multiplied = [(one[:, None] * of.T[:, :, None]).flatten(1) for one, of in zip(functions, partners, strict=True)]
        alone = self._product("alone", self._rows, functions).view(n_base, n_causes, -1).split(widths, 2)
        times = self._product("times", linear, multiplied).view(self._n_lags, n_causes, -1)
        times = times.split([n_partners * width for width in widths], 2)
        for width, by_itself, by_partners in zip(widths, alone, times, strict=True):
            every = self._room("every", self._result_type, n_base + n_partners * self._n_lags, n_causes, width)
            every[:n_base] = by_itself
            every[n_base:].unflatten(0, (n_partners, -1)).copy_(
                by_partners.unflatten(2, (n_partners, -1)).permute(2, 0, 1, 3)
            )
            yield every

    def _product(self, name: str, rows: Tensor, functions: Sequence[Tensor]) -> Tensor:
        columns = torch.cat(list(functions), 1).to(rows.dtype)
        return torch.mm(rows, columns, out=self._room(name, rows.dtype, len(rows), columns.shape[1]))

    def _room(self, name: str, dtype: torch.dtype, *shape: int) -> Tensor:
        count = math.prod(shape)
        if name not in self._held or self._held[name].numel() < count:
            self._held[name] = self._rows.new_empty(count, dtype=dtype)
        return self._held[name][:count].view(shape)


def _products(half: HalfInputs, partners: Tensor, weight: Tensor) -> Tensor:
    """(M, M, T, C) weighted sums over windows of products of two features of a cause."""
    base, n_lags = half.base, half.n_lags
    n_base, n_causes, _ = base.shape
    n_partners, tile, n_windows = partners.shape
    once = weight * partners
    twice = (once[:, None] * partners).flatten(0, 1)
    # Features: lags, curves, then for each partner all lags.
    n_features = n_base + n_partners * n_lags
    result = base.new_zeros(n_features, n_features, tile, n_causes)
    place = [n_base + p * n_lags for p in range(n_partners)]
    for a in range(n_base):
        for b in range(a, n_base):
            # Lags come first: the product of two curves has none with partners.
            among = [weight[None]]
            among += [once] if a < n_lags else []
            among += [twice] if b < n_lags else []
            pair = torch.cat(among).view(-1, n_windows)
            sums = (pair @ (base[a] * base[b]).T).view(-1, tile, n_causes)
            _fill(result, a, b, sums[0])
            for p in range(n_partners if a < n_lags else 0):
                _fill(result, place[p] + a, b, sums[1 + p])
                if b < n_lags:
                    _fill(result, a, place[p] + b, sums[1 + p])
                    for q in range(n_partners):
                        _fill(result, place[p] + a, place[q] + b, sums[1 + n_partners + p * n_partners + q])
    return result


def _fill(covariance: Tensor, a: int, b: int, values: Tensor) -> None:
    covariance[a, b] = values
    covariance[b, a] = values


def _against_others(half: HalfInputs, target: Explained, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scores (n, M) and covariances (n, M, M) of causes that the functions read, and (n,) how many of these are their own."""
    gained, of_target, counts = _left_out(target, at)
    base = half.base[:, at].transpose(0, 1)
    there, basis, gained = (target.leverage > 0).to(base), target.basis.to(base), gained.to(base)
    products = (base[:, None, : half.n_lags] * target.partners.to(base)[None, :, None]).flatten(1, 2)
    features = torch.cat([base, products], 1) * there
    left = features - (features @ basis) @ basis.T + (features @ gained.mT) @ gained
    residual = target.residual.to(base) + (gained.mT @ of_target.to(base)[..., None])[..., 0]
    residual = residual * (residual.square().mean(1, keepdim=True) > ROUNDING**2)
    kept = left.square().sum(2) > LEAST_LEFT * features.square().sum(2).clamp_min(1e-12)
    left = left * kept[..., None]
    weighted = left * weights(residual, target.leverage.to(base) - gained.square().sum(1))[:, None]
    return (left @ residual[..., None])[..., 0], weighted @ left.mT, counts


def _left_out(target: Explained, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(n, J, N) orthonormal rows that the functions of each of n series alone add to the others', zeros where there are fewer.

    Then what the target goes with each, (n, J), from the coefficients: where these are rounding, so it is. And (n,) how many.
    """
    reads = target.reads[:, at].T
    counts = reads.sum(1)
    index = reads.float().topk(int(counts.max()), dim=1).indices
    used = reads.gather(1, index)
    inverse = torch.cholesky_inverse(target.root)
    pairs = inverse[index[:, :, None], index[:, None, :]] * (used[:, :, None] & used[:, None, :])
    pairs.diagonal(dim1=1, dim2=2).add_(~used)
    both = (
        torch.cat([(inverse @ target.functions.T)[index], target.coefficients[index][..., None]], 2) * used[..., None]
    )
    both = torch.linalg.solve_triangular(torch.linalg.cholesky(pairs), both, upper=False)
    return both[..., :-1], both[..., -1], counts.double()
