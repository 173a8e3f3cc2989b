"""The screen of working sets: what it sees, in int8 as in float32, and where noise ends."""

from __future__ import annotations

import pytest
import torch

from grngc_fast.training.working_sets import screen
from grngc_fast.training.working_sets.screen import Screen, standard

NONE = torch.full((1, 1), -1)


@pytest.fixture(params=[True, False], ids=["int8", "float32"], autouse=True)
def _number(request, monkeypatch):
    if request.param and not hasattr(torch, "_int_mm"):
        pytest.skip("this torch has no int8 product")
    monkeypatch.setattr(screen, "_fast_int8", lambda: request.param)


def inputs(q: int = 7, n: int = 2000) -> torch.Tensor:
    return standard(torch.randn(n, q, generator=torch.Generator().manual_seed(0))).T.contiguous()


@pytest.mark.parametrize("pairs", [True, False], ids=["all pairs", "partners"])
@pytest.mark.parametrize("kind", ["linear", "square", "product"])
def test_it_sees_inputs_squares_and_products_with_partners(kind, pairs, monkeypatch):
    monkeypatch.setattr(screen, "MOST_FOR_PAIRS", 400 if pairs else 0)
    x = inputs()
    residual = {"linear": -x[3], "square": x[3].square(), "product": x[3] * x[5]}[kind]
    evidence = Screen(x)(residual[None], torch.tensor([[5]]))
    first, second = evidence[0].topk(2).values.tolist()
    assert int(evidence.argmax()) in ((3, 5) if kind == "product" else (3,))
    assert first > 0.9
    assert evidence[0].kthvalue(5).values < 0.2
    assert (second > 0.9) == (pairs and kind == "product")


def test_the_value_is_the_largest_correlation(monkeypatch):
    monkeypatch.setattr(screen, "MOST_FOR_PAIRS", 0)
    x = inputs(4, 500)
    r = standard((x[0] + x[1] * x[2] + 0.5 * torch.randn(500))[:, None]).T
    found = Screen(x)(r, torch.tensor([[2, -1]]))
    features = torch.stack([x, standard(x.square().T).T, x[2] * x])
    wanted = (features @ r[0] / 500).abs().amax(0)
    torch.testing.assert_close(found[0], wanted, rtol=0.06, atol=0.01)


def test_what_matters_by_one_another_alone_is_found_through_its_trace(monkeypatch):
    """Neither of a pair is a partner; one of them shows a weak sign, the other none."""
    monkeypatch.setattr(screen, "MOST_FOR_PAIRS", 0)
    x = inputs(60)
    residual = (x[3] * x[5] + 0.3 * x[3])[None]
    partners, outside = torch.tensor([[0, 1]]), torch.ones(1, 60, dtype=torch.bool)
    without, found = Screen(x)(residual, partners), Screen(x)(residual, partners, outside)
    assert without[0, 5] < 0.2
    assert set(found[0].topk(2).indices.tolist()) == {3, 5}
    assert found[0].topk(2).values.min() > 0.7
    outside[0, 3] = False
    assert Screen(x)(residual, partners, outside)[0, 5] < 0.2


@pytest.mark.parametrize(
    ("pairs", "heavy"), [(400, False), (0, False), (0, True)], ids=["all pairs", "partners", "uneven residuals"]
)
def test_noise_ends_at_one(pairs, heavy, monkeypatch):
    monkeypatch.setattr(screen, "MOST_FOR_PAIRS", pairs)
    x, generator = inputs(150, 600), torch.Generator().manual_seed(1)
    noise = torch.randn(40, 600, generator=generator)
    noise = noise * x[:40].abs() if heavy else noise
    looks, partners = Screen(x), torch.arange(80).view(40, 2)
    outside = torch.ones(40, 150, dtype=torch.bool).scatter_(1, partners, False)
    if heavy:
        outside.fill_diagonal_(False)
    quiet = looks.excess(looks(noise, partners), outside, 2)
    assert 0.6 < quiet.median() < 1
    assert (quiet > 1).sum() <= (8 if heavy else 3)
    loud = noise / noise.std(1, keepdim=True) + 0.5 * x[100]
    assert (looks.excess(looks(loud, partners), outside, 2) > 1.2).all()


def test_sums_that_int32_cannot_hold_are_floats():
    x = inputs(3, 140_000)
    assert float(Screen(x)(x[:1], NONE).amax()) == pytest.approx(1, abs=0.01)


def test_inputs_that_do_not_change_are_no_noise():
    x = inputs(100, 400)
    x[40:] = 0
    noise = torch.randn(3, 400, generator=torch.Generator().manual_seed(2))
    looks, outside = Screen(x), torch.ones(3, 100, dtype=torch.bool)
    assert (looks.excess(looks(noise, NONE.expand(3, 1)), outside, 1) < 1.1).all()
    still = looks.excess(looks(torch.zeros(3, 400), NONE.expand(3, 1)), outside, 1)
    assert not still.any()
