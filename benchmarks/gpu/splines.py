"""The spline kernels on a GPU: slopes and their gradients against float64, then against the torch path."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from grngc_fast.kernels.spline import Basis, spline_slopes

from .. import guard
from ..results import Row
from .clock import extra_memory, seconds

TOLERANCE = 1e-5


def operands(size: tuple[int, int, int], basis: Basis, device: str) -> dict[str, Tensor]:
    """x (N, I) and weights (O, I, G)."""
    n, n_in, n_out = size
    generator = torch.Generator().manual_seed(0)
    x = 1.2 * torch.rand((n, n_in), generator=generator) - 0.6
    weights = torch.randn((n_out, n_in, basis.n_functions), generator=generator)
    return {"x": x.to(device).requires_grad_(), "weights": weights.to(device).requires_grad_()}


def slopes_and_gradients(given: dict[str, Tensor], basis: Basis, backend: str) -> list[Tensor]:
    found = spline_slopes(**given, basis=basis, backend=backend)
    return [found.detach(), *torch.autograd.grad(found, list(given.values()), torch.ones_like(found))]


def check_one(size: tuple[int, int, int], order: int, device: str) -> str:
    name = f"splines of order {order}, {size[0]} x {size[1]} x {size[2]}"
    basis = Basis(order=order, base="silu")
    given = operands(size, basis, device)
    exact = {key: x.detach().double().cpu().requires_grad_() for key, x in given.items()}
    found = [x.cpu() for x in slopes_and_gradients(given, basis, "triton")]
    guard.check(name, found, slopes_and_gradients(exact, basis, "torch"), TOLERANCE)
    return name


def times(device: str, sizes: tuple[tuple[int, int, int], ...]) -> list[Row]:
    rows = []
    basis = Basis(base="silu")
    for n, n_in, n_out in sizes:
        given = operands((n, n_in, n_out), basis, device)
        size = {"P": n_in, "L": 1, "H": n_out, "N": n}
        calls = {b: partial(slopes_and_gradients, given, basis, b) for b in ("triton", "torch")}
        taken = {backend: seconds(call, device) for backend, call in calls.items()}
        # Slopes written once, read once for each of the two gradients; weights are small beside them.
        least = 3 * 4.0 * n * n_in * n_out / 4e12
        rows.append(Row("spline slopes, triton", **size, metric="time", value=taken["triton"] * 1e3, unit="ms"))
        rows.append(Row("spline slopes, floor at 4 TB/s", **size, metric="time", value=least * 1e3, unit="ms"))
        over = taken["torch"] / taken["triton"]
        rows.append(Row("spline slopes, torch", **size, metric="time over ours", value=over, unit="1"))
        peak = extra_memory(calls["triton"], given, device)
        if peak is not None:
            rows.append(
                Row("spline slopes, triton", **size, metric="peak over inputs and gradients", value=peak, unit="1")
            )
    return rows
