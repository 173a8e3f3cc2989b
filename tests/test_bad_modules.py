"""Layers that are named, modules that cannot be differentiated by window, and factors that are wrong: told, never used."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from grngc_fast import causal_scores, gradient_l1
from grngc_fast.errors import FactorisationWarning
from grngc_fast.jacobian import check_factors, explain
from grngc_fast.models import MLP

from . import torch_models
from .test_discovery import UsedTwice, assert_exact, batch


@pytest.mark.parametrize("as_name", [True, False])
def test_layers_named_are_used(as_name):
    model, x = torch_models.deep(31).double(), batch(31)
    encoder, readout = ("1", "7") if as_name else (model[1], model[7])
    assert_exact(model, x, encoder=encoder, readout=readout)
    assert "encoder '1'" in explain(model, x, encoder=encoder)
    torch.testing.assert_close(causal_scores(model, x, encoder=encoder), causal_scores(model, x))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({"encoder": "nothing"}, "no layer 'nothing'; its linear layers are '1', '3', '5', '7'"),
        ({"encoder": "2"}, "encoder '2' is a SiLU; expected an nn.Linear"),
        ({"encoder": nn.Linear(2, 2)}, "no layer this Linear"),
        ({"encoder": "3"}, "encoder '3' cannot be used: it does not read the windows"),
        ({"readout": "5"}, "readout '5' does not make the forecast"),
    ],
)
def test_layers_named_that_do_not_fit(layers, message):
    with pytest.raises(ValueError, match=message):
        gradient_l1(torch_models.deep(9).double(), batch(9), **layers)


def test_layers_named_that_are_not_reached_or_gone_around():
    model = UsedTwice(9).double()
    with pytest.raises(ValueError, match="by a path around it"):
        gradient_l1(model, batch(9), encoder="encoder")
    model.unused = nn.Linear(3, 3)
    with pytest.raises(ValueError, match="'unused' was not called"):
        gradient_l1(model, batch(9), encoder="unused")


class Deceiving(nn.Linear):
    """Multiplies by its weight and shows another."""

    reads = 0

    def __getattr__(self, name: str):
        value = super().__getattr__(name)
        if name != "weight":
            return value
        self.reads += 1
        return value if self.reads % 2 else 1.5 * value


def test_factors_refuted_are_told_once_and_the_general_path_is_taken():
    model, x = torch_models.sequential(31).double().eval(), batch(31)
    model[1].__class__ = Deceiving
    with pytest.warns(
        FactorisationWarning, match=r"through '1' and '4' are not the Jacobian .* relative error 5.0e-01"
    ):
        first = gradient_l1(model, x)
    assert explain(model, x).startswith("general path")
    second = gradient_l1(model, x)
    model[1].__class__, model[1].reads = Deceiving, 0
    with pytest.raises(ValueError, match="leave out encoder= and readout="):
        gradient_l1(model, x, encoder="1")
    model[1].__class__ = nn.Linear
    for value in (first, second):
        torch.testing.assert_close(value, gradient_l1(model, x))


@pytest.mark.parametrize("inner", [nn.Identity(), nn.Linear(7, 7)])
def test_windows_that_mix_are_refused(inner):
    class Mixing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x[:, -1] - x[:, -1].mean(0))

    with pytest.raises(ValueError, match="mixes the windows of a batch"):
        gradient_l1(Mixing(), batch(7, dtype=torch.float32))


@pytest.mark.parametrize("track", [True, False])
def test_batch_normalisation_is_named_wherever_it_is(track):
    norm = nn.BatchNorm1d(5, track_running_stats=track)
    model = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(6, 5), norm), nn.Linear(5, 3)).double()
    with pytest.raises(ValueError, match=r"1\.1 is batch normalisation in train mode"):
        gradient_l1(model, batch(3))
    model.eval()
    if track:
        assert_exact(model, batch(3))
    else:
        with pytest.raises(ValueError, match=r"1\.1 is batch normalisation"):
            gradient_l1(model, batch(3))


def test_a_forecast_that_is_not_finite_is_named():
    model = torch_models.sequential(7).eval()
    with torch.no_grad():
        model[4].bias[3] = torch.nan
    with pytest.raises(ValueError, match="not finite, first in window 0, output 3"):
        gradient_l1(model, batch(7, dtype=torch.float32))


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("hidden", [(6,), (9, 4)])
def test_factors_of_our_own_models_hold(hidden, skip):
    model, x = MLP(7, 3, hidden, skip=skip).double(), batch(7, lags=3)
    assert check_factors(model, x) < 1e-12


def test_wrong_factors_are_told():
    class Wrong(MLP):
        def jacobian_factors(self, x, targets=None):
            return super().jacobian_factors(x.flip(1), targets)

    with pytest.raises(ValueError, match=r"Wrong.jacobian_factors is not the Jacobian .* relative error"):
        check_factors(Wrong(7, 3), batch(7, lags=3, dtype=torch.float32))
    with pytest.raises(ValueError, match="no torch module with a method jacobian_factors"):
        check_factors(nn.Linear(7, 7), batch(7, lags=3, dtype=torch.float32))
