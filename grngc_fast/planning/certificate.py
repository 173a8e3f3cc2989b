"""What a fit with working sets says of the inputs that it left out."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..models import OwnPast, SetMLP
from ..series import PreparedSeries
from ..training.working_sets import SetData
from ..training.working_sets.certificate import violations
from ..training.working_sets.tile import without

# Targets looked at, evenly spaced.
TARGETS = 64


@torch.no_grad()
def left_out(network: nn.Module, data: PreparedSeries, lam: float) -> dict[str, Any]:
    """For the metadata: "left_out" of networks of working sets, nothing of others.

    By how much the condition that an input outside of a set stays out is violated at most (`violations`), over some targets: by
    the linear path, and by the units, of which the median over targets too. 1 and less is no violation.
    """
    own = network.network if isinstance(network, OwnPast) else network
    if not isinstance(own, SetMLP) or not lam > 0:
        return {}
    read, windows = SetData.of(data.windows, data.edges), data.windows
    targets = torch.linspace(0, own.n_targets - 1, min(TARGETS, own.n_targets), device=own.columns.device).long()
    residual = torch.cat([network(x)[:, targets].T for x in windows.batches()], 1) - read.y[targets]
    if read.known is not None:
        known = read.known[targets]
        residual = torch.where(known, residual, 0.0) / known.to(residual.dtype).mean(1, keepdim=True)
    outside = without(read.allowed(targets), own.columns[targets])
    inputs = read.columns[: read.n_inputs]
    quotients = []
    # One target at a time: slopes of all windows.
    for i, target in enumerate(targets.split(1)):
        slopes = own.slopes(read.read(target, own.columns[target]), target)
        quotients.append(violations(inputs, outside[i : i + 1], residual[i : i + 1], slopes, lam))
    linear, units = (torch.cat(part) for part in zip(*quotients, strict=True))
    found = {"linear": linear.max(), "units": units.max(), "units_median": units.median()}
    return {"left_out": {"targets": len(targets), **{name: round(float(value), 4) for name, value in found.items()}}}
