"""From standardised windows to a trained model."""

from .history import History
from .options import TrainingOptions
from .trainer import Trainer, train
from .windows import Windows

__all__ = ["History", "Trainer", "TrainingOptions", "Windows", "train"]
