"""p-values on a GPU: score tests against those of the CPU in float64, then what they take beside the fit."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from grngc_fast.datasets import lorenz96
from grngc_fast.series import Windows
from grngc_fast.significance.chances import p_values
from grngc_fast.significance.condition import condition, ranked_functions
from grngc_fast.significance.explained import Explained
from grngc_fast.significance.inputs import FREQUENCIES, HalfInputs
from grngc_fast.significance.score_test import scores
from grngc_fast.significance.target import Target

from .. import guard
from ..results import Row
from ..significance.methods import ours

SERIES, STEPS, MEMBERS = 12, 201, (1, 5, 7)
# Of log p, relative.
TOLERANCE = 1e-3


def check_one(device: str) -> str:
    """Chances of all causes of some targets whose members are given: on the device against the CPU."""
    X = lorenz96(SERIES, STEPS, 10.0, seed=0).X.astype(np.float32)
    found = [_chances(Windows.from_trajectories([X], 1, device=torch.device(of))) for of in (device, "cpu")]
    guard.check("p-values", [found[0].cpu()], [found[1]], TOLERANCE)
    return "p-values"


def _chances(windows: Windows) -> Tensor:
    half = HalfInputs.of(windows, SERIES)
    explained = []
    for target in Target.each(windows, torch.tensor([0, 2, 4])):
        known = condition(half, MEMBERS, target, ranked_functions(half, MEMBERS, target))
        partners = torch.cat([target.past[:1], half.standard.T[list(MEMBERS[:2])]])
        explained.append(Explained.by(known, target.y, partners, MEMBERS))
    return p_values(scores(half, explained), (1, len(FREQUENCIES), 3)).clamp_min(1e-30).log()


def costs(device: str, n_series: int) -> list[Row]:
    """Seconds of a fit and of its p-values."""
    _, fit, tests = ours(lorenz96(n_series, 1000, 10.0, seed=1).X, 0, device=device)
    label = f"significance ours on {device}, cost, Lorenz-96 F=10"
    return [
        Row(label, P=n_series, L=1, H=0, N=999, metric=m, value=v, unit="s")
        for m, v in (("fit", fit), ("tests", tests))
    ]
