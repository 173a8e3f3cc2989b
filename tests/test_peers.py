"""Peers find a clear graph, and one that is not installed says so."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers import PEERS, PeerMissingError, linear, method
from grngc_fast.datasets import var

PACKAGES = {"PCMCI", "VARLiNGAM", "GRNBoost2", "VAR Granger tests"}


@pytest.fixture(scope="module")
def data():
    return var(5, 400, n_lags=2, seed=1)


@pytest.mark.parametrize("name", [name for name in PEERS if name not in PACKAGES | {"correlation"}])
def test_what_needs_no_package_ranks_a_linear_graph(data, name):
    from grngc_fast import evaluate

    scores = PEERS[name].score(np.asarray(data.X), 2, 0)
    assert scores.shape == (5, 5)
    assert evaluate(scores, data.truth.any(-1)).auroc > 0.9


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_packages_rank_it_too_or_are_said_to_be_missing(data, name):
    from grngc_fast import evaluate

    try:
        scores = PEERS[name].score(np.asarray(data.X), 2, 0)
    except PeerMissingError as error:
        pytest.skip(str(error))
    assert evaluate(scores, data.truth.any(-1)).auroc > 0.85


def test_partial_correlations_are_those_of_the_definition(data):
    series = np.asarray(data.X, dtype=np.float64)
    effect, cause = 1, 3
    own = np.column_stack([np.ones(len(series) - 2), series[1:-1, effect], series[:-2, effect]])
    left = [
        v - own @ np.linalg.lstsq(own, v, rcond=None)[0]
        for v in (series[2:, effect], series[1:-1, cause], series[:-2, cause])
    ]
    expected = max(abs(np.corrcoef(left[0], other)[0, 1]) for other in left[1:])
    # Standardised in float32.
    assert linear.bivariate_granger(series, 2, 0)[effect, cause] == pytest.approx(expected, abs=1e-5)


def test_the_past_of_an_effect_is_no_cause(data):
    assert (np.diag(linear.bivariate_granger(np.asarray(data.X), 1, 0)) == 0).all()


def test_a_package_that_is_not_there_names_the_extra():
    with pytest.raises(PeerMissingError, match=r"no_such_peer is not installed: pip install .*peers"):
        method.needs("no_such_peer.part")
