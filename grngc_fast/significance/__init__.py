"""Which edges can be trusted: tests on windows that did not choose what they are held against, and fits of resampled ones."""

from .cross_fit import edge_p_values
from .result import Significance, Stability
from .stability import stability

__all__ = ["Significance", "Stability", "edge_p_values", "stability"]
