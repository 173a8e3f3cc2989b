"""Which edges can be trusted: tests on windows that did not choose what they are held against."""

from .cross_fit import edge_p_values
from .result import Significance

__all__ = ["Significance", "edge_p_values"]
