"""Neural Granger causality at scale: the gradient penalty of GRNGC without ever storing the Jacobian."""

from __future__ import annotations

from pathlib import Path as _Path

# In a checkout `kernels/` lies beside this package, in an installation inside it. The parent on the package path makes
# `grngc_fast.kernels` the same module in both.
if not (_Path(__file__).parent / "kernels").is_dir():
    __path__.append(str(_Path(__file__).parent.parent))

from .errors import FitDivergedWarning, InputError
from .estimator import GRNGC
from .evaluation import Evaluation, evaluate
from .graph import CausalGraph, Edge, SparseCausalGraph, load_graph
from .memory import MemoryEstimate, estimate_memory
from .path import LambdaPath, lambda_path
from .penalty import gradient_frobenius, gradient_l1
from .scores import causal_scores, top_edges

__version__ = "0.1.0"
__all__ = [
    "GRNGC",
    "CausalGraph",
    "Edge",
    "Evaluation",
    "FitDivergedWarning",
    "InputError",
    "LambdaPath",
    "MemoryEstimate",
    "SparseCausalGraph",
    "causal_scores",
    "estimate_memory",
    "evaluate",
    "gradient_frobenius",
    "gradient_l1",
    "lambda_path",
    "load_graph",
    "top_edges",
]
