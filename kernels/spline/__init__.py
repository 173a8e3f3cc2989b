"""Uniform B-spline layers: values, and the matrix of their slopes. `reference` is the recursion, `dense` the closed form."""

from .basis import BASES, Basis
from .op import BACKENDS, spline_functions, spline_slopes, spline_values, spline_values_and_slopes
from .own import own_values

__all__ = [
    "BACKENDS",
    "BASES",
    "Basis",
    "own_values",
    "spline_functions",
    "spline_slopes",
    "spline_values",
    "spline_values_and_slopes",
]
