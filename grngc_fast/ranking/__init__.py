"""By what edges are ranked where windows are few: gradients, cheap evidence with other errors, and what a cause's effects say."""

from .causes import CausePrior
from .combination import combined
from .conditional import conditional
from .evidence import association, inclusion, pairwise
from .moments import Moments
from .ranked import WEIGHTS, WEIGHTS_OF_FEW, WEIGHTS_OF_MANY, Gathered, gather, ranked
from .same_step import SameStep

__all__ = [
    "WEIGHTS",
    "WEIGHTS_OF_FEW",
    "WEIGHTS_OF_MANY",
    "CausePrior",
    "Gathered",
    "Moments",
    "SameStep",
    "association",
    "combined",
    "conditional",
    "gather",
    "inclusion",
    "pairwise",
    "ranked",
]
