"""Forecasters of all series at once that know the factors of their Jacobian."""

from .build import FORECASTERS, adopt, build, options_of
from .kan import KAN
from .lstm import LSTM
from .mlp import MLP
from .tcn import TCN

__all__ = ["FORECASTERS", "KAN", "LSTM", "MLP", "TCN", "adopt", "build", "options_of"]
