"""Numbers in the sentences of the Markdown files, each of recorded rows, and the search for figures that are of none.

A number stands between `<!-- number NAME -->` and `<!-- / -->`, which no reader sees; `NUMBERS` says what it is. A figure is a
number with a unit of time or memory, so many times as much, or an area of three digits and more. Settings stand in code or have
no unit; what others measured stands in a sentence that says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from functools import partial

from .recorded import GPU, Figure, Recorded, of_gpu, quality, seconds, share, times

NUMBER = re.compile(r"(<!-- number ([\w-]+) -->)(.*?)(<!-- / -->)", re.S)
FIGURE = re.compile(
    r"(?<![\w.])\d*\.\d{3,4}(?!\d)"
    r"|(?<![\w.])\d[\d.,]*\s?(?:ms|s|min|h|KiB|MiB|GiB)(?!\w)"
    r"|(?<![\w.])\d[\d.,]*(?:x(?!\w)|\stimes)"
)
# Of a sentence that cites.
SOURCES = re.compile(r"\b(?:arXiv|paper|papers|[Pp]ublished on|reports|official code)\b")
_HIDDEN = (
    re.compile(r"^```.*?^```", re.S | re.M),
    re.compile(r"<!-- table .*?<!-- end -->", re.S),
    NUMBER,
    re.compile(r"^\|.*$", re.M),
    re.compile(r"`[^`]*`"),
    re.compile(r"\]\([^)]*\)"),
)
_SENTENCES = re.compile(r"(?<=[.!?:])\s+(?=[A-Z*`\[(])|\n\s*\n")


def with_numbers(text: str, recorded: Recorded) -> str:
    """The text with every number drawn anew.

    Raises
    ------
    ValueError : a number that there is none of, or whose rows were not recorded.
    """

    def drawn(match: re.Match[str]) -> str:
        if match[2] not in NUMBERS:
            raise ValueError(f"there is no number {match[2]!r}; see benchmarks/numbers.py")
        found = NUMBERS[match[2]](recorded)
        if not found:
            raise ValueError(f"number {match[2]!r}: its rows were not recorded")
        return match[1] + found + match[4]

    return NUMBER.sub(drawn, text)


def unmarked(text: str) -> list[str]:
    """Sentences with a figure that is of no rows and of no source, each as `figure: sentence`."""
    for hidden in _HIDDEN:
        # Paragraphs stay apart.
        text = hidden.sub("", text)
    found = []
    for sentence in _SENTENCES.split(text):
        figure = FIGURE.search(sentence)
        if figure and not SOURCES.search(sentence):
            found.append(f"{figure[0]}: {' '.join(sentence.split())}")
    return found


def _quality(method: str, P: int, N: int | None, recorded: Recorded) -> str:
    return quality(recorded, method, P, N)


def _seconds(method: str, metric: str, P: int, N: int | None, recorded: Recorded) -> str:
    return seconds(recorded.get(method, metric, P, N))


def _gpu_seconds(device: str, P: int, recorded: Recorded) -> str:
    return seconds(of_gpu().get(f"GRNGC mlp on {device}, Lorenz-96 F=10", "total", P, 999))


def _gpu_steps(recorded: Recorded) -> str:
    kinds = ("MLP", "MLP, skip", "MLP, two layers", "KAN", "LSTM", "TCN")
    first = of_gpu(f"{GPU}-first")
    found = [
        first.get(f"gradient_l1, {kind}", "penalty step", P, 64, L)
        for kind in kinds
        for P in (100, 500)
        for L in (1, 2)
    ]
    return _range([figure.value for figure in found if figure is not None], "{:.0f}") + " ms"


def _genes(method: str, metrics: tuple[str, ...], recorded: Recorded) -> str:
    """Mean of the five networks of ten genes."""
    means = []
    for metric in metrics:
        found = [recorded.get(f"{method}, DREAM4 size 10 net {k}", metric, 10, 100) for k in range(1, 6)]
        if None in found:
            return ""
        means.append(sum(figure.value for figure in found if figure is not None) / 5)
    return " / ".join(share(mean, 3) for mean in means)


def _times(method: str, P: int, N: int, recorded: Recorded) -> str:
    return times(recorded.get(method, "time over ours", P, N)).replace("x", " times")


def _kinds(rival: str, recorded: Recorded) -> str:
    """The least and the most of all architectures at 100 series and 64 windows."""
    from .models import KINDS

    found = [recorded.get(f"{kind.name}: {rival}", "time over ours", 100, 64, kind.lags) for kind in KINDS]
    return _range([figure.value for figure in found if figure is not None], "{:.2g}") + " times"


def _rates(recorded: Recorded) -> str:
    found = [recorded.of_width("matmul_l1", "fraction of sgemm", 5000, 32_000, H) for H in (64, 128, 256)]
    if None in found:
        return ""
    first, second, third = (f"{figure.value:.1f}" for figure in found if figure is not None)
    return f"{first}, {second} and {third}"


def _extra(recorded: Recorded) -> str:
    found = [recorded.of_width("matmul_l1", "memory", 5000, 32_000, H) for H in (64, 128, 256)]
    return _range([figure.value for figure in found if figure is not None], "{:.0f}") + " MiB"


def _product(recorded: Recorded) -> str:
    figure = recorded.of_width("matmul_l1", "product", 5000, 32_000, 64)
    return "" if figure is None else f"{figure.value:.0f} MiB"


def _race(method: str, system: str, P: int, recorded: Recorded) -> str:
    """Seconds until AUROC and AUPRC have passed .95, or until the method was stopped."""
    taken = recorded.passed(f"{method}, {system}", P)
    if taken is None or math.isinf(taken):
        return seconds(recorded.get(f"{method}, {system}", "stopped at", P))
    return seconds(Figure(taken, False))


def _forest(recorded: Recorded) -> str:
    return seconds(recorded.get("forest, sine", "seconds", 20, 999))


def _tests_cost(recorded: Recorded) -> str:
    """Of p-values of Lorenz-96 at 1000 series, in fits."""
    label = "significance ours, cost, Lorenz-96 F={}"
    found = [recorded.get(label.format(forcing), "fits", 1000, 999) for forcing in (10, 40)]
    return (
        ""
        if None in found
        else " and ".join(f"{figure.value:.1f}" for figure in found if figure is not None) + " times"
    )


def _resampled(what: str, recorded: Recorded) -> str:
    return seconds(recorded.get("stability, Lorenz-96 F=10", what, 20, 999))


def _less_memory(recorded: Recorded) -> str:
    """Of the loop of a perceptron of 500 series, over ours."""
    own, loop = (recorded.get(name, "memory", 500, 32) for name in ("MLP", "MLP: loop"))
    return "" if own is None or loop is None else times(Figure(loop.value / own.value, False)).replace("x", " times")


def _range(values: Iterable[float], text: str) -> str:
    kept = list(values)
    if not kept:
        return ""
    least, most = text.format(min(kept)), text.format(max(kept))
    return least if least == most else f"{least} to {most}"


F10, F20, F40 = (f"Lorenz-96 F={force}" for force in (10, 20, 40))
NUMBERS: dict[str, Callable[[Recorded], str]] = {
    "genes-ours": partial(_genes, "GRNGC", ("AUPRC",)),
    "genes-path": partial(_genes, "least held-out error", ("AUROC", "AUPRC")),
    "genes-lasso": partial(_genes, "lasso VAR", ("AUPRC",)),
    "loop-mlp": partial(_times, "MLP: loop", 500, 32),
    "loop-kan": partial(_times, "KAN: loop", 500, 32),
    "loop-memory": _less_memory,
    "gpu-fit": partial(_gpu_seconds, "cuda", 5000),
    "gpu-cpu-fit": partial(_gpu_seconds, "cpu", 5000),
    "gpu-steps": _gpu_steps,
    "mlp-f10": partial(_quality, f"GRNGC mlp, {F10}", 1000, 999),
    "mlp-f10-time": partial(_seconds, f"GRNGC mlp, {F10}", "total", 1000, 999),
    "mlp-f40": partial(_quality, f"GRNGC mlp, {F40}", 1000, 999),
    "short-200": partial(_quality, f"GRNGC mlp, {F20}", 1000, 199),
    "short-200-lasso": partial(_quality, f"lasso VAR, {F20}", 1000, 199),
    "short-300": partial(_quality, f"GRNGC sets, {F20}", 1000, 299),
    "short-300-lasso": partial(_quality, f"lasso VAR, {F20}", 1000, 299),
    "short-500": partial(_quality, f"GRNGC sets, {F20}", 1000, 499),
    "short-500-lasso": partial(_quality, f"lasso VAR, {F20}", 1000, 499),
    "genes-tcn": partial(_genes, "GRNGC tcn", ("AUROC", "AUPRC")),
    "genes-lstm": partial(_genes, "GRNGC lstm", ("AUROC", "AUPRC")),
    "genes-kan": partial(_genes, "GRNGC kan", ("AUROC", "AUPRC")),
    "complete": partial(_quality, "complete, lorenz96", 20, 999),
    "walks": partial(_quality, "walks as they are, var", 20, 999),
    "walks-difference": partial(_quality, "walks, difference=1, var", 20, 999),
    "walks-increments": partial(_quality, "their increments, var", 20, 999),
    "race-ours": partial(_race, "grngc_fast", "lorenz96 F=40", 100),
    "race-granted": partial(_race, "grngc_fast, strength granted", "lorenz96 F=40", 100),
    "race-trees": partial(_race, "extra trees", "lorenz96 F=40", 100),
    "race-cmlp": partial(_race, "cMLP as published", "lorenz96 F=40", 100),
    "race-authors": partial(_race, "official mlp", "lorenz96 F=40", 100),
    "race-f10": partial(_race, "grngc_fast", "lorenz96 F=10", 100),
    "race-f10-cmlp": partial(_race, "cMLP as published", "lorenz96 F=10", 100),
    "forest-time": _forest,
    "tests-cost": _tests_cost,
    "side-by-side": partial(_resampled, "side by side"),
    "one-after-another": partial(_resampled, "one after another"),
    "lasso-sine": partial(_quality, "lasso VAR, sine", 1000, 999),
    "lasso-product": partial(_quality, "lasso VAR, product", 1000, 999),
    "kinds-loop": partial(_kinds, "loop"),
    "kinds-jacrev": partial(_kinds, "vmap(jacrev)"),
    "objective-mlp": partial(_times, "MLP, ReLU, 50 epochs, float32: loop", 100, 200),
    "objective-kan": partial(_times, "KAN, 50 epochs, float32: loop", 100, 200),
    "op-rates": _rates,
    "op-memory": _extra,
    "op-product": _product,
}
