"""GRNGC as scikit-learn users meet it."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from grngc_fast import GRNGC, InputError, causal_scores, evaluate
from grngc_fast.datasets import lorenz96, read_dream4

QUICK = {"max_steps": 40, "hidden": 8, "random_state": 0}


def chain(n_steps: int = 400, seed: int = 0) -> np.ndarray:
    """x0 drives x1 (positively, lag 1) and x2 (negatively, lag 2); nothing drives x0."""
    noise = np.random.default_rng(seed).standard_normal((n_steps, 3))
    x = noise.copy()
    x[1:, 1] += 1.5 * x[:-1, 0]
    x[2:, 2] -= 1.5 * x[:-2, 0]
    return x


def test_scores_are_effect_by_cause_with_lag_and_sign():
    found = GRNGC(lags=2, lam=0.1, max_steps=300, ranking="gradients", random_state=0).fit(chain())
    strongest = {(edge.source, edge.target, edge.lag, edge.sign) for edge in found.graph_.edges(top_k=2)}
    assert strongest == {("x0", "x1", 1, 1), ("x0", "x2", 2, -1)}
    assert found.scores_.shape == (3, 3)
    assert found.lag_scores_.shape == (3, 3, 2)
    assert found.scores_[1, 0] > 3 * found.scores_[0, 1]
    assert found.lag_scores_[2, 0, 1] > 3 * found.lag_scores_[2, 0, 0]
    assert found.signed_scores_[1, 0] > 0 > found.signed_scores_[2, 0]
    np.testing.assert_allclose(found.scores_, found.lag_scores_.max(-1))


@pytest.mark.parametrize(("forcing", "least"), [(10.0, 0.99), (40.0, 0.97)])
def test_defaults_recover_lorenz96(forcing, least):
    data = lorenz96(20, 500, forcing, seed=0)
    found = GRNGC(random_state=0).fit(data.X)
    assert evaluate(found.scores_, data.truth).auroc >= least


def test_defaults_recover_a_linear_process_from_the_benchmark_file(shared_data):
    series, truth = np.load(shared_data / "var/p10/_x.npy").T, np.load(shared_data / "var/p10/_gc.npy")[..., ::-1]
    found = GRNGC(lags=3, random_state=0).fit(series)
    assert evaluate(found.scores_, truth.any(-1)).auroc >= 0.99
    assert evaluate(found.lag_scores_, truth).auroc >= 0.99


def test_dream4_takes_trajectories(shared_data):
    data = read_dream4(shared_data / "dream4", 10, 1)
    found = GRNGC(**QUICK).fit(data.trajectories)
    assert list(found.feature_names_in_ if hasattr(found, "feature_names_in_") else data.names) == list(data.names)
    assert found.scores_.shape == (10, 10)


@pytest.mark.parametrize("shape", ["frame", "list", "three dimensions", "tensor", "nested lists"])
def test_every_form_of_the_same_data_gives_the_same_scores(shape):
    data = chain(60)
    halves = np.stack([data[:30], data[30:]])
    one, two = GRNGC(**QUICK).fit(data), GRNGC(**QUICK).fit(list(halves))
    X, like = {
        "frame": (pd.DataFrame(data, columns=["a", "b", "c"]), one),
        "list": ([pd.DataFrame(half) for half in halves], two),
        "three dimensions": (halves, two),
        "tensor": (torch.tensor(data), one),
        "nested lists": (data.tolist(), one),
    }[shape]
    found = GRNGC(**QUICK).fit(X)
    np.testing.assert_array_equal(found.scores_, like.scores_)
    assert hasattr(found, "feature_names_in_") == (shape == "frame")
    assert found.graph_.names == (("a", "b", "c") if shape == "frame" else ("x0", "x1", "x2"))


def test_scores_do_not_depend_on_the_units():
    data = chain(60)
    scaled = data * [1.0, 1000.0, 1e-3] + [0.0, 5.0, -3.0]
    np.testing.assert_allclose(
        GRNGC(**QUICK).fit(data).scores_, GRNGC(**QUICK).fit(scaled).scores_, rtol=1e-3, atol=1e-5
    )


def test_scores_equal_the_functional_door():
    data = chain(60)
    found = GRNGC(lags=2, ranking="gradients", **QUICK).fit(data)
    standard = torch.tensor(found.scaler_.transform(data), dtype=torch.float32)
    x = torch.stack([standard[t : t + 2] for t in range(58)])
    np.testing.assert_allclose(causal_scores(found.model_, x, per_lag=True), found.lag_scores_, rtol=1e-5, atol=1e-7)


def test_predict_and_score_are_in_the_units_of_the_data():
    data = chain() * [1.0, 50.0, 1.0] + [0.0, 300.0, 0.0]
    found = GRNGC(lags=2, max_steps=300, random_state=0).fit(data)
    forecast = found.predict(data)
    assert forecast.shape == (len(data) - 2, 3)
    residual = data[2:] - forecast
    assert residual[:, 1].var() < 0.6 * data[:, 1].var()
    truth = data[2:]
    r2 = 1 - ((truth - forecast) ** 2).sum(0) / ((truth - truth.mean(0)) ** 2).sum(0)
    assert found.score(data) == pytest.approx(r2.mean())
    parts = found.predict([data[:50], data[50:]])
    assert [len(p) for p in parts] == [48, len(data) - 52]


def test_scikit_learn_conventions():
    est = GRNGC(lam=0.3, hidden=[4, 5], max_steps=5, random_state=3)
    assert clone(est).get_params() == est.get_params()
    data = chain(40)
    before = data.copy()
    assert est.fit(data) is est
    np.testing.assert_array_equal(before, data)
    assert est.n_features_in_ == 3
    again = pickle.loads(pickle.dumps(est))
    np.testing.assert_array_equal(again.predict(data), est.predict(data))
    with pytest.raises(NotFittedError):
        _ = GRNGC().scores_
    with pytest.raises(NotFittedError):
        GRNGC().predict(data)


def test_many_inputs_get_a_linear_path_and_few_do_not():
    data = np.random.default_rng(0).standard_normal((30, 201))
    quick = {"max_steps": 2, "random_state": 0, "targets": [0]}
    assert GRNGC(**quick).fit(data).model_.skip is not None
    assert GRNGC(**quick).fit(data[:, :200]).model_.skip is None
    assert GRNGC(**quick, lags=2).fit(data[:, :101]).model_.skip is not None
    assert GRNGC(**quick, skip=False).fit(data).model_.skip is None
    assert GRNGC(**quick, skip=True).fit(data[:, :5]).graph_.metadata["skip"] is True


def test_early_stopping_holds_windows_out_and_the_default_trains_on_all():
    data = chain(60)
    assert np.isnan(GRNGC(**QUICK).fit(data).history_.validation).all()
    stopped = GRNGC(lam=0.0, max_steps=3000, early_stopping=True, patience=3, random_state=0).fit(data).history_
    assert stopped.stopped == "early"
    assert stopped.best_step < stopped.step[-1] < 3000


# Flowers sorted by species, taken for a series, do not look stationary.
@pytest.mark.filterwarnings("ignore::grngc_fast.errors.DataWarning")
@parametrize_with_checks(
    [GRNGC(max_steps=2, hidden=4)],
    expected_failed_checks=lambda _: {
        "check_dtype_object": "a cell that is no number is an InputError that names the series, not a TypeError",
        "check_methods_sample_order_invariance": "a forecast depends on the order of the time steps",
        "check_methods_subset_invariance": "a forecast needs the steps before it",
    },
)
def test_scikit_learn_estimator_checks(estimator, check):
    check(estimator)


def test_a_fit_that_fails_leaves_the_earlier_one_whole():
    data = chain(60)
    found = GRNGC(**QUICK).fit(data)
    before = found.predict(data)
    with pytest.raises(FloatingPointError):
        found.set_params(learning_rate=1e30).fit(data * 100 + 7)
    np.testing.assert_array_equal(found.predict(data), before)


def test_fit_does_not_depend_on_the_callers_gradient_mode_or_default_dtype():
    data = chain(60)
    truth = GRNGC(**QUICK).fit(data).scores_
    with torch.no_grad():
        np.testing.assert_array_equal(GRNGC(**QUICK).fit(data).scores_, truth)
    torch.set_default_dtype(torch.float64)
    try:
        assert GRNGC(**QUICK).fit(data).scores_.dtype == np.float32
    finally:
        torch.set_default_dtype(torch.float32)


def test_random_state_fixes_the_result():
    data = chain(60)
    scores = [GRNGC(max_steps=20, hidden=8, random_state=seed).fit(data).scores_ for seed in (5, 5, 6)]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def with_value(row: int, column: int, value: float) -> np.ndarray:
    data = chain(40)
    data[row, column] = value
    return data


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (with_value(7, 1, np.nan), "series 'x1' holds NaN at row 7"),
        (with_value(0, 2, np.inf), "series 'x2' holds inf at row 0"),
        ([chain(40), with_value(3, 0, np.nan)], "series 'x0' holds NaN at row 3 of trajectory 1"),
        (chain(40) * [1, 0, 1], "constant series: 'x1'"),
        (chain(2), "2 time steps .* lags=2 needs at least 3"),
        (chain(40)[:, :1], "1 series .*at least two"),
        (chain(40)[:, 0], r"shape \(40,\); expected a 2-D array"),
        (np.empty((0, 3)), "empty"),
        ([], "empty list"),
        ([[1.0, 2.0], [3.0]], "rows of different lengths"),
        ([chain(40), chain(40)[:, :2]], r"different numbers of series: \[2, 3\]"),
        (pd.DataFrame(chain(40), columns=["a", "b", "a"]), "duplicate series names: 'a'"),
        (
            [pd.DataFrame(chain(40), columns=list("abc")), pd.DataFrame(chain(40), columns=list("acd"))],
            "different column names: trajectory 1 lacks 'b' and has 'd' besides",
        ),
        (pd.DataFrame({"a": ["1", "2", "oops"], "b": [1, 2, 3]}), "row 2: series 'a' has the text 'oops'"),
        (chain(40) + 1j, "Complex data not supported"),
        (np.ma.masked_less(chain(40), -1.0), "masked array"),
        (np.ma.masked_less(chain(40).reshape(2, 20, 3), -1.0), "trajectory 0 is a masked array"),
        (np.zeros((0, 5, 3)), "no trajectories"),
        (pd.DataFrame({"a": pd.date_range("2020", periods=9), "b": pd.date_range("2021", periods=9)}), "dates"),
        (chain(40) * [1.0, 1e200, 1.0], "series 'x1' has standard deviation (nan|inf)"),
        (1.0 + 1e-15 * (chain(40) > 1) * [0, 1, 0] + chain(40) * [1, 0, 1], "series 'x1' has standard deviation"),
    ],
)
def test_data_that_cannot_be_used_is_named(X, message):
    with pytest.raises(InputError, match=message):
        GRNGC(lags=2, **QUICK).fit(X)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("model", "transformer", "model='transformer' is unknown; use one of 'auto', 'mlp'"),
        ("model", [], r"model=\[\] is unknown"),
        ("model", ["mlp", "mlp"], r"model=\['mlp', 'mlp'\] names one twice"),
        ("activation", "swish", "activation='swish' is unknown; use one of"),
        ("skip", "yes", "skip='yes'; expected True, False or None"),
        ("lags", 0, "lags=0; expected a whole number of at least 1"),
        ("lags", 1.5, "lags=1.5; expected"),
        ("lags", True, "lags=True; expected"),
        ("lam", -1, "lam=-1; expected None or a number of at least 0"),
        ("lam", float("nan"), "lam=nan; expected"),
        ("hidden", [], r"hidden=\[\]; expected"),
        ("hidden", True, "hidden=True; expected"),
        ("hidden", 10**20, "hidden=1000"),
        ("activation", ["relu"], r"activation=\['relu'\] is unknown"),
        ("device", "meta", "device='meta' cannot be used here"),
        ("hidden", [8, 0], r"hidden=\[8, 0\]; expected"),
        ("max_steps", 0, "max_steps=0; expected"),
        ("batch_size", "big", "batch_size='big'; expected"),
        ("learning_rate", 0, "learning_rate=0; expected None or a number above 0"),
        ("validation_fraction", 1.0, "validation_fraction=1.0; expected a share between"),
        ("patience", 0, "patience=0; expected a whole number"),
        ("device", "tpu7", "device='tpu7' cannot be used here"),
    ],
)
def test_options_that_cannot_be_used_are_named(option, value, message):
    with pytest.raises(InputError, match=message):
        GRNGC(**{**QUICK, option: value}).fit(chain(40))


def test_forecasting_other_series_is_refused():
    frame = pd.DataFrame(chain(40), columns=list("abc"))
    found = GRNGC(**QUICK).fit(frame)
    with pytest.raises(InputError, match="X has 2 features"):
        found.predict(frame[["a", "b"]])
    with pytest.raises(InputError, match="feature names should match"):
        found.predict(frame[["b", "a", "c"]])


def test_a_constant_stretch_can_be_forecast():
    found = GRNGC(**QUICK).fit(chain(40))
    assert np.isfinite(found.predict(np.ones((5, 3)))).all()


class Described(GRNGC):
    """A subclass with a parameter of its own, as scikit-learn users write them."""

    def __init__(
        self, note: str = "", max_steps: int | None = None, hidden: int | None = None, random_state=None
    ) -> None:
        super().__init__(max_steps=max_steps, hidden=hidden, random_state=random_state)
        self.note = note


def test_a_subclass_may_have_more_and_fewer_parameters():
    plain, described = (kind(**QUICK).fit(chain(60)) for kind in (GRNGC, Described))
    np.testing.assert_array_equal(plain.scores_, described.scores_)
