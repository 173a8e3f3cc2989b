"""GRNGC with every forecaster by name and with modules of one's own."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import Tensor, nn
from torch.nn.functional import linear

from grngc_fast import GRNGC, InputError, evaluate
from grngc_fast.cli import main
from grngc_fast.datasets import lorenz96
from grngc_fast.jacobian import Factors
from grngc_fast.models import FORECASTERS

QUICK = {"max_steps": 30, "random_state": 0}


@pytest.mark.parametrize("model", ["kan", "lstm", "tcn"])
def test_defaults_of_every_forecaster_recover_lorenz96(model):
    data = lorenz96(8, 250, 10.0, seed=0)
    found = GRNGC(model=model, random_state=0).fit(data.X)
    assert evaluate(found.scores_, data.truth).auroc >= 0.98


def series(p: int = 4, steps: int = 60) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((steps, p))


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("mlp", {"hidden": [8, 8], "model_options": {"residual": True, "layer_norm": True, "dropout": 0.1}}),
        ("kan", {"hidden": 6, "model_options": {"grid": 3, "order": 2, "base": "silu"}}),
        ("lstm", {"hidden": [6, 6]}),
        ("tcn", {"hidden": 6, "activation": "tanh", "model_options": {"kernel_size": 3, "n_levels": 2}}),
    ],
)
def test_every_forecaster_takes_its_options_and_the_run_can_be_repeated(model, options):
    X = series()
    found = GRNGC(model=model, lags=3, **options, **QUICK).fit(X)
    assert type(found.model_) is FORECASTERS[model]
    assert found.lag_scores_.shape == (4, 4, 3)
    assert found.predict(X).shape == (57, 4)
    torch.manual_seed(5)
    np.testing.assert_array_equal(clone(found).fit(X).scores_, found.scores_)
    settings = found.graph_.metadata
    assert settings["hidden"] == [options["hidden"]] if isinstance(options["hidden"], int) else options["hidden"]
    assert set(options.get("model_options", {}).items()) <= set(settings["model_options"].items())


class Plain(nn.Module):
    """Knows nothing of the library."""

    def __init__(self, p: int, lags: int, width: int = 8) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(p * lags, width), nn.Linear(width, p)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(torch.tanh(self.inner(x.flatten(1))))


class Waves(nn.Module):
    """Offers its factors, and counts how often it was asked."""

    def __init__(self, p: int, lags: int, width: int = 8) -> None:
        super().__init__()
        self.n_lags, self.asked = lags, 0
        self.inner = nn.Parameter(0.3 * torch.randn(width, p * lags))
        self.outer = nn.Parameter(0.3 * torch.randn(p, width))

    def forward(self, x: Tensor) -> Tensor:
        return linear(torch.sin(self.units(x)), self.outer)

    def jacobian_factors(self, x: Tensor, targets: Tensor | None = None) -> Factors:
        self.asked += 1
        outer = self.outer if targets is None else self.outer[targets]
        return Factors(outer, self.inner, len(x), scale=torch.cos(self.units(x)))

    def units(self, x: Tensor) -> Tensor:
        return linear(x.flip(1).flatten(1), self.inner)


@pytest.mark.parametrize("build", [Plain, Waves])
def test_a_module_of_ones_own_is_copied_trained_and_scored(build):
    torch.manual_seed(3)
    module, X = build(4, 2), series()
    before = copy.deepcopy(module.state_dict())
    estimator = GRNGC(model=module, lags=2, **QUICK)
    found = estimator.fit(X)
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())
    assert type(found.model_) is build and found.model_ is not module
    assert not torch.equal(next(found.model_.parameters()), next(module.parameters()))
    assert found.graph_.metadata["model"] == build.__name__
    # One step more than the windows are old, and in the order of time.
    x = torch.as_tensor(found.scaler_.transform(X[-2:]), dtype=torch.float32)[None]
    forecast = found.scaler_.inverse_transform(found.model_(x).detach().numpy())
    np.testing.assert_allclose(found.predict(np.concatenate([X, X[-1:]]))[-1:], forecast, rtol=1e-5)
    np.testing.assert_array_equal(clone(found).fit(X).scores_, found.scores_)
    if build is Waves:
        assert found.model_.asked >= QUICK["max_steps"]


def test_a_module_that_returns_an_extra_dimension_trains_as_without():
    torch.manual_seed(3)
    module, X = Plain(4, 2), series()
    plain = GRNGC(model=module, lags=2, **QUICK).fit(X)
    found = GRNGC(model=nn.Sequential(module, nn.Unflatten(1, (1, 4))), lags=2, **QUICK).fit(X)
    np.testing.assert_allclose(found.scores_, plain.scores_, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found.predict(X), plain.predict(X), rtol=1e-3, atol=1e-3)


class Detached(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.detach())


class Tupled(Plain):
    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return super().forward(x), None


class Infinite(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) / 0


def frozen() -> nn.Module:
    return Plain(4, 1).requires_grad_(False)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Plain(5, 1), r"cannot forecast windows \(N, L, C\) = \(2, 1, 4\)"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(4, 3)),
            r"returns shape \(2, 3\).*output width must be the number of series",
        ),
        (nn.Linear(4, 4).requires_grad_(False), "nothing to train"),
        (frozen(), "nothing to train"),
        (nn.Flatten(), "nothing to train"),
        (Tupled(4, 1), "returns a tuple; wrap it"),
        (Infinite(4, 1), "not finite before any training"),
        (nn.LSTM(4, 4, batch_first=True), "returns a tuple"),
    ],
)
def test_modules_that_cannot_forecast_are_named(module, message):
    with pytest.raises(InputError, match=message):
        GRNGC(model=module, **QUICK).fit(series())


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.BatchNorm1d(4)), "mixes the windows"),
        (Detached(4, 1), "does not depend on its input"),
    ],
)
def test_modules_without_a_gradient_of_every_window_are_refused(module, message):
    with pytest.raises(ValueError, match=message):
        GRNGC(model=module, **QUICK).fit(series())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"model": "gru"},
            "model='gru' is unknown; use one of 'auto', 'mlp', 'sets', 'kan', 'lstm', 'tcn', a list of several",
        ),
        ({"model": nn.Linear}, "model=Linear is a class; pass an instance"),
        ({"model": "kan", "model_options": {"gird": 3}}, "'gird', which model='kan' does not know; it takes 'grid'"),
        ({"model": "kan", "model_options": {"order": 9}}, "order=9; it must be"),
        ({"model": "kan", "activation": "relu"}, "model='kan' has none to choose"),
        ({"model": "lstm", "hidden": [4, 5]}, "takes one width for all its layers"),
        ({"model": "tcn", "hidden": [4, 4]}, "n_levels in model_options"),
        ({"model_options": ["residual"]}, "expected a dictionary"),
        ({"model": Plain(4, 1), "hidden": 4}, "hidden=4 is for the models by name"),
    ],
)
def test_options_that_do_not_belong_together_are_named(options, message):
    with pytest.raises(InputError, match=message):
        GRNGC(**QUICK, **options).fit(series())


def test_the_command_line_takes_a_forecaster_and_its_options(tmp_path, capsys):
    table = tmp_path / "x.csv"
    np.savetxt(table, series(), delimiter=",", header="a,b,c,d", comments="")
    common = ["fit", str(table), "--quiet", "--max-steps", "5", "--seed", "0", "--hidden", "4"]
    options = [
        "--model",
        "kan",
        "--model-option",
        "grid=3",
        "--model-option",
        "base=silu",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*common, *options]) == 0
    assert '"base": "silu"' in (tmp_path / "out" / "run.json").read_text()
    with pytest.raises(SystemExit):
        main([*common, "--model-option", "grid", "--out", str(tmp_path / "other")])
    assert "not of the form NAME=VALUE" in capsys.readouterr().err
