"""Forecasters that know the factors of their Jacobian."""

from .lstm import LSTM
from .mlp import MLP
from .tcn import TCN

__all__ = ["LSTM", "MLP", "TCN"]
