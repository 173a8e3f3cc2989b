"""Rows times the Jacobian of a layer normalisation, with the adjoint written out: two small products in place of a dozen passes.

With y = (z - mean) / sigma of width H and s = factor gain / sigma the rows u of window n become

    u' = (u s) (I - 1 1^T / H - y y^T / H)

a projection that is its own adjoint.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def normalised_rows(
    rows: Tensor, factor: Tensor | None, gain: Tensor | None, z: Tensor, mean: Tensor, inverse_sigma: Tensor
) -> Tensor:
    """rows diag(factor_n gain) d LayerNorm(z_n) / d z_n, (N, R, H), differentiable once.

    Parameters
    ----------
    rows : (R, H) shared by all windows, or (N, R, H).
    factor : (N, H), what the rows are multiplied by before, or None.
    gain : (H,) or None.
    z : (N, H); mean, inverse_sigma : (N, 1), its statistics.
    """
    return cast(Tensor, _NormalisedRows.apply(rows, factor, gain, z, mean.detach(), inverse_sigma.detach()))  # type: ignore[no-untyped-call]


class _NormalisedRows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        factor: Tensor | None,
        gain: Tensor | None,
        z: Tensor,
        mean: Tensor,
        inverse_sigma: Tensor,
    ) -> Tensor:
        # (N, 2, H): the directions that are taken out.
        directions = z.new_ones(len(z), 2, z.shape[1])
        y = torch.mul(z - mean, inverse_sigma, out=directions[:, 1])
        slope = inverse_sigma if gain is None else gain * inverse_sigma
        slope = slope if factor is None else slope * factor
        scaled = rows * slope[:, None]
        along = torch.bmm(scaled, directions.mT)
        ctx.save_for_backward(rows, factor, gain, z, mean, inverse_sigma, y, directions, slope, scaled, along)
        return torch.baddbmm(scaled, along, directions, alpha=-1 / z.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, factor, gain, z, mean, inverse_sigma, y, directions, slope, scaled, along = ctx.saved_tensors
        width = y.shape[1]
        grad_along = torch.bmm(grad, directions.mT)
        grad_scaled = torch.baddbmm(grad, grad_along, directions, alpha=-1 / width)
        grad_slope = (grad_scaled * rows).sum(1)
        grad_rows = grad_scaled.mul_(slope[:, None]) if ctx.needs_input_grad[0] else None
        if grad_rows is not None and rows.dim() == 2:
            grad_rows = grad_rows.sum(0)
        grad_factor = grad_gain = grad_z = None
        if factor is not None and ctx.needs_input_grad[1]:
            grad_factor = grad_slope * (inverse_sigma if gain is None else gain * inverse_sigma)
        unscaled = grad_slope if factor is None else grad_slope * factor
        if gain is not None and ctx.needs_input_grad[2]:
            grad_gain = (inverse_sigma.mT @ unscaled)[0]
        if ctx.needs_input_grad[3]:
            # By y, then through y and 1 / sigma, whose slope is -y / (sigma^2 H).
            grad_y = torch.bmm(grad_along[:, :, 1:].mT, scaled)
            grad_y = grad_y.baddbmm_(along[:, :, 1:].mT, grad, beta=-1 / width, alpha=-1 / width)[:, 0]
            needed, shape = [True, False, False], [width]
            through = torch.ops.aten.native_layer_norm_backward
            grad_z = through(grad_y.contiguous(), z, shape, mean, inverse_sigma, None, None, needed)[0]
            total = (unscaled if gain is None else unscaled * gain).sum(1, keepdim=True)
            grad_z.addcmul_(total * inverse_sigma.square(), y, value=-1 / width)
        return grad_rows, grad_factor, grad_gain, grad_z, None, None
