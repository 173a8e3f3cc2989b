"""Forecasters of all series at once that know the factors of their Jacobian."""

from .build import FORECASTERS, adopt, build, options_of, refuse_candidates
from .grouped import GroupedMLP
from .kan import KAN
from .lstm import LSTM
from .mlp import MLP
from .own_past import OwnPast
from .sets import SetMLP
from .tcn import TCN

__all__ = [
    "FORECASTERS",
    "KAN",
    "LSTM",
    "MLP",
    "TCN",
    "GroupedMLP",
    "OwnPast",
    "SetMLP",
    "adopt",
    "build",
    "options_of",
    "refuse_candidates",
]
