"""Before the training: what was asked for, what held-out evidence decides, whether it fits, and where a run was."""

from .certificate import left_out
from .choice import chosen_plan
from .doubt import Doubt, doubt_of
from .evidence import Evidence, weigh
from .memory import MemoryEstimate, check_fit, estimate_memory
from .network import network_of, scored_part
from .options import MODELS, RANKINGS, FitOptions
from .path import lambda_path
from .path_result import LambdaPath
from .plan import Plan, recorded
from .refit import refitted, refitted_together
from .resumption import planned, recorded_random_state, settle
from .small_fits import fit_threads
from .start import start_network
from .stopwatch import Stopwatch

__all__ = [
    "MODELS",
    "RANKINGS",
    "Doubt",
    "Evidence",
    "FitOptions",
    "LambdaPath",
    "MemoryEstimate",
    "Plan",
    "Stopwatch",
    "check_fit",
    "chosen_plan",
    "doubt_of",
    "estimate_memory",
    "fit_threads",
    "lambda_path",
    "left_out",
    "network_of",
    "planned",
    "recorded",
    "recorded_random_state",
    "refitted",
    "refitted_together",
    "scored_part",
    "settle",
    "start_network",
    "weigh",
]
