"""From standardised windows to a trained model."""

from .checkpoint import Checkpoint
from .distributed import World
from .history import History
from .loop import train
from .options import TrainingOptions
from .trainer import Trainer
from .windows import Windows

__all__ = ["Checkpoint", "History", "Trainer", "TrainingOptions", "Windows", "World", "train"]
