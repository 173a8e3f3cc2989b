"""Forecasters that know the factors of their Jacobian."""

from .kan import KAN
from .mlp import MLP

__all__ = ["KAN", "MLP"]
