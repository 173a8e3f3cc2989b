"""JRNGC's own network with its penalty loop replaced by one call of `gradient_l1`, against that loop and the authors' of GRNGC.

Five residual blocks of 50 units, three lags, 64 windows. All three give one value and one gradient of each parameter, to 1e-5 in
float32, before any is timed; seconds are those of value and gradients.
"""

from __future__ import annotations

import argparse

import torch

from grngc_fast import gradient_l1

from . import guard
from .baselines import jrngc
from .baselines.gradients import loop
from .penalty import step
from .results import Row

OURS, N_WINDOWS, ALLOWED = "JRNGC network: gradient_l1", 64, 1e-4
RIVALS = {"JRNGC network: official loop": loop, "JRNGC network: its own rows": jrngc.penalty}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--series", type=int, nargs="+", default=[10, 20, 100, 300], metavar="P", help="(%(default)s)")


def run(args: argparse.Namespace) -> list[Row]:
    return [row for n_series in args.series for row in measure(n_series, args.repeats)]


def measure(n_series: int, repeats: int) -> list[Row]:
    torch.manual_seed(0)
    network = jrngc.Network(n_series)
    adapted = jrngc.LagsFirst(network)
    x = torch.randn(N_WINDOWS, jrngc.LAGS, n_series)
    size = {"P": n_series, "L": jrngc.LAGS, "H": jrngc.HIDDEN, "N": N_WINDOWS}
    calls = {OURS: lambda: step(gradient_l1, adapted, x)}
    for name, penalty in RIVALS.items():
        calls[name] = lambda penalty=penalty: step(penalty, network, x.mT)
    truth = calls[OURS]()
    for name in RIVALS:
        guard.check(name, calls[name](), truth, ALLOWED)
    taken = {name: guard.spread_of(seconds) for name, seconds in guard.in_turn(calls, repeats).items()}
    rows = []
    for name, time in taken.items():
        spread = {"p20": time.p20, "p80": time.p80}
        rows.append(Row(name, **size, metric="penalty step", value=time.median, unit="s", **spread))
        if name != OURS:
            over = time.median / taken[OURS].median
            rows.append(Row(name, **size, metric="time over ours", value=over, unit="1"))
    return rows
