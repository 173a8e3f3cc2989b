"""Input-output Jacobians as factors of one product, and the ways to them for modules that offer none."""

from .accumulate import means, total
from .activations import ACTIVATIONS, Activation
from .any_module import explain, jacobian_pieces
from .columns import ColumnFactors
from .exactness import check_factors
from .factors import Chain, Factors, Sandwich, lag_major
from .grouped import Block, GroupedFactors
from .layers import HiddenLayer, Normalised, layered_factors
from .pieces import FactorPieces, Jacobians, ModulePieces, Pieces
from .protocol import (
    HasFactors,
    KnowsItsPenalty,
    causal_part,
    check_targets,
    check_windows,
    factors_at,
    has_factors,
    knows_its_penalty,
)

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Block",
    "Chain",
    "ColumnFactors",
    "FactorPieces",
    "Factors",
    "GroupedFactors",
    "HasFactors",
    "HiddenLayer",
    "Jacobians",
    "KnowsItsPenalty",
    "ModulePieces",
    "Normalised",
    "Pieces",
    "Sandwich",
    "causal_part",
    "check_factors",
    "check_targets",
    "check_windows",
    "explain",
    "factors_at",
    "has_factors",
    "jacobian_pieces",
    "knows_its_penalty",
    "lag_major",
    "layered_factors",
    "means",
    "total",
]
