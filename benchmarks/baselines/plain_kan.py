"""A KAN as published."""

from __future__ import annotations

from torch import Tensor, nn

from grngc_fast.kernels.spline import reference
from grngc_fast.models import KAN


class PlainKAN(nn.Module):
    """All splines of every input by Cox and de Boor's recursion, one product for splines and base."""

    def __init__(self, model: KAN) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        h = x.flip(1).flatten(1)
        for layer in self.model.layers:
            functions = reference.functions(h, layer.basis)
            h = functions.flatten(1) @ layer.weights().flatten(1).T
        return h
