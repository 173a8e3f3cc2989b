"""By what edges are ranked where windows are few: gradients, cheap evidence with other errors, and what a cause's effects say."""

from .causes import CausePrior
from .combination import combined
from .evidence import association, inclusion, pairwise
from .moments import Moments
from .ranked import ranked

__all__ = ["CausePrior", "Moments", "association", "combined", "inclusion", "pairwise", "ranked"]
