"""Input-output Jacobians as factors of one product, and the general path for modules that have none."""

from .activations import ACTIVATIONS, Activation
from .columns import ColumnFactors
from .factors import Chain, Factors, Sandwich, lag_major
from .general import jacobian_chunks
from .layers import Layer, Normalised, layered_factors
from .protocol import HasFactors, check_windows, factors_at, has_factors

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Chain",
    "ColumnFactors",
    "Factors",
    "HasFactors",
    "Layer",
    "Normalised",
    "Sandwich",
    "check_windows",
    "factors_at",
    "has_factors",
    "jacobian_chunks",
    "lag_major",
    "layered_factors",
]
