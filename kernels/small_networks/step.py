"""A step of P small networks in closed form, for tiles of them whose buffers stay in cache.

    pre = W1^T z + b1,  g = sigmoid(pre),  a = pre g = silu(pre),  s = g + a (1 - g) = silu'(pre)
    y = b + skip . z + w2 . a,             J = skip + W1 diag(w2) s
    loss = mean_n (y - t)^2 + lam mean_n sum_k |J_nk|

With S = sign(J), r = 2 (y - t) / B and c = lam / B, and silu''(pre) = (1 - g) (2 s - a):

    G = S^T s,   q = S W1,   v = r s + c q silu''(pre)
    dskip = z^T r + c sum S,   dW1 = (z^T v + c G) diag(w2),   db1 = w2 sum v,   dw2 = a^T r + c sum_k (W1 G)_k,   db = sum r

F further inputs may follow the K of z: the linear path alone reads them, unpenalised.

The readout multiplies sums over windows instead of every window, and G gives the readout's gradient too, so that of P B h
numbers ten passes are left beside five products of 2 P B K h flop. Bytes: none that leave the cache but the windows' inputs.
"""

from __future__ import annotations

import math
from dataclasses import fields

import torch
from torch import Tensor
from torch.optim.adam import adam

from .levels import Levels, basis_of
from .networks import Networks

BETAS, EPS = (0.9, 0.99), 1e-8
# Of splines while they are trained: an input is moved by at most 1/16 of its standard deviation.
LEVELS = 64


class TileTrainer:
    """Adam with cosine decay on the losses of a tile of networks; its gradients are those of the module's formulas.

    Parameters
    ----------
    networks : trained in place.
    batch_size : B.
    learning_rate : of the first step.
    n_steps : over which the rate falls to zero.
    masked : whether NaN in the targets count as no error.
    """

    def __init__(
        self, networks: Networks, batch_size: int, learning_rate: float, n_steps: int, masked: bool = False
    ) -> None:
        self.networks, self._rate, self._n_steps, self._taken = networks, learning_rate, n_steps, 0
        self._masked = masked
        given = networks.tensors()
        self._flat = torch.cat([t.reshape(-1) for t in given])
        self.gradient, self._mean, self._square = (torch.zeros_like(self._flat) for _ in range(3))
        self._step = torch.zeros((), dtype=torch.float32, device=self._flat.device)
        sizes = [t.numel() for t in given]
        for field, part in zip(fields(networks), self._flat.split(sizes), strict=True):
            setattr(networks, field.name, part.view(getattr(networks, field.name).shape))
        parts = zip(self.gradient.split(sizes), networks.tensors(), strict=True)
        self.gradients = Networks(*(part.view(t.shape) for part, t in parts))
        p, k, h = networks.encoder.shape
        like = self._flat
        self._pre, self._gate, self._act, self._slope, self._q = (like.new_empty(p, batch_size, h) for _ in range(5))
        self._jacobian, self._weighted, self._g = (
            like.new_empty(p, batch_size, k),
            like.new_empty(p, k, h),
            like.new_empty(p, k, h),
        )
        self._splines: _Splines | None = None
        if networks.splines.shape[2]:
            self._splines = _Splines(networks.splines, batch_size)

    def step(self, z: Tensor, y: Tensor, lam: float | Tensor, levels: Tensor | None = None) -> None:
        """One step on windows z (P, B, K + F) with targets y (P, B); lam of all or (P,); levels as `levels` has them."""
        self.backward(z, y, lam, levels)
        rate = self._rate * (1 + math.cos(math.pi * self._taken / self._n_steps)) / 2
        self._taken += 1
        adam(
            [self._flat],
            [self.gradient],
            [self._mean],
            [self._square],
            [],
            [self._step],
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=rate,
            weight_decay=0.0,
            eps=EPS,
            maximize=False,
        )

    def levels(self, z: Tensor) -> Tensor | None:
        """(P, B, K) where the splines of inputs z (P, B, K + F) are looked up; None without splines."""
        return None if self._splines is None else self._splines.levels(z[..., : self.networks.encoder.shape[1]])

    def backward(self, z: Tensor, y: Tensor, lam: float | Tensor, levels: Tensor | None = None) -> None:
        """Gradients of the losses' sum into `gradients`."""
        own, into = self.networks, self.gradients
        count, k = z.shape[1], own.encoder.shape[1]
        read = z[..., :k]
        c, w2 = torch.as_tensor(lam, dtype=y.dtype, device=y.device).div(count).view(-1, 1, 1), own.readout
        pre, gate, act, slope, q = self._pre, self._gate, self._act, self._slope, self._q
        torch.baddbmm(own.encoder_bias[:, None], read, own.encoder, out=pre)
        torch.sigmoid(pre, out=gate)
        torch.mul(pre, gate, out=act)
        torch.addcmul(gate, act, gate, value=-1, out=slope).add_(act)
        # As rows (P, 1, B): products with a row take a fifth of those with a column.
        r = torch.bmm(own.skip[:, None], z.mT).baddbmm_(w2[:, None], act.mT)
        torch.mul(own.encoder, w2[:, None], out=self._weighted)
        s = torch.baddbmm(own.skip[:, None, :k], slope, self._weighted.mT, out=self._jacobian)
        splines = self._splines
        if splines is not None:
            at = splines.levels(read) if levels is None else levels
            splines.look_up(own.splines, at, r[:, 0], s)
        s.sign_()
        r.add_(own.readout_bias[:, None, None]).sub_(y[:, None]).mul_(2.0 / count)
        if self._masked:
            r.masked_fill_(y.isnan()[:, None], 0.0)
        if splines is not None:
            splines.gradient(at, r[:, 0], s, c, out=into.splines)
        torch.bmm(s, torch.mul(own.encoder, 2 * c, out=self._weighted), out=q)
        torch.bmm(s.mT, slope, out=self._g).mul_(c)
        # silu''(pre) / 2, then v where the slopes were; q and G have their factors c already, q twice.
        torch.sub(slope, act, alpha=0.5, out=pre).addcmul_(pre, gate, value=-1).mul_(q)
        v = slope.mul_(r.mT).add_(pre)
        torch.bmm(r, z, out=into.skip.unsqueeze(1))
        into.skip[:, :k].addcmul_(s.sum(1), c.squeeze(-1))
        torch.bmm(r, act, out=into.readout.unsqueeze(1))
        into.readout.add_((own.encoder * self._g).sum(1))
        torch.sum(v, 1, out=into.encoder_bias).mul_(w2)
        torch.sum(r.squeeze(1), 1, out=into.readout_bias)
        torch.baddbmm(self._g, read.mT, v, out=into.encoder).mul_(w2[:, None])


class _Splines:
    """The splines of a tile of networks by look-up, and their gradient by sums over windows of a level."""

    def __init__(self, splines: Tensor, batch_size: int) -> None:
        p, k, g = splines.shape
        self._levels = Levels.of(basis_of(g), LEVELS, splines.device, splines.dtype)
        m = self._levels.count
        self._values, self._slopes, self._by_value, self._by_slope = (splines.new_empty(p * k, m) for _ in range(4))
        self._found, self._wide = splines.new_empty(p * batch_size * k), splines.new_empty(p, batch_size, k)
        self._offsets = self._levels.offsets(p, k)

    def levels(self, z: Tensor) -> Tensor:
        return (self._levels.index(z) + self._offsets).contiguous()

    def look_up(self, splines: Tensor, at: Tensor, y: Tensor, jacobian: Tensor) -> None:
        """Add values to y (P, B) and slopes to J (P, B, K)."""
        flat = splines.flatten(0, 1)
        torch.mm(flat, self._levels.values, out=self._values)
        torch.mm(flat, self._levels.slopes, out=self._slopes)
        torch.index_select(self._values.view(-1), 0, at.view(-1), out=self._found)
        y.add_(self._found.view(jacobian.shape).sum(2))
        torch.index_select(self._slopes.view(-1), 0, at.view(-1), out=self._found)
        jacobian.add_(self._found.view(jacobian.shape))

    def gradient(self, at: Tensor, r: Tensor, signs: Tensor, c: Tensor, out: Tensor) -> None:
        """sum_n r_n B_g(z_nk) + c sum_n S_nk B'_g(z_nk), for r (P, B) and S (P, B, K)."""
        at = at.view(-1)
        self._by_slope.view(-1).zero_().scatter_add_(0, at, signs.view(-1))
        self._by_slope.view(len(c), -1).mul_(c.view(-1, 1))
        self._wide.copy_(r[..., None])
        self._by_value.view(-1).zero_().scatter_add_(0, at, self._wide.view(-1))
        flat = out.view(-1, out.shape[2])
        torch.mm(self._by_value, self._levels.values.T, out=flat)
        flat.addmm_(self._by_slope, self._levels.slopes.T)
