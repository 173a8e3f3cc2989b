"""What a fit will need of memory: parts that add up, refusals before the work, and what a machine has left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from grngc_fast import GRNGC, InputError, estimate_memory
from grngc_fast.models import MLP
from grngc_fast.planning import machine

from .test_estimator import chain

QUICK: dict[str, Any] = {"model": "mlp", "max_steps": 5, "hidden": 8, "random_state": 0}


def test_parts_are_those_of_the_network_and_its_optimiser() -> None:
    found = estimate_memory(1000, lags=2, hidden=64, n_steps=500)
    weights = 4 * sum(p.numel() for p in MLP(1000, 2, (64,), skip=True).parameters())
    assert found.parameters == found.gradients == found.kept_parameters == weights
    assert found.optimizer == 2 * weights
    assert found.data == 4 * 500 * 1000
    # Scores, signs and lags.
    assert found.scores == 4 * 1000 * 1000 * (2 + 2)
    assert found.total == max(found.training, found.scoring)
    assert found.training > 5 * weights


def test_kept_edges_files_and_fewer_causes_need_less() -> None:
    whole = estimate_memory(20_000)
    assert estimate_memory(20_000, edges_per_target=100).scores < whole.scores / 10
    assert estimate_memory(20_000, scores_file=True).scores == 0
    some, every = (estimate_memory(20_000, model="mlp", n_causes=n) for n in (500, 20_000))
    assert some.total < every.total / 10
    assert estimate_memory(20_000, score_windows=10).scores == 1.5 * whole.scores


@pytest.mark.parametrize("model", ["mlp", "kan", "lstm", "tcn"])
def test_every_forecaster_is_counted(model: str) -> None:
    assert estimate_memory(300, model=model).parameters > 4 * 300 * 128


def test_auto_counts_working_sets_where_they_may_be_chosen() -> None:
    sets, mlp = (estimate_memory(400, model=model) for model in ("sets", "mlp"))
    assert estimate_memory(400) == max(mlp, sets, key=lambda estimate: estimate.total)
    assert sets.linear_start > mlp.linear_start
    assert estimate_memory(400, hidden=128) == mlp
    assert estimate_memory(400, skip=False) == estimate_memory(400, model="mlp", skip=False)
    assert estimate_memory(400, n_steps=150) == estimate_memory(400, model="mlp", n_steps=150)
    mlp, sets = (estimate_memory(1000, model=model) for model in ("mlp", "sets"))
    assert estimate_memory(1000) == max(mlp, sets, key=lambda estimate: estimate.total)
    assert sets.parameters < mlp.parameters


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(InputError, match="model='transformer' is unknown"):
        estimate_memory(10, model="transformer")


def test_the_estimate_shows_itself() -> None:
    assert repr(estimate_memory(100)).startswith("MemoryEstimate(total ")
    assert "optimizer" in repr(estimate_memory(100))


def test_a_fit_over_the_limit_is_refused_before_its_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("training began")

    monkeypatch.setattr("grngc_fast.estimator.train", never)
    with pytest.raises(InputError, match=r"needs about .* and 1 MiB may be used .* raise memory_limit"):
        GRNGC(**QUICK, memory_limit="1MiB").fit(chain(60))
    monkeypatch.setattr("grngc_fast.planning.memory.available_memory", lambda _: 1)
    with pytest.raises(InputError, match="1 B may be used"):
        GRNGC(**QUICK).fit(chain(60))


def test_a_fit_within_the_limit_runs() -> None:
    assert GRNGC(**QUICK, memory_limit="1GiB").fit(chain(60)).scores_.shape == (3, 3)


@pytest.mark.parametrize(
    ("limit", "size"),
    [(5, 5), ("5", 5), ("4GiB", 4 * 2**30), ("4 GB", 4 * 10**9), ("0.5KiB", 512), ("2MiB", 2**21), ("1TB", 10**12)],
)
def test_limits_are_bytes_or_text(limit: int | str, size: int) -> None:
    assert machine.as_bytes(limit) == size


@pytest.mark.parametrize("limit", ["", "GiB", "4 gib", "-1", 0, -3, 1.5, True, "4iB"])
def test_limits_that_are_none_are_named(limit: Any) -> None:
    with pytest.raises(InputError, match="memory_limit="):
        machine.as_bytes(limit)


def test_a_control_group_limits_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine._group_memory(tmp_path) is None
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 100\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert machine._group_memory(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    assert machine._group_memory(tmp_path) == 400
    monkeypatch.setattr(machine, "_group_memory", lambda: 400)
    assert machine.available_memory(torch.device("cpu")) == 400
