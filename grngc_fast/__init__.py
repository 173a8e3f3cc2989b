"""Neural Granger causality at scale: the gradient penalty of GRNGC without ever storing the Jacobian.

The house, from the doors down. A room imports only what stands below it (`lint-imports` checks that); data flows the
other way once: table -> series -> windows -> factors -> op -> penalty -> step -> scores -> graph.

    cli/           the command `grngc-fast`: words to calls, results to files and screen
    estimator      GRNGC, the scikit-learn door: check, plan, start, train, score, keep
    scores         causal_scores, top_edges of a model that is trained already
    significance/  which edges can be trusted: tests on halves of the windows, p-values, false discovery rates
    yardsticks     the cheap linear methods that a network has to beat
    ranking/       evidence beside gradients where windows are few, and when edges are ranked by it
    planning/      before the training: options checked, what held-out evidence decides, the linear start, memory, where
                   a run was; and the path of penalty strengths
    training/      windows to a trained model: trainer, optimiser, sampling, checkpoints, the linear solver, working sets
    scoring/       a network to scores: means of gradients, blocks of effects, and where they go; of which units scores are
                   made, the functions that were learned of single causes, and forecasts
    models/        forecasters that know their Jacobian's factors
    evaluation     AUROC and average precision against a known network
    penalty        gradient_l1, gradient_frobenius of any torch module
    jacobian/      the sandwich W_out M W_in, its discovery in any module, the general path
    graph/         the result: edges, dense and sparse graphs, shares of units, their file, their pictures
    datasets/      simulators, readers of tables and truths, published sets by name
    series/        tables, candidate pairs, z-scores, windows
    kernels/       the op |a b| summed and never stored, splines, small networks; beside this folder, installed inside it
    plotting/      figures from arrays and names
    distributed, threads, forking, row_blocks, errors: what several rooms share, and none of them knows a room
"""

from __future__ import annotations

import importlib as _importlib
import logging as _logging
from pathlib import Path as _Path
from typing import TYPE_CHECKING

from .forking import survive_forks as _survive_forks

# In a checkout `kernels/` lies beside this package, in an installation inside it. The parent on the package path makes
# `grngc_fast.kernels` the same module in both.
if not (_Path(__file__).parent / "kernels").is_dir():
    __path__.append(str(_Path(__file__).parent.parent))

if TYPE_CHECKING:
    from .errors import FitDivergedWarning, InputError
    from .estimator import GRNGC
    from .evaluation import Evaluation, evaluate
    from .graph import CausalGraph, Edge, SparseCausalGraph, load_graph
    from .penalty import gradient_frobenius, gradient_l1
    from .planning import LambdaPath, MemoryEstimate, estimate_memory, lambda_path
    from .scores import causal_scores, top_edges

_survive_forks()
# What is logged is shown where the caller asks for it.
_logging.getLogger("grngc_fast").addHandler(_logging.NullHandler())

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
# Where each is; imported once it is asked for, so that the command can say its version without torch and scikit-learn.
_HOMES = {
    "errors": ("FitDivergedWarning", "InputError"),
    "estimator": ("GRNGC",),
    "evaluation": ("Evaluation", "evaluate"),
    "graph": ("CausalGraph", "Edge", "SparseCausalGraph", "load_graph"),
    "penalty": ("gradient_frobenius", "gradient_l1"),
    "planning": ("LambdaPath", "MemoryEstimate", "estimate_memory", "lambda_path"),
    "scores": ("causal_scores", "top_edges"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_ROOMS = frozenset(_HOMES) | {
    "datasets",
    "distributed",
    "jacobian",
    "kernels",
    "models",
    "plotting",
    "scoring",
    "series",
}
_ROOMS |= {"significance", "training", "yardsticks"}


def __getattr__(name: str) -> object:
    if name in _HOME:
        found = getattr(_importlib.import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = found
        return found
    if name in _ROOMS:
        return _importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
