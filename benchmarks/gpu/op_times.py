"""The op's kernels, its tiled path and the stored product: times, fraction of the product rate, memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ..results import Row
from .cases import LARGEST_STORED, Case, operands, value_and_gradients
from .clock import extra_memory, graphed, seconds
from .op_checks import check_identity


def measure(case: Case, precision: str, rate: float, device: str) -> list[Row]:
    """Rows of one case: the kernels, the tiled path, the stored product; times, fraction of the product rate, memory."""
    given = operands(case, device)
    size = {"P": case.q, "L": 1, "H": case.k, "N": max(1, case.batch) * max(1, case.windows) * case.m}
    name = f"{case.regime} {precision}"
    rivals: dict[str, Callable[[], object]] = {
        "triton": lambda: value_and_gradients(given, backend="triton", precision=precision),
        "tiled": lambda: value_and_gradients(given, backend="tiled", precision=precision),
    }
    with _torch_precision(precision):
        check_identity(name, given, value_and_gradients(given, backend="triton", precision=precision), precision)
        if case.product_bytes * 3 <= LARGEST_STORED:
            stored = lambda: value_and_gradients(given, backend="reference")  # noqa: E731
            rivals["stored"] = stored
            if device == "cuda" and case.leads:
                compiled = torch.compile(_stored)
                rivals["stored, compiled"] = lambda: torch.autograd.grad(compiled(*_four(given)), list(given.values()))
        times = {method: seconds(call, device) for method, call in rivals.items()}
        # Launches from Python bound the small cases; a captured graph shows the kernels themselves.
        replays = {method: graphed(call, device) for method, call in rivals.items()}
        peak = extra_memory(rivals["triton"], given, device)
    rows = []
    for method, taken in times.items():
        label = f"{method}: {name}"
        rows.append(Row(label, **size, metric="time", value=taken * 1e3, unit="ms"))
        rows.append(Row(label, **size, metric="fraction of product rate", value=case.flop / taken / rate, unit="1"))
        replay = replays[method]
        if replay is not None:
            fraction = case.flop / replay / rate
            rows.append(Row(label, **size, metric="time, graph", value=replay * 1e3, unit="ms"))
            rows.append(Row(label, **size, metric="fraction of product rate, graph", value=fraction, unit="1"))
        if method != "triton":
            rows.append(Row(label, **size, metric="time over ours", value=taken / times["triton"], unit="1"))
    if peak is not None:
        rows.append(Row(f"triton: {name}", **size, metric="peak over inputs and gradients", value=peak, unit="1"))
    return rows


def _four(given: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    return given["a"], given["b"], given.get("scale"), given.get("bias")


def _stored(a: Tensor, b: Tensor, scale: Tensor | None, bias: Tensor | None) -> Tensor:
    left = a if scale is None else a * scale[:, None]
    product = left @ b
    return (product if bias is None else product + bias).abs().sum()


@contextmanager
def _torch_precision(precision: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def product_rate(device: str, precision: str, tiny: bool) -> float:
    """Flop per second of one large library product: float32, tf32, or bfloat16 operands."""
    n = 64 if tiny else 8192
    dtype = torch.bfloat16 if precision == "medium" else torch.float32
    a, b = torch.randn(n, n, device=device).to(dtype), torch.randn(n, n, device=device).to(dtype)
    with _torch_precision(precision):
        return 2.0 * n**3 / seconds(lambda: a @ b, device)
