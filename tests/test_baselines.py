"""The baselines are what they are defined to be: penalties, proximal operators, objectives, and both forms of each alike."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from benchmarks.baselines import clstm, cmlp, gradients, groups, ista
from grngc_fast.models import KAN, MLP

H, P, L, N = 3, 4, 3, 20


def drawn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def norms(weights, kind):
    """The definition, cause by cause."""
    total = 0.0
    for j in range(weights.shape[1]):
        own = weights[:, j]
        if kind in ("GL", "GSGL"):
            total += own.norm()
        if kind == "GSGL":
            total += sum(own[:, lag].norm() for lag in range(own.shape[1]))
        if kind == "H":
            # The oldest alone, the oldest two, ...
            total += sum(own[:, :count].norm() for count in range(1, own.shape[1] + 1))
    return total


@pytest.mark.parametrize("kind", groups.KINDS)
def test_penalties_are_their_group_norms(kind):
    weights = drawn(2, H, P, L)
    expected = torch.stack([norms(own, kind) for own in weights])
    torch.testing.assert_close(groups.penalty(weights, kind), expected)


@pytest.mark.parametrize(("kind", "amount"), list(itertools.product(groups.KINDS, (0.2, 0.9, 4.0))))
def test_no_direction_leads_down_from_a_proximal_point(kind, amount):
    weights = drawn(2, H, P, L)
    point = weights.clone()
    groups.shrink(point, amount, kind)

    def value(v):
        return (v - weights).square().flatten(1).sum(1) / 2 + amount * groups.penalty(v, kind)

    least = value(point)
    for seed in range(60):
        direction = drawn(2, H, P, L, seed=seed + 1)
        # Towards what was there too, and along single groups that were left at zero.
        direction = direction if seed % 3 else weights - point
        direction = direction * (torch.arange(P) == seed % P)[:, None] if seed % 2 else direction
        for size in (1e-4, 1e-2, 0.3):
            assert (value(point + size * direction) >= least - 1e-12).all()
    assert (point == 0).any() or amount < 4


def test_a_cause_whose_norm_is_below_the_amount_is_gone():
    weights = drawn(1, H, P, L)
    amount = float(groups.strength(weights).sort().values[0, 1]) + 1e-9
    groups.shrink(weights, amount, "GL")
    assert ((groups.strength(weights) == 0).sum(1) == 2).all()


def pair(kind):
    torch.manual_seed(0)
    if kind == "cmlp":
        looped = cmlp.LoopedCMLP(P, L, H)
        x, y = drawn(N, L, P, dtype=torch.float32), drawn(N, P, seed=1, dtype=torch.float32)
        return looped, cmlp.VectorisedCMLP.of(looped), x, y
    looped = clstm.LoopedCLSTM(P, H)
    x, y = clstm.stretches(drawn(30, P, dtype=torch.float32), 6)
    return looped, clstm.VectorisedCLSTM.of(looped), x, y


@pytest.mark.parametrize("kind", ["cmlp", "clstm"])
def test_both_forms_take_the_same_steps(kind):
    looped, vectorised, x, y = pair(kind)
    settings = ista.Ista(
        lam=0.05, ridge=0.01, rate=0.05, kind="H" if kind == "cmlp" else "GL", max_steps=40, check_every=20
    )
    torch.testing.assert_close(looped(x), vectorised(x))
    first = ista.objective(looped, x, y, settings)
    runs = [list(ista.train(model, x, y, settings)) for model in (looped, vectorised)]
    for a, b in zip(*runs, strict=True):
        assert a.objective == pytest.approx(b.objective, rel=1e-5)
        torch.testing.assert_close(a.scores, b.scores, atol=1e-5, rtol=1e-4)
    assert runs[0][-1].objective < first
    assert runs[0][-1].steps == 40


@pytest.mark.parametrize("kind", ["cmlp", "clstm"])
def test_the_objective_is_error_ridge_and_groups(kind):
    looped, _, x, y = pair(kind)
    settings = ista.Ista(lam=0.3, ridge=0.7, rate=0.1, kind="GL")
    total = 0.0
    for i in range(P):
        error = (looped(x)[..., i] - y[..., i]).square().mean()
        if kind == "cmlp":
            network = looped.networks[i]
            weights, ridge = network[0].weight, network[2].weight.square().sum()
            causes = [weights[:, j].norm() for j in range(P)]
        else:
            cells = looped.cells[i]
            ridge = cells.weight_hh_l0.square().sum() + looped.readouts[i].weight.square().sum()
            causes = [cells.weight_ih_l0[:, j].norm() for j in range(P)]
        total += (error + 0.7 * ridge + 0.3 * sum(causes)).item()
        torch.testing.assert_close(looped.scores()[i], torch.stack(causes).detach())
    assert ista.objective(looped, x, y, settings) == pytest.approx(total / P, rel=1e-5)


def test_a_component_reads_lags_as_its_formula_says():
    looped, _, x, _ = pair("cmlp")
    network = looped.networks[1]
    hidden = F.relu(torch.einsum("hpl,nlp->nh", network[0].weight, x) + network[0].bias)
    torch.testing.assert_close(looped(x)[:, 1], hidden @ network[2].weight[0, :, 0] + network[2].bias)


def test_a_stretch_forecasts_each_next_step():
    x, y = clstm.stretches(torch.arange(8.0)[:, None], 3)
    assert x[:, :, 0].tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]]
    assert torch.equal(y, x + 1)


def test_training_stops_when_nothing_gets_better():
    looped, _, x, y = pair("cmlp")
    settings = ista.Ista(lam=1e3, ridge=0.0, rate=1e-3, max_steps=10_000, check_every=1, patience=2)
    found = list(ista.train(looped, x, y, ista.Ista(**{**vars(settings), "rate": 0.0})))
    assert len(found) == 3
    assert [one.steps for one in found] == [1, 2, 3]


@pytest.mark.parametrize("name", [name for name in gradients.PENALTIES if "compiled" not in name])
def test_every_gradient_penalty_is_the_same(name):
    model = MLP(5, 2, (6,), generator=torch.Generator().manual_seed(0)).double()
    x = drawn(7, 2, 5)

    def of(penalty):
        value = penalty(model, x)
        return [value, *torch.autograd.grad(value, list(model.parameters()), materialize_grads=True, allow_unused=True)]

    expected = of(gradients.loop)
    for a, b in zip(of(gradients.PENALTIES[name]), expected, strict=True):
        torch.testing.assert_close(a, b)


def test_the_written_out_product_refuses_other_networks():
    with pytest.raises(NotImplementedError, match="one hidden layer"):
        gradients.bmm(KAN(3, hidden=(4,)), drawn(5, 1, 3, dtype=torch.float32))
