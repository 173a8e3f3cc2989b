"""Small fits compute in one thread, others in as many as torch has, and a fit gives back what it took."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from grngc_fast import GRNGC, InputError, lambda_path
from grngc_fast.planning import FitOptions, fit_threads
from grngc_fast.series import prepare
from grngc_fast.threads import computing_threads

QUICK = {"max_steps": 2, "random_state": 0}


def series(n_steps: int = 60, n_series: int = 3) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n_steps, n_series))


class Watched(nn.Module):
    """Writes down how many threads torch had when it was asked."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.inner, self.outer, self.seen = nn.Linear(3, width), nn.Linear(width, 3), set()

    def forward(self, x):
        self.seen.add(torch.get_num_threads())
        return self.outer(torch.tanh(self.inner(x[:, -1])))


@pytest.fixture(autouse=True)
def _three_threads() -> None:
    torch.set_num_threads(3)


@pytest.mark.parametrize(("threads", "used"), [(None, 1), (2, 2), (3, 3)])
def test_a_small_fit_takes_one_thread_unless_told_otherwise(threads, used):
    found = GRNGC(Watched(), threads=threads, **QUICK).fit(series())
    assert found.model_.seen == {used}
    assert found.graph_.metadata["threads"] == used
    assert torch.get_num_threads() == 3
    found.stability(series(), n_bootstraps=2)
    assert torch.get_num_threads() == 3


def test_a_path_does_as_well():
    assert lambda_path(series(), [0.1], max_steps=2).settings["threads"] == 1
    assert lambda_path(series(), [0.1], max_steps=2, threads=2).settings["threads"] == 2
    assert torch.get_num_threads() == 3


def test_a_fit_that_fails_gives_them_back():
    with pytest.raises(FloatingPointError):
        GRNGC("mlp", learning_rate=1e30, hidden=4, max_steps=20, random_state=0).fit(series(12))
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(
    ("given", "shape", "small"),
    [
        ({}, (250, 30), True),
        ({}, (250, 40), False),
        ({"lags": 3}, (250, 18), True),
        ({"lags": 6}, (250, 18), False),
        ({"hidden": 1024}, (250, 30), False),
        ({"hidden": (256, 256)}, (250, 5), False),
        ({}, (2000, 12), False),
        ({"model": Watched()}, (60, 3), True),
        ({"model": Watched(width=20_000)}, (60, 3), False),
    ],
)
def test_small_is_told_by_steps_and_by_all_windows(given, shape, small):
    options = FitOptions(device="cpu", **given)
    assert fit_threads(options, prepare(series(*shape), options.lags)) == (1 if small else None)


def test_many_networks_at_once_are_not_small():
    data = prepare(series(250, 30), 1)
    assert fit_threads(FitOptions(device="cpu"), data, members=16) is None


@pytest.mark.parametrize("threads", [0, 1.5, True])
def test_other_numbers_are_refused(threads):
    with pytest.raises(InputError, match="threads="):
        FitOptions(threads=threads)


def test_the_last_of_several_callers_puts_them_back():
    first, second = computing_threads(1), computing_threads(2)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert torch.get_num_threads() < 3
    second.__exit__(None, None, None)
    assert torch.get_num_threads() == 3


def test_the_command_collects_no_garbage_among_what_it_imports():
    """Its imports are set aside; a caller's process stays as it was."""
    code = """
import gc, sys
from grngc_fast.cli import main
before = gc.get_freeze_count()
main(["datasets", "sos"])
assert gc.isenabled() and gc.get_freeze_count() == before
sys.argv = ["grngc-fast", "datasets", "sos"]
main()
assert gc.isenabled() and gc.get_freeze_count() > before + 10_000
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, env=environment, capture_output=True)
