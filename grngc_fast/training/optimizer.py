"""What moves the parameters: Adam with cosine decay to zero."""

from __future__ import annotations

import torch
from torch import nn

from .options import TrainingOptions


def build_optimizer(
    model: nn.Module, options: TrainingOptions
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Optimiser of the model's parameters and the schedule of its learning rate, stepped together."""
    optimizer = torch.optim.Adam(model.parameters(), lr=options.learning_rate, fused=True)
    return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.max_steps)
