"""One small perceptron for each group of targets with the same candidate causes, batched by size."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor, nn

from ..jacobian import ACTIVATIONS, Block, GroupedFactors
from ..jacobian.grouped import FOLDED_ROWS
from .checks import check_activation, check_inputs

Indices = NDArray[np.intp]


class Group(NamedTuple):
    """Targets that share their candidate causes."""

    targets: Indices
    causes: Indices


def candidate_groups(allowed: csr_array) -> list[Group]:
    """Rows of `allowed` (E, C), sorted indices and no stored zeros, put together where they are the same."""
    rows: dict[bytes, list[int]] = {}
    ends = allowed.indptr
    for i in range(allowed.shape[0]):
        rows.setdefault(allowed.indices[ends[i] : ends[i + 1]].astype(np.intp).tobytes(), []).append(i)
    return [Group(np.array(targets), np.frombuffer(key, dtype=np.intp)) for key, targets in rows.items()]


class GroupedMLP(nn.Module):
    """y_i = readout_i s(W_g x_g + b_g) + bias_i [+ skip_i x_g], x_g the lags of the candidate causes of target i's group g.

    A series outside of x_g is not there for target i: its gradient is zero by construction. Work and parameters grow as
    the number of candidate pairs, not as E x C.

    Groups of near sizes are one batch, each padded to the largest among them by at most a quarter. What is padded reads
    zeros, has no gradient and takes no part in the factors.

    Parameters
    ----------
    n_series : C, the number of series in.
    allowed : (E, C) boolean sparse array, the candidate pairs; no row is empty.
    n_lags : L.
    hidden : width of each group's hidden layer.
    activation : "silu", "tanh", "relu", "gelu" or "softplus".
    skip : add a linear path from x_g to the output, which starts at zero.
    generator : source of the initial weights; default torch's global one.

    Shapes: x (N, L, C), oldest step first, to (N, E).

    Example
    -------
    >>> allowed = csr_array(np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]], dtype=bool))
    >>> GroupedMLP(4, allowed, n_lags=2, hidden=8)(torch.zeros(5, 2, 4)).shape
    torch.Size([5, 3])
    """

    position: Tensor
    bucket_of: Tensor
    group_of: Tensor
    row_of: Tensor

    def __init__(
        self,
        n_series: int,
        allowed: csr_array,
        n_lags: int = 1,
        hidden: int = 128,
        activation: str = "silu",
        skip: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_activation(activation)
        n_targets = allowed.shape[0]
        if min(n_series, n_targets, n_lags, hidden) < 1 or allowed.shape[1] != n_series:
            raise ValueError(
                f"n_series={n_series}, n_lags={n_lags} and hidden={hidden} must be positive and the candidates"
                f" {allowed.shape} have a row for each target and {n_series} columns"
            )
        groups = candidate_groups(allowed)
        if not all(len(g.causes) for g in groups):
            raise ValueError("a target has no candidate cause; leave it out")
        self.n_series, self.n_targets, self.n_lags, self.activation = n_series, n_targets, n_lags, activation
        by_size: dict[tuple[int, int], list[Group]] = {}
        for group in groups:
            by_size.setdefault((_rounded(len(group.targets)), _rounded(len(group.causes))), []).append(group)
        self.buckets = nn.ModuleList(_Bucket(some, n_lags, hidden, skip, generator) for some in by_size.values())
        where = torch.empty(4, n_targets, dtype=torch.long)
        before = 0
        for b, some in enumerate(by_size.values()):
            rows = max(len(group.targets) for group in some)
            for g, group in enumerate(some):
                for r, target in enumerate(group.targets):
                    where[:, target] = torch.tensor([before + g * rows + r, b, g, r])
            before += len(some) * rows
        for name, values in zip(("position", "bucket_of", "group_of", "row_of"), where, strict=True):
            self.register_buffer(name, values)

    def forward(self, x: Tensor) -> Tensor:
        inputs, value = self._inputs(x), ACTIVATIONS[self.activation].value
        parts = [bucket.forecast(inputs, value).transpose(0, 1).flatten(1) for bucket in self._buckets()]
        return torch.cat(parts, 1)[:, self.position]

    def jacobian_factors(self, x: Tensor, targets: Tensor | None = None) -> GroupedFactors:
        """Factors of d forecast / d x at x (N, L, C); rows `targets` or all, only of the groups that have them."""
        inputs, slope = self._inputs(x), ACTIVATIONS[self.activation].slope
        if targets is None:
            targets = torch.arange(self.n_targets, device=x.device)
        bucket_of, group_of, row_of = self.bucket_of[targets], self.group_of[targets], self.row_of[targets]
        blocks = []
        for b, bucket in enumerate(self._buckets()):
            wanted = (bucket_of == b).nonzero().squeeze(1)
            if len(wanted):
                blocks.append(bucket.block(inputs, slope, wanted, group_of[wanted], row_of[wanted]))
        return GroupedFactors(tuple(blocks), len(x), len(targets), self.n_series, self.n_lags)

    def _buckets(self) -> list[_Bucket]:
        return [bucket for bucket in self.buckets if isinstance(bucket, _Bucket)]

    def _inputs(self, x: Tensor) -> Tensor:
        """(N, L, C + 1), most recent step first, the last column zero for what is padded."""
        check_inputs(x, self.n_lags, self.n_series)
        return F.pad(x.flip(1), (0, 1))


class _Bucket(nn.Module):
    """B groups of near sizes: encoders (B, H, L * c), readouts (B, R, H), padded to the most targets R and causes c."""

    columns: Tensor
    present: Tensor

    def __init__(
        self, groups: list[Group], n_lags: int, hidden: int, skip: bool, generator: torch.Generator | None
    ) -> None:
        super().__init__()
        n_groups, self.n_lags = len(groups), n_lags
        n_rows = max(len(group.targets) for group in groups)
        n_causes = max(len(group.causes) for group in groups)
        columns = torch.full((n_groups, n_causes), -1)
        for g, group in enumerate(groups):
            columns[g, : len(group.causes)] = torch.tensor(group.causes)
        self.register_buffer("columns", columns)
        # (B, 1, L * c): which inputs are causes.
        self.register_buffer("present", (columns >= 0).repeat(1, n_lags).unsqueeze(1))
        fan_in = self.present.sum(-1, keepdim=True)
        drawn = torch.randn(n_groups, hidden, n_lags * n_causes, generator=generator)
        self.encoder = nn.Parameter(drawn * self.present / fan_in**0.5)
        self.encoder_bias = nn.Parameter(torch.zeros(n_groups, 1, hidden))
        self.readout = nn.Parameter(torch.randn(n_groups, n_rows, hidden, generator=generator) / hidden**0.5)
        self.readout_bias = nn.Parameter(torch.zeros(n_groups, 1, n_rows))
        self.skip = nn.Parameter(torch.zeros(n_groups, n_rows, n_lags * n_causes)) if skip else None

    def forecast(self, inputs: Tensor, value: Any) -> Tensor:
        """(B, N, R)"""
        x = self._read(inputs, self.columns)
        hidden = value(torch.baddbmm(self.encoder_bias, x, self.encoder.mT))
        result = torch.baddbmm(self.readout_bias, hidden, self.readout.mT)
        return result if self.skip is None else result + torch.bmm(x, self.skip.mT)

    def block(self, inputs: Tensor, slope: Any, wanted: Tensor, group: Tensor, row: Tensor) -> Block:
        """Factors of some targets: `wanted` numbers them, `group` and `row` say where they are."""
        groups, at = _shared(group, self.readout.shape[:2])
        encoder, bias, columns = self.encoder[groups], self.encoder_bias[groups], self.columns[groups]
        z = torch.baddbmm(bias, self._read(inputs, columns), encoder.mT)
        # The place of a target among those of its group.
        order = at.argsort(stable=True)
        counts = torch.bincount(at, minlength=len(groups))
        place = torch.empty_like(at)
        place[order] = torch.arange(len(at), device=at.device) - (counts.cumsum(0) - counts)[at[order]]
        shape, present = (len(groups), int(counts.max())), self.present[groups]
        left = self.readout.new_zeros(*shape, self.readout.shape[2])
        left = left.index_put((at, place), self.readout[group, row])
        skip = None
        if self.skip is not None:
            skip = self.skip.new_zeros(*shape, self.skip.shape[2])
            skip = skip.index_put((at, place), self.skip[group, row]) * present
        rows = torch.full(shape, -1, device=at.device)
        rows[at, place] = wanted
        return Block(left, encoder * present, slope(z).transpose(0, 1), skip, rows, columns)

    def _read(self, inputs: Tensor, columns: Tensor) -> Tensor:
        """(B, N, L * c), lag-major."""
        return inputs[:, :, columns].permute(2, 0, 1, 3).flatten(2)


def _shared(group: Tensor, size: torch.Size) -> tuple[Tensor, Tensor]:
    """Groups to take and which of them each target is in: its own copy where a few of small groups (B, R) are wanted."""
    n_groups, n_rows = size
    if n_rows <= FOLDED_ROWS and len(group) < n_groups:
        return group, torch.arange(len(group), device=group.device)
    groups, at = group.unique(return_inverse=True)
    return groups, at


def _rounded(size: int) -> int:
    """Up to the next of four sizes to an octave: 1 to 8, then 10, 12, 14, 16, 20, ..."""
    step = max(1, 1 << (size.bit_length() - 3)) if size > 8 else 1
    return -(-size // step) * step
