"""Every kernel of the op against float64, and the identities that hold at any size."""

from __future__ import annotations

import torch
from torch import Tensor

from grngc_fast.kernels import matmul_abs_mean
from grngc_fast.kernels.matmul_l1 import reference

from .. import guard
from .cases import TOLERANCE, Case, operands, value_and_gradients


def cases(device: str, precisions: list[str]) -> list[tuple[Case, str]]:
    """Ragged sizes of every layout, at precisions that compile each kernel."""
    large = ((130, 67, 251), (300, 700, 515))
    if device == "cpu":
        # The interpreter takes a second for what a GPU does in microseconds; wide is what a gradient of the bias takes.
        wanted = [(Case("plain", 18, 260, 20), precisions[0])]
        large = ((18, 20, 33),)
    else:
        wanted = [(Case("plain", m, k, q), precisions[0]) for m, k, q in ((1, 1, 1), (1027, 129, 510))]
    for m, k, q in large:
        for case in (
            Case("plain", m, k, q),
            Case("bias", m, k, q, bias=True),
            Case("scale", m, k, q, windows=3),
            Case("scale and bias", m, k, q, windows=3, bias=True),
            Case("batched", m, k, q, batch=3),
        ):
            # Each combination is another compilation: the third precision in the two layouts that differ most.
            wanted += [(case, p) for p in precisions[: 3 if case.regime in ("plain", "scale") else 2]]
    return wanted


def check_one(case: Case, device: str, precision: str) -> str:
    """Value, gradients and scores; entries whose sign rounding could turn are kept out by the mask, which is tried so too."""
    given = operands(case, device)
    exact = {name: x.detach().double().requires_grad_() for name, x in given.items()}
    smallest = reference.product(**exact).detach().abs()
    while smallest.dim() > 2:
        smallest = smallest.amin(0)
    mask = smallest > 0.02 * case.k**0.5 * (1 if not case.windows else 0.5)
    name = f"{case.regime} {case.m} x {case.k} x {case.q} {precision}"
    if mask.any():
        found = value_and_gradients(given, mask=mask, backend="triton", precision=precision)
        truth = value_and_gradients(exact, mask=mask, backend="reference")
        guard.check(name, found, truth, TOLERANCE[precision])
    plain = {key: x.detach() for key, x in given.items()}
    scores = matmul_abs_mean(**plain, signed=True, backend="triton", precision=precision)
    wanted = matmul_abs_mean(**{k: x.double() for k, x in plain.items()}, signed=True, backend="reference")
    guard.check(f"scores {name}", scores, wanted, TOLERANCE[precision])
    return name


def check_identity(name: str, given: dict[str, Tensor], found: list[Tensor], precision: str) -> None:
    """<x, dx> + <bias, dbias> = value for every side: holds at sizes that no reference reaches."""
    value, *grads = found
    inner = {key: float((x.detach().double() * g).sum()) for (key, x), g in zip(given.items(), grads, strict=True)}
    rest = inner.pop("bias", 0.0)
    sums = [torch.tensor(s + rest) for s in inner.values()]
    guard.check(f"identity {name}", sums, [value.cpu()] * len(sums), TOLERANCE[precision])
