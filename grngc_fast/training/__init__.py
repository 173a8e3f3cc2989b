"""From standardised windows to a trained model."""

from .checkpoint import Checkpoint
from .distributed import World
from .evidence import Evidence, weigh
from .history import History
from .linear_start import start_linear
from .loop import train
from .options import TrainingOptions
from .trainer import Trainer
from .windows import Windows

__all__ = [
    "Checkpoint",
    "Evidence",
    "History",
    "Trainer",
    "TrainingOptions",
    "Windows",
    "World",
    "start_linear",
    "train",
    "weigh",
]
