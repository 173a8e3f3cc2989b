"""Of several models that are named the one is fitted that forecasts held-out windows best."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grngc_fast import GRNGC
from grngc_fast.cli import main
from grngc_fast.datasets import product
from grngc_fast.errors import InputError
from grngc_fast.planning import choice

QUICK = {"max_steps": 60, "lam": 0.05, "random_state": 0}


@pytest.fixture
def products():
    """What small networks see and a shared layer that hardly left its linear start does not."""
    return np.asarray(product(6, 400, seed=0).X)


def test_the_best_forecaster_is_fitted_as_it_would_be_alone(products):
    found = GRNGC(["mlp", "sets"], **QUICK).fit(products)
    chosen = found.graph_.metadata["choice"]
    assert [name for name, _ in chosen["tried"]] == ["mlp", "sets"]
    errors = dict(chosen["tried"])
    assert errors["sets"] < 0.8 * errors["mlp"]
    assert found.graph_.metadata["model"] == "sets"
    alone = GRNGC("sets", **QUICK).fit(products)
    np.testing.assert_array_equal(found.scores_, alone.scores_)


def test_of_equals_the_first_is_chosen(products, monkeypatch):
    errors = {"kan": np.full(40, 1.0), "mlp": np.linspace(0.0, 1.99, 40), "lstm": np.full(40, 0.99)}
    monkeypatch.setattr(choice, "_errors", lambda options, *_: torch.as_tensor(errors[options.model]))
    found = GRNGC(["kan", "mlp", "lstm"], **QUICK).fit(products)
    assert found.graph_.metadata["model"] == "mlp"
    assert found.graph_.metadata["choice"]["margin"] > 0
    assert GRNGC(["lstm", "mlp"], **QUICK).fit(products).graph_.metadata["model"] == "lstm"


def test_too_few_windows_to_judge_by_are_refused(products):
    with pytest.raises(InputError, match=r"needs at least 10 windows to judge by.*29 windows"):
        GRNGC(["mlp", "kan"], **QUICK).fit(products[:30])


@pytest.mark.parametrize("model", [[], ["mlp", "cnn"], ["mlp", 3]])
def test_lists_that_name_no_models_are_refused(products, model):
    with pytest.raises(InputError, match="a list of several of them"):
        GRNGC(model).fit(products)


def test_a_choice_is_not_made_again_from_a_checkpoint(products, tmp_path, monkeypatch):
    options = {**QUICK, "model": ["mlp", "sets"], "checkpoint": tmp_path}
    whole = GRNGC(**options).fit(products)
    monkeypatch.setattr(choice, "_errors", lambda *_: pytest.fail("judged again"))
    again = GRNGC(**options).fit(products)
    np.testing.assert_array_equal(again.scores_, whole.scores_)
    assert again.graph_.metadata["choice"] == whole.graph_.metadata["choice"]


def test_the_command_takes_several(products, tmp_path, capsys):
    np.save(tmp_path / "x.npy", products)
    options = ["--model", "mlp,sets", "--max-steps", "60", "--lam", "0.05", "--seed", "0", "--quiet"]
    assert main(["fit", str(tmp_path / "x.npy"), "--out", str(tmp_path / "out"), *options]) == 0
    with pytest.raises(SystemExit):
        main(["fit", str(tmp_path / "x.npy"), "--out", str(tmp_path / "o"), "--model", "mlp,cnn"])
    assert "'cnn' is unknown" in capsys.readouterr().err
