"""JRNGC's network with its loop replaced: the documented example runs, and the benchmark refuses what does not agree."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest
import torch

from benchmarks import drop_in, guard
from benchmarks.baselines import jrngc
from grngc_fast import gradient_l1

from . import reference

EXAMPLE = re.compile(r"### In code like JRNGC's.*?```python\n(.*?)```", re.S)


def gradients(value: torch.Tensor, network: torch.nn.Module) -> list[torch.Tensor]:
    return list(reference.value_and_gradients(value, network).values())


@pytest.mark.parametrize("seed", range(3))
def test_the_example_gives_the_published_number_and_gradients(seed):
    text = (Path(drop_in.__file__).parent / "README.md").read_text()
    found = EXAMPLE.search(text)
    assert found
    torch.manual_seed(seed)
    names: dict[str, object] = {}
    exec(compile(found[1], "README.md", "exec"), names)
    network, before, after = names["network"], names["before"], names["after"]
    for f, t in zip(gradients(after, network), gradients(before, network), strict=True):
        assert (f - t).norm() <= 1e-5 * t.norm()


@pytest.mark.parametrize(("p", "lags", "dropout"), [(4, 1, 0.0), (6, 5, 0.0), (60, 3, 0.0), (6, 3, 0.2)])
def test_the_swapped_network_has_the_rows_of_the_loop(p, lags, dropout):
    network = jrngc.Network(p, lags, hidden=8, blocks=2, dropout=dropout).double()
    adapted, x = jrngc.LagsFirst(network), torch.randn(7, lags, p, dtype=torch.float64)
    for _ in range(2):
        torch.manual_seed(1)
        truth = gradients(reference.gradient_l1(adapted, x), network)
        torch.manual_seed(1)
        for f, t in zip(gradients(gradient_l1(adapted, x), network), truth, strict=True):
            assert (f - t).norm() <= 1e-9 * t.norm().clamp_min(1e-9)
        if not dropout:
            torch.testing.assert_close(jrngc.penalty(network, x.mT), truth[0])


def test_the_benchmark_has_a_row_for_each_way_and_none_for_a_wrong_one(monkeypatch):
    rows = drop_in.run(argparse.Namespace(series=[4], repeats=2))
    assert {row.method for row in rows} == {drop_in.OURS, *drop_in.RIVALS}
    assert all(row.value > 0 and row.L == jrngc.LAGS for row in rows)
    monkeypatch.setitem(drop_in.RIVALS, "twice", lambda network, x: 2 * jrngc.penalty(network, x))
    with pytest.raises(guard.WrongAnswerError, match="twice"):
        drop_in.measure(4, 1)
