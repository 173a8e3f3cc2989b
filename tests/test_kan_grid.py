"""The grid of a KAN left to the library: what is weighed, what comes of it, and what is never touched."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from grngc_fast import GRNGC
from grngc_fast.distributed import World
from grngc_fast.errors import InputError
from grngc_fast.models import KAN, MLP
from grngc_fast.planning import kan_grid
from grngc_fast.planning.kan_grid import COARSE, FINE, GRID_RANGE, MIN_HELD_OUT, PLENTY, KANGrid, weigh_grid
from grngc_fast.series import Windows
from grngc_fast.training import TrainingOptions

SIZE = {"model": "kan", "hidden": 32, "max_steps": 300, "random_state": 0, "device": "cpu"}


def driven(n_steps: int, function=lambda x: x, n_series: int = 8) -> np.ndarray:
    """x_i <- .8 f(x_{i-1}) + noise."""
    x = np.random.default_rng(0).standard_normal((n_steps, n_series))
    for t in range(1, n_steps):
        x[t] += 0.8 * function(np.roll(x[t - 1], 1))
    return x


def wavy(n_steps: int) -> np.ndarray:
    return driven(n_steps, lambda x: 2.5 * np.sin(1.5 * x), 4)


def chosen(X, **options) -> dict:
    return GRNGC(**{**SIZE, **options}).fit(X).graph_.metadata["kan_grid"]


@pytest.fixture
def nothing_trained(monkeypatch):
    monkeypatch.setattr(kan_grid, "train", lambda *given, **named: pytest.fail("something was trained"))


@pytest.fixture(scope="module")
def of_few() -> dict:
    """Sixty steps of a linear process."""
    return chosen(driven(60))


def test_few_windows_of_a_linear_process_take_the_coarse_grid(of_few):
    found = of_few
    assert found["grid"] == COARSE
    (_, coarse), (_, fine) = found["tried"]
    assert coarse - fine <= found["margin"]


def test_waves_that_the_coarse_grid_cannot_follow_take_the_fine_one():
    found = chosen(wavy(80))
    assert found["grid"] == FINE
    (_, coarse), (_, fine) = found["tried"]
    assert coarse - fine > found["margin"] > 0


def test_what_is_tried_is_what_early_stopping_finds(of_few):
    X, held_out = driven(60), {"early_stopping": True, "validation_fraction": kan_grid.HELD_OUT}
    assert [grid for grid, _ in of_few["tried"]] == [COARSE, FINE]
    for grid, error in of_few["tried"]:
        options = {"model_options": {"grid": grid, "grid_range": GRID_RANGE}}
        history = GRNGC(**SIZE, **held_out, **options).fit(X).history_
        assert min(history.validation) < history.validation[-1]
        assert error == pytest.approx(min(history.validation), rel=1e-5)


@pytest.mark.parametrize("more", [-1, 0])
def test_plenty_of_windows_take_the_fine_grid_untried(more, monkeypatch):
    trained = []
    monkeypatch.setattr(kan_grid, "train", lambda *given, **named: trained.append(given))
    # Three windows to each coefficient: three series, two lags, splines of the third order.
    enough = PLENTY * 3 * 2 * (FINE + 3)
    found = chosen(driven(enough + 2 + more, n_series=3), lags=2, max_steps=1)
    assert len(trained) == (2 if more else 0)
    if not more:
        assert (found["grid"], found["tried"], found["margin"]) == (FINE, [], 0.0)


def test_too_few_held_out_windows_take_the_coarse_grid_untried(nothing_trained):
    n_steps = round((MIN_HELD_OUT - 1) / kan_grid.HELD_OUT)
    assert chosen(driven(n_steps), max_steps=1)["grid"] == COARSE
    assert chosen(driven(12), max_steps=1)["tried"] == []


def test_a_tie_is_no_reason_for_the_fine_grid():
    data = Windows.from_trajectories([driven(90)], 1)

    def network(_: KANGrid, generator: torch.Generator) -> MLP:
        return MLP(8, hidden=4, generator=generator)

    found = weigh_grid(network, data, 64, TrainingOptions(0.1, 5, 16, 1e-3), 0, World())
    assert found.tried[0][1] == found.tried[1][1]
    assert (found.grid, found.margin) == (COARSE, 0.0)


@pytest.mark.parametrize("given", [{"grid": 3}, {"grid_range": (-1.0, 1.0)}, {"grid": 3, "grid_range": (-2.0, 2.0)}])
def test_a_grid_that_was_asked_for_is_not_touched(given, nothing_trained):
    found = GRNGC(**{**SIZE, "max_steps": 1}, model_options=given).fit(driven(90))
    assert found.graph_.metadata["kan_grid"] is None
    basis, like = found.model_.layers[0].basis, KAN(8, **given).layers[0].basis
    assert (basis.grid, basis.low, basis.high) == (like.grid, like.low, like.high)


def test_other_options_are_kept_beside_the_grid_that_was_chosen():
    found = GRNGC(**{**SIZE, "max_steps": 5}, model_options={"order": 2}).fit(driven(90))
    basis = found.model_.layers[0].basis
    assert (basis.order, basis.grid) == (2, found.graph_.metadata["kan_grid"]["grid"])
    assert (basis.low, basis.high) == GRID_RANGE


def test_other_networks_have_no_splines(nothing_trained):
    assert chosen(driven(90), model="mlp", max_steps=1) is None


def test_the_choice_is_recorded_with_the_graph():
    found = GRNGC(**{**SIZE, "max_steps": 5}).fit(driven(90)).graph_.metadata
    recorded = json.loads(json.dumps(found))
    assert [grid for grid, _ in recorded["kan_grid"]["tried"]] == [COARSE, FINE]
    assert recorded["model_options"]["grid"] == recorded["kan_grid"]["grid"]
    assert recorded["kan_grid"]["grid_range"] == list(GRID_RANGE)


def test_the_same_seed_chooses_by_the_same_errors():
    first, again, other = (chosen(driven(90), max_steps=20, random_state=seed) for seed in (4, 4, 5))
    assert first == again
    assert first["tried"] != other["tried"]


def test_a_series_own_past_is_part_of_what_is_weighed():
    X = driven(90)
    with_own, without = (
        chosen(X, max_steps=20, hidden=4, regulators=[0, 1, 2, 3], own_past=own) for own in (True, False)
    )
    assert with_own["tried"] != without["tried"]


def test_what_cannot_be_fitted_is_refused_before_anything_is_trained(nothing_trained):
    with pytest.raises(InputError, match="raise memory_limit"):
        GRNGC(**SIZE, memory_limit=1).fit(driven(90))
    with pytest.raises(InputError, match="'gird', which model='kan' does not know"):
        GRNGC(**SIZE, model_options={"gird": 3}).fit(driven(90))
