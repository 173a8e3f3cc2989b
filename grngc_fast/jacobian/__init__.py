"""Input-output Jacobians as factors of one product, and the general path for modules that have none."""

from .accumulate import means, total
from .activations import ACTIVATIONS, Activation
from .any_module import explain, jacobian_pieces
from .exactness import check_factors
from .factors import Factors, Sandwich, lag_major
from .pieces import FactorPieces, Jacobians, Pieces
from .protocol import HasFactors, check_targets, check_windows, factors_at, has_factors

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "FactorPieces",
    "Factors",
    "HasFactors",
    "Jacobians",
    "Pieces",
    "Sandwich",
    "check_factors",
    "check_targets",
    "check_windows",
    "explain",
    "factors_at",
    "has_factors",
    "jacobian_pieces",
    "lag_major",
    "means",
    "total",
]
