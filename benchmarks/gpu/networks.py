"""Forecasters on a GPU: the penalty and its gradients against float64 on the CPU, then a step against the published loop."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from grngc_fast import gradient_l1
from grngc_fast.models import KAN, LSTM, MLP, TCN, SetMLP
from tests import reference

from .. import guard
from ..results import Row
from .clock import seconds

WINDOWS = 64
# Relative L2 of the penalty and of each gradient; signs of products within rounding of zero may turn.
TOLERANCE = 2e-3

NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "MLP": lambda p: MLP(p, 1, (128,)),
    "MLP, skip": lambda p: MLP(p, 1, (64,), skip=True),
    "MLP, two layers": lambda p: MLP(p, 1, (64, 64)),
    "sets": lambda p: SetMLP(p, 1, 16),
    "KAN": lambda p: KAN(p, 1, (64,)),
    "LSTM": lambda p: LSTM(p, 2, 32),
    "TCN": lambda p: TCN(p, 2, 32),
}


def check_one(name: str, device: str) -> str:
    """Value and gradients of a small network: on the device in float32 against the loop in float64."""
    torch.manual_seed(0)
    model = NETWORKS[name](20)
    for parameter in model.parameters():
        # Paths that start at zero would have every sign undecided.
        parameter.data += 0.1 * torch.randn_like(parameter)
    x = torch.randn(8, model.n_lags, 20)
    double = model.double()
    truth = reference.value_and_gradients(reference.gradient_l1(double, x.double()), double)
    single = model.float().to(device)
    found = reference.value_and_gradients(gradient_l1(single, x.to(device)), single)
    guard.check(f"penalty of {name}", [found[key].cpu() for key in truth], list(truth.values()), TOLERANCE)
    return f"penalty of {name}"


def steps(device: str, sizes: tuple[int, ...]) -> list[Row]:
    """One penalty step, value and parameter gradients: `gradient_l1` against the published loop."""
    rows = []
    for n_series in sizes:
        for name, make in NETWORKS.items():
            model = make(n_series).to(device)
            x = torch.randn(WINDOWS, model.n_lags, n_series, device=device)
            own = list(model.parameters())

            def step(
                penalty: Callable[..., Tensor], model: nn.Module = model, x: Tensor = x, own: list = own
            ) -> object:
                return torch.autograd.grad(penalty(model, x), own, allow_unused=True)

            size = {"P": n_series, "L": model.n_lags, "H": 0, "N": WINDOWS}
            ours = seconds(lambda: step(gradient_l1), device)
            rows.append(Row(f"gradient_l1, {name}", **size, metric="penalty step", value=ours * 1e3, unit="ms"))
            loop = seconds(lambda: step(reference.gradient_l1), device)
            rows.append(Row(f"loop, {name}", **size, metric="time over ours", value=loop / ours, unit="1"))
    return rows
