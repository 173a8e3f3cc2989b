"""Forecasters that know the factors of their Jacobian."""

from .lstm import LSTM
from .mlp import MLP

__all__ = ["LSTM", "MLP"]
