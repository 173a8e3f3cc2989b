"""Series to learn from: simulators with a known truth, and readers of files. Truths are [effect, cause(, lag)]."""

from __future__ import annotations

from .dataset import Dataset
from .dream import read_dream3, read_dream4
from .families import FUNCTIONS, additive, gate, product
from .lorenz96 import lorenz96
from .names import read_names
from .table import read_table
from .truth import read_truth
from .var import var

__all__ = [
    "FUNCTIONS",
    "Dataset",
    "additive",
    "gate",
    "lorenz96",
    "product",
    "read_dream3",
    "read_dream4",
    "read_names",
    "read_table",
    "read_truth",
    "var",
]
