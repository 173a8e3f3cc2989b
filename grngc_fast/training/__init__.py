"""From standardised windows to a trained model."""

from .history import History
from .trainer import TrainingOptions, train
from .windows import Windows

__all__ = ["History", "TrainingOptions", "Windows", "train"]
