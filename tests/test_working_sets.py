"""Working sets: which causes each target reads, found in rounds; the network of them; a fit with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grngc_fast import GRNGC, InputError, causal_scores, evaluate, gradient_l1
from grngc_fast.datasets import lorenz96
from grngc_fast.distributed import World
from grngc_fast.models import SetMLP
from grngc_fast.planning import plan
from grngc_fast.series import Windows, prepare
from grngc_fast.training import working_sets
from grngc_fast.training.working_sets import SetOptions, find_sets, screen
from tests import reference

# Few of all causes, so that sets have to be found.
QUICK = SetOptions(n_causes=6, units=4, rounds=2, round_steps=60, last_steps=80)


@pytest.fixture(scope="module")
def chaos():
    return lorenz96(30, 500, 40.0, seed=0)


@pytest.fixture(scope="module")
def windows(chaos) -> Windows:
    return prepare(chaos.X, 1).windows


@pytest.fixture(scope="module")
def found(windows):
    return find_sets(windows, 0.2, QUICK, seed=0)


def test_the_causes_of_chaos_are_among_the_sets(chaos, found):
    inside = np.take_along_axis(chaos.truth, found.causes.numpy(), 1).sum() / chaos.truth.sum()
    assert found.causes.shape == (30, 6)
    assert all(len(set(row)) == 6 for row in found.causes.tolist())
    assert inside > 0.95


def test_the_same_seed_finds_the_same_and_another_does_not(windows, found):
    again, other = (find_sets(windows, 0.2, QUICK, seed=seed) for seed in (0, 1))
    assert torch.equal(again.causes, found.causes)
    assert all(map(torch.equal, again.networks.tensors(), found.networks.tensors()))
    assert not torch.equal(other.networks.encoder, found.networks.encoder)


# Of causes, skip, encoder, its bias, readout and its bias at QUICK, as process 0 has them.
SHAPES = [torch.Size(shape) for shape in ((6,), (6,), (6, 4), (4,), (4,), ())]


class Half(World):
    """One of two processes; the other's part arrives as it was found alone."""

    def sum(self, value):
        return value

    def first(self, value):
        return value or SHAPES


def test_processes_share_the_targets_and_find_what_one_finds(windows, found, monkeypatch):
    monkeypatch.setattr(working_sets, "TILE", 8)
    alone = find_sets(windows, 0.2, QUICK, seed=0)
    parts = [find_sets(windows, 0.2, QUICK, seed=0, world=Half(rank, 2)) for rank in (0, 1)]
    assert torch.equal(parts[0].causes + parts[1].causes, alone.causes)
    for one, first, second in zip(*(x.networks.tensors() for x in (alone, *parts)), strict=True):
        assert torch.equal(first + second, one)
        assert first.any() and second.any()


def test_sets_of_all_causes_need_no_screen(windows, monkeypatch):
    monkeypatch.setattr(working_sets, "screen", lambda *_: pytest.fail("something was screened"))
    every = find_sets(windows, 0.2, SetOptions(n_causes=99, last_steps=3), seed=0)
    assert torch.equal(every.causes, torch.arange(30).expand(30, -1))


@pytest.mark.parametrize("kind", ["linear", "square", "product"])
def test_the_screen_sees_inputs_squares_and_products_with_partners(kind):
    x = torch.randn(2000, 7, generator=torch.Generator().manual_seed(0))
    x = (x - x.mean(0)) / x.std(0)
    squares = (x.square() - x.square().mean(0)) / x.square().std(0)
    residual = {"linear": -x[:, 3], "square": x[:, 3].square(), "product": x[:, 3] * x[:, 5]}[kind]
    evidence = screen(x, squares, residual[:, None], torch.tensor([[5]]))
    assert int(evidence.argmax()) == 3
    assert float(evidence.max()) > 0.9 > 5 * float(evidence[0].kthvalue(5).values)


def test_with_lags_a_set_reads_all_lags_of_its_causes():
    noise = np.random.default_rng(0).standard_normal((600, 12))
    series = noise.copy()
    series[2:, 1] += 2 * series[:-2, 0]
    windows = prepare(series, 2).windows
    options = SetOptions(n_causes=3, units=2, rounds=1, round_steps=60, last_steps=100)
    sets = find_sets(windows, 0.2, options, seed=0)
    model = SetMLP(12, 2, hidden=2, n_causes=3)
    model.start(sets.causes, sets.networks)
    torch.testing.assert_close(model(windows.inputs()), sets.forecast(windows), rtol=1e-4, atol=1e-4)
    scores = causal_scores(model, windows.inputs(), per_lag=True)
    assert np.unravel_index(int(scores.argmax()), scores.shape) == (1, 0, 1)


def network(n_lags: int = 2) -> SetMLP:
    model = SetMLP(7, n_lags, hidden=3, n_targets=5, n_causes=3).double()
    model.causes.copy_(torch.stack([torch.randperm(7)[:3] for _ in range(5)]))
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


@pytest.mark.parametrize("n_lags", [1, 3])
@pytest.mark.parametrize("targets", [None, [4, 0]])
def test_penalty_and_gradients_are_the_loops(n_lags, targets):
    model, x = network(n_lags), torch.randn(6, n_lags, 7, dtype=torch.float64)
    rows = None if targets is None else torch.tensor(targets)
    truth = reference.value_and_gradients(reference.gradient_l1(model, x, rows), model)
    found = reference.value_and_gradients(gradient_l1(model, x, targets=rows), model)
    for name, wanted in truth.items():
        assert (found[name] - wanted).norm() <= 1e-10 * wanted.norm(), name


def test_a_series_outside_of_the_set_has_no_influence():
    model, x = network(1), torch.randn(9, 1, 7, dtype=torch.float64)
    scores = causal_scores(model, x)
    inside = torch.zeros(5, 7, dtype=torch.bool).scatter_(1, model.causes, True)
    assert torch.equal(scores > 0, inside)


def test_a_fit_finds_the_causes_and_goes_on_from_its_checkpoint(chaos, tmp_path, monkeypatch):
    options = {
        "model": "sets",
        "model_options": {"n_causes": 6},
        "hidden": 4,
        "lam": 0.2,
        "random_state": 0,
        "device": "cpu",
    }
    found = GRNGC(**options, checkpoint=tmp_path).fit(chaos.X)
    assert evaluate(found.graph_, chaos.truth).auroc > 0.95
    assert (found.scores_ > 0).sum(1).max() == 6
    assert found.predict(chaos.X).shape == (499, 30)
    assert found.graph_.metadata["model_options"] == {"n_causes": 6}
    monkeypatch.setattr("grngc_fast.estimator.start_sets", lambda *_: pytest.fail("sets were looked for again"))
    again = GRNGC(**options, checkpoint=tmp_path).fit(chaos.X)
    np.testing.assert_array_equal(again.scores_, found.scores_)


@pytest.mark.parametrize(("forcing", "chosen"), [(40.0, "sets"), (None, "mlp")])
def test_held_out_error_chooses_sets_where_they_forecast_better(forcing, chosen, chaos, monkeypatch):
    """As where local units would be too many: from about 600 series on."""
    monkeypatch.setattr(plan, "LOCAL_WEIGHTS", 1)
    X = chaos.X if forcing else np.random.default_rng(0).standard_normal((500, 30)).cumsum(0) * 0.1
    found = GRNGC(random_state=0, device="cpu", max_steps=5).fit(np.diff(X, axis=0) if forcing is None else X)
    evidence = found.graph_.metadata["evidence"]
    assert found.graph_.metadata["model"] == chosen
    assert len(evidence["sets"]) == 2 and not evidence["local"]
    assert (min(error for _, error in evidence["sets"]) < evidence["to_beat"] - evidence["margin"]) == (
        chosen == "sets"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"candidates": np.eye(30, dtype=bool) | np.eye(30, k=1, dtype=bool)}, "leave candidates out"),
        ({"regulators": [0, 1, 2]}, "pass own_past=False"),
        ({"hidden": [4, 4]}, "takes one number of units for each target"),
        ({"skip": False}, "have a linear path|with a linear path"),
        ({"activation": "relu"}, "has none to choose"),
        ({"model_options": {"n_causes": 0}}, "n_causes=0; it must be a whole number"),
        ({"model_options": {"n_causes": 2.5}, "lam": None}, "n_causes=2.5; it must be"),
    ],
)
def test_what_working_sets_cannot_do_is_named(options, message, chaos):
    with pytest.raises(InputError, match=message):
        GRNGC("sets", **{"lam": 0.2, **options}).fit(chaos.X)
