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
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.optim.adam import adam

BETAS, EPS = (0.9, 0.99), 1e-8


@dataclass
class Networks:
    """Parameters of P networks of K inputs and h units.

    Attributes
    ----------
    skip : (P, K + F), F inputs that are not penalised.
    encoder : (P, K, h). encoder_bias : (P, h). readout : (P, h). readout_bias : (P,).
    """

    skip: Tensor
    encoder: Tensor
    encoder_bias: Tensor
    readout: Tensor
    readout_bias: Tensor

    @classmethod
    def drawn(
        cls, n: int, n_inputs: int, n_units: int, generator: torch.Generator, device: torch.device, n_free: int = 0
    ) -> Networks:
        """Fresh weights: no linear path, units of small effect. `n_free`: F."""
        encoder = torch.randn(n, n_inputs, n_units, generator=generator) / math.sqrt(n_inputs)
        readout = 0.1 * torch.randn(n, n_units, generator=generator) / math.sqrt(n_units)
        zeros = torch.zeros(n, n_inputs + n_free), torch.zeros(n, n_units), torch.zeros(n)
        return cls(*(t.to(device) for t in (zeros[0], encoder, zeros[1], readout, zeros[2])))

    def tensors(self) -> list[Tensor]:
        return [getattr(self, field.name) for field in fields(self)]

    def forecast_and_jacobian(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """y (P, B) and J (P, B, K) at z (P, B, K + F)."""
        k = self.encoder.shape[1]
        pre = torch.baddbmm(self.encoder_bias[:, None], z[..., :k], self.encoder)
        gate = torch.sigmoid(pre)
        act = pre.mul_(gate)
        y = torch.bmm(act, self.readout[:, :, None])[..., 0] + torch.bmm(z, self.skip[:, :, None])[..., 0]
        slope = torch.addcmul(gate, act, gate, value=-1).add_(act)
        weighted = self.encoder * self.readout[:, None]
        return y + self.readout_bias[:, None], torch.baddbmm(self.skip[:, None, :k], slope, weighted.mT)


class TileTrainer:
    """Adam with cosine decay on the losses of a tile of networks; its gradients are those of the module's formulas.

    Parameters
    ----------
    networks : trained in place.
    batch_size : B.
    learning_rate : of the first step.
    n_steps : over which the rate falls to zero.
    """

    def __init__(self, networks: Networks, batch_size: int, learning_rate: float, n_steps: int) -> None:
        self.networks, self._rate, self._n_steps, self._taken = networks, learning_rate, n_steps, 0
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

    def step(self, z: Tensor, y: Tensor, lam: float | Tensor) -> None:
        """One step on windows z (P, B, K + F) with targets y (P, B); lam of all or (P,)."""
        self.backward(z, y, lam)
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

    def backward(self, z: Tensor, y: Tensor, lam: float | Tensor) -> None:
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
        r.add_(own.readout_bias[:, None, None]).sub_(y[:, None]).mul_(2.0 / count)
        torch.mul(own.encoder, w2[:, None], out=self._weighted)
        s = torch.baddbmm(own.skip[:, None, :k], slope, self._weighted.mT, out=self._jacobian).sign_()
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
