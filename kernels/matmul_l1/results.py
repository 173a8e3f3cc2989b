"""What the tiled path is asked for and what it gives back besides the value."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Needs:
    """Which results are wanted besides the value."""

    a: bool = False
    b: bool = False
    scale: bool = False
    bias: bool = False

    def transposed(self) -> Needs:
        return Needs(a=self.b, b=self.a, scale=self.scale, bias=self.bias)

    @property
    def left(self) -> bool:
        return self.a or self.scale

    @property
    def any(self) -> bool:
        return self.left or self.b or self.bias


@dataclass
class Gradients:
    a: Tensor | None = None
    b: Tensor | None = None
    scale: Tensor | None = None
    bias: Tensor | None = None

    def transposed(self) -> Gradients:
        return Gradients(_t(self.b), _t(self.a), self.scale, _t(self.bias))


def _t(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.mT
