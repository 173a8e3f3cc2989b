"""What no working set holds: its evidence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from grngc_fast.series import CandidateEdges, prepare
from grngc_fast.training.working_sets import SetData
from grngc_fast.training.working_sets.outside import evidence_outside


@pytest.fixture(scope="module")
def system():
    """(inputs and target of 400 windows): series 0 follows a bump of series 5, one step later."""
    x = np.random.default_rng(0).standard_normal((401, 8))
    x[1:, 0] = np.exp(-4 * x[:-1, 5] ** 2) + 0.1 * x[1:, 0]
    return prepare(x, 1).windows


def evidence(windows, columns, edges=None):
    data = SetData.of(windows, edges)
    return evidence_outside(data, columns, data.y - data.y.mean(1, keepdim=True))


def test_a_cause_that_no_set_holds_stands_out_and_what_sets_hold_is_0(system):
    columns = torch.tensor([[1, 2, -1]]).repeat(8, 1)
    found = evidence(system, columns)
    assert found[0].argmax() == 5 and found[0, 5] > 2 * found[0].topk(2).values[1]
    assert (found[:, [1, 2]] == 0).all() and (found[:, [0, 3, 4, 5, 6, 7]] > 0).all()


def test_what_is_no_candidate_is_0(system):
    allowed = np.ones((8, 8), dtype=bool)
    allowed[0, 5] = allowed[3] = False
    every = np.arange(8)
    edges = CandidateEdges(every, every, csr_array(allowed), np.array([], dtype=int))
    found = evidence(system, torch.full((8, 2), -1), edges)
    assert found[0, 5] == 0 and (found[3] == 0).all() and (found[1] > 0).all()


def test_tiles_of_targets_are_those_of_all_at_once(system, monkeypatch):
    columns = torch.arange(16).remainder(8).view(8, 2)
    whole = evidence(system, columns)
    monkeypatch.setattr("grngc_fast.training.working_sets.outside.TILE", 3)
    torch.testing.assert_close(evidence(system, columns), whole)
