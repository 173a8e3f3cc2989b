"""Whether memory holds what is kept of every pair."""

from __future__ import annotations

import torch

from ..errors import InputError
from ..planning import FitOptions
from ..planning.machine import as_bytes, available_memory, shown
from ..series import PreparedSeries


def check_room(what: str, bytes_to_a_pair: int, options: FitOptions, data: PreparedSeries) -> None:
    """Raise `InputError` unless the limit of the fit allows so many bytes for each pair; `what` the error names."""
    n_effects, n_causes = data.edges.n_effects, data.edges.n_causes
    needed, limit = bytes_to_a_pair * n_effects * n_causes, options.memory_limit
    allowed = available_memory(torch.device("cpu")) if limit is None else as_bytes(limit)
    if needed > allowed:
        raise InputError(
            f"{what} of {n_effects:,} effects by {n_causes:,} causes need {shown(needed)} and {shown(allowed)} is there; name"
            " fewer regulators or targets"
        )
