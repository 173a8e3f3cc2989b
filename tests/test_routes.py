"""A route found on the first use is borne out by every later pass: what layers read and make may have moved meanwhile."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from grngc_fast import causal_scores, gradient_l1
from grngc_fast.jacobian import check_factors, explain
from grngc_fast.models import MLP

from . import reference
from .test_penalty import assert_same


def assert_exact(model: nn.Module, x: Tensor) -> None:
    truth = reference.value_and_gradients(reference.gradient_l1(model, x), model)
    assert_same(reference.value_and_gradients(gradient_l1(model, x), model), truth, 1e-9)
    jacobian = reference.jacobian(model, x).detach()
    if jacobian.dim() == 4:
        jacobian = jacobian.flip(2).movedim(2, -1)
        torch.testing.assert_close(causal_scores(model, x, per_lag=True), jacobian.abs().mean(0))


class Headed(nn.Module):
    """A recurrent body and a head that starts at zero, used as a subclass says."""

    def __init__(self, p: int = 5, width: int = 6) -> None:
        super().__init__()
        self.body, self.head, self.linear = nn.GRU(p, width, batch_first=True), nn.Linear(width, p), nn.Linear(3 * p, p)
        for layer in (self.head, self.linear):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)


class FirstStep(Headed):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)[0])[:, 0]


class Rolled(Headed):
    def forward(self, x: Tensor) -> Tensor:
        y = self.head(self.body(x)[0][:, -1])
        return y + y.roll(1, 1)


class Flipped(Headed):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)[0][:, -1]).flip(1)


class TwiceLinear(Headed):
    def forward(self, x: Tensor) -> Tensor:
        k = self.linear(x.flatten(1))
        return self.head(self.body(x)[0][:, -1]) + k + k


class LinearFlipped(Headed):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)[0][:, -1]) + self.linear(x.flatten(1)).flip(1)


@pytest.mark.parametrize("build", [FirstStep, Rolled, Flipped, TwiceLinear, LinearFlipped])
def test_layers_that_start_at_zero_and_are_trained(build):
    model, x = build().double(), torch.randn(6, 3, 5, dtype=torch.float64)
    assert_exact(model, x)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    assert_exact(model, x)


class LastValid(Headed):
    """Forecasts at the last step of a window that is not padding."""

    def forward(self, x: Tensor) -> Tensor:
        last = (x != 0).any(-1).sum(1) - 1
        return self.head(self.body(x)[0])[torch.arange(len(x)), last]


class ChangeSinceLastValid(Headed):
    def forward(self, x: Tensor) -> Tensor:
        last = (x != 0).any(-1).sum(1) - 1
        return self.head(self.body(x)[0][:, -1]) + x[torch.arange(len(x)), last]


class Encoded(nn.Module):
    """Reads the windows as its attributes say."""

    def __init__(self, p: int = 5) -> None:
        super().__init__()
        self.encoder, self.readout = nn.Linear(p, 7), nn.Linear(7, p)
        self.step, self.order, self.out = 0, None, -1

    def forward(self, x: Tensor) -> Tensor:
        u = x[:, self.step]
        u = u if self.order is None else u[:, self.order]
        return self.readout(torch.tanh(self.encoder(u)).unsqueeze(1).expand(-1, 2, -1))[:, self.out]


@pytest.mark.parametrize("build", [LastValid, ChangeSinceLastValid])
def test_steps_that_depend_on_the_data(build):
    model, x = build().double(), torch.randn(6, 4, 5, dtype=torch.float64)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    padded = x.clone()
    padded[::2, 2:] = 0
    for windows in (x, padded, x, padded[::2]):
        assert_exact(model, windows)


def test_columns_and_steps_that_depend_on_attributes():
    model, x = Encoded().double(), torch.randn(6, 3, 5, dtype=torch.float64)
    assert_exact(model, x)
    for name, value in (("step", 2), ("order", torch.randperm(5)), ("out", 0), ("order", torch.randperm(5))):
        setattr(model, name, value)
        assert_exact(model, x)


def test_a_linear_layer_whose_forward_was_replaced_is_not_plain():
    lin = nn.Linear(5, 8)
    up, down = nn.Parameter(torch.zeros(8, 2)), nn.Parameter(torch.randn(2, 5))
    lin.register_parameter("up", up)
    lin.register_parameter("down", down)
    lin.forward = lambda x: nn.functional.linear(x, lin.weight + lin.up @ lin.down, lin.bias)
    model, x = nn.Sequential(nn.Flatten(), lin, nn.Tanh(), nn.Linear(8, 5)).double(), torch.randn(6, 1, 5).double()
    assert_exact(model, x)
    with torch.no_grad():
        lin.up.add_(1)
    assert_exact(model, x)


def test_a_step_added_that_several_steps_equal_is_not_guessed():
    class Added(Encoded):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + x[:, 0]

    model, x = Added().double(), torch.randn(6, 3, 5, dtype=torch.float64)
    x[:, 2] = x[:, 0]
    assert_exact(model, x)
    assert_exact(model, torch.randn(6, 3, 5, dtype=torch.float64))


def test_windows_are_data_whichever_way_the_jacobian_is_taken():
    for model in (MLP(4), nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))):
        gain = torch.ones(4, requires_grad=True)
        gradient_l1(model, torch.randn(3, 1, 4) * gain).backward()
        assert gain.grad is None


def test_half_precision_sums_many_windows_without_overflow():
    torch.manual_seed(1)
    exact = MLP(50, hidden=(64,))
    x = torch.randn(2048, 1, 50)
    for dtype in (torch.float16, torch.bfloat16):
        found = gradient_l1(MLP(50, hidden=(64,)).to(dtype), x.to(dtype))
        assert found.isfinite() and found.dtype == torch.float32
    exact_half = MLP(50, hidden=(64,))
    exact_half.load_state_dict(exact.state_dict())
    torch.testing.assert_close(gradient_l1(exact_half.half(), x.half()), gradient_l1(exact, x), rtol=2e-2, atol=0)


def test_a_model_may_write_into_its_windows():
    model, x = (
        nn.Sequential(nn.Flatten(), nn.ReLU(inplace=True), nn.Linear(4, 6), nn.Linear(6, 4)),
        torch.randn(5, 1, 4),
    )
    before = x.clone()
    plain = nn.Sequential(model[0], nn.ReLU(), *model[2:])
    torch.testing.assert_close(gradient_l1(model, x), gradient_l1(plain, x))
    assert torch.equal(x, before)


def test_what_cannot_be_differentiated_is_told_as_it_is():
    seq, x = nn.Sequential(nn.Flatten(), nn.Linear(4, 4)), torch.randn(5, 1, 4)
    with torch.inference_mode(), pytest.raises(ValueError, match="inference_mode"):
        causal_scores(seq, x)
    with pytest.raises(ValueError, match=r"is a function; expected a torch.nn.Module"):
        gradient_l1(lambda v: v, x)
    assert "general path" in explain(seq, x, targets=[2])


def test_factors_of_a_model_with_dropout_are_checked_in_eval_mode():
    model = MLP(5, hidden=(8,), dropout=0.5).train()
    assert check_factors(model, torch.randn(3, 1, 5)) < 1e-5
    assert model.training
