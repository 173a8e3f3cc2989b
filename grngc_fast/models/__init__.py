"""Forecasters that know the factors of their Jacobian."""

from .mlp import MLP

__all__ = ["MLP"]
