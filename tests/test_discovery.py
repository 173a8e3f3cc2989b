"""Layers found in any module: the penalty's value and every parameter's gradient against double-backward autograd."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parametrizations

from grngc_fast import causal_scores, gradient_frobenius, gradient_l1
from grngc_fast.jacobian import explain, general

from . import reference, torch_models
from .test_penalty import assert_same


def truth(penalty, model: nn.Module, x: Tensor, seed: int = 1, **options) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    # The fused attention kernels cannot be differentiated twice.
    with sdpa_kernel(SDPBackend.MATH):
        return reference.value_and_gradients(penalty(model, x, **options), model)


def assert_exact(model: nn.Module, x: Tensor, tolerance: float = 1e-9, **options) -> None:
    """On the first use and on the next."""
    for theirs, ours in ((reference.gradient_l1, gradient_l1), (reference.gradient_frobenius, gradient_frobenius)):
        expected = truth(theirs, model, x)
        for _ in range(2):
            torch.manual_seed(1)
            assert_same(reference.value_and_gradients(ours(model, x, **options), model), expected, tolerance)


def batch(p: int, n: int = 5, lags: int = 2, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(n, lags, p, dtype=dtype)


class Tied(nn.Module):
    """One layer at both ends."""

    def __init__(self, p: int) -> None:
        super().__init__()
        self.layer = nn.Linear(p, p)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(torch.tanh(self.layer(x[:, -1])))


class TiedTransposed(nn.Module):
    def __init__(self, p: int) -> None:
        super().__init__()
        self.encoder, self.readout = nn.Linear(p, 4), nn.Linear(4, p)
        self.readout.weight = nn.Parameter(self.encoder.weight.detach().T.clone())
        self.inner = nn.ModuleList([nn.Linear(4, 4)] * 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.encoder(x[:, 0])
        for layer in self.inner:
            h = torch.tanh(layer(h))
        return self.readout(h)


class UsedTwice(nn.Module):
    """The windows reach the middle around the encoder as well."""

    def __init__(self, p: int) -> None:
        super().__init__()
        self.encoder, self.gate, self.readout = nn.Linear(2 * p, 6), nn.Linear(p, 6), nn.Linear(6, p)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(torch.tanh(self.encoder(x.flatten(1))) * torch.sigmoid(self.gate(x[:, 0])))


class Doubled(nn.Module):
    """The encoder reads every element twice."""

    def __init__(self, p: int) -> None:
        super().__init__()
        self.encoder, self.readout = nn.Linear(2 * p, 6), nn.Linear(6, p)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(torch.tanh(self.encoder(torch.cat([x[:, -1], x[:, -1]], 1))))


class Parametrised(nn.Module):
    def __init__(self, p: int, wrap) -> None:
        super().__init__()
        self.encoder, self.readout = wrap(nn.Linear(2 * p, 6)), wrap(nn.Linear(6, p))

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(torch.tanh(self.encoder(x.flatten(1))))


def old_weight_norm(layer: nn.Linear) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.utils.weight_norm(layer)


class Positive(nn.Module):
    """No linear readout: something is done to what it makes."""

    def __init__(self, p: int) -> None:
        super().__init__()
        self.encoder, self.head = nn.Linear(2 * p, 4), nn.Linear(4, p)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.softplus(self.head(torch.tanh(self.encoder(x.flatten(1)))))


class Widening(nn.Module):
    """A narrow encoder, and a wide network from it to the readout."""

    def __init__(self, p: int, lags: int = 2, narrow: int = 2, wide: int = 15) -> None:
        super().__init__()
        self.encoder, self.readout = nn.Linear(p * lags, narrow), nn.Linear(wide, p)
        self.inner = nn.Sequential(nn.Tanh(), nn.Linear(narrow, wide), nn.LayerNorm(wide), nn.GELU(), nn.Dropout(0.2))

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.inner(self.encoder(x.flatten(1))))


NETWORKS = {
    "widening": (
        Widening,
        "middle by a product per unit: encoder 'encoder', readout 'readout', contraction 2",
    ),
    "sequential": (torch_models.sequential, "diagonal middle: encoder '1', readout '4', contraction 8"),
    "deep": (torch_models.deep, "middle by a product per unit: encoder '1', readout '7', contraction 9"),
    "residual": (
        torch_models.ResidualNetwork,
        "middle by a product per unit: encoder 'encoder', readout 'readout', contraction 8",
    ),
    "attention": (torch_models.Attention, "middle by a product per unit: readout 'head', contraction 8"),
    "attention everywhere": (
        torch_models.AttentionEverywhere,
        "middle by a product per unit: readout 'head', contraction 8",
    ),
    "convolution": (torch_models.Convolution, "middle by a product per unit: readout 'head', contraction 6"),
    "recurrent": (torch_models.Recurrent, "middle by a product per unit: readout 'head', contraction 6"),
    "linear skip": (
        torch_models.LinearSkip,
        "diagonal middle: encoder 'encoder', readout 'readout', linear path 'linear', contraction 8",
    ),
    "last step added": (
        torch_models.LastStepAdded,
        "diagonal middle: encoder 'encoder', readout 'readout', a step of the windows added, contraction 8",
    ),
    "tied": (Tied, "diagonal middle: encoder 'layer', readout 'layer', contraction 31"),
    "tied transposed": (
        TiedTransposed,
        "middle by a product per unit: encoder 'encoder', readout 'readout', contraction 4",
    ),
    "used twice": (UsedTwice, "middle by a product per unit: readout 'readout', contraction 6"),
    "doubled": (Doubled, "middle by a product per unit: readout 'readout', contraction 6"),
    "no readout": (Positive, "a product per output: encoder 'encoder', contraction 4"),
    "weight norm": (lambda p: Parametrised(p, parametrizations.weight_norm), "diagonal middle"),
    "old weight norm": (lambda p: Parametrised(p, old_weight_norm), "diagonal middle"),
    "spectral norm": (lambda p: Parametrised(p, parametrizations.spectral_norm).eval(), "diagonal middle"),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_found_layers_give_the_exact_penalty(name, mode):
    build, way = NETWORKS[name]
    model, x = build(31).double(), batch(31)
    if name != "spectral norm":
        getattr(model, mode)()
    assert_exact(model, x)
    assert explain(model, x).startswith(way)


@pytest.mark.parametrize("name", ["deep", "linear skip", "last step added", "residual", "attention", "no readout"])
@pytest.mark.parametrize("targets", [[3], [7, 0, 3], [-1, 2]])
def test_targets_select_outputs_of_found_layers(name, targets):
    model, x = NETWORKS[name][0](11).double().eval(), batch(11)
    rows = torch.tensor(targets)
    expected = truth(reference.gradient_l1, model, x, targets=rows)
    for _ in range(2):
        assert_same(reference.value_and_gradients(gradient_l1(model, x, targets=targets), model), expected, 1e-9)
    with sdpa_kernel(SDPBackend.MATH):
        jacobian = reference.jacobian(model, x).detach()
    scores = jacobian.abs().mean(0).flip(1).movedim(1, -1)
    torch.testing.assert_close(causal_scores(model, x, targets=targets, per_lag=True), scores[rows])
    with pytest.raises(ValueError, match="the model has 11 outputs"):
        gradient_l1(model, x, targets=[11])


@pytest.mark.parametrize("name", NETWORKS)
def test_found_layers_give_the_scores(name):
    model, x = NETWORKS[name][0](9).double().eval(), batch(9, 7)
    with sdpa_kernel(SDPBackend.MATH):
        jacobian = reference.jacobian(model, x).detach().flip(2).movedim(2, -1)
    for size in (3, 100):
        torch.testing.assert_close(causal_scores(model, x, per_lag=True, batch_size=size), jacobian.abs().mean(0))
        torch.testing.assert_close(
            causal_scores(model, x, per_lag=True, signed=True, batch_size=size), jacobian.mean(0)
        )


def test_products_per_output_where_few_are_wanted():
    model, x = torch_models.deep(31).double(), batch(31)
    assert explain(model, x, targets=torch.tensor([2])).startswith("a product per output: encoder '1', readout '7'")
    rows = torch.tensor([2])
    expected = truth(reference.gradient_l1, model, x, targets=rows)
    assert_same(reference.value_and_gradients(gradient_l1(model, x, targets=rows), model), expected, 1e-9)


@pytest.mark.parametrize("shape", [(6,), (1, 6), (2, 3), (3, 1, 2)])
@pytest.mark.parametrize("extra", [False, True], ids=["", "extra dimension"])
def test_inputs_of_any_shape(shape, extra):
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 6)).double()
    x = torch.randn(4, *shape, dtype=torch.float64)
    expected = truth(reference.gradient_l1, model, x)
    whole = nn.Sequential(*model, nn.Unflatten(1, (1, 6))) if extra else model
    assert_same(reference.value_and_gradients(gradient_l1(whole, x), model), expected, 1e-9)
    assert explain(whole, x).startswith("diagonal middle")


def test_layers_that_keep_a_dimension_of_one_step():
    model, x = nn.Sequential(nn.Linear(6, 5), nn.GELU(), nn.Linear(5, 6)).double(), batch(6, lags=1)
    expected = truth(reference.gradient_l1, nn.Sequential(nn.Flatten(), *model), x)
    found = reference.value_and_gradients(gradient_l1(model, x), nn.Sequential(nn.Flatten(), *model))
    assert_same(found, expected, 1e-9)
    assert explain(model, x) == "diagonal middle: encoder '0', readout '2', contraction 5"


@pytest.mark.parametrize("name", ["sequential", "residual", "attention", "recurrent"])
def test_float32_and_dropout(name):
    model, x = NETWORKS[name][0](13).float(), batch(13, dtype=torch.float32)
    expected = truth(reference.gradient_l1, model, x)
    for _ in range(2):
        torch.manual_seed(1)
        assert_same(reference.value_and_gradients(gradient_l1(model, x), model), expected, 1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_under_autocast(name):
    model, x = NETWORKS[name][0](13).float().eval(), batch(13, dtype=torch.float32)
    exact = gradient_l1(model, x).detach()
    with torch.autocast("cpu", torch.bfloat16):
        value = gradient_l1(model, x)
        scores = causal_scores(model, x)
    torch.autograd.grad(value, [p for p in model.parameters() if p.requires_grad], allow_unused=True)
    torch.testing.assert_close(value.detach().float(), exact, rtol=0.03, atol=0)
    torch.testing.assert_close(scores.float(), causal_scores(model, x), rtol=0.1, atol=0.02)


class Branching(nn.Module):
    """A second branch that starts at nothing: told from the graph, not from today's numbers."""

    def __init__(self, p: int, where: str) -> None:
        super().__init__()
        self.where = where
        self.encoder, self.readout, self.other = nn.Linear(p, p), nn.Linear(p, p), nn.Linear(p, p)
        self.gain = nn.Parameter(torch.ones(p))
        nn.init.zeros_(self.other.weight)
        nn.init.zeros_(self.other.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, -1] * self.gain if self.where == "input" else x[:, -1]
        h = torch.tanh(self.encoder(x))
        if self.where == "middle":
            h = h + self.other(h)
        if self.where == "around":
            h = h + self.other(x.sin())
        y = self.readout(h)
        if self.where == "output":
            y = y * self.gain
        return y + self.other(x.sin()) if self.where == "added" else y


@pytest.mark.parametrize("where", ["input", "middle", "around", "output", "added"])
def test_branches_and_gains_that_do_nothing_yet_are_seen(where):
    model, x = Branching(7, where).double(), batch(7)
    assert_exact(model, x)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    assert_exact(model, x)


@pytest.mark.parametrize("where", ["added", "around", "middle", "input"])
def test_a_module_that_takes_another_path_later(where):
    class Switching(Branching):
        def forward(self, x: Tensor) -> Tensor:
            self.where = self.later if self.switched else "nowhere"
            return super().forward(x)

    model, x = Switching(7, "nowhere").double(), batch(7)
    model.later, model.switched = where, False
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    assert_exact(model, x)
    assert explain(model, x).startswith("diagonal middle")
    model.switched = True
    assert_exact(model, x)


def test_frozen_parameters():
    model, x = torch_models.sequential(9).double().eval(), batch(9)
    model[1].requires_grad_(False)
    jacobian = reference.jacobian(model, x).abs().sum() / len(x)
    rest = [p for p in model.parameters() if p.requires_grad]
    value = gradient_l1(model, x)
    torch.testing.assert_close(value, jacobian)
    found = torch.autograd.grad(value, rest, allow_unused=True, materialize_grads=True)
    for f, t in zip(found, torch.autograd.grad(jacobian, rest, allow_unused=True, materialize_grads=True), strict=True):
        torch.testing.assert_close(f, t, rtol=1e-9, atol=1e-12)
    assert not gradient_l1(model.requires_grad_(False), x).requires_grad


@pytest.mark.parametrize("budget", [2**24, 100])
def test_substituted_parameters_and_captured_tensors(budget, monkeypatch):
    monkeypatch.setattr(general, "CHUNK_ELEMENTS", budget)
    captured = torch.randn(6, dtype=torch.float64, requires_grad=True)

    class Penalty(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = Capturing()

        def forward(self, x: Tensor, penalty) -> Tensor:
            return penalty(self.model, x)

    class Capturing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh())
            self.head = nn.Linear(6, 7)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.inner(x[:, -1]) * captured)

    whole, x = Penalty().double(), batch(7)
    assert len(gradients_of_substitutes(whole, captured, x, gradient_l1)) == 1 + len(list(whole.parameters())) * 2
    for f, t in zip(
        gradients_of_substitutes(whole, captured, x, gradient_l1),
        gradients_of_substitutes(whole, captured, x, reference.gradient_l1),
        strict=True,
    ):
        torch.testing.assert_close(f, t, rtol=1e-9, atol=1e-12)


def gradients_of_substitutes(whole: nn.Module, captured: Tensor, x: Tensor, penalty) -> list[Tensor]:
    """In the tensor captured, the substitutes and the parameters that these are made of."""
    substitutes = {name: parameter * 1.5 for name, parameter in whole.named_parameters()}
    value = torch.func.functional_call(whole, substitutes, (x, penalty))
    wanted = [captured, *substitutes.values(), *whole.parameters()]
    return list(torch.autograd.grad(value, wanted, allow_unused=True, materialize_grads=True))


def test_a_buffer_changed_in_place_is_changed_once(monkeypatch):
    class Counting(torch_models.ResidualNetwork):
        def __init__(self, p: int) -> None:
            super().__init__(p)
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return super().forward(x)

    monkeypatch.setattr(general, "CHUNK_ELEMENTS", 500)
    model, x = Counting(9).double().eval(), batch(9)
    gradient_l1(model, x)
    gradient_l1(model, x)
    assert model.calls == 2
    assert_exact(model, x)


def test_spectral_norm_in_train_mode_uses_the_weight_of_the_pass():
    model, x = Parametrised(9, parametrizations.spectral_norm).double(), batch(9)
    twin = copy.deepcopy(model)
    expected = reference.value_and_gradients(reference.gradient_l1(twin, x), twin)
    assert_same(reference.value_and_gradients(gradient_l1(model, x), model), expected, 1e-9)
    for (name, ours), theirs in zip(model.named_buffers(), twin.buffers(), strict=True):
        assert torch.equal(ours, theirs), name


def test_the_first_use_leaves_nothing_behind():
    model, x = torch_models.ResidualNetwork(9), batch(9, dtype=torch.float32)
    torch.manual_seed(3)
    model(x)
    after = torch.rand(3)
    torch.manual_seed(3)
    gradient_l1(model, x)
    assert torch.equal(after, torch.rand(3))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    model.forward = None
    with pytest.raises(TypeError):
        gradient_l1(model, x)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    del model.forward
    plain = torch_models.sequential(9)
    gradient_l1(plain, x)
    for twin in (copy.deepcopy(plain), pickle.loads(pickle.dumps(plain))):
        torch.testing.assert_close(gradient_l1(twin.eval(), x), gradient_l1(plain.eval(), x))


def test_compiled_modules_are_run_as_they_were_written():
    plain, x = torch_models.sequential(9).double().eval(), batch(9)
    compiled = torch.compile(plain, backend="aot_eager")
    expected = truth(reference.gradient_l1, plain, x)
    for _ in range(2):
        assert_same(reference.value_and_gradients(gradient_l1(compiled, x), plain), expected, 1e-9)
