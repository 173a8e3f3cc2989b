"""Working sets: which inputs each target reads, found in rounds; the network of them; a fit with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from grngc_fast import GRNGC, InputError, causal_scores, evaluate, gradient_l1
from grngc_fast.datasets import lorenz96, product
from grngc_fast.distributed import World
from grngc_fast.models import OwnPast, SetMLP
from grngc_fast.planning.start import start_sets
from grngc_fast.series import CandidateEdges, Windows, candidate_edges, prepare
from grngc_fast.training.working_sets import SetOptions, find_sets, search
from grngc_fast.training.working_sets.certificate import violations
from tests import reference

# Few of all inputs, so that sets have to be found.
QUICK = SetOptions(set_size=6, units=4, rounds=3, first_steps=60, steps=80)


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
    inside = sum(chaos.truth[i, row[row >= 0]].sum() for i, row in enumerate(found.columns.numpy()))
    assert inside > 0.93 * chaos.truth.sum()
    assert all(len(set(row[row >= 0].tolist())) >= 6 for row in found.columns)


def test_the_same_seed_finds_the_same_and_another_does_not(windows, found):
    again, other = (find_sets(windows, 0.2, QUICK, seed=seed) for seed in (0, 1))
    assert torch.equal(again.columns, found.columns)
    assert all(map(torch.equal, again.networks.tensors(), found.networks.tensors()))
    assert not torch.equal(other.networks.readout, found.networks.readout)


def test_the_share_of_a_process_is_what_one_finds_alone(windows, monkeypatch):
    monkeypatch.setattr(search, "TILE", 8)
    one_round = SetOptions(set_size=6, units=4, rounds=1, first_steps=20)
    alone = find_sets(windows, 0.2, one_round, seed=0)
    monkeypatch.setattr(World, "sum", lambda _, value: value)
    monkeypatch.setattr(World, "largest", lambda _, value: value)
    parts = [find_sets(windows, 0.2, one_round, seed=0, world=World(rank, 2)) for rank in (0, 1)]
    for one, first, second in zip(*(x.networks.tensors() for x in (alone, *parts)), strict=True):
        assert torch.equal(first + second, one)
        assert one.numel() == 0 or (first.any() and second.any())
    assert torch.equal(parts[0].columns + parts[1].columns, alone.columns)


def test_sets_of_all_inputs_need_no_screen(windows, monkeypatch):
    monkeypatch.setattr(search.SetData, "screen", property(lambda _: pytest.fail("something was screened")))
    every = find_sets(windows, 0.2, SetOptions(set_size=99, steps=3), seed=0)
    assert torch.equal(every.columns, torch.arange(30).expand(30, -1))
    assert every.rounds == 1
    assert not every.excess.any()


def test_rounds_end_when_nothing_outside_is_more_than_noise():
    noise = np.random.default_rng(0).standard_normal((400, 20))
    found = find_sets(prepare(noise, 1).windows, 0.3, QUICK, seed=0)
    assert found.rounds <= 3
    assert (found.excess <= 1).float().mean() > 0.9


@pytest.mark.parametrize("splines", [0, 8])
def test_a_target_with_more_causes_than_its_set_grows(splines):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((900, 40))
    x[1:, 0] = x[:-1, 1:13].sum(1) + 0.1 * x[1:, 0]
    options = SetOptions(set_size=6, units=4, splines=splines, rounds=6, first_steps=100, steps=150)
    found = find_sets(prepare(x, 1).windows.of_targets(torch.tensor([0, 20])), 0.05, options, seed=0)
    first, other = ((row[row >= 0]).tolist() for row in found.columns)
    assert set(range(1, 13)) <= set(first)
    assert len(other) == 6
    padded = found.columns[1] < 0
    assert not found.networks.encoder[1, padded].any()
    assert not found.networks.skip[1][padded].any()
    assert not found.networks.splines[1][padded].any()


def test_of_very_long_series_no_more_windows_are_read_than_drawn(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3000, 8))
    x[1:, 0] += 2 * x[:-1, 5]
    read, sizes = search.SetData.read, []

    def noted(self, *given):
        z = read(self, *given)
        sizes.append(z.shape[:2])
        return z

    monkeypatch.setattr(search.SetData, "read", noted)
    monkeypatch.setattr(search, "TILE_NUMBERS", 9000)
    options = SetOptions(set_size=4, units=2, rounds=2, first_steps=20, steps=30)
    found = find_sets(prepare(x, 1).windows, 0.1, options, seed=0)
    assert {tuple(size) for size in sizes} <= {(n, k) for n in (1, 2, 3) for k in (1280, 1920, 256, 2999 % 256)}
    assert int(found.columns[0, found.strength[0].argmax()]) == 5


def test_each_target_may_have_its_own_strength(windows):
    lam = torch.full((30,), 0.2)
    lam[3] = 50.0
    found = find_sets(windows, lam, QUICK, seed=0)
    assert found.strength[3].sum() < 0.05 * found.strength.sum(1).median()


@pytest.mark.parametrize("splines", [0, 8])
def test_with_lags_a_set_holds_single_lags_of_series(splines):
    noise = np.random.default_rng(0).standard_normal((600, 12))
    series = noise.copy()
    series[2:, 1] += 2 * series[:-2, 0]
    windows = prepare(series, 2).windows
    options = SetOptions(set_size=4, units=2, splines=splines, first_steps=60, steps=100)
    sets = find_sets(windows, 0.2, options, seed=0)
    model = SetMLP(12, 2, hidden=2, set_size=4, n_splines=splines)
    model.start(sets.columns, sets.networks)
    # Splines are judged at levels 1/128 apart.
    near = 0.02 if splines else 1e-4
    torch.testing.assert_close(model(windows.inputs()), sets.forecast(windows), rtol=near, atol=near)
    scores = causal_scores(model, windows.inputs(), per_lag=True)
    assert np.unravel_index(int(scores.argmax()), scores.shape) == (1, 0, 1)


def limited(windows: Windows, allowed: np.ndarray) -> CandidateEdges:
    n = len(allowed)
    return candidate_edges([str(i) for i in range(n)], candidates=csr_array(allowed), own_past=False)


def test_candidates_limit_the_sets(chaos, windows):
    allowed = np.random.default_rng(0).random((30, 30)) < 0.5
    allowed[4] = np.eye(30, dtype=bool)[[7, 9]].any(0)
    found = find_sets(windows, 0.2, QUICK, seed=0, edges=limited(windows, allowed))
    for row, may in zip(found.columns, allowed, strict=True):
        assert may[row[row >= 0]].all()
    assert sorted(found.columns[4][found.columns[4] >= 0].tolist()) == [7, 9]


def test_an_own_past_that_is_no_candidate_is_read_without_a_penalty():
    x = np.random.default_rng(0).standard_normal((400, 3))
    for t in range(1, 400):
        x[t, 2] += 0.9 * x[t - 1, 2] + x[t - 1, 0]
    found = GRNGC("sets", lam=0.3, regulators=[0, 1], targets=[2], random_state=0, device="cpu").fit(x)
    assert found.scores_.shape == (1, 2)
    assert float(found.model_.weight.detach()[0, 0]) == pytest.approx(0.9, abs=0.08)
    assert found.scores_[0, 0] > 5 * found.scores_[0, 1]
    assert found.score(x) > 0.7


@pytest.mark.parametrize("lags", [1, 3])
def test_the_model_forecasts_what_was_found_with_own_pasts_and_lags(lags):
    x = np.random.default_rng(0).standard_normal((300, 5))
    for t in range(2, 300):
        x[t, 3:] += 0.5 * x[t - 1, 3:] - 0.4 * x[t - 2, 3:]
    data = prepare(x, lags, regulators=[0, 1, 2], targets=[3, 1, 4])
    options = SetOptions(set_size=min(4, 3 * lags), units=2, steps=30)
    found = find_sets(data.windows, 0.1, options, seed=0, edges=data.edges)
    model = OwnPast(SetMLP(3, lags, 2, n_targets=3, set_size=4), 3, torch.as_tensor(data.edges.own_past), lags)
    start_sets(model, data, data.windows, 0.1, options, 0)
    assert found.own.shape == (3, lags)
    assert not found.own[1].any()
    torch.testing.assert_close(
        model(data.windows.inputs()), found.forecast(data.windows, data.edges), rtol=1e-4, atol=1e-4
    )


def test_a_target_with_every_candidate_leaves_the_others_their_own():
    allowed = np.zeros((4, 4), dtype=bool)
    allowed[0], allowed[1, 2], allowed[2, 1], allowed[3, [0, 3]] = True, True, True, True
    windows = prepare(np.random.default_rng(0).standard_normal((200, 4)), 1).windows
    found = find_sets(
        windows, 0.1, SetOptions(units=2, steps=5, first_steps=5), seed=0, edges=limited(windows, allowed)
    )
    assert [sorted(row[row >= 0].tolist()) for row in found.columns] == [[0, 1, 2, 3], [2], [1], [0, 3]]


@pytest.mark.parametrize(("size", "largest"), [(1, 96), (6, 4)])
def test_sets_never_shrink(size, largest, windows):
    options = SetOptions(set_size=size, largest=largest, units=2, rounds=5, first_steps=5, steps=5)
    found = find_sets(windows, 0.2, options, seed=0)
    assert (found.columns >= 0).sum(1).min() >= size
    assert found.columns.shape[1] > size or size > largest


@pytest.mark.parametrize(
    "system", [product, lambda *given, seed: lorenz96(*given, 40.0, seed=seed)], ids=["pairs", "chaos"]
)
def test_pairs_are_looked_for_where_they_matter(system, monkeypatch):
    """As if the inputs were many."""
    monkeypatch.setattr(search, "ALWAYS_PAIRS", 10)
    asked, take_round = [], search.take_round

    def noted(*given):
        asked.append(given[-1])
        return take_round(*given)

    monkeypatch.setattr(search, "take_round", noted)
    data = system(60, 900, seed=1)
    find_sets(prepare(data.X, 1).windows, 0.2, QUICK, seed=0)
    assert all(asked) if system is product else not any(asked)


def test_the_threads_of_a_search_leave_torch_as_it_was(windows):
    before = torch.get_num_threads()
    find_sets(windows, 0.2, SetOptions(units=2, steps=2), seed=0)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == before


def test_noise_of_few_windows_does_not_grow_sets():
    noise = np.random.default_rng(0).standard_normal((12, 450))
    options = SetOptions(units=2, first_steps=3, steps=3)
    assert find_sets(prepare(noise, 1).windows, 0.1, options, seed=0).columns.shape[1] == 16


def network(n_lags: int = 2, n_splines: int = 0) -> SetMLP:
    model = SetMLP(7, n_lags, hidden=3, n_targets=5, set_size=4, n_splines=n_splines).double()
    model.columns.copy_(torch.stack([torch.randperm(7 * n_lags)[:4] for _ in range(5)]))
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    model.columns[2, 3] = -1
    model.encoder.data[2, :, 3] = model.skip.data[2, 3] = 0
    if model.splines is not None:
        model.splines.data[2, 3] = 0
    return model


N_SPLINES = pytest.mark.parametrize("n_splines", [0, 9], ids=["units", "splines"])


@pytest.mark.parametrize("n_lags", [1, 3])
@pytest.mark.parametrize("targets", [None, [4, 0]])
@N_SPLINES
def test_penalty_and_gradients_are_the_loops(n_lags, targets, n_splines):
    model, x = network(n_lags, n_splines), 1.5 * torch.randn(6, n_lags, 7, dtype=torch.float64)
    rows = None if targets is None else torch.tensor(targets)
    truth = reference.value_and_gradients(reference.gradient_l1(model, x, rows), model)
    found = reference.value_and_gradients(gradient_l1(model, x, targets=rows), model)
    for name, wanted in truth.items():
        assert (found[name] - wanted).norm() <= 1e-10 * wanted.norm(), name


@N_SPLINES
def test_scores_and_squares_are_those_of_the_jacobian(n_splines):
    model, x = network(2, n_splines), 1.5 * torch.randn(9, 2, 7, dtype=torch.float64)
    factors, truth = model.jacobian_factors(x), reference.jacobian(model, x).flip(2).flatten(2)
    torch.testing.assert_close(factors.jacobian(), truth)
    for found, wanted in zip(factors.abs_mean(), (truth.abs().mean(0), truth.mean(0)), strict=True):
        torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(factors.frobenius(), truth.square().sum((1, 2)).mean())


@N_SPLINES
def test_a_series_outside_of_the_set_has_no_influence(n_splines):
    model, x = network(1, n_splines), torch.randn(9, 1, 7, dtype=torch.float64)
    scores = causal_scores(model, x)
    inside = torch.zeros(5, 8, dtype=torch.bool).scatter_(1, model.columns.remainder(8), True)[:, :7]
    assert torch.equal(scores > 0, inside)


@N_SPLINES
def test_sets_that_have_grown_are_loaded_by_a_network_that_has_not(n_splines):
    small, grown = SetMLP(7, 2, 3, n_targets=5, set_size=2, n_splines=n_splines), network(2, n_splines)
    before = list(small.parameters())
    small.load_state_dict(grown.state_dict())
    x = torch.randn(4, 2, 7)
    torch.testing.assert_close(small(x), grown.float()(x))
    assert all(a is b for a, b in zip(before, small.parameters(), strict=True))


@N_SPLINES
def test_a_fit_finds_the_causes_and_goes_on_from_its_checkpoint(n_splines, chaos, tmp_path, monkeypatch):
    options = {
        "model": "sets",
        "model_options": {"set_size": 6, "n_splines": n_splines},
        "hidden": 4,
        "lam": 0.2,
        "random_state": 0,
        "device": "cpu",
    }
    found = GRNGC(**options, checkpoint=tmp_path).fit(chaos.X)
    assert evaluate(found.graph_, chaos.truth).auroc > 0.95
    assert (found.scores_ > 0).sum(1).min() >= 5
    assert found.predict(chaos.X).shape == (499, 30)
    assert found.graph_.metadata["model_options"] == options["model_options"]
    left = found.graph_.metadata["left_out"]
    assert left["targets"] == 30 and left["units"] >= left["units_median"] > 0
    monkeypatch.setattr("grngc_fast.estimator.start_network", lambda *_: pytest.fail("sets were looked for again"))
    again = GRNGC(**options, checkpoint=tmp_path).fit(chaos.X)
    np.testing.assert_array_equal(again.scores_, found.scores_)


def test_what_is_left_out_violates_by_the_slope_of_the_loss():
    """The derivative of the loss along a new weight, less what the penalty takes: by finite differences in float64."""
    torch.manual_seed(0)
    n, q, h, lam, step = 40, 5, 3, 0.3, 1e-6
    x, d, r = (torch.randn(*shape, dtype=torch.float64) for shape in ((q, n), (1, n, h), (1, n)))
    outside = torch.ones(1, q, dtype=torch.bool)
    outside[0, 2] = False
    linear, units = violations(x, outside, r, d, lam)

    def quotient(feature: torch.Tensor) -> float:
        changes = [((r[0] + step * feature * x[j]).square().mean() - r.square().mean()) / step for j in (0, 1, 3, 4)]
        return float(max(map(abs, changes)) / (lam * feature.abs().mean()))

    assert float(linear) == pytest.approx(quotient(torch.ones(n, dtype=torch.float64)), rel=1e-4)
    assert float(units) == pytest.approx(max(quotient(d[0, :, k]) for k in range(h)), rel=1e-4)
    assert not any(v.any() for v in violations(x, torch.zeros_like(outside), r, d, lam))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": [4, 4]}, "takes one number of units for each target"),
        ({"skip": False}, "have a linear path|with a linear path"),
        ({"activation": "relu"}, "has none to choose"),
        ({"model_options": {"set_size": 0}}, "set_size=0; it must be a whole number"),
        ({"model_options": {"set_size": 2.5}, "lam": None}, "set_size=2.5; it must be"),
        ({"model_options": {"n_splines": 3}}, "n_splines=3; it must be a whole number, 4 or more"),
        ({"model_options": {"n_splines": True}}, "n_splines=True; it must be"),
    ],
)
def test_what_working_sets_cannot_do_is_named(options, message, chaos):
    with pytest.raises(InputError, match=message):
        GRNGC("sets", **{"lam": 0.2, **options}).fit(chaos.X)
