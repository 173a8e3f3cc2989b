"""From standardised windows to a trained model."""

from .checkpoint import Checkpoint
from .history import History
from .loop import train
from .options import TrainingOptions
from .trainer import Trainer

__all__ = ["Checkpoint", "History", "Trainer", "TrainingOptions", "train"]
