"""The tables of what was measured on a GPU, of the rows in its files."""

from __future__ import annotations

from collections.abc import Callable

from .recorded import GPU, Figure, Recorded, of_gpu, quality, seconds, table, times

# Of each network its name among the rows, what it is called, and its lags.
STEPS = (
    ("MLP", "MLP, hidden 128", 1),
    ("MLP, skip", "MLP, hidden 64, linear path", 1),
    ("MLP, two layers", "MLP, hidden 64, 64", 1),
    ("KAN", "KAN, hidden 64", 1),
    ("LSTM", "LSTM, hidden 32, 2 lags", 2),
    ("TCN", "TCN, hidden 32, 2 lags", 2),
)


def fits(recorded: Recorded) -> str:
    """Whole fits of the shared hidden layer, beside the same on the machine's CPU."""
    found, rows = of_gpu(), []
    for P in (1000, 5000):
        cells = []
        for device in ("cuda", "cpu"):
            name = f"GRNGC mlp on {device}, Lorenz-96 F=10"
            cells += [seconds(found.get(name, "total", P, 999)), quality(found, name, P, 999)]
        rows.append([str(P), *cells])
    return table(["series, F = 10", "on the GPU", "AUROC / AUPRC", "on its CPU", "AUROC / AUPRC"], rows)


def penalty_steps(recorded: Recorded) -> str:
    """Value and all gradients, and how many times as long the published loop takes."""
    found, rows = of_gpu(f"{GPU}-first"), []
    for kind, title, L in STEPS:
        cells = []
        for P in (100, 500):
            own = found.get(f"gradient_l1, {kind}", "penalty step", P, 64, L)
            cells.append(seconds(own and Figure(own.value / 1e3, own.busy)))
            cells.append(times(found.get(f"loop, {kind}", "time over ours", P, 64, L)))
        rows.append([title, *cells])
    return table(["", "100 series, ours", "loop", "500 series, ours", "loop"], rows)


TABLES: dict[str, Callable[[Recorded], str]] = {"gpu-fits": fits, "gpu-steps": penalty_steps}
