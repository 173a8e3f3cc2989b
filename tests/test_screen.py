"""The screen of working sets: what it sees, in int8 as in float32, and where noise ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from grngc_fast.training.working_sets import features, screen
from grngc_fast.training.working_sets.features import cosine, ranks, standard
from grngc_fast.training.working_sets.screen import SMOOTHNESS, Screen

NONE = torch.full((1, 1), -1)
SMOOTH = pytest.mark.parametrize("smooth", [False, True], ids=["plain", "smooth"])


@pytest.fixture(params=[True, False], ids=["int8", "float32"], autouse=True)
def _number(request, monkeypatch):
    if request.param and not hasattr(torch, "_int_mm"):
        pytest.skip("this torch has no int8 product")
    monkeypatch.setattr(features, "_fast_int8", lambda: request.param)


def inputs(q: int = 7, n: int = 2000) -> torch.Tensor:
    return standard(torch.randn(n, q, generator=torch.Generator().manual_seed(0))).T.contiguous()


@pytest.fixture(params=["all pairs", "shortlist", "partners"])
def looked_for(request, monkeypatch) -> bool:
    """Whether pairs are; all of them, or those of a shortlist."""
    monkeypatch.setattr(screen, "MOST_FOR_PAIRS", 400 if request.param == "all pairs" else 0)
    return request.param != "partners"


@pytest.mark.parametrize("kind", ["linear", "square", "product"])
def test_it_sees_inputs_squares_and_products_with_partners(kind, looked_for):
    x = inputs()
    residual = {"linear": -x[3], "square": x[3].square(), "product": x[3] * x[5]}[kind]
    evidence = Screen(x)(residual[None], torch.tensor([[5]]), pairs=looked_for)
    first, second = evidence[0].topk(2).values.tolist()
    assert int(evidence.argmax()) in ((3, 5) if kind == "product" else (3,))
    assert first > 0.9
    assert evidence[0].kthvalue(5).values < 0.25
    assert (second > 0.9) == (looked_for and kind == "product")


@pytest.mark.parametrize("wave", [2.0, 4.0, 8.0])
def test_it_sees_any_smooth_function_of_an_input_where_that_is_asked(wave, looked_for):
    """Which neither a correlation nor that of the square shows."""
    x = inputs(40)
    residual = torch.sin(wave * x[3]) + 1.5 * torch.randn(2000, generator=torch.Generator().manual_seed(5))
    found, without = (Screen(x, smooth)(residual[None], NONE, pairs=looked_for)[0] for smooth in (True, False))
    assert int(found.argmax()) == 3
    assert found[3] > 1.5 * found.kthvalue(39).values
    assert without[3] < found[3] / 1.5


@SMOOTH
def test_the_value_is_that_of_the_definition(looked_for, smooth):
    """The largest of correlations, smooth tests and products, by scipy's distributions."""
    x = inputs(4, 500)
    x[3] = x[3].round().clamp(-1, 1)
    x[3] = standard(x[3][:, None]).T
    r = standard((x[0] + x[1] * x[2] + 0.5 * torch.randn(500))[:, None]).T
    found = Screen(x, smooth)(r, torch.tensor([[2, -1]]), pairs=looked_for)
    partners = range(4) if looked_for else [2]
    for j in range(4):
        alone = [x[j], standard(x[j].square()[:, None])[:, 0]]
        wanted = max(abs(float(f @ r[0]) / 500) for f in alone)
        rank = (stats.rankdata(x[j].numpy()) - 0.5) / 500
        total = np.cumsum([500 * np.corrcoef(np.cos(np.pi * m * rank), r[0])[0, 1] ** 2 for m in range(1, 17)])
        for m in SMOOTHNESS if smooth else ():
            chance = stats.chi2.logsf(total[m - 1], m)
            if chance < np.log(0.2):
                as_normal = -stats.norm.ppf(np.exp(chance) / 2) if chance > -600 else (-2 * chance) ** 0.5
                wanted = max(wanted, as_normal / 500**0.5)
        for k in partners:
            if k != j:
                wanted = max(wanted, abs(float((x[j] * x[k]) @ r[0]) / 500))
        assert float(found[0, j]) == pytest.approx(wanted, rel=0.08, abs=0.02)


def test_ranks_share_ties_and_cosines_are_orthogonal():
    rank = ranks(torch.tensor([[3.0, 1.0, 3.0, 0.0]]))
    torch.testing.assert_close(rank, torch.tensor([[0.75, 0.375, 0.75, 0.125]]))
    rank = ranks(inputs(1, 900))
    rows = torch.cat([cosine(rank, m) for m in range(1, 9)])
    torch.testing.assert_close(rows @ rows.T / 900, torch.eye(8), atol=1e-3, rtol=0)


def test_what_matters_by_one_another_alone_is_found_through_its_trace(monkeypatch):
    """Neither of a pair is a partner; one of them shows a weak sign, the other none."""
    x = inputs(60)
    residual = (x[3] * x[5] + 0.3 * x[3])[None]
    partners, outside = torch.tensor([[0, 1]]), torch.ones(1, 60, dtype=torch.bool)
    without, found = Screen(x)(residual, partners), Screen(x)(residual, partners, outside)
    assert without[0, 5] < 0.2
    assert set(found[0].topk(2).indices.tolist()) == {3, 5}
    assert found[0].topk(2).values.min() > 0.7
    outside[0, 3] = False
    assert Screen(x)(residual, partners, outside)[0, 5] < 0.2


@pytest.mark.parametrize("most", [400, 0], ids=["all pairs", "shortlist"])
def test_pairs_that_nothing_else_shows_are_told_from_others(most, monkeypatch):
    monkeypatch.setattr(screen, "MOST_FOR_PAIRS", most)
    x, generator = inputs(90), torch.Generator().manual_seed(3)
    noise = torch.randn(3, 2000, generator=generator)
    residual = torch.stack([x[3] * x[5], x[3], torch.zeros(2000)]) + noise
    none, outside = NONE.expand(3, 1), torch.ones(3, 90, dtype=torch.bool)
    assert Screen(x).pairs_alone(residual, none, outside).tolist() == [True, False, False]
    outside[0, [3, 5]] = False
    assert not Screen(x).pairs_alone(residual, none, outside).any()


@pytest.mark.parametrize("heavy", [False, True], ids=["even residuals", "uneven residuals"])
@SMOOTH
def test_noise_ends_at_one(heavy, looked_for, smooth):
    if heavy and looked_for:
        pytest.skip("the spread of products with the input that the variance depends on is not that of the others")
    x, generator = inputs(150, 600), torch.Generator().manual_seed(1)
    noise = torch.randn(40, 600, generator=generator)
    noise = noise * x[:40].abs() if heavy else noise
    looks, partners = Screen(x, smooth), torch.arange(80).view(40, 2)
    outside = torch.ones(40, 150, dtype=torch.bool).scatter_(1, partners, False)
    if heavy:
        outside.fill_diagonal_(False)
    quiet = looks.excess(looks(noise, partners, pairs=looked_for), outside, 2, looked_for)
    assert 0.6 < quiet.median() < 1
    assert (quiet > 1).sum() <= (8 if heavy else 3)
    loud = noise / noise.std(1, keepdim=True) + 0.5 * x[100]
    assert (looks.excess(looks(loud, partners, pairs=looked_for), outside, 2, looked_for) > 1.2).all()


def test_sums_that_int32_cannot_hold_are_floats():
    x = inputs(3, 140_000)
    assert float(Screen(x)(x[:1], NONE).amax()) == pytest.approx(1, abs=0.01)


@SMOOTH
def test_inputs_that_do_not_change_are_no_noise(smooth):
    x = inputs(100, 400)
    x[40:] = 0
    noise = torch.randn(3, 400, generator=torch.Generator().manual_seed(2))
    looks, outside = Screen(x, smooth), torch.ones(3, 100, dtype=torch.bool)
    assert (looks.excess(looks(noise, NONE.expand(3, 1)), outside, 1) < 1.1).all()
    still = looks.excess(looks(torch.zeros(3, 400), NONE.expand(3, 1)), outside, 1)
    assert not still.any()
