"""The benchmark of choices without the truth: what rules pick of candidates, and the table of what that costs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import regret
from benchmarks.accuracy import Case
from benchmarks.accuracy.problem import Problem
from benchmarks.recorded import Recorded
from benchmarks.regret import candidates, label, rules, tables
from benchmarks.regret.candidates import Candidate, strongest
from grngc_fast.datasets import Dataset, lorenz96
from grngc_fast.series import as_series_table

RNG = np.random.default_rng(0)
GOOD, BAD = RNG.random((4, 4)), RNG.random((4, 4))


def candidate(network: str = "mlp", lam: float = 0.1, ranking: str = "gradients", **given: Any) -> Candidate:
    defaults = {"scores": GOOD, "errors": np.ones(8), "halves": (GOOD, GOOD), "refit": 1.0}
    return Candidate(network, lam, ranking, **{**defaults, **given})


def test_the_strongest_pairs_are_of_different_series() -> None:
    scores = np.array([[9.0, 2.0, 1.0], [0.5, 9.0, 3.0], [0.1, 0.2, 9.0]])
    np.testing.assert_array_equal(strongest(scores, 1), [[0, 1, 1], [0, 0, 1], [0, 0, 0]])
    assert strongest(np.array([[1.0], [3.0]]), 1).sum() == 2


def test_each_rule_picks_what_its_name_says() -> None:
    noise = np.linspace(-0.1, 0.1, 8)
    pool = [
        candidate(lam=0.3, errors=1.01 + noise, halves=(GOOD, BAD)),
        candidate(lam=0.1, errors=1.0 - noise, halves=(GOOD, BAD)),
        candidate("sets", 0.2, errors=np.full(8, 2.0), refit=0.5),
    ]
    found = rules.picks(pool, "gradients")
    assert found["held-out error"].lam == 0.1
    assert found["held-out error, one standard error"].lam == 0.3
    assert found["stability of 1 edges a target"].name == "sets, gradients"
    assert found["refit error"].lam == 0.2
    assert found["stability of 1 edges a target, within one standard error"].lam == 0.1
    assert not np.isfinite(found["mean of all"].lam)


def test_a_rule_sees_the_ranking_of_the_default_alone_but_for_those_that_tell_rankings_apart() -> None:
    pool = [candidate(ranking="combined", refit=0.2), candidate(lam=0.3)]
    found = rules.picks(pool, "gradients")
    assert found["refit error"].lam == 0.3
    assert found["refit error, either ranking"].name == "mlp, combined"


def test_the_oracle_knows_the_truth_and_never_loses_to_the_default() -> None:
    judged: Any = {id(GOOD): {"AUROC": 0.9}, id(BAD): {"AUROC": 0.6}}
    pool = [candidate(scores=BAD), candidate(scores=GOOD, lam=0.3)]

    def by_truth(scores: np.ndarray) -> Mapping[str, float]:
        return judged.get(id(scores), {"AUROC": 0.7})

    assert rules.oracle(pool, rules.Pick(BAD), by_truth, "AUROC").lam == 0.3
    assert rules.oracle(pool[:1], rules.Pick(np.zeros((4, 4)), "default"), by_truth, "AUROC").name == "default"


def test_a_mean_of_rankings_is_of_ranks() -> None:
    both = rules.mean_ranking([candidate(scores=GOOD), candidate(scores=1e6 * GOOD)])
    np.testing.assert_array_equal(np.argsort(both.scores, axis=None), np.argsort(GOOD, axis=None))


def _two(seed: int) -> Dataset:
    first, second = (lorenz96(5, 60, seed=seed + k) for k in (1, 2))
    return Dataset(as_series_table([first.X, second.X]), first.truth, "two")


TWO = Case("netsim-two", "Two", 1, _two)


def test_candidates_of_a_set_are_judged_once_for_all_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "LAMS", (0.1,))
    monkeypatch.setattr(
        candidates, "NETWORKS", {"mlp": {"model": "mlp", "max_steps": 20}, "linear": candidates.NETWORKS["linear"]}
    )
    problem = Problem.of_case(TWO, 0, "strict")
    pool = list(candidates.candidates_of(problem, 0))
    assert [(one.network, one.ranking) for one in pool] == [
        (network, ranking) for network in ("mlp", "linear") for ranking in candidates.RANKINGS
    ]
    assert pool[0].errors.shape == (12,) and 0 < pool[0].refit < 2
    assert not np.array_equal(*pool[0].halves) and not np.array_equal(pool[0].scores, pool[1].scores)

    found = regret.judged(problem, 0, pool)
    assert set(found) == {"default", "oracle", *rules.RULES, *rules.OPEN, *rules.GRADIENTS}
    best = max([*(areas["AUROC"] for areas, pick in found.values() if pick.name)])
    assert found["oracle"][0]["AUROC"] >= best >= found["default"][0]["AUROC"]


def test_a_set_that_is_recorded_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Here:
        def __enter__(self) -> Any:
            return lambda function, *arguments, limit: {"oracle": ({"AUROC": 1.0, "AUPRC": 0.5}, rules.Pick(GOOD))}

        def __exit__(self, *error: object) -> None:
            pass

    monkeypatch.setattr(regret, "Worker", Here)
    monkeypatch.setattr(regret, "cases", lambda data, names: [TWO])
    done: set[tuple[str, str]] = set()
    monkeypatch.setattr(regret, "_recorded", lambda commit: done)
    arguments = argparse.Namespace(data=Path(), sets=["two"], seeds=2, limit=1.0, resume=True)
    assert [[row.metric for row in rows] for rows in regret.batches(arguments)] == [["AUROC", "AUPRC"]] * 2
    done.add((label("oracle", "Two"), "0"))
    assert [row.seed for row in regret.run(arguments)] == [1, 1]


def rows(rule: str, title: str, auroc: float, auprc: float) -> list[dict[str, str]]:
    shared = {"method": label(rule, title), "P": "8", "L": "1", "N": "9", "busy": "", "seed": "0", "commit": "a"}
    return [{**shared, "metric": name, "value": str(of)} for name, of in (("AUROC", auroc), ("AUPRC", auprc))]


def test_regret_is_the_oracle_less_the_rule_and_a_constant_is_left_out() -> None:
    figures = {"oracle": (0.9, 0.8), "default": (0.88, 0.7), "stability of 1 edges a target": (0.5, 0.5)}
    figures |= {"stability of 2 edges a target": (0.9, 0.8), "stability of 4 edges a target": (0.6, 0.6)}
    better = {"oracle": (1.0, 1.0), "default": (0.96, 1.0)}
    recorded = Recorded(
        [row for name, of in figures.items() for row in rows(name, "sos", *of)]
        + [row for name, of in better.items() for row in rows(name, "VAR P=10", *of)]
        + [row for name, of in better.items() for row in rows(name, "NetSim 1", 1.0, of[1])]
    )
    assert tables.regrets(recorded, "default")["sos"] == pytest.approx({"AUROC": 0.02, "AUPRC": 0.1})
    drawn = tables.regret(recorded)
    assert "| default | .020 | .040 VAR P=10 | .000 | .000 NetSim 1 | 2 | .020 / .100 | 1 |" in drawn
    assert "| stability |" in drawn
    assert "| held-out error |" not in drawn

    good, fair, bad = ({"AUROC": value, "AUPRC": value} for value in (0.0, 0.1, 0.4))
    members = [{"a": good, "b": good, "c": bad}, dict.fromkeys("abc", fair)]
    assert tables.left_out(members) == {"a": fair, "b": fair, "c": bad}
