"""Forecasters of all series at once that know the factors of their Jacobian."""

from .build import FORECASTERS, adopt, build, options_of, refuse_candidates
from .further import checked_options
from .grouped import GroupedMLP
from .kan import KAN
from .lstm import LSTM
from .mlp import MLP
from .own_past import OwnPast
from .sets import FEWEST_SPLINES, SetMLP
from .tcn import TCN

__all__ = [
    "FEWEST_SPLINES",
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
    "checked_options",
    "options_of",
    "refuse_candidates",
]
