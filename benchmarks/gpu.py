"""The op on a GPU: every kernel against float64, then its rate, its rivals and its memory, in one run of minutes.

    python -m benchmarks gpu --out benchmarks/results

Correct first: ragged shapes of every layout against float64, and at full size the identities <a, da> = <b, db> = value.
Then, for each regime and precision: value and both gradients by the kernels, by the tiled path on the same GPU, and by
torch with the product stored (eager and compiled); the rate of one large product at the same precision; peak memory over
inputs plus gradients. Last a penalty step against the published loop. Flops are counted as 6 N M Q K, whatever a path
spends. Writes gpu-<device>.json with device and versions. Where there is no GPU, `--tiny` runs every line on the CPU, the
kernels in Triton's interpreter (TRITON_INTERPRET=1), at sizes that prove nothing about speed.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from grngc_fast import gradient_l1
from grngc_fast.kernels import PRECISIONS, matmul_abs_mean, matmul_l1
from grngc_fast.models import MLP
from tests import reference

from . import guard
from .results import Row, circumstances


@dataclass(frozen=True)
class Case:
    """A regime at one size: `batch` elements, `windows` of a diagonal middle (0: none), a bias or not."""

    regime: str
    m: int
    k: int
    q: int
    batch: int = 0
    windows: int = 0
    bias: bool = False
    # One that stands for its regime runs at every precision and against the compiled rival: compiling is most of the time.
    leads: bool = False

    @property
    def flop(self) -> float:
        return 6.0 * max(1, self.batch) * max(1, self.windows) * self.m * self.k * self.q

    @property
    def product_bytes(self) -> int:
        return 4 * max(1, self.batch) * max(1, self.windows) * self.m * max(self.q, self.k if self.windows else 0)


CASES = (
    Case("narrow", 32000, 64, 5000),
    Case("narrow", 32000, 128, 5000, leads=True),
    Case("narrow", 32000, 256, 5000),
    Case("wide", 256, 2048, 5000, leads=True),
    Case("wide", 2000, 1024, 5000),
    Case("middle", 1000, 128, 1000, windows=64, leads=True),
    Case("middle", 1000, 1024, 1000, windows=64),
    Case("middle and bias", 256, 128, 5000, windows=8, bias=True),
    Case("middle and bias", 256, 128, 20000, windows=1, bias=True),
    Case("batched", 500, 64, 500, batch=64),
    Case("batched", 100, 512, 100, batch=64),
    Case("small", 20, 128, 20, windows=64),
)
TINY = (
    Case("narrow", 70, 20, 50, leads=True),
    Case("middle", 20, 20, 20, windows=2),
    Case("middle and bias", 20, 20, 40, windows=2, bias=True),
    Case("batched", 20, 10, 20, batch=3),
)
# Relative L2 away from sign flips, as the documentation of precision promises.
TOLERANCE = {"highest": 2e-5, "high": 1e-3, "medium": 1e-2}
# A product of more bytes is not stored for comparison.
LARGEST_STORED = 24 * 2**30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results"), help="folder for the JSON (%(default)s)"
    )
    parser.add_argument("--minutes", type=float, default=8.0, help="begin no case after this many (%(default)s)")
    parser.add_argument("--tiny", action="store_true", help="every line on the CPU, in the interpreter, at tiny sizes")
    parser.add_argument("--precision", choices=PRECISIONS, action="append", help="only these (default: all)")
    parser.add_argument("--tune", action="store_true", help="time the candidate configurations first, and use the best")


def run(args: argparse.Namespace) -> list[Row]:
    device = "cuda" if torch.cuda.is_available() and not args.tiny else "cpu"
    if device == "cpu" and not args.tiny:
        raise SystemExit("no CUDA or ROCm device here. `--tiny` runs every line on the CPU, for its correctness alone")
    deadline = time.monotonic() + 60 * args.minutes
    precisions = args.precision or list(PRECISIONS)
    report: dict[str, object] = {"circumstances": asdict(circumstances()), "correct": check_all(device, precisions)}
    print(f"correct: {len(report['correct'])} checks passed", flush=True)  # type: ignore[arg-type]
    if args.tune:
        from grngc_fast.kernels.matmul_l1.gpu import tuning

        report["tuned"] = tuning.tune(device=device, seconds=max(1.0, (deadline - time.monotonic()) / 3))
    rates = {p: product_rate(device, p, args.tiny) for p in precisions}
    report["product rate"] = rates
    print("one large product, TFLOP/s: " + ", ".join(f"{p} {r / 1e12:.3g}" for p, r in rates.items()), flush=True)
    rows = [Row(f"product {p}", 0, 0, 0, 0, "rate", r / 1e12, "TFLOP/s") for p, r in rates.items()]
    for case in TINY if args.tiny else CASES:
        for precision in precisions if case.leads else [p for p in precisions if p == "high"] or precisions[:1]:
            if time.monotonic() > deadline:
                print(f"left out for want of time: {case} {precision}")
                continue
            rows += measure(case, precision, rates[precision], device)
            print(f"{case} {precision}: done", flush=True)
    rows += penalty_steps(device, (12,) if args.tiny else (100, 500))
    report["rows"] = [asdict(row) for row in rows]
    args.out.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", (torch.cuda.get_device_name() if device == "cuda" else "tiny").lower())
    path = args.out / f"gpu-{name}.json"
    path.write_text(json.dumps(report, indent=1))
    print(f"wrote {path}")
    return rows


def operands(case: Case, device: str, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    generator = torch.Generator(device).manual_seed(0)
    batch = (case.batch,) if case.batch else ()
    shapes = {"a": (*batch, case.m, case.k), "b": (*batch, case.k, case.q)}
    if case.windows:
        shapes["scale"] = (case.windows, case.k)
    if case.bias:
        shapes["bias"] = (case.m, case.q)
    return {
        name: torch.randn(shape, generator=generator, device=device, dtype=dtype).requires_grad_()
        for name, shape in shapes.items()
    }


def value_and_gradients(given: dict[str, Tensor], **options: object) -> list[Tensor]:
    value = matmul_l1(**given, reduction="sum", **options)  # type: ignore[arg-type]
    return [value.detach(), *torch.autograd.grad(value, list(given.values()))]


def check_all(device: str, precisions: list[str]) -> list[str]:
    """Ragged sizes of every layout against float64 away from sign flips, masks, scores; raises at the first that is wrong."""
    passed = []
    large = ((130, 67, 251), (300, 700, 515))
    if device == "cpu":
        # The interpreter takes a second for what a GPU does in microseconds; wide is what a gradient of the bias takes.
        passed += [check_one(Case("plain", 18, 260, 20), device, precisions[0])]
        large = ((18, 20, 33),)
    else:
        for m, k, q in ((1, 1, 1), (1027, 129, 510)):
            passed += [check_one(Case("plain", m, k, q), device, precisions[0])]
    for m, k, q in large:
        for case in (
            Case("plain", m, k, q),
            Case("bias", m, k, q, bias=True),
            Case("scale", m, k, q, windows=3),
            Case("scale and bias", m, k, q, windows=3, bias=True),
            Case("batched", m, k, q, batch=3),
        ):
            # Each combination is another compilation: the third precision in the two layouts that differ most.
            passed += [check_one(case, device, p) for p in precisions[: 3 if case.regime in ("plain", "scale") else 2]]
    return passed


def check_one(case: Case, device: str, precision: str) -> str:
    """Value, gradients and scores; entries whose sign rounding could turn are kept out by the mask, which is tried so too."""
    given = operands(case, device)
    exact = {name: x.detach().double().requires_grad_() for name, x in given.items()}
    from grngc_fast.kernels.matmul_l1 import reference as definition

    smallest = definition.product(**exact).detach().abs()
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


def seconds(call: Callable[[], object], device: str) -> float:
    """Median of calls between device events, after two to warm up and compile; at least five, half a second of them at most."""
    for _ in range(2):
        call()
    if device == "cpu":
        return guard.timed(call, repeats=2, warmup=0).median
    taken: list[float] = []
    begun = time.monotonic()
    while len(taken) < 5 or (time.monotonic() - begun < 0.5 and len(taken) < 50):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        end.synchronize()
        taken.append(start.elapsed_time(end) / 1e3)
    return statistics.median(taken)


def graphed(call: Callable[[], object], device: str) -> float | None:
    """Median seconds of replays of the call captured in a CUDA graph; None on a CPU or where torch cannot capture it."""
    if device == "cpu":
        return None
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            kept = call()
    except RuntimeError as error:
        print(f"not captured: {error!s:.120}")
        torch.cuda.synchronize()
        return None
    taken = seconds(graph.replay, device)
    del kept
    return taken


def extra_memory(call: Callable[[], object], given: dict[str, Tensor], device: str) -> float | None:
    """Peak allocated during a call over the bytes of inputs and gradients."""
    if device == "cpu":
        return None
    call()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    own = sum(x.numel() * x.element_size() for x in given.values())
    return (torch.cuda.max_memory_allocated() - before + own) / (2 * own)


def penalty_steps(device: str, sizes: tuple[int, ...]) -> list[Row]:
    """One penalty step of a network, value and parameter gradients: `gradient_l1` against the published loop."""
    rows = []
    for n_series in sizes:
        model = MLP(n_series, 1, (128,)).to(device)
        x = torch.randn(64, 1, n_series, device=device)
        parameters = list(model.parameters())

        def step(penalty: Callable[..., Tensor], model: MLP = model, x: Tensor = x, own: list = parameters) -> object:
            return torch.autograd.grad(penalty(model, x), own, allow_unused=True)

        ours, loop = (seconds(lambda p=p: step(p), device) for p in (gradient_l1, reference.gradient_l1))
        size = {"P": n_series, "L": 1, "H": 128, "N": 64}
        rows.append(Row("gradient_l1", **size, metric="penalty step", value=ours * 1e3, unit="ms"))
        rows.append(Row("loop", **size, metric="time over ours", value=loop / ours, unit="1"))
    return rows
