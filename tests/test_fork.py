"""A forked worker computes after its parent has: OpenMP's threads, which do not survive a fork, are not waited for."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

PRELUDE = """
    import multiprocessing, warnings
    import numpy as np, torch
    from grngc_fast import GRNGC, causal_scores, gradient_l1
    from grngc_fast.kernels.matmul_l1 import matmul_l1

    X = np.random.default_rng(0).normal(size=(300, 8))
    X[1:] += 0.8 * np.roll(X[:-1], 1, axis=1)

    def fitted(model):
        options = {"lam": 0.1} if model in ("auto", "sets") else {"max_steps": 15}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            width = None if model in ("auto", "sets") else 16
            return GRNGC(model=model, hidden=width, random_state=0, threads=2, **options).fit(X).scores_
"""


def in_a_process(body: str) -> str:
    """What a process with two OpenMP threads prints; one that hangs fails the test."""
    script = textwrap.dedent(PRELUDE) + textwrap.dedent(body)
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "PYTHONWARNINGS": "ignore"}
    # Threads that wait take no time of a core that others want.
    environment["OMP_WAIT_POLICY"] = "passive"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=150, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def after_fits() -> dict[str, str]:
    """What workers found that were forked from a process that had fitted every kind of network with two threads."""
    printed = in_a_process("""
        import joblib

        def worker(model):
            return fitted(model), torch.get_num_threads()

        generator = torch.Generator().manual_seed(0)
        a, b = (torch.randint(-3, 4, shape, generator=generator).float() for shape in ((256, 128), (128, 512)))
        signal = torch.randint(-3, 4, (64, 32, 256), generator=generator).float()
        taps = torch.randint(-3, 4, (32, 32, 3), generator=generator).float()
        net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(200, 64), torch.nn.Tanh(), torch.nn.Linear(64, 200))
        x = torch.randn(256, 1, 200, generator=generator)

        def work(_=None):
            weight = net[1].weight
            weight.grad = None
            gradient_l1(net, x).backward()
            convolved = torch.nn.functional.conv1d(signal, taps)
            parts = (a @ b).abs(), convolved.abs(), torch.linalg.qr(a @ a.T / 256)[1].abs(), torch.ones(2**21)
            values = [float(part.double().sum()) for part in parts]
            return [*values, float(matmul_l1(a, b)), float(weight.grad.abs().sum()), float(causal_scores(net, x).sum())]

        def alike(a, b):
            return bool(np.allclose(a, b, rtol=1e-3, atol=1e-4))

        models = ["auto", "sets", "mlp", "kan", "lstm", "tcn"]
        here, ops = [fitted(model) for model in models], work()
        assert torch.get_num_threads() == 2
        with multiprocessing.get_context("fork").Pool(2) as pool:
            there = pool.map_async(fitted, models).get(100)
            print("networks", [alike(a, b) for a, b in zip(here, there)])
            print("ops", [alike(ops, part) for part in pool.map_async(work, range(2)).get(100)])
        workers = joblib.Parallel(n_jobs=2, backend="multiprocessing", timeout=100)
        forked = workers(joblib.delayed(worker)("mlp") for _ in range(2))
        print("joblib", [alike(here[2], scores) for scores, _ in forked], {n for _, n in forked})
    """)
    return dict(line.split(" ", 1) for line in printed.splitlines())


def test_a_forked_worker_finds_what_its_parent_found(after_fits):
    """Of every kind of network, with the threads of the parent's fits before it."""
    assert after_fits["networks"] == str([True] * 6)


def test_the_ops_survive_a_fork(after_fits):
    """Sums, products, convolutions, the penalty and its gradient, at sizes that torch shares out between threads."""
    assert after_fits["ops"] == str([True] * 2)


def test_joblibs_backend_that_forks_computes_in_one_thread(after_fits):
    assert after_fits["joblib"] == "[True, True] {1}"


def test_a_fork_before_any_fit_says_that_it_has_one_thread():
    printed = in_a_process("""
        import logging
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        def worker(_):
            import io
            said = io.StringIO()
            logging.getLogger("grngc_fast").addHandler(logging.StreamHandler(said))
            fitted("mlp")
            return said.getvalue()
        with multiprocessing.get_context("fork").Pool(1) as pool:
            print(pool.map_async(worker, [0]).get(100)[0])
    """)
    assert "one thread" in printed
    assert "spawn" in printed
